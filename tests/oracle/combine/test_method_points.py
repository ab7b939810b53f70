"""Point methods and filters against worked examples and against numpy and scipy."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest
import scipy.optimize
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from feeds.units import BPS, WAD, Wad
from oracle.combine.groups import weigh_groups
from oracle.combine.methods.fixed import decay_q32, decay_q64, exp2_q64, log2_q64
from oracle.combine.methods.hodges_lehmann import hodges_lehmann
from oracle.combine.methods.huber import huber
from oracle.combine.methods.iqr import fence, iqr
from oracle.combine.methods.mad import mad
from oracle.combine.methods.midhinge import midhinge
from oracle.combine.methods.recent import recent
from oracle.combine.methods.registry import METHODS
from oracle.combine.methods.three_vote import three_vote_confidence
from oracle.combine.methods.trimmed_mean import trimmed_mean
from oracle.model.spec import Tuning
from oracle.model.types import Input
from tests.oracle.oracle_build import wad

prices = st.integers(min_value=10**12, max_value=10**24)


def inputs(*rows: str | tuple[str, int], at_ms: list[int] | None = None) -> list[Input]:
    pairs = [r if isinstance(r, tuple) else (r, 1) for r in rows]
    times = at_ms or [0] * len(pairs)
    return [
        Input(source=f"s{i}", group=f"g{i}", price_wad=wad(p), weight=w, at_ms=times[i], rank=i)
        for i, (p, w) in enumerate(pairs)
    ]


def of(numbers: list[int]) -> list[Input]:
    return [Input(source=f"s{i}", group=f"g{i}", price_wad=Wad(p), weight=1, at_ms=0) for i, p in enumerate(numbers)]


def price(name: str, given: list[Input], **tuning: object) -> int:
    knobs = Tuning(**tuning)  # type: ignore[arg-type]
    return METHODS[name].point(weigh_groups(METHODS[name], given, knobs))


@pytest.mark.parametrize("name", ["median", "weighted_median", "depth_weighted_median", "age_weighted_median"])
def test_every_median_with_equal_weights_agrees_with_numpy(name: str) -> None:
    rng = random.Random(7)
    for count in range(1, 12):
        numbers = [rng.randrange(10**17, 10**19) for _ in range(count)]
        expected = float(np.median(np.array([p / WAD for p in numbers])))
        assert price(name, of(numbers)) / WAD == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("mean", WAD * 5 // 2), ("trimmed_mean", WAD * 5 // 2), ("midhinge", WAD * 5 // 2), ("lwap", WAD * 26 // 9)],
)
def test_means_of_one_to_four_weighing_one_to_four(name: str, expected: int) -> None:
    """By hand: (1 + 2 + 3 + 4) / 4; with weights, of which 40 is held to a third, 30: (10 + 40 + 90 + 120) / 90 = 26 / 9."""
    assert price(name, inputs(("1", 10), ("2", 20), ("3", 30), ("4", 40))) == expected


@given(numbers=st.lists(prices, min_size=1, max_size=20))
def test_trimmed_mean_agrees_with_scipy(numbers: list[int]) -> None:
    expected = float(scipy.stats.trim_mean(np.array(numbers, dtype=float), 0.25))
    assert trimmed_mean(of(numbers)) == pytest.approx(expected, rel=1e-12)


def test_midhinge_of_one_to_eight_is_between_the_third_and_the_sixth() -> None:
    assert midhinge(of([WAD * k for k in (8, 1, 7, 2, 6, 3, 50, 4)])) == WAD * (3 + 7) // 2


@given(numbers=st.lists(prices, min_size=4, max_size=15))
def test_huber_solves_its_equation_or_is_held_at_a_quartile(numbers: list[int]) -> None:
    x = np.array(sorted(numbers), dtype=float)
    centre = float(np.median(x))
    corner = max(1.0, 1.345 * 1.4826 * float(np.median(np.abs(x - centre))), centre / BPS)
    root = scipy.optimize.brentq(
        lambda m: float(np.clip(x - m, -corner, corner).sum()), x[0] - 1, x[-1] + 1, xtol=1e-3, rtol=1e-15
    )
    low, high = x[len(x) // 4], x[-1 - len(x) // 4]
    got = huber(of(numbers))
    pull = float(np.clip(x - got, -corner, corner).sum())
    held = got in (int(low), int(high)) or math.isclose(got, low) or math.isclose(got, high)
    assert held or abs(pull) <= 1e-9 * float(x.sum())
    assert held or got == pytest.approx(min(max(root, low), high), rel=1e-6) or abs(pull) <= 1e-9 * float(x.sum())


def test_huber_of_near_prices_is_their_mean_and_of_a_far_one_is_not_moved_by_more_than_the_corner() -> None:
    close = of([WAD, WAD + 10, WAD + 20, WAD + 26])
    assert huber(close) == WAD + 14
    far = [huber(of([WAD, WAD + 10, WAD + 20, WAD + 30, lie])) for lie in (2 * WAD, 10**6 * WAD)]
    assert far[0] == far[1]


def test_three_votes_by_hand() -> None:
    """Votes of 100 +- 1, 101 +- 2, 110 +- 10: 99 99 100 100 101 101 103 110 120. Middle 101, quarters 100 and 103."""
    rows = [("100", 100), ("101", 199), ("110", 910)]
    given_ = [Input(source=p, group=p, price_wad=wad(p), weight=1, at_ms=0, own_bps=own) for p, own in rows]
    got, confidence = three_vote_confidence(given_)
    assert got == wad("101")
    assert confidence == wad("103.0099") - wad("101")


def test_a_source_without_a_spread_votes_with_the_widest_that_is_stated() -> None:
    stated = Input(source="a", group="a", price_wad=wad("1"), weight=1, at_ms=0, own_bps=30)
    silent = Input(source="b", group="b", price_wad=wad("1"), weight=1, at_ms=0)
    assert three_vote_confidence([stated, silent])[1] == wad("0.003")


def test_pyths_incident_a_tiny_price_with_a_tiny_confidence_does_not_weigh_more() -> None:
    """2021-09-20: a publisher said almost 0 with almost no confidence interval, another one was 1e8 too small."""
    honest = [
        Input(source=str(i), group=str(i), price_wad=wad(str(42_000 + i)), weight=1, at_ms=0, own_bps=5)
        for i in range(9)
    ]
    lies = [Input(source=f"x{i}", group=f"x{i}", price_wad=Wad(1 + i), weight=1, at_ms=0, own_bps=0) for i in range(2)]
    assert wad("42000") <= three_vote_confidence([*honest, *lies])[0] <= wad("42008")


def test_ages_weigh_by_halves_and_no_group_passes_a_third() -> None:
    """1, 1/2, 1/4 are all held to the least; 1, 1, 1/4, 1/8 to 3/8, and the median of 3/8, 3/8, 1/4, 1/8 is the second."""
    rows = inputs("1", "2", "3", at_ms=[120_000, 60_000, 0])
    voting = weigh_groups(METHODS["age_weighted_median"], rows, Tuning(half_life_s=60))
    assert [i.weight for i in voting] == [1 << 30, 1 << 30, 1 << 30]
    four = inputs("1", "2", "3", "4", at_ms=[180_000, 180_000, 60_000, 0])
    voting = weigh_groups(METHODS["age_weighted_median"], four, Tuning(half_life_s=60))
    assert [i.weight for i in voting] == [3 << 29, 3 << 29, 1 << 30, 1 << 29]
    assert price("age_weighted_median", four) == wad("2")


@given(age=st.integers(0, 10**7), half=st.integers(1, 10**6))
def test_decay_is_the_exponential(age: int, half: int) -> None:
    expected = math.exp2(-age / half)
    assert decay_q32(age, half) / 2**32 == pytest.approx(expected, rel=3e-5, abs=2**-31)
    assert decay_q64(age, half) / 2**64 == pytest.approx(expected, rel=1e-9, abs=2**-60)


def test_flares_weight_has_a_half_life_of_13_9_seconds() -> None:
    half_life_ms = round(math.log(2) / 0.00005)
    assert decay_q32(20_000, half_life_ms) / 2**32 == pytest.approx(math.exp(-1), rel=1e-4)


def test_shares_weigh_and_one_that_is_not_named_weighs_one() -> None:
    rows = inputs("1", "2", "3", "4")
    assert price("weighted_median", rows) == wad("2.5")
    assert price("weighted_median", rows, shares=(("g3", 5), ("g2", 3))) == wad("3")


def test_a_waterfall_takes_the_first_and_a_primary_only_while_the_others_agree() -> None:
    agreeing = inputs("1.002", "1", "1.001", "0.999")
    assert price("waterfall", agreeing) == price("primary", agreeing) == wad("1.002")
    wrong = inputs("1.2", "1", "1.001", "0.999")
    assert price("waterfall", wrong) == wad("1.2")
    assert price("primary", wrong) == wad("1.0005")
    assert price("primary", wrong, check_bps=2_500) == wad("1.2")


@given(numbers=st.lists(prices, min_size=1, max_size=9))
def test_mad_keeps_a_majority_and_agrees_with_scipy(numbers: list[int]) -> None:
    out = mad(of(numbers), floor_bps=0)
    assert 2 * len(out) <= len(numbers)
    x = np.array(numbers, dtype=float)
    deviation, centre = float(scipy.stats.median_abs_deviation(x, scale="normal")), float(np.median(x))
    for place, number in enumerate(numbers):
        if abs(number - centre) > 3.001 * deviation + 1e-6 * centre:
            assert place in out


@pytest.mark.parametrize("outliers", [mad, iqr, hodges_lehmann])
def test_a_floor_keeps_a_good_one_beside_tight_ones(outliers: type[mad]) -> None:  # type: ignore[valid-type]
    rows = of([WAD, WAD, WAD + 1, WAD, WAD, WAD + WAD // 1_000])
    assert outliers(rows, 50) == ()
    assert 5 in outliers(rows, 0)


@pytest.mark.parametrize("outliers", [mad, iqr, hodges_lehmann])
def test_one_venue_at_a_fifth_is_out_by_every_filter(outliers: type[mad]) -> None:  # type: ignore[valid-type]
    rows = inputs("1.0501", "1.0499", "0.2012", "1.05", "1.0503", "1.0502")
    assert outliers(rows, 50) == (2,)


def test_the_fence_of_one_to_eight() -> None:
    """Quartiles 2.5 and 6.5, range 4, fence from -3.5 to 12.5; of one to nine the 5 is in neither half."""
    assert fence([Wad(10 * k) for k in range(1, 9)]) == (-35, 125)
    assert fence([Wad(10 * k) for k in range(1, 10)]) == (-50, 150)


@given(numbers=st.lists(prices, min_size=2, max_size=12))
def test_hodges_lehmann_agrees_with_brute_force(numbers: list[int]) -> None:
    x = np.array(numbers, dtype=float)
    centre = float(np.median([(a + b) / 2 for i, a in enumerate(x) for b in x[i:]]))
    scale = float(np.median([abs(a - b) for i, a in enumerate(x) for b in x[i + 1 :]]))
    limit = 3 * 1.0483 * scale
    out = hodges_lehmann(of(numbers), 0)
    clear = {i for i, p in enumerate(x) if abs(p - centre) > limit * (1 + 1e-9) + 1e-6 * centre}
    assert set(out) >= clear or len(clear) == len(numbers)
    assert all(abs(x[i] - centre) > limit * (1 - 1e-9) - 1e-6 * centre for i in out)


def past(*rows: tuple[str, str]) -> list[Input]:
    return [
        Input(source=f"s{i}", group=f"g{i}", price_wad=wad(now), weight=1, at_ms=0, recent_wad=wad(then))
        for i, (now, then) in enumerate(rows)
    ]


def test_one_that_jumps_alone_is_out_and_a_jump_of_all_is_the_markets() -> None:
    alone = past(("0.7", "1"), ("1", "1"), ("1.001", "1"))
    assert recent(alone, 50) == (0,)
    assert recent(past(("0.7", "1"), ("0.71", "1"), ("1", "1")), 50) == ()
    assert recent(past(("0.7", "1"), ("0.7", "0"), ("0.7", "0")), 50) == ()
    assert recent(alone, 50, Tuning(recent_bps=3_000)) == ()


@given(value=st.integers(1, 1 << 100))
def test_exp2_undoes_log2(value: int) -> None:
    back = exp2_q64(log2_q64(value))
    assert back <= value
    assert value - back <= max(1, value >> 54)


@given(a=st.integers(1, 1 << 90), b=st.integers(1, 1 << 90))
def test_log2_is_monotonic(a: int, b: int) -> None:
    assert (a <= b) == (log2_q64(a) <= log2_q64(b)) or abs(log2_q64(a) - log2_q64(b)) <= 1
