"""Depth of a stable pool against its definition: the invariant solved by Newton, the price in exact fractions."""

from __future__ import annotations

from fractions import Fraction
from math import prod

import pytest
from hypothesis import given, reject
from hypothesis import strategies as st

from feeds.errors import Malformed, Thin
from feeds.pools import curve_math, stable_math
from feeds.pools.stable_depth import Two
from feeds.pools.stable_math import AMP_PRECISION, balance_of, invariant

MOVES = (Fraction(50, 10_000), Fraction(100, 10_000), Fraction(200, 10_000))
BLUR = Fraction(1, 10**9)
"""What the roundings of a pool with 1e15 units on its smaller side may hide."""
amps = st.integers(2_000, 50_000_000)
balances = st.lists(st.integers(10**17, 10**25), min_size=2, max_size=5).filter(lambda b: max(b) < 200 * min(b))


def settled(amp: int, held: list[int]) -> int:
    try:
        return invariant(amp, held)
    except Malformed:
        return reject()


def spot(amp: int, held: list[int], d: int) -> Fraction:
    """Price of the first coin in the second: the ratio of the invariant's derivatives."""
    n = len(held)
    ann, share = Fraction(amp * n, AMP_PRECISION), Fraction(d ** (n + 1), n**n * prod(held))
    return (ann + share / held[0]) / (ann + share / held[1])


def moved(amp: int, held: list[int], d: int, size: int) -> Fraction:
    """How far a trade of base moves the price, as a share of it."""
    after = [held[0] + size, *held[1:]]
    after[1] = balance_of(amp, after, d, 1)
    return abs(spot(amp, after, d) / spot(amp, held, d) - 1)


@given(amps, balances)
def test_a_depth_does_not_pass_its_move_and_a_millionth_more_does(amp: int, held: list[int]) -> None:
    d = settled(amp, held)
    depths = Two.of(amp, AMP_PRECISION, held, d, (0, 1)).depths()
    assert 0 < depths[0] < depths[1] < depths[2]
    for move, depth in zip(MOVES, depths, strict=True):
        more = depth + depth // 10**6 + 2
        assert moved(amp, held, d, depth) <= move + BLUR
        assert depth >= held[0] or moved(amp, held, d, -depth) <= move + BLUR
        passed = [moved(amp, held, d, more) >= move - BLUR]
        passed += [more >= held[0] or moved(amp, held, d, -more) >= move - BLUR]
        assert any(passed)


@given(amps, balances, st.integers(2, 10**6))
def test_a_pool_of_many_times_the_size_is_as_many_times_as_deep(amp: int, held: list[int], times: int) -> None:
    d = settled(amp, held)
    small = Two.of(amp, AMP_PRECISION, held, d, (0, 1)).depths()
    large = Two.of(amp, AMP_PRECISION, [times * b for b in held], times * d, (0, 1)).depths()
    assert large == pytest.approx([times * n for n in small], rel=3e-6)


@given(amps, balances)
def test_the_price_is_one_in_balance_and_the_reciprocal_the_other_way_round(amp: int, held: list[int]) -> None:
    d = settled(amp, held)
    up, down = Two.of(amp, AMP_PRECISION, held, d, (0, 1)).price()
    there, back = Two.of(amp, AMP_PRECISION, held, d, (1, 0)).price()
    assert abs(Fraction(up, down) / spot(amp, held, d) - 1) <= BLUR
    assert abs(Fraction(up, down) * Fraction(there, back) - 1) <= BLUR
    level = Two.of(amp, AMP_PRECISION, [held[0]] * 3, 3 * held[0], (0, 2)).price()
    assert Fraction(*level) == 1


@given(st.integers(100, 100_000), balances)
def test_both_houses_of_stable_pools_have_one_depth(amp: int, held: list[int]) -> None:
    """Balancer writes the amplification times 1000, Curve times 100."""
    settled(10 * amp, held)
    theirs = curve_math.CurvePool(amp=amp, balances=tuple(held), rates=(10**18,) * len(held), fee=0)
    ours = stable_math.StablePool(amp=10 * amp, balances=tuple(held), scales=(10**18,) * len(held), fee_wad=0)
    assert theirs.depths(0, 1) == pytest.approx(ours.depths(0, 1), rel=3e-6)


def test_a_straight_line_is_thin() -> None:
    with pytest.raises(Thin, match="no trade moves the price"):
        Two.of(10**8, AMP_PRECISION, (1, 1, 10**30), 10**3, (0, 1)).depths()


@given(st.integers(1, 2**160), st.integers(1, 2**160), st.integers(1, 2**500))
def test_any_numbers_have_an_end(base: int, quote: int, bend: int) -> None:
    depths = Two(base=base, quote=quote, bend=bend).depths()
    assert list(depths) == sorted(depths)
    assert depths[0] >= 0
