"""Due by cron: once for each time, however many passed, never before it, never for a price that is repeated."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from feeds.units import Bps, Wad
from oracle.chain.store_rules import StoreLimits
from oracle.model.status import Status, Why
from oracle.model.types import Report
from oracle.push.due import Candidate, Cause, PushPolicy, decide, due, has_price_of
from oracle.runtime.cron import moment_text
from tests.oracle.oracle_build import spec, wad

EIGHT = 1_796_025_600
"""2026-11-30 08:00 UTC."""
MINUTE_S, HOUR_S = 60, 3_600
HOURLY = PushPolicy(cron=("0 * * * *",))
FEED = spec(heartbeat_s=30 * 86_400)


def report(at_s: int, market: str = "1.05", **changes: object) -> Report:
    base = Report(
        market_wad=wad(market), redemption_wad=wad("1.05"), spread_bps=Bps(5), status=Status.OK, why=Why.NONE,
        round_time_s=at_s, market_age_s=1, redemption_age_h=1,
    )  # fmt: skip
    return replace(base, **changes)  # type: ignore[arg-type]


@given(
    stored_s=st.integers(EIGHT - 5 * HOUR_S, EIGHT + HOUR_S), fresh_s=st.integers(EIGHT - 5 * HOUR_S, EIGHT + HOUR_S)
)
def test_due_exactly_if_a_time_lies_after_the_stored_round_and_not_after_this_one(stored_s: int, fresh_s: int) -> None:
    """Every hour of the range asked alone: the law needs no calendar."""
    reason = due(FEED, report(stored_s), report(fresh_s), HOURLY)
    between = [t for t in range(EIGHT - 6 * HOUR_S, EIGHT + 2 * HOUR_S, HOUR_S) if stored_s < t <= fresh_s]
    assert (reason is not None and reason.cause is Cause.CRON) == bool(between)
    if reason is not None:
        late_s = fresh_s - between[-1]
        assert reason.text == f"cron {moment_text(between[-1])}" + (f", {late_s} s after it" if late_s else "")


@given(
    times=st.lists(st.integers(1, 900), min_size=1, max_size=60),
    written=st.sampled_from(["*/5 * * * *", "0 * * * *", "7,8,9 * * * *", "* * * * *"]),
)
def test_a_run_of_rounds_pushes_once_for_all_times_that_passed_since_the_last_push(
    times: list[int], written: str
) -> None:
    """Rounds with gaps of any length, as after an outage: each push is at the first round that reaches a new time."""
    policy, stored, now_s = PushPolicy(cron=(written,)), report(EIGHT), EIGHT
    minutes = {"*/5 * * * *": range(0, 60, 5), "0 * * * *": range(1), "7,8,9 * * * *": range(7, 10)}.get(
        written, range(60)
    )
    for step_s in times:
        now_s += step_s
        new = any(
            t // MINUTE_S % 60 in minutes
            for t in range(stored.round_time_s // MINUTE_S * MINUTE_S + MINUTE_S, now_s + 1, MINUTE_S)
        )
        reason = due(FEED, stored, report(now_s), policy)
        assert (reason is not None) == new
        if reason is not None:
            stored = report(now_s)
            assert due(FEED, stored, report(now_s), policy) is None, "one push, not one for each time"


def test_a_second_before_it_is_not_due_and_at_its_second_it_is() -> None:
    stored = report(EIGHT - 10)
    assert due(FEED, stored, report(EIGHT - 1), HOURLY) is None
    reason = due(FEED, stored, report(EIGHT), HOURLY)
    assert reason is not None
    assert (reason.cause, reason.text) == (Cause.CRON, "cron 2026-11-30 08:00 UTC")
    assert due(FEED, report(EIGHT), report(EIGHT + 10), HOURLY) is None
    assert due(FEED, stored, report(EIGHT), PushPolicy()) is None, "without a schedule"


def test_a_feed_that_abstains_is_not_pushed_for_it() -> None:
    stored = report(EIGHT - 10, status=Status.WATCH)
    repeated = replace(stored, round_time_s=EIGHT, status_only=True)
    assert due(FEED, stored, repeated, HOURLY) is None
    halted = report(EIGHT - 10, status=Status.HALT)
    assert due(FEED, halted, replace(halted, round_time_s=EIGHT), HOURLY) is None
    fresh = due(FEED, stored, report(EIGHT + 30, status=Status.WATCH), HOURLY)
    assert fresh is not None, "its next price of its own is"
    assert fresh.text == "cron 2026-11-30 08:00 UTC, 30 s after it"


def test_the_urgent_names_the_reason_and_cron_stands_before_the_heartbeat() -> None:
    stored, at = report(EIGHT - 10), report(EIGHT)
    moved = due(FEED, stored, replace(at, market_wad=Wad(wad("1.06"))), HOURLY)
    assert moved is not None
    assert moved.cause is Cause.DEVIATION
    both = due(replace(FEED, heartbeat_s=10), stored, at, HOURLY)
    assert both is not None
    assert both.cause is Cause.CRON


def test_a_feed_s_own_times_replace_those_of_the_target() -> None:
    policy = replace(HOURLY, cron_by_feed=((FEED.feed, ("30 * * * *",)), ("other", ())))
    assert due(FEED, report(EIGHT - 10), report(EIGHT), policy) is None
    half = due(FEED, report(EIGHT + 1_790), report(EIGHT + 1_800), policy)
    assert half is not None
    assert policy.schedule_of("other") == ()
    assert policy.schedule_of("any") == ("0 * * * *",)


def test_the_gas_budget_does_not_hold_it_back_and_a_backup_waits_as_for_all() -> None:
    limits = StoreLimits(max_push_age_s=60)
    spent = Candidate(spec=FEED, stored=report(EIGHT - 10), fresh=report(EIGHT), limits=limits, gas_spent=10)
    made = decide({0: spent}, replace(HOURLY, gas_per_day=5), block_time_s=EIGHT)
    assert made.push[0].cause is Cause.CRON
    waits = decide({0: spent}, replace(HOURLY, offset_s=20), block_time_s=EIGHT)
    assert (waits.push, waits.held) == ({}, {0: "backup: due for 0 s, the primary has 20"})


def test_a_slot_is_filled_by_a_price_of_its_time_and_not_by_a_repeated_one() -> None:
    assert has_price_of(FEED, report(EIGHT), EIGHT)
    assert has_price_of(FEED, report(EIGHT, market_age_s=FEED.max_age_s), EIGHT)
    assert not has_price_of(FEED, None, EIGHT)
    assert not has_price_of(FEED, report(EIGHT - 1), EIGHT)
    assert not has_price_of(FEED, report(EIGHT, market_age_s=FEED.max_age_s + 1), EIGHT), (
        "pushed after it, priced before"
    )
    assert not has_price_of(FEED, report(EIGHT, status=Status.HALT), EIGHT)
