"""Vectors and laws of the v3 arithmetic, without a chain."""

from __future__ import annotations

import math
from dataclasses import replace
from decimal import Decimal, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feeds.errors import Malformed, Thin
from feeds.pools import v3_book
from feeds.pools.v3_math import MAX_TICK, Q96, amount0, amount1, mean_sqrt, sqrt_at_tick, swap_step
from feeds.pools.v3_ticks import Ticks

SPOT = sqrt_at_tick(0)
liquidities = st.integers(10**6, 10**30)
ticks = st.integers(-50_000, 50_000)


def test_the_ends_are_the_pools_own_constants() -> None:
    assert sqrt_at_tick(-MAX_TICK) == 4295128739
    assert sqrt_at_tick(MAX_TICK) == 1461446703485210103287273052203988822378723970342
    assert SPOT == Q96


@given(st.integers(-MAX_TICK + 1, MAX_TICK - 1))
def test_a_tick_is_one_bp_of_price(tick: int) -> None:
    with localcontext(prec=60):
        exact = Decimal("1.0001") ** tick
        ours = (Decimal(sqrt_at_tick(tick)) / Q96) ** 2
        assert abs(ours / exact - 1) < Decimal("1e-9")
    assert sqrt_at_tick(tick - 1) < sqrt_at_tick(tick) < sqrt_at_tick(tick + 1)


@given(ticks, st.integers(1, 5_000), liquidities)
def test_rounding_up_is_at_most_two_units_more(low: int, width: int, liquidity: int) -> None:
    a, b = sqrt_at_tick(low), sqrt_at_tick(low + width)
    assert 0 <= amount0(a, b, liquidity, up=True) - amount0(a, b, liquidity, up=False) <= 2
    assert 0 <= amount1(a, b, liquidity, up=True) - amount1(a, b, liquidity, up=False) <= 1


@given(ticks, st.integers(-3_000, 3_000).filter(bool), liquidities, st.integers(1, 10**27), st.integers(0, 100_000))
def test_a_step_never_pays_more_than_it_takes(tick: int, width: int, liquidity: int, amount: int, fee: int) -> None:
    """An exact input and the exact output that it gave: the way back never costs less than the way there paid."""
    sqrt, target = sqrt_at_tick(tick), sqrt_at_tick(tick + width)
    step = swap_step(sqrt, target, liquidity, amount, fee)
    assert step.amount_in + step.fee <= amount
    assert min(sqrt, target) <= step.sqrt <= max(sqrt, target)
    if step.sqrt != target:
        assert step.amount_in + step.fee == amount
    if step.amount_out:
        again = swap_step(sqrt, target, liquidity, -step.amount_out, fee)
        assert again.amount_out == step.amount_out
        assert again.amount_in + again.fee <= step.amount_in + step.fee


def pool(*, order: tuple[int, ...] = (), net: tuple[int, ...] = (), liquidity: int = 10**24, tick: int = 0) -> Ticks:
    return Ticks(
        sqrt=sqrt_at_tick(tick), tick=tick, liquidity=liquidity, fees=(500, 500), spacing=10, low=-600, high=600,
        order=order, net=net,
    )  # fmt: skip


def test_a_swap_ends_its_steps_where_the_bitmap_words_end() -> None:
    assert pool().next_stop(-1, down=True) == -600
    assert pool().next_stop(0, down=True) == 0
    assert pool().next_stop(0, down=False) == 600
    assert pool(order=(-20, 30), net=(1, -1)).next_stop(5, down=False) == 30
    assert pool(order=(-20, 30), net=(1, -1)).next_stop(30, down=False) == 600
    assert pool(order=(-20, 30), net=(1, -1)).next_stop(30, down=True) == 30
    assert pool(order=(-20, 30), net=(1, -1)).next_stop(-1, down=True) == -20


