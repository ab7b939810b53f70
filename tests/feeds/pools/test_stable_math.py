"""Laws of the stable arithmetic, without a chain."""

from __future__ import annotations

import contextlib
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from math import ceil, floor

import pytest
from hypothesis import given, reject
from hypothesis import strategies as st

from feeds.errors import Malformed, Thin
from feeds.pools.stable_math import AMP_PRECISION, StablePool, balance_of, invariant, invariant_up
from feeds.units import WAD
from tests.feeds.pools.curve_reference import Stable

amps = st.integers(10_000, 5_000_000)
balances = st.lists(st.integers(10**18, 10**25), min_size=2, max_size=5).filter(lambda b: max(b) < 100 * min(b))


def pool(*, sides: tuple[int, ...] = (10**21, 10**21), fee: int = 0) -> StablePool:
    return StablePool(amp=200_000, balances=sides, scales=(WAD,) * len(sides), fee_wad=fee)


def solved(amp: int, held: list[int]) -> int:
    """The invariant; examples so lopsided that the iteration does not settle are refused by type, and left out here."""
    try:
        return invariant(amp, held)
    except Malformed:
        return reject()


@given(amps, balances)
def test_the_invariant_lies_between_the_product_and_the_sum(amp: int, held: list[int]) -> None:
    d = solved(amp, held)
    assert len(held) * min(held) - 2 <= d <= sum(held) + 1
    assert solved(amp, [2 * b for b in held]) == pytest.approx(2 * d, rel=1e-15)


@given(amps, balances)
def test_a_balance_follows_from_the_invariant_and_is_never_understated(amp: int, held: list[int]) -> None:
    d = solved(amp, held)
    assert held[0] - held[0] // 10**12 - 2 <= balance_of(amp, held, d, 0)
    assert balance_of(amp, held, d, 0) == pytest.approx(held[0], rel=1e-9)


@given(
    st.integers(10**12, 4 * 10**20), st.integers(0, 10**16), st.integers(10**20, 10**22), st.integers(10**20, 10**22)
)
def test_buying_costs_at_least_what_selling_pays(amount: int, fee: int, base: int, quote: int) -> None:
    one = pool(sides=(base, quote), fee=fee)
    with contextlib.suppress(Thin):
        assert one.sell(amount, 0, 1) <= one.buy(amount, 0, 1)


def test_depth_is_the_same_either_way_in_balance_and_thin_where_little_is_left() -> None:
    assert pool().depths(0, 1)[1] == pytest.approx(pool().depths(1, 0)[1], rel=1e-5)
    assert pool(sides=(10**21, 10**19)).depths(0, 1)[1] < pool().depths(0, 1)[1] // 50


def test_a_third_token_adds_depth() -> None:
    three = StablePool(amp=200_000, balances=(10**21,) * 3, scales=(WAD,) * 3, fee_wad=0)
    assert three.sell(10**18, 0, 2) == pytest.approx(10**18, rel=1e-4)
    assert three.depths(0, 2)[1] > 10**20


def test_decimals_only_scale() -> None:
    coarse = StablePool(amp=200_000, balances=(10**9, 10**21), scales=(WAD * 10**12, WAD), fee_wad=10**15)
    fine = pool(sides=(10**21, 10**21), fee=10**15)
    assert coarse.sell(10**6, 0, 1) == fine.sell(10**18, 0, 1)
    assert coarse.buy(10**6, 0, 1) == fine.buy(10**18, 0, 1)


def test_more_than_the_pool_holds_is_thin() -> None:
    with pytest.raises(Thin):
        pool().buy(10**21, 0, 1)
    with pytest.raises(Thin):
        pool(sides=(0, 10**21)).sell(10**18, 0, 1)


@given(amps, balances)
def test_the_invariant_of_2021_is_the_same_rounded_up(amp: int, held: list[int]) -> None:
    d = solved(amp, held)
    try:
        up = invariant_up(amp, held)
    except Malformed:  # rounding up can turn in a circle, and then the pool itself reverts
        circle = steps_of_2021(amp, held, d)
        assert all(abs(after - before) > 1 for before, after in pairwise(circle))
        assert all(-2 <= at - d <= d // 10**15 + 50 for at in circle)
        return
    assert -2 <= up - d <= d // 10**15 + 10


def steps_of_2021(amp: int, held: list[int], near: int) -> list[int]:
    """The formula's own steps in exact fractions, each division rounded up, after it has come to rest or to a circle."""
    ann, n, d = Fraction(amp, AMP_PRECISION) * len(held), len(held), near
    out = []
    for _ in range(40):
        product = held[0] * n
        for balance in held[1:]:
            product = ceil(Fraction(product * balance * n, d))
        above = n * d * d + ceil(ann * sum(held) * product)
        d = ceil(Fraction(above, (n + 1) * d + floor((ann - 1) * product)))
        out.append(d)
    return out[-8:]


@given(
    st.sampled_from((1_000, 2_000, 200_000, 10**8)),
    st.lists(st.integers(1, 2**112), min_size=2, max_size=4),
    st.booleans(),
    st.integers(1, 10**24),
)
def test_an_extreme_pool_gives_numbers_or_is_refused_by_type(
    amp: int, held: list[int], rounds_up: bool, amount: int
) -> None:
    scales = (WAD,) * len(held)
    one = StablePool(amp=amp, balances=tuple(held), scales=scales, fee_wad=10**15, rounds_up=rounds_up)
    for trade in (one.sell, one.buy):
        with contextlib.suppress(Thin, Malformed):
            assert trade(amount, 0, 1) > 0
    with contextlib.suppress(Thin, Malformed):
        assert list(one.depths(0, 1)) == sorted(one.depths(0, 1))


@pytest.mark.parametrize("sides", [(10**21, 10**21), (3 * 10**21, 10**21), (10**20, 9 * 10**20), (10**21,) * 3])
def test_the_depths_move_the_price_by_what_they_say(sides: tuple[int, ...]) -> None:
    """Against the same curve in real numbers, by bisection."""
    one = pool(sides=sides)
    contract = Stable(amp=one.amp // 10, held=sides, rates=one.scales, fee=0)
    start = contract.spot(0, 1)
    for move, depth in zip((Decimal("0.005"), Decimal("0.01"), Decimal("0.02")), one.depths(0, 1), strict=True):
        moved = max(1 - contract.spot(0, 1, depth) / start, contract.spot(0, 1, -depth) / start - 1)
        assert moved == pytest.approx(move, rel=Decimal("1e-4"))
