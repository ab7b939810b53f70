"""Our constant-product arithmetic against a deployed pair, through Uniswap's own router: equal to the last unit."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import pytest
import pytest_asyncio

from demo.world import npm
from feeds.errors import FeedError
from feeds.pools.uniswap_v2 import UniswapV2
from feeds.types import Quote
from feeds.units import WAD, mul_div_down, mul_div_up
from tests.feeds.pools import npm_pools
from tests.feeds.pools.conftest import Pools

pytestmark = [pytest.mark.chain, pytest.mark.asyncio(loop_scope="module")]
TRANSFER = [{"type": "function", "name": "transfer", "stateMutability": "nonpayable", "outputs": [],
             "inputs": [{"name": "", "type": t} for t in ("address", "uint256")]}]  # fmt: skip


@dataclass(frozen=True)
class Pair:
    """A pair of WETH and the demo's token, and the router."""

    pools: Pools
    contract: Any
    router: Any

    def adapter(self, notional: str, *, inverted: bool = False, **params: Any) -> UniswapV2:
        sides = (self.pools.world.lrt, self.pools.world.weth)
        base, quote = sides[::-1] if inverted else sides
        return UniswapV2(
            pool=self.contract.address, base=base, quote=quote, notional=notional,
            **{"max_slippage_bps": 10_000, **params},
        )  # fmt: skip

    async def give(self, token: str, amount: int) -> None:
        chain, owner = self.pools.chain, self.pools.world.accounts.owner
        await chain.send(owner, chain.contract(TRANSFER, token), "transfer", self.contract.address, amount)

    async def swap(self, amount: int, *, zero_in: bool) -> None:
        """A real swap, as the router would do it."""
        chain, owner = self.pools.chain, self.pools.world.accounts.owner
        first, second = sorted((self.pools.world.weth, self.pools.world.lrt), key=lambda a: int(a, 16))
        path = [first, second] if zero_in else [second, first]
        out = (await chain.call(self.router, "getAmountsOut", amount, path))[1]
        await self.give(path[0], amount)
        amounts = (0, out) if zero_in else (out, 0)
        await chain.send(owner, self.contract, "swap", *amounts, owner.address, b"")
        await chain.settle()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pair(pools: Pools) -> Pair:
    chain, world = pools.chain, pools.world
    owner = world.accounts.owner
    factory = await chain.create(owner, npm_pools.truffle("@uniswap/v2-core", "UniswapV2Factory"), owner.address)
    router_code = npm_pools.truffle("@uniswap/v2-periphery", "UniswapV2Router02")
    router = await chain.create(owner, router_code, factory.address, world.weth)
    await chain.send(owner, factory, "createPair", world.weth, world.lrt, gas=6_000_000)
    await chain.settle()
    address = await chain.call(factory, "getPair", world.weth, world.lrt)
    one = Pair(pools, chain.contract(npm_pools.truffle("@uniswap/v2-core", "UniswapV2Pair").abi, address), router)
    await one.give(world.weth, 3_000 * WAD)
    await one.give(world.lrt, 2_900 * WAD)
    await chain.send(owner, one.contract, "mint", owner.address)
    await chain.settle()
    return one


@pytest.mark.parametrize("inverted", [False, True])
async def test_prices_at_size_equal_the_routers(pair: Pair, *, inverted: bool) -> None:
    rng = random.Random(21 + inverted)
    path = [pair.pools.world.lrt, pair.pools.world.weth][:: -1 if inverted else 1]
    agreed = 0
    for _ in range(5):
        sizes = [rng.randrange(1, 10 ** rng.randint(6, 21)) for _ in range(8)]
        head, results = await pair.pools.quotes(
            **{str(n): pair.adapter(f"{Decimal(n).scaleb(-18):f}", inverted=inverted) for n in sizes}
        )
        for text, quote in results.items():
            amount = int(text)
            if isinstance(quote, FeedError):
                assert quote.code in {"THIN", "OUT_OF_RANGE", "NOT_POSITIVE", "SLIPPAGE"}, str(quote)
                continue
            sold = (await pair.pools.call(pair.router, "getAmountsOut", amount, path, head=head))[1]
            cost = (await pair.pools.call(pair.router, "getAmountsIn", amount, path[::-1], head=head))[0]
            assert quote.bid_wad == mul_div_down(sold, WAD, amount), text
            assert quote.ask_wad == mul_div_up(cost, WAD, amount), text
            agreed += 1
        await pair.swap(rng.randrange(1, 300 * WAD), zero_in=bool(rng.getrandbits(1)))
    assert agreed >= 30


async def test_selling_the_depth_moves_the_price_by_what_it_says(pair: Pair) -> None:
    """The reserves after a real trade of the depth; the thinner direction is buying base out."""
    _, quote = await pair.pools.quote(pair.adapter("1"))
    assert quote.depth_half_wad is not None
    assert quote.depth_wad is not None
    assert quote.depth_two_wad is not None
    zero, one, _ = await pair.pools.chain.call(pair.contract, "getReserves")
    first = int(pair.pools.world.lrt, 16) < int(pair.pools.world.weth, 16)
    base, other = (zero, one) if first else (one, zero)
    spot = Decimal(other) / base
    for move, depth in (("0.005", quote.depth_half_wad), ("0.01", quote.depth_wad), ("0.02", quote.depth_two_wad)):
        left = Decimal(base - depth)
        after = Decimal(base) * other / left / left
        assert after / spot - 1 == pytest.approx(Decimal(move), rel=Decimal("1e-12"))


async def test_a_gate_refuses(pair: Pair) -> None:
    good, world = pair.adapter("1", max_slippage_bps=100), pair.pools.world
    other = pair.pools.chain.contract(npm.own("DemoLRT").abi, world.lrt)
    _, results = await pair.pools.quotes(
        deep=replace(good, min_depth="1000"),
        wide=replace(good, notional="200"),
        huge=replace(good, notional="100000"),
        other=replace(good, base=world.wdiv_eth),
        no_pair=replace(good, pool=other.address),
        fine=good,
    )
    codes = {name: result.code for name, result in results.items() if not isinstance(result, Quote)}
    assert codes == {
        "deep": "THIN", "wide": "SLIPPAGE", "huge": "THIN", "other": "WRONG_SYMBOL", "no_pair": "REVERTED",
    }  # fmt: skip
