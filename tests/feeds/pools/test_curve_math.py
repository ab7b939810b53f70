"""Laws of Curve's stable arithmetic, and the same numbers by another method: no chain, no shared code."""

from __future__ import annotations

import csv
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feeds.errors import FeedError, Malformed, Thin
from feeds.pools.curve_math import CurvePool, balance_of, invariant
from feeds.pools.stable_depth import Two
from feeds.units import WAD
from tests.feeds.pools.curve_reference import Stable

amps = st.integers(500, 500_000)
fees = st.integers(0, 40_000_000)
balances = st.lists(st.integers(10**19, 10**24), min_size=2, max_size=4).filter(lambda b: max(b) < 30 * min(b))
SERIES = Path(__file__).parents[4] / "shared" / "data" / "series" / "curve_steth_pool_daily_2021_2022"


def pool(*held: int, amp: int = 20_000, fee: int = 4_000_000, offpeg: int = 0, rate: int = WAD) -> CurvePool:
    sides = held or (10**21, 10**21)
    return CurvePool(amp=amp, balances=sides, rates=(WAD, *(rate,) * (len(sides) - 1)), fee=fee, offpeg=offpeg)


def twin(one: CurvePool) -> Stable:
    return Stable(amp=one.amp, held=one.balances, rates=one.rates, fee=one.fee, offpeg=one.offpeg)


@given(amps, balances)
def test_the_invariant_lies_between_the_product_and_the_sum(amp: int, held: list[int]) -> None:
    d = invariant(amp, held)
    assert len(held) * min(held) - 2 <= d <= sum(held) + 1
    assert invariant(amp, [2 * b for b in held]) == pytest.approx(2 * d, rel=1e-15)
    assert balance_of(amp, held, d, 0) == pytest.approx(held[0], rel=1e-12)


@given(amps, balances, fees, st.sampled_from((0, 2 * 10**10, 5 * 10**10)), st.integers(1, 10**6))
def test_a_sale_equals_the_formula_solved_by_bisection(
    amp: int, held: list[int], fee: int, offpeg: int, parts: int
) -> None:
    one = pool(*held, amp=amp, fee=fee, offpeg=offpeg, rate=1_034_567_890_123_456_789)
    amount = min(held) * parts // 2_000_000 + 10**15
    exact = twin(one).dy(1, 0, amount)
    assert one.sell(amount, 1, 0) == pytest.approx(exact, rel=Decimal("2e-10"), abs=10), "a fee is a multiple of 1e-10"


@given(amps, balances, fees, st.sampled_from((0, 2 * 10**10)), st.integers(1, 10**6))
def test_buying_gets_the_amount_and_a_millionth_more_at_most(
    amp: int, held: list[int], fee: int, offpeg: int, parts: int
) -> None:
    one = pool(*held, amp=amp, fee=fee, offpeg=offpeg)
    amount = min(held) * parts // 4_000_000 + 10**15
    paid = one.buy(amount, 0, 1)
    assert amount - 10 <= one.sell(paid, 1, 0) <= amount + amount // 10**6 + 10
    assert one.sell(amount, 0, 1) <= paid + 2


@given(amps, balances, st.integers(10**15, 10**18), st.integers(2, 9))
def test_more_pays_more_and_each_unit_less(amp: int, held: list[int], amount: int, times: int) -> None:
    one = pool(*held, amp=amp, fee=0)
    small, large = one.sell(amount, 0, 1), one.sell(times * amount, 0, 1)
    assert small < large <= times * (small + 3)


@given(amps, balances, st.integers(10**15, 10**19))
def test_a_trade_without_fee_leaves_the_invariant_and_a_fee_adds_to_it(amp: int, held: list[int], amount: int) -> None:
    for fee in (0, 4_000_000):
        one = pool(*held, amp=amp, fee=fee)
        got = one.sell(amount, 0, 1)
        after = (held[0] + amount, held[1] - got, *held[2:])
        grown = invariant(amp, after) - invariant(amp, held)
        assert grown >= -3
        assert fee or grown <= 1_000


def test_swapping_the_coins_swaps_the_sides() -> None:
    one, other = pool(7 * 10**20, 11 * 10**20), pool(11 * 10**20, 7 * 10**20)
    assert one.sell(10**19, 0, 1) == other.sell(10**19, 1, 0)
    assert one.depths(0, 1) == other.depths(1, 0)


