from __future__ import annotations

import pytest

from demo.world.stable import TwoCoinCurve, swap_to_price

FEE = 0.0004
BALANCED = TwoCoinCurve(amplification=200, base=5_000, quote=5_000)


def test_a_balanced_pool_trades_at_one_and_its_invariant_is_the_sum() -> None:
    assert BALANCED.price() == pytest.approx(1, abs=1e-12)
    assert BALANCED.invariant() == pytest.approx(10_000, rel=1e-12)


def test_the_price_is_the_slope_of_the_curve() -> None:
    skewed = TwoCoinCurve(amplification=200, base=8_000, quote=2_000)
    paid = skewed.quote - skewed.other(skewed.base + 1e-3)
    assert paid / 1e-3 == pytest.approx(skewed.price(), rel=1e-6)


def test_the_fee_raises_the_invariant_and_no_fee_keeps_it() -> None:
    assert BALANCED.sell(1_000, fee=0).invariant() == pytest.approx(BALANCED.invariant(), rel=1e-12)
    assert BALANCED.buy(1_000, fee=FEE).invariant() > BALANCED.invariant()


@pytest.mark.parametrize("target", [0.7, 0.94, 0.999, 1.0001, 1.06, 1.4])
def test_the_swap_found_ends_at_the_target(target: float) -> None:
    amount = swap_to_price(BALANCED, target, fee=FEE)
    assert (amount > 0) == (target < 1)
    after = BALANCED.sell(amount, fee=FEE) if amount > 0 else BALANCED.buy(-amount, fee=FEE)
    assert after.price() == pytest.approx(target, rel=1e-9)


def test_nothing_is_swapped_where_the_price_is_right() -> None:
    assert swap_to_price(BALANCED, BALANCED.price(), fee=FEE) == 0
