"""The unmodified Aave v3 lends against our feed: a real fall is liquidated once it is on chain, a venue's crash never is."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

import contracts
from demo.world.aave import HEALTHY
from demo.world.aave_position import Liquidation
from oracle.model.types import FeedRound
from oracle.report.wire import split_items
from tests.e2e.e2e_tools import until
from tests.e2e.lending_tools import BONUS_BPS, FEED, WAD, Loan, lending, playing

pytestmark = [pytest.mark.e2e, pytest.mark.chain]
POOL = "wdiveth_uniswap"
MASK = (1 << 64) - 1
BPS = 10_000
ROUNDS_OF_CRASH = 8


async def test_a_fall_in_the_pools_is_liquidated_when_it_is_on_chain_and_not_before(tmp_path: Path) -> None:
    async with lending(tmp_path) as loan, playing("depeg", loan.market) as next_act:
        position = loan.position
        calm = await loan.head()
        assert await position.liquidation_refused(calm) == HEALTHY
        held = {(venue, FEED): loan.market.prices[FEED] for venue in loan.stand.venues}
        loan.market.overrides.update(held)
        next_act()

        async def sold_off(block: int) -> bool:
            return await health_by_the_pool(loan, block) < 1

        sold = await loan.first_block(calm, sold_off, "swaps that bring the pool below the threshold")
        for venue in held:
            del loan.market.overrides[venue]
        fallen = await loan.first_block(calm, loan.unhealthy, "a health factor below one")
        assert sold < fallen, "the pools fall first, then the venues, then the price on chain"
        await until(lambda: fallen in blocks_of_pushes(loan), "the push of that block in the journal")
        assert await health_by_the_pool(loan, fallen - 1) < 1
        assert await sold_into_the_pool(loan, calm, sold) > 0
        assert (await position.standing(fallen - 1)).health_wad >= WAD
        assert await position.liquidation_refused(fallen - 1) == HEALTHY
        assert await position.liquidation_refused(fallen) is None
        await lender_s_price_is_the_api_s(loan, fallen)

        before = await position.standing()
        done = await position.liquidate()
        after = await position.standing()
        assert done.seized in [await seized(loan, done, block) for block in (done.block - 1, done.block)]
        assert done.seized * await loan.pool_price(POOL, done.block) > done.repaid * WAD, "a liquidator must earn"
        assert before.health_wad < WAD <= after.health_wad
        assert await position.liquidation_refused() == HEALTHY


def blocks_of_pushes(loan: Loan) -> set[int | None]:
    """Blocks in which a price of the collateral landed."""
    index = loan.app.targets["local"].indexes[FEED]
    return {row.block for row in loan.app.database.pushes("local", ("landed",)) if index in split_items(row.items)}


async def health_by_the_pool(loan: Loan, block: int) -> float:
    """The health factor that the loan would have at the pool's price, with Aave's own figure for all the rest."""
    standing = await loan.position.standing(block)
    collateral_usd, debt_usd = await loan.position.prices_usd(block)
    by_pool = await loan.pool_price(POOL, block) * debt_usd / WAD
    return standing.health_wad / WAD * by_pool / collateral_usd


async def sold_into_the_pool(loan: Loan, first: int, last: int) -> int:
    """The wdivETH (1e18) that swaps brought into the Uniswap pool, net of what they took out."""
    pool = loan.stand.world.pools[POOL]
    contract = loan.position.chain.contract(pool.contract.abi, pool.address)
    swaps = await contract.events.Swap().get_logs(from_block=first + 1, to_block=last)
    amount = "amount0" if int(pool.token, 16) < int(pool.weth, 16) else "amount1"
    return sum(swap["args"][amount] for swap in swaps)


async def lender_s_price_is_the_api_s(loan: Loan, block: int) -> None:
    """Aave's price of the collateral is the product of what the service published for the two landed rounds."""
    price = WAD
    for leg in (FEED, "ETH/USD"):
        view = loan.position.chain.contract(contracts.load("FeedView").abi, loan.stand.deployment.views[leg])
        round_id, *_ = await view.functions.latestRoundData().call(block_identifier=block)
        record = loan.app.database.record(leg, round_id & MASK)
        assert record is not None
        price = price * record.price_wad // WAD
    assert (await loan.position.prices_usd(block))[0] == price // 10**10


async def seized(loan: Loan, done: Liquidation, block: int) -> int:
    """Aave's rule: the debt's value in collateral, rounded down, times the bonus, rounded to the nearest."""
    collateral_usd, debt_usd = await loan.position.prices_usd(block)
    return (debt_usd * done.repaid * WAD // (collateral_usd * WAD) * BONUS_BPS + BPS // 2) // BPS


async def test_nobody_is_liquidated_for_what_one_venue_prints(tmp_path: Path) -> None:
    async with lending(tmp_path) as loan, playing("venue-crash", loan.market) as next_act:
        position, app = loan.position, loan.app
        calm, landed, round_s = await loan.head(), app.targets["local"].counts["landed"], app.last_round_s
        next_act()
        await until(lambda: outliers(loan, round_s) >= ROUNDS_OF_CRASH, "rounds in which the venue is an outlier")
        await until(lambda: app.targets["local"].counts["landed"] >= landed + 3, "pushes during the crash")
        next_act()
        back_s = app.last_round_s
        await until(lambda: app.last_round_s >= back_s + 4, "rounds after the crash")
        lowest = 2 * WAD
        for block in range(calm, await loan.head() + 1):
            lowest = min(lowest, (await position.standing(block)).health_wad)
            assert await position.liquidation_refused(block) == HEALTHY, block
        assert WAD < lowest < WAD * 105 // 100, "the loan is to be near its limit"

        # what it would take: all three venues at once. Each operator leaves one out, so half of its sources fall and its
        # median by half as much
        last = await loan.head()
        for venue in loan.stand.venues:
            loan.market.overrides[venue, FEED] = loan.market.prices[FEED] * Decimal("0.9")
        fallen = await loan.first_block(last, loan.unhealthy, "a health factor below one")
        assert await position.liquidation_refused(fallen) is None


def outliers(loan: Loan, after_s: int) -> int:
    """Rounds in which an operator threw the crashed venue's price out."""
    results = [
        result
        for operator in ("beta", "gamma")
        for _, result in loan.app.database.results_since(operator, FEED, after_s + 1, loan.app.last_round_s)
    ]
    return len({
        r.round_time_s
        for r in results
        if isinstance(r, FeedRound)
        and r.market is not None
        and any(x.source == "binance" and x.code == "OUTLIER" for x in r.market.rejected)
    })  # fmt: skip