def test_the_fee_grows_away_from_balance_up_to_its_multiple() -> None:
    def paid_bps(*held: int) -> int:
        with_fee, without = (pool(*held, offpeg=5 * 10**10, fee=f).sell(10**15, 0, 1) for f in (10_000_000, 0))
        return (without - with_fee) * 100_000 // without

    assert paid_bps(10**21, 10**21) == pytest.approx(100, abs=1)
    assert 105 < paid_bps(10**21, 5 * 10**20) < 200
    assert 350 < paid_bps(10**21, 10**19) < 500


@pytest.mark.parametrize("held", [(10**21, 10**21), (3 * 10**21, 10**21), (10**20, 9 * 10**20), (10**21,) * 3])
def test_the_depth_moves_the_price_by_what_it_says(held: tuple[int, ...]) -> None:
    one = pool(*held)
    contract = twin(one)
    start = contract.spot(0, 1)
    for move, depth in zip((Decimal("0.005"), Decimal("0.01"), Decimal("0.02")), one.depths(0, 1), strict=True):
        fallen, risen = contract.spot(0, 1, depth) / start, contract.spot(0, 1, -depth) / start
        assert max(1 - fallen, risen - 1) == pytest.approx(move, rel=Decimal("1e-4"))


def test_decimals_only_scale() -> None:
    coarse = CurvePool(amp=20_000, balances=(10**9, 10**21), rates=(10**30, WAD), fee=4_000_000)
    assert coarse.sell(10**6, 0, 1) == pool().sell(10**18, 0, 1)
    assert coarse.sell(10**18, 1, 0) == pool().sell(10**18, 1, 0) // 10**12
    assert coarse.depths(0, 1)[1] == pytest.approx(pool().depths(0, 1)[1] // 10**12, rel=1e-5)


def test_the_share_of_base_counts_by_rates() -> None:
    assert pool(10**21, 3 * 10**21).share_bps(0) == 2_500
    assert pool(10**21, 10**21, rate=3 * WAD).share_bps(1) == 7_500


def test_what_the_pool_cannot_carry_is_refused_by_type() -> None:
    with pytest.raises(Thin):
        pool().buy(10**21, 0, 1)
    with pytest.raises(Thin):
        pool(0, 10**21).sell(10**18, 0, 1)
    with pytest.raises(Thin):
        pool().sell(1, 0, 1)
    for amp in (0, 1, 100):
        for held in ((1, 10**33), (10**3, 10**33), (1, 10**30, 10**30)):
            with pytest.raises(FeedError):
                replace(pool(*held, amp=amp), fee=0).buy(10**18, 0, 1)


def test_an_invariant_that_does_not_settle_is_malformed() -> None:
    with pytest.raises(Malformed, match="does not converge"):
        invariant(20_000, (*(1,) * 7, 10**33))
    with pytest.raises(Malformed, match="amplification"):
        balance_of(0, (10**21, 10**21), 2 * 10**21, 0)


def test_the_steth_pool_through_its_depeg() -> None:
    """Daily balances of the ETH/stETH pool, September 2021 to June 2022, and the marginal price at A = 50."""
    if not SERIES.is_dir():
        pytest.skip("the series of the stETH pool is not beside this checkout")
    rows = list(csv.DictReader((SERIES / "derived_steth_spot_A50.csv").read_text().splitlines()))
    assert len(rows) == 322
    lowest = Decimal(2)
    for row in rows:
        eth, steth = (int(Decimal(row[k]) * 10**18) for k in ("eth_balance", "steth_balance"))
        one = CurvePool(amp=5_000, balances=(eth, steth), rates=(WAD, WAD), fee=4_000_000)
        up, down = Two.of(5_000, 100, (eth, steth), invariant(5_000, (eth, steth)), (1, 0)).price()
        spot = Decimal(up) / Decimal(down)
        lowest = min(lowest, spot)
        assert spot == pytest.approx(Decimal(row["spot_steth_in_eth_A50"]), abs=Decimal("1e-6"))
        assert one.share_bps(1) == pytest.approx(int(Decimal(row["steth_share"]) * 10_000), abs=1)
        assert one.sell(WAD, 1, 0) == pytest.approx(int(spot * Decimal("0.9996") * WAD), rel=1e-5)
    assert Decimal("0.934") < lowest < Decimal("0.935")