@pytest.mark.parametrize("down", [True, False])
@pytest.mark.parametrize("sign", [1, -1])
def test_beyond_the_ticks_that_were_read_nothing_is_known(*, down: bool, sign: int) -> None:
    with pytest.raises(Thin):
        pool().swap(sign * 10**24, down=down)
    with pytest.raises(Thin):
        pool().reach(sqrt_at_tick(-700 if down else 700), down=down)


def test_a_list_of_ticks_has_no_words() -> None:
    listed = replace(pool(order=(-20, 30), net=(1, -1)), worded=False)
    assert [listed.next_stop(t, down=True) for t in (5, -20, -21)] == [-20, -20, -600]
    assert [listed.next_stop(t, down=False) for t in (5, 30, -21)] == [30, 600, -20]


@pytest.mark.parametrize("down", [True, False])
def test_each_direction_pays_its_own_fee(*, down: bool) -> None:
    dear = replace(pool(), fees=(100, 40_000) if down else (40_000, 100))
    assert dear.swap(10**18, down=down) == replace(pool(), fees=(100, 100)).swap(10**18, down=down)
    assert dear.swap(10**18, down=not down) == replace(pool(), fees=(40_000, 40_000)).swap(10**18, down=not down)


def test_a_word_of_the_bitmap_holds_256_ticks() -> None:
    fine = replace(pool(), spacing=1)
    assert [fine.next_stop(t, down=False) for t in (0, 254, 255, 511)] == [255, 255, 511, 600]
    assert [fine.next_stop(t, down=True) for t in (-1, -256, -257)] == [-256, -256, -512]


def test_an_exact_output_is_never_overpaid_where_the_price_is_coarse() -> None:
    """One unit of sqrt price is worth 12 units of token1 at this liquidity."""
    assert swap_step(SPOT, sqrt_at_tick(-10), 10**30, -5, 0).amount_out == 5


@pytest.mark.parametrize("thin_side", ["below", "above"])
@pytest.mark.parametrize("base_is_0", [True, False])
def test_depth_is_of_the_thinner_direction(*, thin_side: str, base_is_0: bool) -> None:
    """A tenth of the liquidity from 20 ticks on, below or above the price."""
    order, net = ((-20,), (9 * 10**23,)) if thin_side == "below" else ((20,), (-9 * 10**23,))
    state = pool(order=order, net=net)
    raw_rises = thin_side == "above"
    base_rises = raw_rises == base_is_0
    for move, depth in zip((0.005, 0.01, 0.02), v3_book.depths(state, base_is_0=base_is_0), strict=True):
        goal = 1 + move if base_rises else 1 - move
        far = math.sqrt(goal if base_is_0 else 1 / goal)
        near = 1.0001 ** (10 if raw_rises else -10)
        full, thin = 10**24, 10**23
        if base_is_0:
            wanted = full * abs(1 - 1 / near) + thin * abs(1 / near - 1 / far)
        else:
            wanted = full * abs(near - 1) + thin * abs(far - near)
        assert depth == pytest.approx(wanted, rel=1e-9)


def test_an_empty_stretch_is_crossed_without_a_trade() -> None:
    gap = pool(order=(-20, -10), net=(10**24, -(10**24) + 0), liquidity=0, tick=-15)
    assert gap.reach(sqrt_at_tick(-18), down=True) == (0, 0)


def test_ticks_that_take_away_more_than_there_is_are_malformed() -> None:
    with pytest.raises(Malformed):
        pool(order=(10,), net=(-(10**25),)).swap(10**23, down=False)


def test_the_mean_of_a_constant_tick_is_its_price() -> None:
    assert mean_sqrt(5 * 700, 65 * 700, 60) == sqrt_at_tick(700)
    assert mean_sqrt(0, -1, 2) == sqrt_at_tick(-1) + (Q96 - sqrt_at_tick(-1)) // 2
    with pytest.raises(Malformed):
        mean_sqrt(0, 2**80, 1)
