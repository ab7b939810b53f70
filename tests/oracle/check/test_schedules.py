"""What `check` says of the cron expressions: the next three times, how many a year, and a round that cannot be of that second."""

from __future__ import annotations

from typing import Any

import pytest

from oracle.check.check import check
from oracle.check.schedules import schedule_line, schedule_notes, schedule_rows
from oracle.config.resolve import ResolvedConfig, resolve
from oracle.config.sections import parse
from tests.oracle.config.small_config import table

NOON = 1_796_040_000
"""2026-11-30 12:00 UTC."""


def resolved(interval_s: int = 10, **keys: Any) -> ResolvedConfig:
    target = {"chain": "local", "store": "0x" + "55" * 20, **keys}
    return resolve(parse(table(targets={"t": target}, oracle={"round_interval_s": interval_s})))


def test_each_schedule_is_shown_with_its_feeds_its_next_three_times_and_its_number_a_year() -> None:
    rows = list(
        schedule_rows(resolved(cron=["0 */8 * * *"], cron_by_feed={"ETH/USD": ["0 0 29 2 *", "0 8 * * 5L"]}), NOON)
    )
    assert [(r["feeds"], r["cron"], r["times_a_year"]) for r in rows] == [
        (["wdivETH/ETH"], ["0 */8 * * *"], 3 * 365),
        (["ETH/USD"], ["0 0 29 2 *", "0 8 * * 5L"], 12),
    ]
    assert rows[0]["next"] == ["2026-11-30 16:00 UTC", "2026-12-01 00:00 UTC", "2026-12-01 08:00 UTC"]
    assert rows[1]["next"] == ["2026-12-25 08:00 UTC", "2027-01-29 08:00 UTC", "2027-02-26 08:00 UTC"]
    assert schedule_line(rows[0]) == (
        "target t: cron 0 */8 * * * for wdivETH/ETH: next 2026-11-30 16:00 UTC, 2026-12-01 00:00 UTC,"
        " 2026-12-01 08:00 UTC; at most 1095 prices a year for it"
    )


def test_a_target_without_a_schedule_has_no_row_and_an_empty_list_takes_a_feed_out() -> None:
    assert list(schedule_rows(resolved(), NOON)) == []
    (row,) = schedule_rows(resolved(cron=["0 0 * * *"], cron_by_feed={"ETH/USD": []}), NOON)
    assert row["feeds"] == ["wdivETH/ETH"]


@pytest.mark.parametrize(("interval_s", "after_s"), [(1, None), (10, None), (60, None), (7, 6), (120, 119)])
def test_rounds_that_miss_the_full_minute_are_told(interval_s: int, after_s: int | None) -> None:
    told = list(schedule_notes(resolved(interval_s, cron=["0 0 * * *"])))
    assert [f"of up to {after_s} s after it" in t for t in told] == ([] if after_s is None else [True])
    assert list(schedule_notes(resolved(interval_s, cron_by_feed={"ETH/USD": []}))) == []


async def test_check_has_them() -> None:
    document = await check(resolved(cron=["0 0 * * *"]), offline=True, environ={})
    assert [len(s["next"]) for s in document["schedules"]] == [3]
