"""Our reading of a v4 pool against the deployed PoolManager, through StateView and Uniswap's own quoter."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import pytest
import pytest_asyncio

from demo.world.chain import ZERO_ADDRESS
from feeds.errors import FeedError
from feeds.pools.uniswap_v4 import DYNAMIC_FEE, NATIVE, UniswapV4
from feeds.pools.v3_math import Q96
from feeds.types import Quote
from feeds.units import WAD, mul_div_down, mul_div_up
from tests.feeds.pools import npm_pools
from tests.feeds.pools.conftest import Pools

pytestmark = [pytest.mark.chain, pytest.mark.asyncio(loop_scope="module")]
PACKAGE = "@uniswap/v4-periphery"
FEE, SPACING = 300, 6
START = Q96 * 99 // 100
PROTOCOL_FEE = 250 | 700 << 12
"""Millionths of token0 in and of token1 in."""


@dataclass(frozen=True)
class V4:
    """The manager with two pools of the demo's token: against WETH, and against the native coin."""

    pools: Pools
    manager: Any
    view: Any
    quoter: Any
    router: Any

    def key(self, other: str) -> tuple[Any, ...]:
        first, second = sorted((other, self.pools.world.lrt), key=lambda a: int(a, 16))
        return (first, second, FEE, SPACING, ZERO_ADDRESS)

    def adapter(self, notional: str, *, native: bool = False, inverted: bool = False, **params: Any) -> UniswapV4:
        sides = (self.pools.world.lrt, NATIVE if native else self.pools.world.weth)
        base, quote = sides[::-1] if inverted else sides
        return UniswapV4(
            state_view=self.view.address, base=base, quote=quote, notional=notional, fee=FEE, spacing=SPACING,
            **{"max_slippage_bps": 10_000, **params},
        )  # fmt: skip

    async def supply(self, other: str, low: int, high: int, liquidity: int) -> None:
        chain, owner = self.pools.chain, self.pools.world.accounts.owner
        order = (self.key(other), (low, high, liquidity, bytes(32)), b"")
        value = 3_000 * WAD if other == ZERO_ADDRESS else 0
        await chain.send(owner, self.router, "modifyLiquidity", *order, value_wei=value, gas=3_000_000)
        await chain.settle()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def v4(pools: Pools) -> V4:
    chain, world = pools.chain, pools.world
    owner = world.accounts.owner
    manager = await chain.create(owner, npm_pools.foundry(PACKAGE, "PoolManager", ".default"), owner.address)
    router_code = npm_pools.foundry(PACKAGE, "PoolModifyLiquidityTest", ".default")
    one_of_two = [f for f in router_code.abi if f.get("name") != "modifyLiquidity" or len(f["inputs"]) == 3]
    router_code = replace(router_code, abi=one_of_two)
    made = V4(
        pools,
        manager,
        await chain.create(owner, npm_pools.foundry(PACKAGE, "StateView"), manager.address),
        await chain.create(owner, npm_pools.foundry(PACKAGE, "V4Quoter"), manager.address),
        await chain.create(owner, router_code, manager.address),
    )
    await chain.send(owner, manager, "setProtocolFeeController", owner.address)
    for token in (world.weth, world.lrt):
        await chain.send(owner, chain.token(token), "approve", made.router.address, 2**256 - 1)
    for other in (world.weth, ZERO_ADDRESS):
        await chain.send(owner, manager, "initialize", made.key(other), START)
        await chain.settle()
        await made.supply(other, -6_000, 6_000, 10**22)
    return made


async def assert_exact(v4: V4, seed: int, *, native: bool, inverted: bool) -> int:
    rng = random.Random(seed)
    sizes = [rng.randrange(10**4, 10 ** rng.randint(8, 20) * 2) for _ in range(6)]
    head, results = await v4.pools.quotes(
        **{str(n): v4.adapter(f"{Decimal(n).scaleb(-18):f}", native=native, inverted=inverted) for n in sizes}
    )
    key = v4.key(ZERO_ADDRESS if native else v4.pools.world.weth)
    base_is_0 = (int(key[0], 16) == int(v4.pools.world.lrt, 16)) != inverted
    agreed = 0
    for text, quote in results.items():
        amount = int(text)
        if isinstance(quote, FeedError):
            assert quote.code in {"THIN", "OUT_OF_RANGE", "NOT_POSITIVE", "SLIPPAGE"}, str(quote)
            continue
        order, turned = (key, base_is_0, amount, b""), (key, not base_is_0, amount, b"")
        sold = (await v4.pools.call(v4.quoter, "quoteExactInputSingle", order, head=head))[0]
        cost = (await v4.pools.call(v4.quoter, "quoteExactOutputSingle", turned, head=head))[0]
        assert quote.bid_wad == mul_div_down(sold, WAD, amount), text
        assert quote.ask_wad == mul_div_up(cost, WAD, amount), text
        agreed += 1
    return agreed


@pytest.mark.parametrize("native", [False, True])
async def test_prices_at_size_equal_the_quoters(v4: V4, *, native: bool) -> None:
    """Random positions; without and with a protocol fee that differs by direction."""
    rng, other = random.Random(4 + native), ZERO_ADDRESS if native else v4.pools.world.weth
    agreed = 0
    for turn in range(3):
        for _ in range(3):
            low = (-200 + rng.randint(-250, 200)) // SPACING * SPACING
            await v4.supply(other, low, low + SPACING * rng.randint(1, 8), rng.randrange(10**17, 3 * 10**22))
        for inverted in (False, True):
            agreed += await assert_exact(v4, turn, native=native, inverted=inverted)
        owner = v4.pools.world.accounts.owner
        await v4.pools.chain.send(owner, v4.manager, "setProtocolFee", v4.key(other), PROTOCOL_FEE)
        await v4.pools.chain.settle()
    assert agreed >= 30


async def test_a_gate_refuses(v4: V4) -> None:
    good = v4.adapter("1")
    _, results = await v4.pools.quotes(
        deep=replace(good, min_depth="1000000"),
        wide=replace(good, max_slippage_bps=1),
        huge=replace(good, notional="1000000"),
        other_key=replace(good, spacing=60),
        no_view=replace(good, state_view="0x" + "11" * 20),
        dynamic=replace(good, fee=DYNAMIC_FEE, accept_hooks=True),
    )
    codes = {name: result.code for name, result in results.items() if not isinstance(result, Quote)}
    assert codes == {
        "deep": "THIN", "wide": "SLIPPAGE", "huge": "THIN", "other_key": "NO_DATA", "no_view": "MALFORMED",
        "dynamic": "NO_DATA",
    }  # fmt: skip
