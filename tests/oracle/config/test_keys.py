"""What a declaration promises is what the parser does: defaults that follow, bounds, units, forms, each told at its key."""

from __future__ import annotations

from typing import Any

import pytest

from feeds.units import WAD
from oracle.config.sections import parse
from oracle.config.tables.schema import ConfigError
from oracle.model.spec import Rules
from tests.oracle.config.small_config import table


def feed(**parts: Any) -> Any:
    sources = [{"type": "coinbase", "symbol": "ETH-USD"}, {"type": "kraken", "symbol": "ETH/USD"}]
    return parse({"feeds": {"ETH/USD": {"sources": sources, **parts}}}).feeds["ETH/USD"]


def refused(config: dict[str, Any]) -> dict[str, str]:
    with pytest.raises(ConfigError) as caught:
        parse(config)
    return {p.key: p.text for p in caught.value.problems}


def refused_feed(**parts: Any) -> dict[str, str]:
    config = table()
    config["feeds"]["ETH/USD"] |= parts
    return {k.removeprefix('feeds."ETH/USD".'): text for k, text in refused(config).items()}


@pytest.mark.parametrize("watch_bps", [1, 50, 61])
def test_what_is_left_out_follows_from_the_bands(watch_bps: int) -> None:
    made = feed(bands={"watch_bps": watch_bps}, max_spread_bps=301)
    assert (made.bands.watch_leave_bps, made.bands.depeg_leave_bps) == (watch_bps // 2, 100)
    assert (made.rules.moved_bps, made.rules.drift_bps_hours) == (watch_bps, 72 * watch_bps)
    assert made.rules.drift_slack_bps == max(1, watch_bps // 2)
    assert made.rules.disagree_bps == 150


def test_what_is_written_wins_over_what_would_follow() -> None:
    made = feed(bands={"watch_leave_bps": 3}, rules={"moved_bps": 0, "drift_bps_hours": 7, "disagree_bps": 0})
    assert made.bands.watch_leave_bps == 3
    assert (made.rules.moved_bps, made.rules.drift_bps_hours, made.rules.disagree_bps) == (0, 7, 0)
    assert feed(rules={"drift_slack_bps": 0}).rules.drift_slack_bps == 1, "less counts as 1"


def test_rules_in_code_have_what_follows_from_the_bands_turned_off() -> None:
    rules = Rules()
    assert (rules.moved_bps, rules.drift_slack_bps, rules.drift_bps_hours, rules.disagree_bps) == (0, 0, 0, 0)


def test_every_number_out_of_range_is_told_at_its_key_with_its_bounds_and_its_meaning() -> None:
    told = refused_feed(
        max_age_s=0, rules={"learn_bps_day": 6, "share_percent": 101, "ramp_s": 0}, bands={"slash_ppb": -1}
    )
    assert told["max_age_s"] == "0 is out of range: write 1 to 3600 (inputs older than this do not count)"
    assert told["rules.learn_bps_day"].startswith("6 is out of range: write 0 to 5 (how fast")
    assert told["rules.share_percent"].startswith("101 is out of range: write 0 to 100 (")
    assert told["rules.ramp_s"].startswith("0 is out of range: write 1 or more (how long redemption_unless_depeg takes")
    assert told["bands.slash_ppb"].startswith("-1 is out of range: write 0 or more (")
    assert len(told) == 5


def test_a_wrong_band_is_told_once_and_not_again_by_what_follows_from_it() -> None:
    assert set(refused_feed(bands={"watch_bps": "x"})) == {"bands.watch_bps"}
    assert set(refused_feed(max_spread_bps="x")) == {"max_spread_bps"}


@pytest.mark.parametrize(("text", "wad"), [("0.5", WAD // 2), ("1", WAD), ("0.000000000000000001", 1)])
def test_a_decimal_text_is_read_exactly(text: str, wad: int) -> None:
    assert feed(tuning={"least": text, "most": "9"}).tuning.least == wad


@pytest.mark.parametrize("value", ["lots", "", "-1", "0.0000000000000000001", "1e25", 1, 0.5, True])
def test_what_is_not_a_decimal_text_is_refused_at_its_key(value: Any) -> None:
    assert set(refused_feed(tuning={"min_cost_100bps": value})) == {"tuning.min_cost_100bps"}


def test_keys_that_belong_together_are_told_at_the_one_that_is_written() -> None:
    assert set(refused_feed(tuning={"most": "2"})) == {"tuning.most"}
    assert set(refused_feed(rules={"snapshot_rate": "1.05"})) == {"rules.snapshot_at_s"}
    assert feed(rules={"snapshot_rate": "1.05", "snapshot_at_s": 7}).rules.snapshot_rate == WAD * 105 // 100


def test_what_the_rules_fix_is_not_a_key_of_the_file() -> None:
    assert "unknown key" in refused_feed(rules={"least_part": 5})["rules.least_part"]


def test_an_error_about_a_url_does_not_repeat_it() -> None:
    config = table(
        chains={
            "local": {"chain_id": 1, "endpoints": ["ftp://me:hunter2@host"], "announcers": ["http://me:hunter2@host"]}
        },
        targets={"t": {"chain": "local", "store": "0x" + "55" * 20, "relays": ["me:hunter2@host"]}},
        operators=[
            {"name": "a", "journal": "j", "signer_url": "http://me:hunter2@host", "signer_address": "0x" + "11" * 20}
        ],
    )
    told = refused(config)
    assert set(told) == {
        "chains.local.endpoints[0]", "chains.local.announcers[0]", "targets.t.relays[0]", "operators[0].signer_url",
    }  # fmt: skip
    assert "hunter2" not in str(told)
