"""Laws of the weighted arithmetic, without a chain; powers against real numbers."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from decimal import Decimal, localcontext
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from feeds.errors import Malformed, Thin
from feeds.pools import weighted_math
from feeds.pools.balancer_stable import BalancerStable
from feeds.pools.balancer_weighted import BalancerWeighted
from feeds.pools.weighted_math import Weighted, power, power_up
from feeds.units import WAD

bases = st.integers(WAD // 100, 100 * WAD)
exponents = st.integers(WAD // 100, 9 * WAD)
pools = st.builds(
    lambda a, b, w: Weighted(a, b, w * WAD // 100, WAD - w * WAD // 100),
    st.integers(10**18, 10**27), st.integers(10**18, 10**27), st.integers(1, 99),
)  # fmt: skip


def test_the_constants_are_powers_of_e_to_twenty_digits() -> None:
    with localcontext(prec=70):
        for scale, table in ((WAD, weighted_math._LARGE), (weighted_math._FINE, weighted_math._SMALL)):
            unit = 1 if scale == WAD else scale
            for exponent, value in table:
                assert abs(value / (Decimal(exponent) / scale).exp() / unit - 1) < Decimal("1e-19")


@given(bases, exponents)
def test_a_power_is_right_to_its_error_bound_and_rounded_up(x: int, y: int) -> None:
    with localcontext(prec=60):
        exact = (Decimal(x) / WAD) ** (Decimal(y) / WAD) * WAD
        least = Decimal(-41).exp() * WAD  # where the pool's own library ends
        assume(abs(exact / least - 1) > Decimal("1e-12"))
        if exact < least:
            with pytest.raises(Malformed, match="out of range"):
                power(x, y)
            return
        assert abs(power(x, y) - exact) <= exact * Decimal("1e-15") + 100
        assert power_up(x, y) >= int(exact)


def test_whole_powers_are_exact_and_nothing_stays_nothing() -> None:
    x = 1_234_567_890_123_456_789
    assert power_up(x, WAD) == x
    assert power_up(x, 2 * WAD) == -(-x * x // WAD)
    assert power(x, 0) == WAD
    assert power(0, 3 * WAD) == 0


def test_a_power_out_of_range_is_malformed() -> None:
    for x, y in ((1 << 255, WAD), (10 * WAD, 100 * WAD), (1, 10 * WAD), (2 * WAD, 1 << 253)):
        with pytest.raises(Malformed):
            power(x, y)


@given(pools, st.integers(1, 290_000))
def test_buying_costs_at_least_what_selling_pays(pool: Weighted, parts: int) -> None:
    amount = pool.base * parts // 1_000_000
    assert pool.pays(amount) <= pool.costs(amount)
    assert pool.costs(amount) > 0


@given(pools)
def test_the_depth_moves_the_price_by_what_it_says(pool: Weighted) -> None:
    """The thinner direction, by the value function: price ~ quote weightless over base, product of powers standing."""
    with localcontext(prec=50):
        ratio = Decimal(pool.base_weight) / pool.quote_weight
        for move, depth in zip((Decimal("0.005"), Decimal("0.01"), Decimal("0.02")), pool.depths(), strict=True):
            fallen = 1 - (1 + Decimal(depth) / pool.base) ** -(ratio + 1)
            risen = (1 - Decimal(depth) / pool.base) ** -(ratio + 1) - 1
            assert max(fallen, risen) == pytest.approx(move, rel=Decimal("1e-8"))


def test_even_weights_are_a_constant_product() -> None:
    pool = Weighted(3 * 10**21, 10**21, WAD // 2, WAD // 2)
    assert pool.pays(3 * 10**20) == pytest.approx(10**21 // 11, rel=1e-12)
    assert Weighted(pool.quote, pool.base, pool.quote_weight, pool.base_weight).pays(10**20) == pytest.approx(
        3 * 10**21 // 11, rel=1e-12
    )


def test_more_than_the_pool_lets_go_is_thin() -> None:
    pool = Weighted(10**21, 10**21, WAD // 2, WAD // 2)
    for trade in (pool.pays, pool.costs):
        with pytest.raises(Thin):
            trade(3 * 10**20 + 1)


@given(st.integers(1, 2**112), st.integers(1, 2**112), st.integers(1, 99), st.integers(1, 10**27))
def test_an_extreme_pool_gives_numbers_or_is_refused_by_type(base: int, quote: int, weight: int, amount: int) -> None:
    pool = Weighted(base, quote, weight * WAD // 100, WAD - weight * WAD // 100)
    for trade in (pool.pays, pool.costs):
        with contextlib.suppress(Thin, Malformed):
            assert trade(amount) >= 0
    assert list(pool.depths()) == sorted(pool.depths())


POOL = "0x" + "c0" * 20
PLACE: dict[str, Any] = {
    "vault": "0x" + "ba" * 20, "pool": POOL, "pool_id": POOL + "00" * 12, "base": "0x" + "1a" * 20,
    "quote": "0x" + "2b" * 20, "notional": "1",
}  # fmt: skip


@pytest.mark.parametrize(
    ("adapter", "change", "says"),
    [
        (BalancerWeighted(**PLACE), {"pool_id": "0x" + "11" * 32}, "belongs to another pool"),
        (BalancerWeighted(**PLACE), {"quote_decimals": 24}, "at most 18 decimals"),
        (BalancerWeighted(**PLACE), {"quote": PLACE["base"]}, "the same token"),
        (BalancerWeighted(**PLACE), {"notional": "0"}, "above 0"),
        (BalancerStable(**PLACE), {"variant": "phantom"}, "write one of composable, meta"),
        (BalancerStable(**PLACE), {"min_depth": "-1"}, "out of range"),
    ],
)
def test_a_config_that_cannot_be_meant_says_what_to_write(adapter: Any, change: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        replace(adapter, **change)
