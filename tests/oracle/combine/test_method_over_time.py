"""Methods over time: running sums against the sum over what is kept, closed forms, gaps, worked examples."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feeds.units import MS, WAD, Wad
from oracle.combine.methods.ema import CURVE_EMA, PYTH_EMA
from oracle.combine.methods.linear import ARITHMETIC, GEOMETRIC, HARMONIC, WINSORISED, LinearMean
from oracle.combine.methods.over_time import MethodView, OverTime, RoundPrice
from oracle.combine.methods.time_median import TIME_MEDIAN
from oracle.combine.methods.trade_window import EMA as DIA_EMA
from oracle.combine.methods.twap import mean_since, twap_geometric
from oracle.model.spec import Tuning
from oracle.model.state import Sample, Trade, Window
from oracle.model.types import Input
from tests.oracle.oracle_build import wad

prices = st.integers(min_value=10**12, max_value=10**24)
steps = st.lists(st.tuples(st.integers(1, 20_000), prices), min_size=1, max_size=60)
VIEW = MethodView(window_s=60, gap_ms=10_000)
linear = pytest.mark.parametrize(
    "mean", [ARITHMETIC, GEOMETRIC, HARMONIC, WINSORISED], ids=["arithmetic", "geometric", "harmonic", "winsorised"]
)


def run(method: OverTime, rows: Sequence[tuple[int, int]], view: MethodView = VIEW) -> Window:
    window = Window()
    for at_ms, price in rows:
        window = method.fold(window, RoundPrice(at_ms=at_ms, price_wad=Wad(price)), view)
    return window


def running(gaps: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    at, out = 0, []
    for gap, price in gaps:
        at += gap
        out.append((at, price))
    return out


@linear
@given(rows=steps)
def test_the_running_sum_is_the_sum_over_what_is_kept(mean: LinearMean, rows: list[tuple[int, int]]) -> None:
    window = run(mean, running(rows))
    assert window == mean.sums(window.samples, VIEW)


def clipped(window: Window, now_ms: int) -> list[Sample]:
    """The kept samples that stood in the window, the oldest one moved to where it begins."""
    first, *rest = window.samples
    begin = now_ms - VIEW.window_s * MS
    while rest and begin >= min(rest[0].at_ms, first.at_ms + VIEW.gap_ms):
        first, *rest = rest
    return [replace(first, at_ms=max(begin, first.at_ms)), *rest]


@given(rows=steps, later=st.integers(0, 15_000))
def test_means_equal_the_ones_computed_afresh(rows: list[tuple[int, int]], later: int) -> None:
    """The span that the window's beginning cuts ends where its sample stopped standing, not a gap after the cut."""
    taken = running(rows)
    now_ms = taken[-1][0] + later
    window = run(ARITHMETIC, taken)
    spans = exact_spans(window.samples, now_ms)
    total = sum(stood for _, stood in spans)
    expected = sum(p * stood for p, stood in spans) // total if total else taken[-1][1]
    if len(window.samples) > 1:
        assert ARITHMETIC.read(window, now_ms, VIEW) == expected


def exact_spans(samples: Sequence[Sample], now_ms: int) -> list[tuple[int, int]]:
    ends = [s.at_ms for s in samples[1:]] + [now_ms]
    out = []
    for s, end in zip(samples, ends, strict=True):
        until = min(end, s.at_ms + VIEW.gap_ms)
        out.append((s.price_wad, max(0, until - max(s.at_ms, now_ms - VIEW.window_s * MS))))
    return out


@given(rows=st.lists(st.tuples(st.integers(1, 9_000), prices), min_size=2, max_size=40))
def test_without_gaps_the_folded_means_are_the_plain_ones(rows: list[tuple[int, int]]) -> None:
    taken = running(rows)
    now_ms = taken[-1][0] + 500
    for mean in (ARITHMETIC, GEOMETRIC):
        window = run(mean, taken)
        kept = clipped(window, now_ms)
        arithmetic, _ = mean_since(kept, kept[0].at_ms, now_ms, VIEW.gap_ms)
        got, want = mean.read(window, now_ms, VIEW), arithmetic
        if mean is GEOMETRIC:
            want = twap_geometric(kept, now_ms, VIEW.gap_ms)
        assert abs(got - want) <= max(1, want >> 52)


def test_the_harmonic_mean_of_one_and_three_is_one_and_a_half() -> None:
    window = run(HARMONIC, [(0, WAD), (5_000, 3 * WAD)])
    assert HARMONIC.read(window, 10_000, VIEW) == wad("1.5")
    assert ARITHMETIC.read(run(ARITHMETIC, [(0, WAD), (5_000, 3 * WAD)]), 10_000, VIEW) == 2 * WAD


@given(rows=steps)
def test_harmonic_below_geometric_below_arithmetic(rows: list[tuple[int, int]]) -> None:
    taken = running(rows)
    at = taken[-1][0] + 100
    h, g, a = (m.read(run(m, taken), at, VIEW) for m in (HARMONIC, GEOMETRIC, ARITHMETIC))
    assert h <= g + (g >> 50) + 1
    assert g <= a + (a >> 50) + 1


@pytest.mark.parametrize(
    ("method", "expected"), [(ARITHMETIC, "2.5"), (GEOMETRIC, "2"), (HARMONIC, "1.6"), (TIME_MEDIAN, "2.5")]
)
def test_no_sample_counts_longer_than_the_gap(method: OverTime, expected: str) -> None:
    """1 stands for 100 s of which 10 count, then 4 for 10."""
    view = MethodView(window_s=1_000, gap_ms=10_000)
    window = run(method, [(0, WAD), (100_000, 4 * WAD)], view)
    assert method.read(window, 110_000, view) / WAD == pytest.approx(float(expected), rel=1e-12)


