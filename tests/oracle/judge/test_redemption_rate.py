"""What the judge remembers of a redemption rate, and its rules: growth, its cap, cadence, falls, and a second reading."""

from __future__ import annotations

from feeds.types import Kind, Pair
from feeds.units import WAD, Bps
from oracle.judge.redemption_rate import capped_rate, next_rate_state
from oracle.judge.rules import rate
from oracle.model.state import RateState
from oracle.model.status import Status, Why
from oracle.model.types import Aggregate
from tests.oracle.judge.rule_build import ALL_ON, DAY, RULED, evidence, ruled_input
from tests.oracle.oracle_build import T0, wad


def reading(owed: str, at_ms: int) -> Aggregate:
    price = wad(owed)
    return Aggregate(
        pair=Pair(base="A", quote="B"), kind=Kind.REDEMPTION, price_wad=price, point_wad=price, spread_bps=Bps(0),
        as_of_ms=at_ms, used=(), rejected=(),
    )  # fmt: skip


def tracked(rows: list[tuple[int, str]]) -> RateState:
    state: RateState | None = None
    for at_ms, owed in rows:
        state = next_rate_state(RULED.bands, ALL_ON, state, reading(owed, T0 + at_ms), T0 + at_ms)
    assert state is not None
    return state


def test_rows_that_come_twice_or_out_of_order_are_no_news() -> None:
    clean = [(0, "1.050"), (DAY, "1.051"), (2 * DAY, "1.052")]
    messy = [*clean[:2], clean[1], clean[0], clean[2], clean[1], clean[0]]
    assert tracked(messy) == tracked(clean)
    assert tracked(messy).fell_at_ms is None


def test_a_rate_cannot_leap_over_its_growth_cap_and_a_fall_passes() -> None:
    leapt = tracked([(0, "1.06"), (12_000, "1.70")])
    cap = capped_rate(ALL_ON, leapt, leapt.rate_wad, T0 + 12_000)
    assert wad("1.06") < cap < wad("1.0611")
    found = rate.growth(ruled_input(evidence(redemption_wad=cap, rate=leapt), at_ms=T0 + 12_000))
    assert found is not None
    assert (found.reason.code, found.status, found.at_once) == (Why.GROWTH, Status.WATCH, Status.WATCH)
    fell = tracked([(0, "1.06"), (12_000, "1.05")])
    assert capped_rate(ALL_ON, fell, fell.rate_wad, T0 + 12_000) == wad("1.05")


def test_an_honest_rate_of_three_percent_a_year_never_meets_its_cap() -> None:
    state: RateState | None = None
    owed = 105 * WAD // 100
    for day in range(400):
        now = T0 + day * DAY
        state = next_rate_state(RULED.bands, ALL_ON, state, reading(f"{owed / WAD:.18f}", now), now)
        assert capped_rate(ALL_ON, state, state.rate_wad, now) == state.rate_wad
        owed += owed * 3 // 100 // 365
    assert state is not None
    assert len(state.snapshots) <= 62


def test_a_capped_rate_does_not_become_the_next_snapshot() -> None:
    rows = [(0, "1.06"), *((d * DAY, "1.70") for d in range(1, 90))]
    state = tracked(rows)
    assert all(r < wad("1.10") for _, r in state.snapshots)


def test_a_rate_that_stands_longer_than_its_cadence_is_named() -> None:
    state = tracked([(0, "1.06"), (DAY, "1.06")])
    assert rate.stale(ruled_input(evidence(rate=state), at_ms=T0 + 2 * DAY)) is None
    assert rate.stale(ruled_input(evidence(rate=state), at_ms=T0 + 2 * DAY + 1)) is not None


def test_two_readings_that_differ_are_named() -> None:
    two = (("rate", wad("1.0600")), ("assets by supply", wad("1.0613")))
    found = rate.derivation(ruled_input(evidence(readings=two)))
    assert found is not None
    assert "assets by supply" in found.reason.text
    assert rate.derivation(ruled_input(evidence(readings=(two[0], ("again", wad("1.0610")))))) is None
    assert rate.derivation(ruled_input(evidence(readings=two[:1]))) is None


def test_many_small_falls_within_a_day_are_a_slash() -> None:
    state = tracked([(0, "1.05"), *((i * 12_000, f"{1.05 * (1 - i * 9e-6):.9f}") for i in range(1, 10))])
    assert state.fell_at_ms is not None
    assert state.fell_ppb > 50_000
