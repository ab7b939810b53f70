"""Our stable arithmetic against the deployed Vault and pool: equal to the last unit."""

from __future__ import annotations

import itertools
import random
from decimal import Decimal
from typing import Any

import pytest
from eth_abi.abi import encode

from demo.world import balancer, npm
from demo.world.balancer import BalancerPool
from demo.world.chain import ZERO_ADDRESS
from demo.world.trader import Trader
from feeds.chains.endpoint import Head
from feeds.errors import FeedError
from feeds.pools.balancer_stable import BalancerStable
from feeds.types import Quote
from feeds.units import WAD, mul_div_down, mul_div_up
from tests.feeds.pools.conftest import Pools

pytestmark = [pytest.mark.chain, pytest.mark.asyncio(loop_scope="module")]
GIVEN_IN, GIVEN_OUT = 0, 1
NOBODY = "0x" + "11" * 20


def adapter(pools: Pools, name: str, notional: str, *, inverted: bool = False, **params: Any) -> BalancerStable:
    pool = pools.world.pools[name]
    assert isinstance(pool, BalancerPool)
    base, quote = (pool.weth, pool.token) if inverted else (pool.token, pool.weth)
    return BalancerStable(
        vault=pools.world.vault, pool=pool.address, pool_id=pool.pool_id, base=base, quote=quote, notional=notional,
        **{"max_slippage_bps": 10_000, **params},
    )  # fmt: skip


async def on_chain(pools: Pools, name: str, kind: int, *, inverted: bool, amount: int, head: Head) -> int:
    """Quote units that the Vault itself says a swap of an exact amount of base pays or costs."""
    pool = pools.world.pools[name]
    assert isinstance(pool, BalancerPool)
    base, quote = (pool.weth, pool.token) if inverted else (pool.token, pool.weth)
    assets = [base, quote]
    order = [(pool.pool_id, 0, 1, amount, b"")] if kind == GIVEN_IN else [(pool.pool_id, 1, 0, amount, b"")]
    funds = (NOBODY, False, NOBODY, False)
    deltas = await pools.call(pool.vault, "queryBatchSwap", kind, order, assets, funds, head=head)
    return abs(int(deltas[1]))


def amounts(seed: int, count: int) -> list[str]:
    rng = random.Random(seed)
    sizes = [rng.randrange(1, 10 ** rng.randint(16, 21)) for _ in range(count)]
    return ["0.000000000000001", "1", "2500", *(f"{Decimal(n).scaleb(-18):f}" for n in sizes)]


async def assert_exact(pools: Pools, name: str, *, inverted: bool, texts: list[str]) -> None:
    read = {t: adapter(pools, name, t, inverted=inverted) for t in texts}
    head, results = await pools.quotes(**read)
    agreed = 0
    for text, quote in results.items():
        amount = int(Decimal(text).scaleb(18))
        if isinstance(quote, FeedError):
            assert quote.code in {"THIN", "SLIPPAGE", "OUT_OF_RANGE", "NOT_POSITIVE"}, str(quote)
            continue
        sold = await on_chain(pools, name, GIVEN_IN, inverted=inverted, amount=amount, head=head)
        bought = await on_chain(pools, name, GIVEN_OUT, inverted=inverted, amount=amount, head=head)
        assert quote.bid_wad == mul_div_down(sold, WAD, amount), text
        assert quote.ask_wad == mul_div_up(bought, WAD, amount), text
        agreed += 1
    assert agreed >= len(texts) - 3


@pytest.mark.parametrize("name", ["wdiveth_balancer", "demolrt_balancer"])
@pytest.mark.parametrize("inverted", [False, True])
async def test_prices_at_size_equal_the_vaults_own(pools: Pools, name: str, *, inverted: bool) -> None:
    await assert_exact(pools, name, inverted=inverted, texts=amounts(7, 12))


