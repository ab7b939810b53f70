"""Weighted pools of two generations and a meta-stable pool of Balancer v2 against the Vault's own answers."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest
import pytest_asyncio
from eth_abi.abi import encode

from demo.world import balancer, npm
from demo.world.chain import MAX_UINT, NO_DEADLINE, ZERO_ADDRESS
from feeds.chains.endpoint import Head
from feeds.errors import FeedError
from feeds.pools.balancer_stable import BalancerStable
from feeds.pools.balancer_weighted import BalancerWeighted
from feeds.types import ChainAdapter, Quote
from feeds.units import WAD, mul_div_down, mul_div_up
from tests.feeds.pools import npm_pools
from tests.feeds.pools.conftest import Pools

pytestmark = [pytest.mark.chain, pytest.mark.asyncio(loop_scope="module")]
GIVEN_IN, GIVEN_OUT = 0, 1
NOBODY = "0x" + "11" * 20
HALF = WAD // 2
WEIGHTED, OLD = "20220908-weighted-pool-v2", "deprecated/20210418-weighted-pool"
META = "deprecated/20210727-meta-stable-pool"
FEE = 2 * 10**15
WEIGHTS = {"even": HALF, "four_to_one": 8 * HALF // 5, "odd": 37 * WAD // 100, "old_odd": 63 * WAD // 100}
"""Weight of the demo's token; the rest is WETH's."""


@dataclass(frozen=True)
class Kinds:
    """The pools by name: id and address."""

    pools: Pools
    vault: Any
    where: dict[str, tuple[str, str]]

    def adapter(self, name: str, notional: str, *, inverted: bool = False) -> ChainAdapter:
        sides = (self.pools.world.lrt, self.pools.world.weth)
        base, quote = sides[::-1] if inverted else sides
        pool_id, pool = self.where[name]
        made: Callable[..., ChainAdapter] = BalancerStable if name == "meta" else BalancerWeighted
        more = {"variant": "meta"} if name == "meta" else {}
        return made(
            vault=self.pools.world.vault, pool=pool, pool_id=pool_id, base=base, quote=quote, notional=notional,
            max_slippage_bps=10_000, **more,
        )  # fmt: skip

    async def asked(self, name: str, kind: int, amount: int, head: Head, *, inverted: bool) -> int:
        """Quote units that the Vault says an exact amount of base pays or costs."""
        sides = [self.pools.world.lrt, self.pools.world.weth][:: -1 if inverted else 1]
        places = (0, 1) if kind == GIVEN_IN else (1, 0)
        order, funds = [(self.where[name][0], *places, amount, b"")], (NOBODY, False, NOBODY, False)
        deltas = await self.pools.call(self.vault, "queryBatchSwap", kind, order, sides, funds, head=head)
        return abs(int(deltas[1]))

    async def swap(self, name: str, amount: int, *, inverted: bool) -> None:
        sides = [self.pools.world.lrt, self.pools.world.weth][:: -1 if inverted else 1]
        owner = self.pools.world.accounts.owner
        order, funds = (self.where[name][0], GIVEN_IN, *sides, amount, b""), (owner.address, False) * 2
        await self.pools.chain.send(owner, self.vault, "swap", order, funds, 0, NO_DEADLINE)
        await self.pools.chain.settle()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def kinds(pools: Pools) -> Kinds:
    chain, world = pools.chain, pools.world
    owner, vault = world.accounts.owner, world.pools["wdiveth_balancer"].vault  # type: ignore[union-attr]
    provider = npm.balancer("20220725-protocol-fee-percentages-provider", "ProtocolFeePercentagesProvider")
    fees = await chain.create(owner, provider, vault.address, HALF, HALF)
    library = await chain.create(owner, npm_pools.balancer(META, "QueryProcessor"))
    factories = {
        WEIGHTED: await chain.create(
            owner, npm_pools.balancer(WEIGHTED, "WeightedPoolFactory"), vault.address, fees.address
        ),
        OLD: await chain.create(owner, npm_pools.balancer(OLD, "WeightedPoolFactory"), vault.address),
        META: await chain.create(
            owner, npm_pools.linked(npm_pools.balancer(META, "MetaStablePoolFactory"), library.address), vault.address
        ),
    }
    tokens = sorted((world.weth, world.lrt), key=lambda a: int(a, 16))
    none = [ZERO_ADDRESS] * 2
    rates = [t if t == world.lrt else ZERO_ADDRESS for t in tokens]
    orders: dict[str, tuple[str, tuple[Any, ...]]] = {
        "meta": (META, ("m", "m", tokens, 60, rates, [3_600, 3_600], FEE, False, owner.address)),
    }
    for name, weight in WEIGHTS.items():
        weights = [weight if t == world.lrt else WAD - weight for t in tokens]
        if name.startswith("old"):
            orders[name] = (OLD, (name, name, tokens, weights, FEE, owner.address))
        else:
            orders[name] = (WEIGHTED, (name, name, tokens, weights, none, FEE, owner.address))
    where = {}
    for name, (task, order) in orders.items():
        created = await chain.send(owner, factories[task], "create", *order, gas=12_000_000)
        await chain.settle()
        pool_id, address = await balancer._registered(chain, created)
        sizes = [700 * WAD if t == world.lrt else 1_100 * WAD for t in tokens]
        joined = encode(["uint256", "uint256[]"], [0, sizes])
        request = (tokens, [MAX_UINT] * 2, joined, False)
        await chain.send(owner, vault, "joinPool", pool_id, owner.address, owner.address, request, gas=2_000_000)
        await chain.settle()
        where[name] = (pool_id, address)
    return Kinds(pools, vault, where)


@pytest.mark.parametrize("name", [*WEIGHTS, "meta"])
async def test_prices_at_size_equal_the_vaults_own(kinds: Kinds, name: str) -> None:
    """Random sizes in both orientations, real swaps in between."""
    rng, agreed = random.Random(name), 0
    for turn in range(6):
        inverted = bool(turn % 2)
        sizes = [rng.randrange(10**6, 10 ** rng.randint(8, 20) * 3) for _ in range(5)]
        head, results = await kinds.pools.quotes(
            **{str(n): kinds.adapter(name, f"{Decimal(n).scaleb(-18):f}", inverted=inverted) for n in sizes}
        )
        for text, quote in results.items():
            amount = int(text)
            if isinstance(quote, FeedError):
                assert quote.code in {"THIN", "OUT_OF_RANGE", "NOT_POSITIVE", "SLIPPAGE"}, str(quote)
                continue
            sold = await kinds.asked(name, GIVEN_IN, amount, head, inverted=inverted)
            cost = await kinds.asked(name, GIVEN_OUT, amount, head, inverted=inverted)
            assert quote.bid_wad == mul_div_down(sold, WAD, amount), text
            assert quote.ask_wad == mul_div_up(cost, WAD, amount), text
            agreed += 1
        await kinds.swap(name, rng.randrange(1, 90 * WAD), inverted=inverted)
    assert agreed >= 22


@pytest.mark.parametrize("name", [*WEIGHTS, "meta"])
async def test_the_depth_moves_the_price_by_what_it_says(kinds: Kinds, name: str) -> None:
    """Marginal prices, from the Vault's own answers, beside a sale and beside a purchase of each depth."""
    head, quote = await kinds.pools.quote(kinds.adapter(name, "1"))
    tiny = 10**15

    async def price(kind: int, amount: int) -> int:
        near = [await kinds.asked(name, kind, n, head, inverted=False) for n in (amount, amount + tiny)]
        return near[1] - near[0]

    start_in, start_out = await price(GIVEN_IN, 0 + tiny), await price(GIVEN_OUT, tiny)
    depths = (quote.depth_half_wad, quote.depth_wad, quote.depth_two_wad)
    for move_bps, depth in zip((50, 100, 200), depths, strict=True):
        assert depth is not None
        sold = depth * WAD // (WAD - FEE)
        fallen = 1 - Decimal(await price(GIVEN_IN, sold)) / start_in
        risen = Decimal(await price(GIVEN_OUT, depth)) / start_out - 1
        assert max(fallen, risen) == pytest.approx(Decimal(move_bps) / 10_000, rel=Decimal("0.002"))