def test_one_block_at_ten_times_the_price_moves_a_winsorised_mean_by_less_than_its_bound() -> None:
    """1 % a minute: in one 12 s block the sample may rise 0.2 %."""
    rows = [(12_000 * i, 10 * WAD if i == 30 else WAD) for i in range(60)]
    view = MethodView(window_s=600, gap_ms=60_000, tuning=Tuning(winsor_bps_minute=100))
    window = run(WINSORISED, rows, view)
    assert max(s.price_wad for s in window.samples) == wad("1.002")
    plain = run(ARITHMETIC, rows, view)
    now_ms = rows[-1][0]
    assert WINSORISED.read(window, now_ms, view) < wad("1.0001")
    assert ARITHMETIC.read(plain, now_ms, view) > wad("1.15")


@pytest.mark.parametrize(("held", "moved"), [(4, False), (6, True)])
def test_the_time_median_moves_only_when_the_price_is_held_for_half_of_the_window(held: int, moved: bool) -> None:
    rows = [(10_000 * i, 2 * WAD if i > 10 - held else WAD) for i in range(11)]
    view = MethodView(window_s=100, gap_ms=60_000)
    assert (TIME_MEDIAN.read(run(TIME_MEDIAN, rows, view), 110_000, view) == 2 * WAD) is moved


def test_curves_average_is_the_documented_formula() -> None:
    """The average is last * (1 - a) + average * a, a = exp(-t / ma_exp_time), a half-life of 600 s is an ma_exp_time of 865.6 s."""
    view = MethodView(window_s=0, gap_ms=10**7, tuning=Tuning(half_life_s=600))
    rows = [(0, WAD), (12_000, wad("1.01")), (60_000, wad("0.97")), (660_000, wad("0.99"))]
    average, window = 1.0, Window()
    for (before_ms, before), (at_ms, _) in pairwise(rows):
        a = math.exp(-(at_ms - before_ms) / (600_000 / math.log(2)))
        average = before / WAD * (1 - a) + average * a
    window = run(CURVE_EMA, rows, view)
    assert CURVE_EMA.read(window, rows[-1][0], view) / WAD == pytest.approx(average, rel=1e-9)


def test_a_price_that_just_appeared_has_no_weight_in_curves_average() -> None:
    window = run(CURVE_EMA, [(0, WAD), (10_000, 1_000 * WAD)])
    assert CURVE_EMA.read(window, 10_000, VIEW) == WAD
    assert CURVE_EMA.read(window, 12_000, VIEW) > WAD


def test_pyths_average_weighs_by_the_inverse_of_the_confidence() -> None:
    """Two samples of equal time, the second three times as sure: (1 * e * 1 + 2 * 3) / (e + 3), with e half a decay."""
    view = MethodView(window_s=0, gap_ms=1_000, tuning=Tuning(half_life_s=1))
    window = PYTH_EMA.fold(Window(), RoundPrice(at_ms=0, price_wad=Wad(WAD), confidence_bps=300), view)
    window = PYTH_EMA.fold(window, RoundPrice(at_ms=1_000, price_wad=Wad(2 * WAD), confidence_bps=50), view)
    expected = Fraction(1 + 2 * 2 * 3, 1 + 2 * 3)
    assert PYTH_EMA.read(window, 1_000, view) / WAD == pytest.approx(float(expected), rel=1e-12)


def test_a_gap_decays_an_average_by_no_more_than_the_gap_until_it_begins_anew() -> None:
    """The half-life is a minute, a sample stands for ten seconds: after 250 s of silence nothing of the past is published."""
    short = run(CURVE_EMA, [(0, WAD), (1_000, 2 * WAD), (11_000, 2 * WAD)])
    long = run(CURVE_EMA, [(0, WAD), (1_000, 2 * WAD), (251_000, 2 * WAD)])
    assert short.total == long.total
    assert long.total < 2 * WAD << 64


@pytest.mark.parametrize("method", [CURVE_EMA, PYTH_EMA, ARITHMETIC, GEOMETRIC, HARMONIC, WINSORISED, TIME_MEDIAN])
def test_after_a_gap_longer_than_what_it_looks_back_over_a_method_says_the_price_of_now(method: OverTime) -> None:
    past = [(10_000 * i, WAD) for i in range(30)]
    for gap_ms in (251_000, 1_200_000, 86_400_000):
        at_ms = past[-1][0] + gap_ms
        price = wad("1.04") if method is WINSORISED else wad("1.50")  # 1 % a minute at the shortest of these gaps
        window = run(method, [*past, (at_ms, price)])
        assert method.read(window, at_ms, VIEW) == pytest.approx(price, rel=1e-12)


def test_dias_average_forgets_the_points_from_before_a_gap() -> None:
    view = MethodView(window_s=60, gap_ms=10_000, tuning=Tuning(points=10))

    def said(at_ms: int, price: int) -> RoundPrice:
        group = Input(source="a", group="a", price_wad=Wad(price), weight=1, at_ms=at_ms)
        trade = Trade(market="a", group="a", at_ms=at_ms, price_wad=Wad(price), volume_wad=1)
        return RoundPrice(at_ms=at_ms, price_wad=Wad(price), groups=(group,), trades=(trade,))

    window = Window()
    for i in range(100):
        window = DIA_EMA.fold(window, said(10_000 * i, WAD), view)
    soon, late = (DIA_EMA.fold(window, said(990_000 + gap, 2 * WAD), view) for gap in (600_000, 86_400_000))
    assert DIA_EMA.read(soon, 1_590_000, view) < wad("1.5")
    assert DIA_EMA.read(late, 87_390_000, view) == 2 * WAD
