"""Our v3 arithmetic against the deployed pool, through Uniswap's own quoter: equal to the last unit."""

from __future__ import annotations

import random
from dataclasses import replace
from decimal import Decimal
from math import isqrt
from typing import Any

import pytest

from demo.world import npm
from demo.world.chain import NO_DEADLINE
from demo.world.trader import Trader
from demo.world.uniswap import UniswapPool
from feeds.chains.endpoint import Head
from feeds.errors import FeedError
from feeds.pools.uniswap_v3 import UniswapV3
from feeds.types import Quote
from feeds.units import WAD, mul_div_down, mul_div_up
from tests.feeds.pools.conftest import Pools

pytestmark = [pytest.mark.chain, pytest.mark.asyncio(loop_scope="module")]
POOLS = ["wdiveth_uniswap", "demolrt_uniswap"]


def pool_of(pools: Pools, name: str) -> UniswapPool:
    pool = pools.world.pools[name]
    assert isinstance(pool, UniswapPool)
    return pool


def adapter(pools: Pools, name: str, notional: str, *, inverted: bool = False, **params: Any) -> UniswapV3:
    pool = pool_of(pools, name)
    base, quote = (pool.weth, pool.token) if inverted else (pool.token, pool.weth)
    return UniswapV3(
        pool=pool.address, base=base, quote=quote, notional=notional, **{"max_slippage_bps": 10_000, **params}
    )


async def quoted(pools: Pools, name: str, amount: int, *, inverted: bool, selling: bool, head: Head) -> int:
    """Quote units that Uniswap's quoter says a swap of an exact amount of base pays or costs."""
    pool = pool_of(pools, name)
    base, quote = (pool.weth, pool.token) if inverted else (pool.token, pool.weth)
    order = (base, quote, amount, pool.fee, 0) if selling else (quote, base, amount, pool.fee, 0)
    function = "quoteExactInputSingle" if selling else "quoteExactOutputSingle"
    return int((await pools.call(pools.quoter, function, order, head=head))[0])


async def assert_exact(pools: Pools, name: str, *, inverted: bool, texts: list[str]) -> None:
    read = {t: adapter(pools, name, t, inverted=inverted) for t in texts}
    head, results = await pools.quotes(**read)
    agreed = 0
    for text, quote in results.items():
        amount = int(Decimal(text).scaleb(18))
        if isinstance(quote, FeedError):
            assert quote.code in {"THIN", "NOT_POSITIVE", "OUT_OF_RANGE"}, str(quote)
            continue
        sold = await quoted(pools, name, amount, inverted=inverted, selling=True, head=head)
        bought = await quoted(pools, name, amount, inverted=inverted, selling=False, head=head)
        assert quote.bid_wad == mul_div_down(sold, WAD, amount), text
        assert quote.ask_wad == mul_div_up(bought, WAD, amount), text
        agreed += 1
    assert agreed >= len(texts) - 2


def amounts(seed: int, count: int) -> list[str]:
    rng = random.Random(seed)
    sizes = [rng.randrange(1, 10 ** rng.randint(14, 20) * 4) for _ in range(count)]
    return ["0.000000000000000007", "10", "500", *(f"{Decimal(n).scaleb(-18):f}" for n in sizes)]


@pytest.mark.parametrize("name", POOLS)
@pytest.mark.parametrize("inverted", [False, True])
async def test_prices_at_size_equal_the_quoters(pools: Pools, name: str, *, inverted: bool) -> None:
    await assert_exact(pools, name, inverted=inverted, texts=amounts(1, 8))


