"""The same history in dense and in sparse rounds: what a rule counts, sees and remembers over a gap."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feeds.types import Kind, Pair
from feeds.units import WAD, Bps, Wad
from oracle.judge.evidence import Evidence, PoolEvidence, RuleInput
from oracle.judge.memory import next_memory
from oracle.judge.redemption_rate import next_rate_state
from oracle.judge.rules import backing, cusum, fast_move, market
from oracle.judge.verdict import judge
from oracle.model.spec import FeedSpec, Rules
from oracle.model.state import FeedState, JudgeState, Memory, RateState
from oracle.model.status import Status, Why
from oracle.model.types import Aggregate, FeedRound, Used
from oracle.round.step import step
from tests.oracle.oracle_build import T0, outcomes, spec, wad

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
RULES = Rules(moved_bps=50, drift_slack_bps=25, drift_bps_hours=3_600)
FEED = replace(spec(), rules=RULES)
gaps = st.lists(st.integers(1, 24), min_size=1, max_size=40)


def facts(bps: int = 0, **more: object) -> Evidence:
    price = Wad(WAD + WAD * bps // 10_000)
    known = {"market_wad": price, "redemption_wad": Wad(WAD), "groups": 3, "rate": None}
    return Evidence(**(known | more))  # type: ignore[arg-type]


def case(seen: Evidence, memory: Memory, at_ms: int, feed: FeedSpec = FEED) -> RuleInput:
    return RuleInput(spec=feed, memory=memory, status=Status.OK, evidence=seen, now_ms=at_ms)


def summed(rows: list[tuple[int, int]], feed: FeedSpec = FEED) -> int:
    """The sum below, in bps hours, after rounds of (hour, discount in bps)."""
    memory = Memory()
    for hour, bps in rows:
        at_ms = T0 + hour * HOUR
        low, high = cusum.next_sums(feed, memory, -bps, at_ms)
        memory = replace(memory, at_ms=at_ms, deviation_bps=-bps, drift_low=low, drift_high=high)
    return memory.drift_low // HOUR


# --- the sum of a slow drift


@given(gaps=gaps, steps=st.lists(st.integers(0, 3), min_size=961, max_size=961), first=st.integers(-100, 60))
def test_a_discount_that_only_deepens_sums_in_sparse_rounds_to_less_by_at_most_the_longest_gap_times_its_growth(
    gaps: list[int], steps: list[int], first: int
) -> None:
    endless = replace(FEED, rules=replace(RULES, drift_bps_hours=10**9))
    hours = [0]
    for gap in gaps:
        hours.append(hours[-1] + gap)
    path = [first]
    for bps in steps[: hours[-1]]:
        path.append(path[-1] + bps)
    dense, sparse = summed(list(enumerate(path)), endless), summed([(h, path[h]) for h in hours], endless)
    assert dense - max(gaps) * (path[-1] - path[0]) <= sparse <= dense


@pytest.mark.parametrize("every", [1, 2, 5, 20, 24])
def test_a_lasting_discount_is_told_after_the_same_time_and_a_gap_however_rare_the_rounds(every: int) -> None:
    """49 bps, 24 of them over the slack: 3,600 bps hours are 150 hours."""
    told = next(h for h in range(0, 1_000, every) if summed([(x, 49) for x in range(0, h + 1, every)]) >= 3_600)
    assert 150 <= told <= 150 + every
    assert summed([(x, 25) for x in range(0, 1_000, every)]) == 0


def test_a_gap_counts_by_its_smaller_end_and_for_a_day_at_most() -> None:
    assert summed([(0, 49), (24, 125)]) == 24 * 24
    assert summed([(0, 125), (24, 49)]) == 24 * 24
    assert summed([(0, 49), (720, 49)]) == 24 * 24
    assert summed([(0, 125), (1, 0)]) == 0
    assert summed([(h, 49 if h % 24 == 0 else 0) for h in range(240)]) == 0, "one bad round a day is no drift"


def test_the_sum_counts_the_gap_that_ends_in_the_round_that_is_judged() -> None:
    memory = Memory(at_ms=T0, deviation_bps=-49, drift_low=3_599 * HOUR)
    assert cusum.slow_drift(case(facts(-49), memory, T0 + HOUR)) is not None
    assert cusum.slow_drift(case(facts(0), memory, T0 + HOUR)) is None


def test_what_a_day_teaches_does_not_depend_on_how_many_rounds_it_has() -> None:
    feed = replace(FEED, rules=replace(RULES, learn_bps_day=5, learn_cap_bps=12))
    for every in (MINUTE, HOUR, DAY):
        memory = Memory()
        for at_ms in range(0, DAY + 1, every):
            memory = next_memory(case(facts(-30), memory, T0 + at_ms, feed))
        assert memory.normal_mbps == -5_000


def test_the_level_is_learned_towards_the_nearer_end_of_a_gap() -> None:
    feed = replace(FEED, rules=replace(RULES, learn_bps_day=5, learn_cap_bps=12))
    memory = Memory()
    for at_ms, bps in ((0, -2), (DAY, -40), (2 * DAY, 1)):
        memory = next_memory(case(facts(bps), memory, T0 + at_ms, feed))
    assert memory.normal_mbps == -2_000


# --- a slash


def reading(owed: str, at_ms: int, name: str = "") -> Aggregate:
    price = wad(owed)
    used = (Used(source=name, group=name, price_wad=price, weight_bps=Bps(10_000), age_ms=0),) if name else ()
    return Aggregate(
        pair=Pair(base="A", quote="B"), kind=Kind.REDEMPTION, price_wad=price, point_wad=price, spread_bps=Bps(0),
        as_of_ms=at_ms, used=used, rejected=(),
    )  # fmt: skip


@given(
    every=st.lists(st.integers(1, 200_000), min_size=3, max_size=30),
    when=st.integers(1, 28),
    part=st.sampled_from([0, 9_000, 20_000, 10**7]),
    dwell=st.integers(0, 50_000),
    hold=st.integers(1, 50_000),
)
def test_a_slash_is_told_in_the_round_after_it_at_any_cadence(
    every: list[int], when: int, part: int, dwell: int, hold: int
) -> None:
    """Rounds 1 s to 2 days apart, dwells and holds of any length; ``part`` in parts per billion, 10,000 is the tolerance."""
    bands = replace(FEED.bands, watch_dwell_s=dwell, slash_hold_s=hold)
    feed = replace(FEED, bands=bands, sources=tuple(replace(s, max_age_s=10**6) for s in FEED.sources))
    state, at_ms, told = FeedState(), T0, []
    for i, seconds in enumerate(every):
        at_ms += seconds * 1_000
        owed = 1 - part / 1e9 if i >= when else 1
        result, state = step(feed, state, outcomes(f"{owed:.12f}", f"{owed:.12f}", at_ms), {}, at_ms)
        assert isinstance(result, FeedRound)
        told.append((result.report.status, result.report.why))
    fell = part > 10_000 and when < len(every)
    assert all(status is Status.OK for status, _ in told[:when])
    assert (told[min(when, len(told) - 1)] == (Status.WATCH, Why.SLASH)) is fell
    assert any(status is not Status.OK for status, _ in told) is fell


def test_a_slash_does_not_hide_behind_a_reading_that_fails() -> None:
    rows = [("1.05", "first"), ("1.00", "second"), ("1.00", "first")]
    state: RateState | None = None
    for i, (owed, name) in enumerate(rows):
        at_ms = T0 + i * MINUTE
        state = next_rate_state(FEED.bands, RULES, state, reading(owed, at_ms, name), at_ms)
    assert state is not None
    assert state.fell_at_ms == T0 + MINUTE
    near: RateState | None = None
    for i, (owed, name) in enumerate([("1.0500", "first"), ("1.0490", "second"), ("1.0500", "first")]):
        near = next_rate_state(FEED.bands, RULES, near, reading(owed, T0 + i * MINUTE, name), T0 + i * MINUTE)
    assert near is not None
    assert near.fell_at_ms is None, "two readings may differ by so much"


# --- fast moves, depth, supply


@pytest.mark.parametrize(("gap_ms", "told"), [(5 * MINUTE, True), (20 * MINUTE, True), (HOUR, True), (HOUR + 1, False)])
def test_a_fast_move_inside_a_gap_is_told_up_to_an_hour(gap_ms: int, told: bool) -> None:
    memory = next_memory(case(facts(0), Memory(), T0))
    assert (fast_move.fast_move(case(facts(-55), memory, T0 + gap_ms)) is not None) is told


@given(every=st.integers(1, 60), bps=st.integers(0, 7))
def test_a_slow_move_is_never_a_fast_one(every: int, bps: int) -> None:
    """Up to 7 bps in ten minutes: 42 in the hour that a deviation stands at most, below the limit of 50 at any cadence."""
    memory = Memory()
    for minute in range(0, 600, every):
        seen = facts(-bps * minute // 10)
        assert fast_move.fast_move(case(seen, memory, T0 + minute * MINUTE)) is None
        memory = next_memory(case(seen, memory, T0 + minute * MINUTE))
        assert len(memory.deviations) <= fast_move.MOST_DEVIATIONS


def pools(depth: int) -> Evidence:
    return facts(pools=(PoolEvidence(source="a", share_bps=None, depth_wad=depth * WAD),))


@pytest.mark.parametrize("every_ms", [10 * MINUTE, 20 * MINUTE, 3 * HOUR, DAY])
@pytest.mark.parametrize("gap_ms", [0, DAY + 1, 30 * DAY])
def test_depth_that_left_in_a_gap_is_told_however_rare_the_rounds(every_ms: int, gap_ms: int) -> None:
    memory, at_ms = Memory(), T0
    for _ in range(200):
        at_ms += every_ms
        memory = next_memory(case(pools(100), memory, at_ms))
        assert len(memory.depths) <= market.MOST_DEPTHS
    at_ms += every_ms + gap_ms
    assert market.shallow(case(pools(29), memory, at_ms)) is not None
    assert market.shallow(case(pools(31), memory, at_ms)) is None
    for _ in range(200):
        memory = next_memory(case(pools(29), memory, at_ms))
        at_ms += every_ms
    assert market.shallow(case(pools(29), memory, at_ms)) is None, "what has lasted is the usual depth"


@pytest.mark.parametrize("gap_ms", [MINUTE, DAY, 60 * DAY])
def test_a_supply_that_leaps_in_a_gap_is_told_for_as_long_as_any(gap_ms: int) -> None:
    """By 30 % while a day is grown into by 5: four days and more, in rounds of ten minutes."""
    memory = next_memory(case(facts(supply_wad=1_000 * WAD), Memory(), T0))
    leapt, began = facts(supply_wad=1_300 * WAD), T0 + gap_ms
    at_ms = began
    while backing.unbacked(case(leapt, memory, at_ms)) is not None:
        memory = next_memory(case(leapt, memory, at_ms))
        at_ms += 10 * MINUTE
    assert 4 * DAY < at_ms - began < 7 * DAY


def test_rounds_with_a_gap_are_judged_as_dense_ones_are_where_nothing_happens() -> None:
    """The control: a quiet feed says ok whatever the gaps."""
    for every in (10_000, 20 * MINUTE, DAY, 40 * DAY):
        state, memory = JudgeState(), Memory()
        for i in range(60):
            seen = pools(100 + i % 3)
            seen = replace(seen, market_wad=Wad(WAD - WAD * (i % 20) // 10_000), supply_wad=1_000 * WAD)
            verdict, state, memory = judge(FEED, state, memory, seen, T0 + i * every)
            assert (verdict.status, verdict.reasons) == (Status.OK, ())
    assert all(a < b for a, b in pairwise(at for at, _ in memory.depths))