async def test_after_real_swaps_they_still_do(pools: Pools) -> None:
    trader = Trader(pools.chain, pools.world, seed=3)
    for target in (104 * WAD // 100, 106 * WAD // 100, 99 * WAD // 100):
        await trader.move("wdiveth_balancer", target)
        await trader.settle()
    await assert_exact(pools, "wdiveth_balancer", inverted=False, texts=amounts(8, 8))


async def test_a_rate_that_moved_after_the_last_swap_is_used_as_a_swap_would(pools: Pools) -> None:
    """The pool's views still show the cached rate; the Vault's query, like us, renews it."""
    _, before = await pools.quote(adapter(pools, "demolrt_balancer", "10"))
    lrt = pools.chain.contract(npm.own("DemoLRT").abi, pools.world.lrt)
    await pools.chain.send(pools.world.accounts.owner, lrt, "setRate", 98 * WAD // 100)
    await pools.chain.settle()
    await assert_exact(pools, "demolrt_balancer", inverted=False, texts=amounts(9, 6))
    _, after = await pools.quote(adapter(pools, "demolrt_balancer", "10"))
    assert after.price_wad < before.price_wad * 98 // 100


async def test_the_depths_move_the_price_by_what_they_say(pools: Pools) -> None:
    """Marginal prices beside a sale and beside a purchase of each depth, from the Vault's own answers."""
    head, quote = await pools.quote(adapter(pools, "demolrt_balancer", "1"))
    tiny = 10**14

    async def price(kind: int, amount: int) -> int:
        ask = [
            await on_chain(pools, "demolrt_balancer", kind, inverted=False, amount=n, head=head)
            for n in (amount, amount + tiny)
        ]
        return ask[1] - ask[0]

    start = {kind: await price(kind, tiny) for kind in (GIVEN_IN, GIVEN_OUT)}
    depths = (quote.depth_half_wad, quote.depth_wad, quote.depth_two_wad)
    for move_bps, depth in zip((50, 100, 200), depths, strict=True):
        assert depth is not None
        # the fee is taken from the input, so the price moves as by a trade without fee of the amount less the fee
        sold = 1 - Decimal(await price(GIVEN_IN, depth * 10_000 // 9_996)) / start[GIVEN_IN]
        bought = Decimal(await price(GIVEN_OUT, depth)) / start[GIVEN_OUT] - 1
        assert max(sold, bought) == pytest.approx(Decimal(move_bps) / 10_000, rel=Decimal("0.002"))


async def test_a_share_is_worth_what_the_pool_says_and_the_base_side_what_it_holds(pools: Pools) -> None:
    pool = pools.world.pools["demolrt_balancer"]
    head, quote = await pools.quote(adapter(pools, "demolrt_balancer", "1"))
    assert quote.virtual_wad == await pools.call(pool.contract, "getRate", head=head)
    tokens, balances, _ = await pools.call(pool.vault, "getPoolTokens", pool.pool_id, head=head)  # type: ignore[union-attr]
    rate = await pools.call(pools.chain.token(pool.token), "getRate", head=head)
    held = dict(zip(tokens, balances, strict=True))
    base = held[pool.token] * rate // WAD
    assert quote.base_share_bps == base * 10_000 // (base + held[pool.weth])


async def test_a_gate_refuses(pools: Pools) -> None:
    _, results = await pools.quotes(
        deep=adapter(pools, "demolrt_balancer", "1", min_depth="1000000"),
        wide=adapter(pools, "demolrt_balancer", "4000", max_slippage_bps=5),
        huge=adapter(pools, "demolrt_balancer", "1000000"),
        other=BalancerStable(
            **{k: getattr(adapter(pools, "demolrt_balancer", "1"), k) for k in ("vault", "pool", "pool_id", "quote")},
            base=pools.world.wdiv_eth,
            notional="1",
        ),
    )
    codes = {name: result.code for name, result in results.items() if not isinstance(result, Quote)}
    assert codes == {"deep": "THIN", "wide": "SLIPPAGE", "huge": "THIN", "other": "WRONG_SYMBOL"}


async def three_tokens(pools: Pools, *, cache_s: int) -> tuple[str, str]:
    """Id and address of a new pool of WETH and both share tokens, unlike in size, rates cached for that long."""
    world, chain, owner = pools.world, pools.chain, pools.world.accounts.owner
    rated = (world.wdiv_eth, world.lrt)
    tokens = sorted((world.weth, *rated), key=lambda a: int(a, 16))
    providers = [t if t in rated else ZERO_ADDRESS for t in tokens]
    factory = npm.balancer("20230206-composable-stable-pool-v3", "ComposableStablePoolFactory").abi
    order = ("x", "x", tokens, 75, providers, [cache_s] * 3, [False] * 3, 10**15, ZERO_ADDRESS)
    created = await chain.send(
        owner, chain.contract(factory, world.stable_pool_factory), "create", *order, gas=12_000_000
    )
    await chain.settle()
    pool_id, address = await balancer._registered(chain, created)
    vault = world.pools["wdiveth_balancer"].vault  # type: ignore[union-attr]
    registered = (await chain.call(vault, "getPoolTokens", pool_id))[0]
    sizes = dict(zip(tokens, (900 * WAD, 350 * WAD, 1_400 * WAD), strict=True))
    joined = [sizes.get(t, 2**112 - 1) for t in registered]
    request = (registered, [2**256 - 1] * 4, encode(["uint256", "uint256[]"], [0, joined]), False)
    await chain.send(owner, vault, "joinPool", pool_id, owner.address, owner.address, request, gas=2_000_000)
    await chain.settle()
    return pool_id, address


async def test_three_tokens_with_cached_rates_equal_the_vaults_own_before_and_after_expiry(pools: Pools) -> None:
    cache_s = 3_600
    pool_id, address = await three_tokens(pools, cache_s=cache_s)
    world, chain = pools.world, pools.chain
    vault = pools.world.pools["wdiveth_balancer"].vault  # type: ignore[union-attr]
    lrt = chain.contract(npm.own("DemoLRT").abi, world.lrt)
    seen = []
    for rate, wait_s in ((90 * WAD // 100, 0), (94 * WAD // 100, cache_s + 10)):
        await chain.send(world.accounts.owner, lrt, "setRate", rate)
        await chain.settle()
        await chain.rpc("evm_increaseTime", wait_s)
        await chain.rpc("evm_mine")
        for base, quote in itertools.permutations((world.weth, world.wdiv_eth, world.lrt), 2):
            one = BalancerStable(
                vault=world.vault, pool=address, pool_id=pool_id, base=base, quote=quote, notional="7.5",
                max_slippage_bps=1_000,
            )  # fmt: skip
            head, got = await pools.quote(one)
            amount, funds = 75 * 10**17, (NOBODY, False, NOBODY, False)
            sold, bought = [
                abs((await pools.call(vault, "queryBatchSwap", kind, [order], [base, quote], funds, head=head))[1])
                for kind, order in (
                    (GIVEN_IN, (pool_id, 0, 1, amount, b"")),
                    (GIVEN_OUT, (pool_id, 1, 0, amount, b"")),
                )
            ]
            assert got.bid_wad == mul_div_down(sold, WAD, amount)
            assert got.ask_wad == mul_div_up(bought, WAD, amount)
            seen.append(got.price_wad)
    assert len(set(seen)) > 6, "the renewed rate moves the pairs of its token"