async def test_a_meta_stable_pool_uses_a_rate_as_a_swap_would(kinds: Kinds) -> None:
    """Cached for an hour: the old rate before, the provider's own after the expiry."""
    chain, owner = kinds.pools.chain, kinds.pools.world.accounts.owner
    lrt = chain.contract(npm.own("DemoLRT").abi, kinds.pools.world.lrt)
    seen = []
    for rate, wait_s in ((99 * WAD // 100, 0), (98 * WAD // 100, 4_000)):
        await chain.send(owner, lrt, "setRate", rate)
        await chain.settle()
        await chain.rpc("evm_increaseTime", wait_s)
        await chain.rpc("evm_mine")
        head, quote = await kinds.pools.quote(kinds.adapter("meta", "3"))
        sold = await kinds.asked("meta", GIVEN_IN, 3 * WAD, head, inverted=False)
        assert quote.bid_wad == mul_div_down(sold, WAD, 3 * WAD)
        assert quote.virtual_wad is not None
        seen.append(quote.price_wad)
    assert seen[1] < seen[0] * 99 // 100


async def test_more_than_a_third_of_a_weighted_pool_is_thin(kinds: Kinds) -> None:
    _, results = await kinds.pools.quotes(huge=kinds.adapter("even", "330"))
    assert not isinstance(results["huge"], Quote)
    assert results["huge"].code == "THIN"
