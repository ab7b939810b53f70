"""The vectorised methods against the integer ones."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feeds.units import BPS, MS, WAD, Wad
from oracle.combine.groups import cap_weights
from oracle.combine.methods import vector, weights
from oracle.combine.methods.over_time import MethodView, OverTime, RoundPrice
from oracle.combine.methods.registry import METHODS, OUTLIERS
from oracle.model.spec import Tuning
from oracle.model.state import Window
from oracle.model.types import Input

prices = st.integers(10**17, 10**20)
groups = st.lists(st.tuples(prices, st.integers(1, 10**6), st.integers(0, 200)), min_size=2, max_size=15)
Groups = list[tuple[int, int, int]]
POINT_BOUND = 1e-12
TIME_BOUND = 1e-9


def as_inputs(rows: Groups) -> list[Input]:
    return [
        Input(source=f"s{i}", group=f"g{i}", price_wad=Wad(p), weight=w, at_ms=0, own_bps=own)
        for i, (p, w, own) in enumerate(rows)
    ]


def near(wad: int, value: float, bound: float) -> None:
    assert value == pytest.approx(wad / WAD, rel=bound)


@given(rows=groups)
def test_point_methods_agree(rows: Groups) -> None:
    inputs = as_inputs(rows)
    p = np.array([[r[0] / WAD for r in rows]] * 2)
    w = np.array([[float(r[1]) for r in rows]] * 2)
    near(METHODS["median"].point(inputs), vector.median(p)[1], POINT_BOUND)
    near(METHODS["lwap"].point(inputs), vector.mean(p, w)[1], POINT_BOUND)
    near(METHODS["depth_weighted_median"].point(inputs), vector.weighted_median(p, w)[1], POINT_BOUND)
    near(METHODS["trimmed_mean"].point(inputs), vector.trimmed_mean(p)[1], POINT_BOUND)
    near(METHODS["midhinge"].point(inputs), vector.midhinge(p)[1], POINT_BOUND)
    near(METHODS["huber"].point(inputs), vector.huber(p)[1], 1e-10)
    votes = vector.three_vote(p, np.array([[float(r[2]) for r in rows]] * 2))
    near(METHODS["three_vote"].point(inputs), votes[1], POINT_BOUND)


@given(rows=groups)
def test_capped_weights_agree(rows: Groups) -> None:
    whole = [(p, w * 10**9, own) for p, w, own in rows]
    exact = [i.weight for i in cap_weights(as_inputs(whole), weighted=True)]
    assert vector.capped(np.array([[float(r[1]) for r in whole]]))[0] == pytest.approx(exact, rel=1e-8)


def test_age_weights_agree() -> None:
    ages = [0, 5_000, 60_000, 200_000]
    inputs = [replace(i, at_ms=10**6 - age) for i, age in zip(as_inputs([(WAD, 1, 0)] * 4), ages, strict=True)]
    exact = np.array(weights.age(inputs, Tuning(half_life_s=30))) / 2**32
    assert vector.age_weights(np.array(ages, dtype=float), 30_000) == pytest.approx(exact, rel=2e-5)


def test_the_example_for_measurements_is_sane_and_repeats() -> None:
    market, redemption, at_ms = vector.example(3, 50)
    assert market.shape == redemption.shape == (3, 50)
    assert (np.diff(at_ms) > 0).all()
    assert (np.abs(vector.deviation_bps(market, redemption)) <= 20 + 1e-9).all()
    assert np.array_equal(market, vector.example(3, 50)[0])


MASKS = {"mad": vector.mad, "iqr": vector.iqr, "hodges_lehmann": vector.hodges_lehmann}


@pytest.mark.parametrize("name", MASKS)
@given(rows=groups, floor=st.sampled_from((0, 3, 77)))
def test_filters_agree_save_where_a_hair_decides(name: str, rows: Groups, floor: int) -> None:
    p = np.array([r[0] / WAD for r in rows])
    masked = set(np.flatnonzero(MASKS[name](p[None, :], floor)[0]).tolist())
    for place in masked ^ set(OUTLIERS[name](as_inputs(rows), floor)):
        hairs = []
        for hair in (1 - 1e-12, 1 + 1e-12):
            moved = p.copy()
            moved[place] *= hair
            hairs.append(bool(MASKS[name](moved[None, :], floor)[0][place]))
        assert hairs[0] != hairs[1] or (place in masked) in exact_hairs(name, rows, floor, place)


def exact_hairs(name: str, rows: Groups, floor: int, place: int) -> set[bool]:
    """What the integers say with this price a hair lower and higher: a wei can decide there that no float can hold."""
    as_floats = [(int(r[0] / WAD * WAD), *r[1:]) for r in rows]
    said = {place in OUTLIERS[name](as_inputs(as_floats), floor)}
    for hair in (-1, 1):
        moved = list(rows)
        moved[place] = (rows[place][0] + hair * (rows[place][0] // 10**12), *rows[place][1:])
        said.add(place in OUTLIERS[name](as_inputs(moved), floor))
    return said


steps = st.lists(st.tuples(st.integers(1, 60_000), st.lists(prices, min_size=3, max_size=3)), min_size=1, max_size=40)
Steps = list[tuple[int, list[int]]]
VIEW = MethodView(window_s=30, gap_ms=10_000, tuning=Tuning(half_life_s=7, winsor_bps_minute=5_000))


def run(method: OverTime, at_ms: list[int], row: list[int], doubts: list[int]) -> list[int]:
    window, out = Window(), []
    for at, price, doubt in zip(at_ms, row, doubts, strict=True):
        window = method.fold(window, RoundPrice(at_ms=at, price_wad=Wad(price), confidence_bps=doubt), VIEW)
        out.append(method.read(window, at, VIEW))
    return out


@given(rows=steps)
def test_methods_over_time_agree_at_every_time(rows: Steps) -> None:
    at = np.cumsum([gap for gap, _ in rows]) + 1_700_000_000_000
    p = np.array([[row[f] / WAD for _, row in rows] for f in range(3)])
    doubts = [7 + 3 * t for t in range(len(rows))]
    spread = np.broadcast_to(np.array(doubts, dtype=float), p.shape)
    held = vector.winsorised(p, at, 5_000)
    args = (at, VIEW.window_s * MS, VIEW.gap_ms)
    found = {
        "twap_arithmetic": vector.twap(p, *args),
        "twap_geometric": vector.twap_geometric(p, *args),
        "twap_harmonic": vector.twap_harmonic(p, *args),
        "twap_winsorised": vector.twap(held, *args),
        "time_median": vector.time_median(p, *args),
        "ema": vector.ema(p, at, 7_000, VIEW.gap_ms),
        "ema_confidence": vector.ema_confidence(p, spread, at, 7_000, VIEW.gap_ms),
    }
    for name, values in found.items():
        method = METHODS[name].over_time
        assert method is not None
        for f in range(3):
            exact = run(method, at.tolist(), [row[f] for _, row in rows], doubts)
            assert values[f] == pytest.approx([x / WAD for x in exact], rel=TIME_BOUND), name


def test_twap_and_deviation_are_those_of_their_parts_for_more_rows_than_a_block_holds() -> None:
    rng = np.random.default_rng(3)
    market = 1 + rng.normal(0, 1e-3, (90, 1_000))
    rate = 1 + rng.normal(0, 1e-4, (90, 1_000))
    at = np.cumsum(rng.integers(1_000, 90_000, 1_000))
    mean, gap = vector.twap_and_deviation(market, rate, at, 600_000, 60_000)
    whole = [vector.twap(market[f : f + 1], at, 600_000, 60_000)[0] for f in range(90)]
    assert np.array_equal(mean, np.array(whole))
    assert np.allclose(gap, (mean / rate - 1) * BPS, rtol=0, atol=1e-9)
