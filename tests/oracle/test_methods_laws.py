"""Laws that every method obeys, run over the registry: a new method is held to them unasked."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from feeds.units import BPS, WAD, Wad
from oracle.groups import cap
from oracle.methods.fixed import exp2_q64, log2_q64
from oracle.methods.mad import mad
from oracle.methods.registry import METHODS, Method
from oracle.types import Input, Sample

prices = st.integers(min_value=10**12, max_value=10**24)
weights = st.integers(min_value=1, max_value=10**24)
named = pytest.mark.parametrize("method", METHODS.values(), ids=METHODS.keys())
over_time = pytest.mark.parametrize(
    "method", [m for m in METHODS.values() if m.over_time], ids=[n for n, m in METHODS.items() if m.over_time]
)


def as_inputs(rows: Sequence[tuple[int, int]]) -> list[Input]:
    return [Input(source=f"s{i}", group=f"g{i}", price_wad=Wad(p), weight=w, at_ms=0) for i, (p, w) in enumerate(rows)]


rows = st.lists(st.tuples(prices, weights), min_size=1, max_size=9)


@named
@given(rows=rows, seed=st.integers(0, 99))
def test_order_does_not_matter(method: Method, rows: list[tuple[int, int]], seed: int) -> None:
    shuffled = rows[:]
    random.Random(seed).shuffle(shuffled)
    assert method.point(as_inputs(rows)) == method.point(as_inputs(shuffled))


@named
@given(rows=rows)
def test_result_lies_within_the_inputs(method: Method, rows: list[tuple[int, int]]) -> None:
    assert min(p for p, _ in rows) <= method.point(as_inputs(rows)) <= max(p for p, _ in rows)


@named
@given(rows=rows, factor=st.integers(2, 1_000))
def test_scaling_the_prices_scales_the_result(method: Method, rows: list[tuple[int, int]], factor: int) -> None:
    scaled = [(p * factor, w) for p, w in rows]
    assert abs(method.point(as_inputs(scaled)) - method.point(as_inputs(rows)) * factor) <= factor


@named
@given(
    honest=st.lists(prices, min_size=2, max_size=9),
    lies=st.lists(st.integers(1, 10**30), max_size=8),
    depths=st.lists(weights, min_size=17, max_size=17),
)
def test_lies_below_the_breakdown_point_stay_inside_the_honest_range(
    method: Method, honest: list[int], lies: list[int], depths: list[int]
) -> None:
    honest_rows = list(zip(honest, depths, strict=False))
    inputs = list(cap(as_inputs([*honest_rows, *zip(lies, depths[9:], strict=False)]), weighted=method.weighted))
    bad = sum(i.weight for i in inputs[len(honest) :])
    if bad * BPS >= method.breakdown_bps * sum(i.weight for i in inputs):
        inputs = inputs[: len(honest)]
    assert min(honest) <= method.point(inputs) <= max(honest)


@given(rows=st.lists(st.tuples(prices, weights), min_size=2, max_size=9))
def test_no_group_passes_its_share(rows: list[tuple[int, int]]) -> None:
    capped = cap(as_inputs(rows), weighted=True)
    total = sum(i.weight for i in capped)
    share = 2 if len(rows) == 2 else 3
    assert all(i.weight * share <= total + share for i in capped)


@named
def test_median_agrees_with_numpy(method: Method) -> None:
    rng = random.Random(7)
    for count in range(1, 12):
        rows = [(rng.randrange(10**17, 10**19), 1) for _ in range(count)]
        expected = float(np.median(np.array([p / WAD for p, _ in rows])))
        assert method.point(as_inputs(rows)) / WAD == pytest.approx(expected, rel=1e-12)


@given(rows=st.lists(prices, min_size=1, max_size=9))
def test_mad_keeps_a_majority_and_agrees_with_scipy(rows: list[int]) -> None:
    inputs = as_inputs([(p, 1) for p in rows])
    out = mad(inputs, floor_bps=0)
    assert 2 * len(out) <= len(rows)
    deviation = float(scipy.stats.median_abs_deviation(np.array(rows, dtype=float), scale="normal"))
    centre = float(np.median(np.array(rows, dtype=float)))
    for place, price in enumerate(rows):
        if abs(price - centre) > 3.001 * deviation + 1e-6 * centre:
            assert place in out


def test_mad_floor_keeps_a_good_fourth_beside_three_tight_ones() -> None:
    inputs = as_inputs([(WAD, 1), (WAD, 1), (WAD + 1, 1), (WAD + WAD // 1000, 1)])
    assert mad(inputs, floor_bps=50) == ()
    assert mad(inputs, floor_bps=0) == (2, 3)


samples = st.lists(st.tuples(st.integers(1, 5_000), prices), min_size=1, max_size=20)


def as_samples(rows: Sequence[tuple[int, int]]) -> list[Sample]:
    at, out = 0, []
    for gap, price in rows:
        at += gap
        out.append(Sample(at_ms=at, price_wad=Wad(price)))
    return out


@over_time
@given(rows=samples)
def test_an_average_over_time_lies_within_its_samples(method: Method, rows: list[tuple[int, int]]) -> None:
    assert method.over_time is not None
    kept = as_samples(rows)
    mean = method.over_time(kept, kept[-1].at_ms + 1_000, 60_000)
    assert min(p for _, p in rows) <= mean <= max(p for _, p in rows)


@over_time
def test_no_sample_counts_longer_than_the_gap(method: Method) -> None:
    assert method.over_time is not None
    kept = [Sample(at_ms=0, price_wad=Wad(WAD)), Sample(at_ms=100_000, price_wad=Wad(4 * WAD))]
    mean = method.over_time(kept, 110_000, 10_000)
    expected = {True: 2.5, False: 2.0}[method is METHODS["twap_arithmetic"]]
    assert mean / WAD == pytest.approx(expected, rel=1e-12)


@over_time
@given(rows=samples, split=st.integers(1, 400))
def test_splitting_a_sample_changes_nothing(method: Method, rows: list[tuple[int, int]], split: int) -> None:
    assert method.over_time is not None
    kept = as_samples(rows)
    end = kept[-1].at_ms + 500
    twice = [*kept, replace(kept[-1], at_ms=kept[-1].at_ms + split)]
    one, two = method.over_time(kept, end, 60_000), method.over_time(twice, end, 60_000)
    assert abs(one - two) <= max(2, one // 10**16)


@given(value=st.integers(1, 1 << 100))
def test_exp2_undoes_log2(value: int) -> None:
    back = exp2_q64(log2_q64(value))
    assert back <= value
    assert value - back <= max(1, value >> 54)


@given(a=st.integers(1, 1 << 90), b=st.integers(1, 1 << 90))
def test_log2_is_monotonic(a: int, b: int) -> None:
    assert (a <= b) == (log2_q64(a) <= log2_q64(b)) or abs(log2_q64(a) - log2_q64(b)) <= 1
