"""[retention]: what is left out is as long as evidence lasts; what is too short is told, with what to write."""

from __future__ import annotations

from typing import Any

import pytest

from oracle.config.resolve import resolve
from oracle.config.retention import retention_of, retention_problems
from oracle.config.sections import parse
from oracle.config.tables.schema import ConfigError
from oracle.model.retention import Retention

FEED = {"mode": "market", "min_groups": 1, "reference_only": True, "accept_single_group": True,
        "sources": [{"type": "coinbase", "symbol": "ETH-USD"}]}  # fmt: skip
STAKE = {
    "signers": ["0x" + "11" * 20], "threshold": 1, "longest_epoch_s": 4 * 86_400,
    "stake": {"delegated": {"token": "0x" + "22" * 20, "treasury": "0x" + "33" * 20}},
}  # fmt: skip


def config(**tables: Any) -> Any:
    return parse({"feeds": {"ETH/USD": FEED}, **tables})


def problems(**tables: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        resolve(config(**tables))
    return str(caught.value)


def test_the_defaults() -> None:
    assert retention_of(config()) == Retention(
        rounds_days=7, values_days=7, records_days=7, minutes_days=30, hours_days=1_825, pushed_values_days=400,
        pushes_days=400,
    )  # fmt: skip
    resolve(config())


def test_where_stake_signs_all_stays_until_a_penalty_is_carried_out_and_reports_are_settled() -> None:
    staked = config(stores={"home": STAKE})
    assert retention_of(staked).rounds_days == retention_of(staked).values_days == 16
    slow = {**STAKE, "stake": {**STAKE["stake"], "dispute_s": 30 * 86_400}}
    slowest = config(stores={"home": slow})
    assert retention_of(slowest).rounds_days > 40
    assert list(retention_problems(slowest)) == []


def test_a_time_shorter_than_evidence_says_the_least() -> None:
    text = problems(stores={"home": STAKE}, retention={"rounds_days": 15, "values_days": 15})
    assert "retention.rounds_days: 15 is less than the 16 days for which what was signed may be asked for" in text
    assert "write 16 or more, or leave it out" in text


@pytest.mark.parametrize(
    ("keys", "text"),
    [
        ({"values_days": 3}, "retention.values_days: 3 is less than rounds_days = 7"),
        ({"records_days": 3}, "retention.records_days: 3 is less than rounds_days = 7"),
        ({"minutes_days": 5}, "retention.minutes_days: 5 is less than records_days = 7"),
        ({"hours_days": 20}, "retention.hours_days: 20 is less than minutes_days = 30"),
        ({"pushed_values_days": 6}, "retention.pushed_values_days: 6 is less than values_days = 7"),
    ],
)
def test_each_time_fits_the_others(keys: dict[str, int], text: str) -> None:
    assert f"{text}, and what is kept there needs it: write" in problems(retention=keys)


def test_pushes_stay_for_longer_than_records_or_nobody_knows_which_of_them_were_pushed() -> None:
    text = problems(retention={"pushes_days": 7})
    assert "retention.pushes_days: 7 is not more than records_days = 7" in text
    assert "write 8 or more, or less for records_days" in text
    resolve(config(retention={"pushes_days": 8}))
    kept = retention_of(config(retention={"records_days": 800, "minutes_days": 900}))
    assert kept.pushes_days == 801


def test_slow_rounds_are_handed_on_for_longer() -> None:
    slow = {"round_interval_s": 3_600}
    assert retention_of(config(oracle=slow)).records_days == 26
    assert "retention.records_days: 20 is too short for rounds of 3600 s" in problems(
        oracle=slow, retention={"records_days": 20}
    )


def test_the_old_key_says_where_it_went() -> None:
    with pytest.raises(
        ConfigError, match=r"oracle.keep_days: `keep_days` is gone.*`rounds_days = ...` in \[retention\]"
    ):
        config(oracle={"keep_days": 3})
