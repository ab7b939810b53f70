"""The confidence, part by part, and whether the next value of recorded series lies inside of it as often as stated."""

from __future__ import annotations

import csv
import random
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feeds.units import WAD, Wad
from oracle.combine.confidence import calibrated_volatility, confidence_bps, volatility_allowance_bps
from oracle.combine.error_budget import LegError, error_budget
from oracle.model.spec import Tuning
from oracle.model.state import Sample
from oracle.model.types import Input
from tests.oracle.oracle_build import wad

SHARED_DATA = Path(__file__).resolve().parent.parent.parent.parent.parent / "shared" / "data"

DAY_MS = 86_400_000
STILL = Tuning(drift_bps_day=0)


def group(price: str, own_bps: int | None = None) -> Input:
    return Input(source=price, group=price, price_wad=wad(price), weight=1, at_ms=0, own_bps=own_bps)


def test_disagreement_is_the_largest_distance_rounded_up() -> None:
    assert confidence_bps(wad("1"), [group("1.00101"), group("0.9999"), group("1")], 0, STILL) == 11


def test_own_spreads_count_by_their_median_and_silence_has_no_say() -> None:
    calm = [group("1", 3), group("1", 4), group("1")]
    assert confidence_bps(wad("1"), calm, 0, STILL) == 4
    assert confidence_bps(wad("1"), [*calm, group("1", 5_000)], 0, STILL) == 4
    assert confidence_bps(wad("1"), [group("1")], 0, STILL) == 0


@pytest.mark.parametrize(
    ("age_ms", "expected"), [(DAY_MS - 10_000, 110), (DAY_MS // 4 - 10_000, 55), (0, 2), (-5_000, 2)]
)
def test_drift_grows_with_the_square_root_of_the_age(age_ms: int, expected: int) -> None:
    assert volatility_allowance_bps(age_ms, Tuning(drift_bps_day=110, horizon_s=10)) == expected


@given(a=st.integers(0, 10**9), b=st.integers(0, 10**9))
def test_an_older_price_is_never_surer(a: int, b: int) -> None:
    assert volatility_allowance_bps(min(a, b), Tuning()) <= volatility_allowance_bps(max(a, b), Tuning())


def test_calibration_finds_the_drift_of_a_simulated_walk() -> None:
    """Steps of 20 bps a day in one standard deviation: 95 % lie within 1.96 of them."""
    rng = random.Random(11)
    at, price, series = 0, 1.0, []
    for _ in range(4_000):
        series.append(Sample(at_ms=at, price_wad=Wad(int(price * WAD))))
        step_ms = rng.randrange(60_000, DAY_MS)
        price *= 1 + rng.gauss(0, 20e-4) * (step_ms / DAY_MS) ** 0.5
        at += step_ms
    assert calibrated_volatility(series, 95) == pytest.approx(39.2, abs=2.5)
    assert calibrated_volatility(series, 68) == pytest.approx(20, abs=1.5)


def test_a_calibration_needs_a_step_and_a_percentage() -> None:
    one = [Sample(at_ms=0, price_wad=Wad(WAD))]
    with pytest.raises(ValueError, match="at least two times"):
        calibrated_volatility(one, 95)
    with pytest.raises(ValueError, match="write 1 to 100"):
        calibrated_volatility(one * 2, 0)


def steth() -> list[Sample]:
    path = SHARED_DATA / "series" / "curve_steth_pool_daily_2021_2022" / "derived_steth_spot_A50.csv"
    if not path.is_file():
        pytest.skip("the recorded stETH series is not beside this checkout")
    with path.open() as file:
        rows = list(csv.DictReader(file))
    return [Sample(at_ms=int(r["timestamp"]) * 1_000, price_wad=wad(r["spot_steth_in_eth_A50"])) for r in rows]


def covered(series: list[Sample], tuning: Tuning) -> float:
    """Share of steps whose next value lies inside of the confidence that was published with the one before."""
    inside = []
    for now, after in pairwise(series):
        row = Input(source="pool", group="pool", price_wad=now.price_wad, weight=1, at_ms=now.at_ms)
        spread = confidence_bps(now.price_wad, [row], after.at_ms - now.at_ms, tuning)
        inside.append(abs(after.price_wad - now.price_wad) * 10_000 <= now.price_wad * spread)
    return sum(inside) / len(inside)


def test_recorded_steth_stays_inside_of_the_default_at_the_stated_rate_through_the_depeg() -> None:
    series = steth()
    assert covered(series, Tuning(horizon_s=0)) >= 0.99
    assert covered(series, Tuning(horizon_s=0, drift_bps_day=45)) == pytest.approx(0.95, abs=0.01)
    assert [calibrated_volatility(series, p) for p in (95, 99)] == [45, 109]


def test_what_a_calm_year_teaches_holds_in_the_next_calm_months() -> None:
    """Out of sample: the 95 % of the first 150 days covers 90 % or more of what followed until May 2022."""
    series = [s for s in steth() if s.at_ms < 1_651_800_000_000]
    drift = calibrated_volatility(series[:150], 95)
    assert covered(series[150:], Tuning(horizon_s=0, drift_bps_day=drift)) >= 0.9


def leg(push_bps: int, spread_bps: int, age_ms: int = 0, heartbeat_s: int = 3_600) -> LegError:
    return LegError(feed="x", push_bps=push_bps, heartbeat_s=heartbeat_s, spread_bps=spread_bps, age_ms=age_ms)


def test_thresholds_of_two_and_a_half_percent_make_two_and_a_half_and_a_bit() -> None:
    budget = error_budget([leg(200, 10, 5_000), leg(50, 20, 9_000, 86_400)])
    assert (budget.push_bps, budget.spread_bps, budget.total_bps) == (251, 31, 283)
    assert (budget.age_ms, budget.stale_s) == (9_000, 86_400)


@given(errors=st.lists(st.tuples(st.integers(0, 3_000), st.integers(0, 3_000)), min_size=1, max_size=4))
def test_a_product_never_claims_less_than_its_legs_can_be_wrong(errors: list[tuple[int, int]]) -> None:
    budget = error_budget([leg(push, spread) for push, spread in errors])
    worst = 1.0
    for push, spread in errors:
        worst *= (1 + push / 1e4) * (1 + spread / 1e4)
    assert budget.total_bps >= (worst - 1) * 1e4 - 1e-6
    assert budget.total_bps >= sum(push + spread for push, spread in errors)


def test_a_budget_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one leg"):
        error_budget([])