async def test_with_many_narrow_positions_and_swaps_between_they_still_do(pools: Pools) -> None:
    """Initialised ticks on both sides, of unlike liquidity, crossed by the notional and by earlier swaps."""
    rng = random.Random(5)
    owner, manager = pools.world.accounts.owner, pools.world.position_manager
    positions = pools.chain.contract(npm.uniswap("v3-periphery", "NonfungiblePositionManager").abi, manager)
    trader = Trader(pools.chain, pools.world, seed=9)
    for name, spacing in (("wdiveth_uniswap", 1), ("demolrt_uniswap", 10)):
        pool = pool_of(pools, name)
        pair = tuple(sorted((pool.token, pool.weth), key=lambda a: int(a, 16)))
        tick = (await pools.chain.call(pool.contract, "slot0"))[1]
        for _ in range(12):
            low = (tick + rng.randint(-200, 190)) // spacing * spacing
            high = low + spacing * rng.randint(1, 6)
            size = rng.randrange(10**15, 40 * 10**18)
            order = (*pair, pool.fee, low, high, size, size, 0, 0, owner.address, NO_DEADLINE)
            await pools.chain.send(owner, positions, "mint", order, gas=2_000_000)
        await pools.chain.settle()
        for bps in (0, 60, -80):
            await trader.move(name, await trader.rate(name) * (10_000 + bps) // 10_000)
            await trader.settle()
            await assert_exact(pools, name, inverted=False, texts=amounts(abs(bps) + spacing, 5))
            await assert_exact(pools, name, inverted=True, texts=amounts(abs(bps) + spacing + 1, 5))


async def test_the_mean_is_the_pools_own(pools: Pools) -> None:
    """A price held for 40 s and another for 20 s: the geometric mean of the last 60 s lies two thirds of the way."""
    name = "demolrt_uniswap"
    trader, pool = Trader(pools.chain, pools.world, seed=2), pool_of(pools, name)
    for price, seconds in ((WAD, 40), (102 * WAD // 100, 20)):
        await trader.move(name, price)
        await trader.settle()
        await pools.chain.rpc("evm_increaseTime", seconds)
    await pools.chain.rpc("evm_mine")
    head, quote = await pools.quote(adapter(pools, name, "1", twap_s=60))
    sums = (await pools.call(pool.contract, "observe", [60, 0], head=head))[0]
    exact = Decimal("1.0001") ** (Decimal(sums[1] - sums[0]) / 60)
    wanted = exact if pool.token_is_first else 1 / exact
    assert quote.mean_span_ms == 60_000
    assert quote.mean_wad == pytest.approx(float(wanted) * WAD, rel=2e-9)
    assert quote.mean_wad == pytest.approx(1.02 ** (1 / 3) * WAD, rel=2e-3)
    _, turned = await pools.quote(adapter(pools, name, "1", twap_s=60, inverted=True))
    assert turned.mean_wad == pytest.approx(float(1 / wanted) * WAD, rel=2e-9)


async def test_a_pool_that_remembers_less_gives_its_price_without_a_mean(pools: Pools) -> None:
    _, quote = await pools.quote(adapter(pools, POOLS[0], "1", twap_s=7 * 86_400))
    assert quote.mean_wad is None
    assert quote.mean_span_ms is None


async def swapped_to(pools: Pools, pool: UniswapPool, target_wad: int) -> None:
    """A swap that ends at a price, with gas for a great many ticks."""
    limit = isqrt((target_wad << 192) // WAD if pool.token_is_first else (WAD << 192) // target_wad)
    selling = (limit < (await pools.chain.call(pool.contract, "slot0"))[0]) == pool.token_is_first
    path = (pool.token, pool.weth) if selling else (pool.weth, pool.token)
    who = pools.world.accounts.trader
    order = (*path, pool.fee, who.address, NO_DEADLINE, 10**23, 0, limit)
    await pools.chain.send(who, pool.router, "exactInputSingle", order, gas=5_000_000)
    await pools.chain.settle()


@pytest.mark.parametrize("inverted", [False, True])
async def test_the_depths_are_what_moves_the_price_that_far(pools: Pools, *, inverted: bool) -> None:
    """Swaps that end 0.5, 1 and 2 % away, on the real pool: the thinner takes the depth in base tokens, less the fee."""
    name = POOLS[1]
    pool = pool_of(pools, name)
    _, quote = await pools.quote(adapter(pools, name, "1", inverted=inverted))
    base = pools.chain.token(pool.weth if inverted else pool.token)
    spot = await pool.spot(pools.chain)
    for bps, depth in zip((50, 100, 200), (quote.depth_half_wad, quote.depth_wad, quote.depth_two_wad), strict=True):
        moved = []
        for goal in (10_000 - bps, 10_000 + bps):
            snapshot = await pools.chain.rpc("evm_snapshot")
            before = await pools.chain.call(base, "balanceOf", pool.address)
            await swapped_to(pools, pool, spot * 10_000 // goal if inverted else spot * goal // 10_000)
            after = await pools.chain.call(base, "balanceOf", pool.address)
            await pools.chain.rpc("evm_revert", snapshot)
            gross = after - before
            moved.append(gross * (10**6 - pool.fee) // 10**6 if gross > 0 else -gross)
        assert depth == pytest.approx(min(moved), rel=1e-9)


async def test_a_gate_refuses(pools: Pools) -> None:
    good = adapter(pools, POOLS[0], "1")
    _, results = await pools.quotes(
        deep=replace(good, min_depth="1000000"),
        wide=replace(good, max_slippage_bps=1),
        huge=replace(good, notional="100000"),
        other=replace(good, base=pools.world.lrt),
        fee=replace(good, fee=3000),
        no_pool=replace(good, pool="0x" + "11" * 20),
    )
    codes = {name: result.code for name, result in results.items() if not isinstance(result, Quote)}
    assert codes == {
        "deep": "THIN",
        "wide": "SLIPPAGE",
        "huge": "THIN",
        "other": "WRONG_SYMBOL",
        "fee": "WRONG_SYMBOL",
        "no_pool": "MALFORMED",
    }
