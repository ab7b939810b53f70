"""Fluid's adapter against its formula in real numbers, the best split found by bisection."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feeds.errors import FeedError, Malformed, NoData, Refused, Slippage, Thin, WrongSymbol
from feeds.pools import fluid_math
from feeds.pools.fluid_dex import FluidDex
from feeds.pools.fluid_math import FluidCurve
from feeds.types import Call, Reply
from feeds.units import WAD
from tests.feeds.pools.curve_reference import read, word
from tests.feeds.pools.quoted_reference import BASE, FLUID_POOL, NATIVE, QUOTE, RESOLVER, Fluid

POOL = Fluid()
reserves = st.integers(10**20, 10**24)


def dex(**params: Any) -> FluidDex:
    return FluidDex(
        **{"resolver": RESOLVER, "pool": FLUID_POOL, "base": BASE, "quote": QUOTE, "notional": "10", **params}
    )


@given(reserves, reserves, reserves, st.integers(900, 1_100), st.integers(0, 10_000), st.integers(10**16, 10**18))
def test_a_sale_over_two_curves_is_the_best_that_any_split_gives(
    base: int, quote: int, other: int, skew: int, fee: int, amount: int
) -> None:
    second = (other, other * quote // base * skew // 1_000 + 1)
    contract = Fluid(collateral=(base, quote, base, quote), debt=(*second, *second), fee=fee)
    exact = contract.out(Decimal(amount), zero_in=True)
    curves = (FluidCurve(base, quote, base, quote), FluidCurve(*second, *second))
    try:
        got = fluid_math.sell(curves, amount, fee)
    except Thin:
        return
    missed = (Decimal(fee) / 10**6) ** 2 * amount / min(base, other)  # the split is made before the fee: second order
    assert exact * (1 - missed - Decimal("1e-15")) - 4 <= got <= exact + 1


@given(reserves, reserves, st.integers(0, 10_000), st.integers(10**10, 10**18))
def test_buying_asks_what_then_buys_the_amount(base: int, quote: int, fee: int, amount: int) -> None:
    curves = (FluidCurve(base, quote, base, quote), FluidCurve(base // 2, quote // 2, base, quote))
    paid = fluid_math.buy(curves, amount, fee)
    assert amount <= fluid_math.back(curves, paid, fee) + 3
    assert fluid_math.back(curves, max(paid - paid // 10**6 - 10**6, 1), fee) <= amount
    assert fluid_math.sell(curves, amount, fee) <= paid


def test_both_directions_and_the_share_held_in_base() -> None:
    quote = read(dex(), POOL.answer)
    assert quote.bid_wad == pytest.approx(int(POOL.out(Decimal(10 * WAD), zero_in=True) / 10), rel=1e-12)
    assert quote.ask_wad is not None
    assert POOL.out(Decimal(10 * quote.ask_wad), zero_in=False) == pytest.approx(10 * WAD, rel=Decimal("1e-9"))
    assert quote.base_share_bps == pytest.approx(700 * 12 * 10_000 // (700 * 12 + 7_000), abs=2)
    inverted = read(dex(base=QUOTE, quote=BASE), POOL.answer)
    assert inverted.price_wad == pytest.approx(WAD * WAD // quote.price_wad, rel=1e-6)
    assert quote.base_share_bps is not None
    assert inverted.base_share_bps == pytest.approx(10_000 - quote.base_share_bps, abs=2)


def test_the_newer_layout_reads_the_same() -> None:
    assert read(dex(), replace(POOL, centre=True).answer) == read(dex(), POOL.answer)


@pytest.mark.parametrize("off", ["collateral", "debt"])
def test_one_curve_alone(off: str) -> None:
    one = replace(POOL, **{off: (0, 0, 0, 0)})  # type: ignore[arg-type]
    quote = read(dex(), one.answer)
    assert quote.bid_wad == pytest.approx(int(one.out(Decimal(10 * WAD), zero_in=True) / 10), rel=1e-12)


def test_the_depth_moves_the_price_by_what_it_says_or_ends_with_what_can_be_paid_out() -> None:
    free = replace(POOL, collateral=(40_000 * WAD, 48_000 * WAD, 40_000 * WAD, 48_000 * WAD), debt=(0, 0, 0, 0), fee=0)
    quote = read(dex(), free.answer)
    for depth, move in ((quote.depth_half_wad, "0.005"), (quote.depth_wad, "0.01"), (quote.depth_two_wad, "0.02")):
        assert depth is not None
        left = 1 - Decimal(depth) / (40_000 * WAD)
        assert 1 / left**2 - 1 == pytest.approx(Decimal(move), rel=Decimal("1e-6")), "buying is the thinner way"
    capped = read(dex(), replace(POOL, limits=(50 * WAD, 10**24, 20 * WAD, 10**24)).answer)
    assert capped.depth_half_wad == capped.depth_two_wad == 70 * WAD


def test_an_estimate_that_pays_in_the_native_coin_may_be_nothing_and_no_other() -> None:
    native = replace(POOL, tokens=(BASE, NATIVE))
    mute = replace(native, native_in=True)
    assert read(dex(quote=NATIVE), mute.answer) == read(dex(quote=NATIVE), native.answer)

    def silent(call: Call) -> Reply:
        return word(0) if len(call.data) > 100 else native.answer(call)

    with pytest.raises(Refused, match="paused"):
        read(dex(quote=NATIVE), silent)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"collateral": (0, 0, 0, 0), "debt": (0, 0, 0, 0)}, NoData),
        ({"collateral": (1, 1, 0, 10**20), "debt": (0, 0, 0, 0)}, Malformed),
        ({"collateral": (10**22, 1, 10**21, 10**21)}, Malformed),
        ({"collateral": (1, 1, 1 << 112, 1 << 112)}, Malformed),
        ({"fee": 10**5}, Malformed),
        ({"limits": (10**24, 10**18, 10**24, 10**18)}, Thin),
        ({"limits": (10**18, 10**24, 10**18, 10**24)}, Thin),
        ({"tokens": (BASE, BASE)}, WrongSymbol),
    ],
)
def test_reserves_that_do_not_carry_a_price_are_refused(changes: dict[str, Any], error: type[FeedError]) -> None:
    with pytest.raises(error):
        read(dex(), replace(POOL, **changes).answer)


def test_reserves_that_contradict_the_resolvers_estimates_are_refused() -> None:
    other = replace(POOL, fee=600)

    def mixed(call: Call) -> Reply:
        return POOL.answer(call) if len(call.data) < 100 else other.answer(call)

    with pytest.raises(Malformed, match="contradict"):
        read(dex(), mixed)


def test_the_gates_refuse_and_the_pools_own_five_percent() -> None:
    with pytest.raises(Thin, match="depth_wad"):
        read(dex(min_depth="10000"), POOL.answer)
    with pytest.raises(Slippage):
        read(dex(max_slippage_bps=1), POOL.answer)
    wide = replace(POOL, collateral=(10**21, 10**21, 10**21, 10**21), debt=(0, 0, 0, 0))
    with pytest.raises(Thin, match="more than the pool allows"):
        read(dex(notional="40", max_slippage_bps=10_000), wide.answer)


@pytest.mark.parametrize(
    ("params", "text"),
    [
        ({"resolver": "0x1"}, "not an address"),
        ({"quote": BASE}, "same token"),
        ({"notional": "-1"}, "above 0"),
        ({"quote_decimals": 40}, "out of range"),
        ({"max_slippage_bps": 10_001}, "write 1 to"),
    ],
)
def test_the_config_is_told_what_to_write(params: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        dex(**params)
