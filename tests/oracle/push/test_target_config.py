"""[targets.*]: what contradicts itself is refused with what to write, and what is written reaches the pusher."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest

from oracle.config.resolve import resolve
from oracle.config.sections import parse
from oracle.config.tables.operator_sections import TargetSection
from oracle.config.tables.schema import ConfigError
from oracle.push.due import PushPolicy
from tests.oracle.config.small_config import problems, table

TARGET = {"chain": "local", "store": "0x" + "55" * 20}


def target(**changes: Any) -> TargetSection:
    chains = {"local": {"chain_id": 1, "endpoints": ["http://127.0.0.1:1"]}}
    return parse({"chains": chains, "targets": {"t": {**TARGET, **changes}}}).targets["t"]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"signer_url": "http://127.0.0.1:9000"}, "belong together"),
        ({"signer_address": "0x" + "11" * 20}, "belong together"),
        ({"signer_url": "http://a:1", "signer_address": "0x11"}, "is not an address"),
        ({"signer_url": "http://u:p@a:1", "signer_address": "0x" + "11" * 20}, "secrets are never in the config"),
        ({"signer_url": "http://a:1", "signer_address": "0x" + "11" * 20, "gas_keyfile": "k"}, "are two keys"),
        ({"tip_percentile": 101}, "tip_percentile: 101 is out of range: write 0 to 100"),
        ({"early_percent": -1}, "early_percent: -1 is out of range: write 0 to 100"),
        ({"offset_s": -1}, "offset_s: -1 is out of range: write 0 or more"),
        ({"confirmations": 0}, "confirmations: 0 is out of range: write 1 or more"),
        ({"cron": ["0 */8 * *"]}, r"cron\[0\]: '0 \*/8 \* \*' has 4 fields: write five"),
        ({"cron": ["0 0 * * *", "0 24 * * *"]}, r"cron\[1\]: .*its hour '24' cannot be: write 0 to 23"),
        ({"cron": "0 0 * * *"}, "cron: expected a list, found text"),
        ({"cron": ["0 0 * * *"] * 17}, "cron: 17 expressions, at most 16"),
        ({"cron_by_feed": {"ETH/USD": ["0 0 30 2 *"]}}, "its day-of-month '30' cannot be"),
        ({"cron_by_feed": {"ETH/USD": ["0 0 * * *"] * 17}}, 'cron_by_feed."ETH/USD": 17 expressions'),
        ({"pokes": ["0x66"]}, "is not an address"),
        ({"pokes": ["0x" + "66" * 20, "0x" + "66" * 20]}, "a view is listed twice"),
        ({"pokes": ["0x" + "ab" * 20, "0x" + "AB" * 20]}, "a view is listed twice"),
        ({"pokes": ["0x" + "55" * 20]}, "not the store's own"),
        ({"pokes": ["0x" + "00" * 20]}, "not zero"),
        ({"pokes": [f"0x{i:040x}" for i in range(1, 18)]}, "17 views, at most 16"),
    ],
)
def test_what_contradicts_itself_is_refused(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        target(**changes)


@pytest.mark.parametrize(
    ("feed", "says"),
    [
        ("ETH/USDD", "is not a feed of the config; did you mean 'ETH/USD'?"),
        ("wdivETH/USD", "is never pushed: it is off, reference_only or a product of others"),
        ("ETH/USD", None),
    ],
)
def test_a_schedule_of_a_feed_that_is_never_pushed_is_refused(feed: str, says: str | None) -> None:
    config = table(targets={"t": {**TARGET, "cron_by_feed": {feed: ["0 8 * * *"]}}})
    if says is None:
        assert resolve(parse(config)).config.targets["t"].cron_by_feed == ((feed, ("0 8 * * *",)),)
    else:
        assert f'targets.t.cron_by_feed."{feed}": ' in (told := problems(config))
        assert says in told


def test_every_key_of_the_policy_is_a_key_of_a_target_with_the_same_default() -> None:
    section = target()
    assert {f.name: getattr(section, f.name) for f in fields(PushPolicy)} == {
        f.name: getattr(PushPolicy(), f.name) for f in fields(PushPolicy)
    }
