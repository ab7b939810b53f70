"""The demo's chain: what is deployed has the right prices, and the trader moves them to their targets."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
import pytest_asyncio

from demo.world import anvil, npm
from demo.world.aave import deploy_aave_oracle
from demo.world.chain import LocalChain, TransactionReverted
from demo.world.deploy import (
    HISTORY_S,
    LRT_RATE_WAD,
    MULTICALL3,
    WDIVETH_RATE_WAD,
    DemoWorld,
    backdated,
    deploy,
)
from demo.world.trader import Trader

pytestmark = [pytest.mark.chain, pytest.mark.asyncio(loop_scope="module")]

WAD = 10**18
FAIR = {
    "wdiveth_uniswap": WDIVETH_RATE_WAD,
    "wdiveth_balancer": WDIVETH_RATE_WAD,
    "demolrt_uniswap": LRT_RATE_WAD,
    "demolrt_balancer": LRT_RATE_WAD,
}
MOST_BLOCKS = 100
EVERY_POOL = pytest.mark.parametrize("pool", FAIR)


@dataclass(frozen=True)
class Deployed:
    chain: LocalChain
    world: DemoWorld


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def deployed() -> AsyncIterator[Deployed]:
    with anvil.running(block_time_s=1, extra=backdated()) as node:
        async with LocalChain(node.url) as chain:
            yield Deployed(chain, await deploy(chain))


@pytest_asyncio.fixture(loop_scope="module")
async def chain(deployed: Deployed) -> AsyncIterator[LocalChain]:
    snapshot = await deployed.chain.rpc("evm_snapshot")
    yield deployed.chain
    await deployed.chain.rpc("evm_revert", snapshot)


@pytest.fixture
def world(deployed: Deployed) -> DemoWorld:
    return deployed.world


@pytest.fixture
def trader(chain: LocalChain, world: DemoWorld) -> Trader:
    return Trader(chain, world, seed=7)


def bps(value: int, expected: int) -> float:
    return abs(value - expected) * 10_000 / expected


async def test_every_address_has_code_and_a_fresh_node_gives_the_same(world: DemoWorld, chain: LocalChain) -> None:
    for name, address in world.addresses().items():
        assert len(await chain.rpc("eth_getCode", address, "latest")) > 2, name
    with anvil.running() as node:
        async with LocalChain(node.url) as other:
            again = await deploy(other, block_time_s=1)
            assert again.addresses() == world.addresses()
            assert int(await other.rpc("eth_blockNumber"), 16) < MOST_BLOCKS, "it takes seconds: a block a transaction"
            assert again.pool_ids() == world.pool_ids()
            assert await other.rpc("anvil_getAutomine") is False
            second = await deploy(other)
            assert second.weth != world.weth
            assert bps(await second.pools["demolrt_balancer"].spot(other), LRT_RATE_WAD) < 1


async def test_at_one_block_a_second_a_move_takes_one_block() -> None:
    with anvil.running(block_time_s=1) as node:
        async with LocalChain(node.url) as chain:
            trader = Trader(chain, await deploy(chain, block_time_s=1))
            sent = []
            for pool, fair in FAIR.items():
                transaction = await trader.move(pool, fair * 94 // 100)
                sent.append((transaction, int(await chain.rpc("eth_blockNumber"), 16)))
            await trader.settle()
            for transaction, newest in sent:
                assert int((await chain.receipt(transaction))["blockNumber"], 16) <= newest + 1, "the next block has it"
            assert await chain.block_time_s() <= time.time()


async def test_the_clock_is_right_and_the_pools_have_a_history(world: DemoWorld, chain: LocalChain) -> None:
    assert abs(await chain.block_time_s() - time.time()) < 60
    pool = world.pools["wdiveth_uniswap"]
    ticks, _ = await chain.call(pool.contract, "observe", [HISTORY_S - 60, 0])
    mean_tick = (ticks[1] - ticks[0]) / (HISTORY_S - 60)
    price = 1.0001**mean_tick
    price = price if pool.token_is_first else 1 / price
    assert price == pytest.approx(WDIVETH_RATE_WAD / WAD, rel=5e-4)
    assert (await chain.call(pool.contract, "slot0"))[4] >= 200


@EVERY_POOL
async def test_pools_start_at_the_fair_price_and_pay_it(trader: Trader, pool: str) -> None:
    assert bps(await trader.spot(pool), FAIR[pool]) < 5
    assert bps(await trader.sale_price(pool, WAD), FAIR[pool]) < 6
    assert FAIR[pool] * 98 // 100 < await trader.sale_price(pool, 100 * WAD) < FAIR[pool]
    assert bps(await trader.purchase_price(pool, WAD), FAIR[pool]) < 6
    assert FAIR[pool] < await trader.purchase_price(pool, 100 * WAD) < FAIR[pool] * 102 // 100


@EVERY_POOL
@pytest.mark.parametrize("percent", [94, 106])
async def test_moves_reach_their_target_and_come_back(trader: Trader, pool: str, percent: int) -> None:
    for target in (FAIR[pool] * percent // 100, FAIR[pool]):
        assert await trader.move(pool, target) is not None
        await trader.settle()
        assert bps(await trader.spot(pool), target) < 5
        assert bps(await trader.sale_price(pool, WAD // 100), target) < 6


@EVERY_POOL
async def test_far_moves_and_no_move(trader: Trader, pool: str) -> None:
    target = FAIR[pool] * 75 // 100
    await trader.move(pool, target)
    await trader.settle()
    assert bps(await trader.spot(pool), target) < 5
    await trader.move(pool, await trader.spot(pool))
    await trader.settle()
    assert bps(await trader.spot(pool), target) < 5


async def test_several_moves_fit_in_one_block(trader: Trader, chain: LocalChain) -> None:
    await chain.automine(on=False)
    try:
        sent = [await trader.move(pool, FAIR[pool] * percent // 100) for percent in (95, 99) for pool in FAIR]
        for pool, fair in FAIR.items():
            assert bps(await trader.spot(pool), fair * 99 // 100) < 5
        await chain.rpc("evm_mine")
    finally:
        await chain.automine(on=True)
    await trader.settle()
    blocks = {(await chain.receipt(each))["blockNumber"] for each in sent}
    assert len(blocks) == 1


@EVERY_POOL
async def test_noise_is_bounded_and_seeded(chain: LocalChain, world: DemoWorld, trader: Trader, pool: str) -> None:
    await trader.move(pool, FAIR[pool] * 99 // 100)
    seen = []
    for _ in range(5):
        await trader.noise(pool, 8)
        await trader.settle()
        seen.append(await trader.spot(pool))
    assert all(bps(price, FAIR[pool] * 99 // 100) < 8.1 for price in seen)
    assert len(set(seen)) == 5
    twin = Trader(chain, world, seed=7)
    await twin.move(pool, FAIR[pool] * 99 // 100)
    await twin.noise(pool, 8)
    await twin.settle()
    assert bps(await twin.spot(pool), seen[0]) < 0.01


@pytest.mark.parametrize(("delta_bps", "expected"), [(0.8, 1_050_084), (-100, 1_039_500)])
async def test_rebase_and_slash_change_the_rate_and_the_balances(
    chain: LocalChain, world: DemoWorld, trader: Trader, delta_bps: float, expected: int
) -> None:
    div_eth = chain.contract(npm.own("DivETH").abi, world.div_eth)
    shares = await chain.call(div_eth, "totalShares")
    held = await chain.call(div_eth, "balanceOf", world.wdiv_eth)
    sent = await trader.rebase(delta_bps, reported_at_s=1_700_000_000)
    await trader.settle()
    assert await trader.rate("wdiveth_uniswap") == pytest.approx(expected * 10**12, abs=1)
    assert await chain.call(div_eth, "totalShares") == shares
    after = await chain.call(div_eth, "balanceOf", world.wdiv_eth)
    assert after / held == pytest.approx(1 + delta_bps / 10_000, rel=1e-12)
    (log,) = (await chain.receipt(sent))["logs"]
    assert int(log["topics"][1], 16) == 1_700_000_000
    elapsed, pre_shares, pre_ether, post_shares, post_ether, fees = (
        int(log["data"][start : start + 64], 16) for start in range(2, 2 + 6 * 64, 64)
    )
    assert (elapsed, fees) == (86_400, 0)
    assert pre_shares == post_shares == shares
    assert post_ether / pre_ether == pytest.approx(1 + delta_bps / 10_000, rel=1e-12)


async def test_a_slash_reaches_the_balancer_pool_and_the_noise_brings_it_to_the_others(trader: Trader) -> None:
    await trader.noise("wdiveth_uniswap", 1)
    await trader.rebase(-100)
    await trader.settle()
    fair = WDIVETH_RATE_WAD * 99 // 100
    assert bps(await trader.spot("wdiveth_balancer"), fair) < 1
    assert bps(await trader.spot("wdiveth_uniswap"), fair) > 90
    await trader.noise("wdiveth_uniswap", 1)
    await trader.noise("wdiveth_balancer", 1)
    await trader.settle()
    assert bps(await trader.spot("wdiveth_uniswap"), fair) < 2.1
    assert bps(await trader.spot("wdiveth_balancer"), fair) < 2.1
    assert bps(await trader.sale_price("wdiveth_balancer", WAD), fair) < 8


async def test_the_lrt_rate_is_set_by_its_owner_alone(chain: LocalChain, world: DemoWorld, trader: Trader) -> None:
    await trader.set_lrt_rate(103 * 10**16)
    await trader.settle()
    assert await trader.rate("demolrt_balancer") == 103 * 10**16
    lrt = chain.contract(npm.own("DemoLRT").abi, world.lrt)
    await chain.send(world.accounts.user, lrt, "setRate", WAD)
    with pytest.raises(TransactionReverted, match="setRate"):
        await chain.settle()


async def test_the_lrt_mints_and_redeems_at_its_rate(chain: LocalChain, world: DemoWorld) -> None:
    user = world.accounts.user
    lrt = chain.contract(npm.own("DemoLRT").abi, world.lrt)
    await chain.send(user, lrt, "deposit", value_wei=102 * WAD)
    assert await chain.call(lrt, "balanceOf", user.address) == 100 * WAD
    assert await chain.call(lrt, "redeem", 50 * WAD, sender=user.address) == 51 * WAD
    await chain.send(user, lrt, "redeem", 100 * WAD)
    await chain.settle()
    assert await chain.call(lrt, "balanceOf", user.address) == 0


async def test_the_wrapper_is_one_share_a_token(chain: LocalChain, world: DemoWorld) -> None:
    user = world.accounts.user
    div_eth = chain.contract(npm.own("DivETH").abi, world.div_eth)
    wrapper = chain.contract(npm.own("WdivETH").abi, world.wdiv_eth)
    supply = await chain.call(wrapper, "totalSupply")
    await chain.send(user, div_eth, "deposit", value_wei=105 * WAD)
    shares = await chain.call(div_eth, "sharesOf", user.address)
    assert shares == 100 * WAD
    assert await chain.call(div_eth, "balanceOf", user.address) == 105 * WAD
    await chain.send(user, div_eth, "approve", world.wdiv_eth, 105 * WAD)
    await chain.send(user, wrapper, "wrap", shares)
    await chain.settle()
    assert await chain.call(div_eth, "sharesOf", user.address) == 0
    assert await chain.call(wrapper, "balanceOf", user.address) == shares
    assert await chain.call(wrapper, "totalSupply") == supply + shares
    assert await chain.call(div_eth, "sharesOf", world.wdiv_eth) == supply + shares
    assert await chain.call(wrapper, "getRate") == await chain.call(div_eth, "convertToAssets", WAD)
    await chain.send(user, wrapper, "unwrap", shares)
    await chain.pay(user, world.wdiv_eth, 21 * WAD)
    await chain.settle()
    assert await chain.call(div_eth, "sharesOf", user.address) == shares
    assert await chain.call(wrapper, "balanceOf", user.address) == 20 * WAD


async def test_burning_and_minting_shares_move_the_rate(chain: LocalChain, world: DemoWorld) -> None:
    owner, user = world.accounts.owner, world.accounts.user
    div_eth = chain.contract(npm.own("DivETH").abi, world.div_eth)
    before = await chain.call(div_eth, "convertToAssets", WAD)
    await chain.send(owner, div_eth, "mintShares", user.address, 1_000 * WAD)
    assert await chain.call(div_eth, "convertToAssets", WAD) < before
    await chain.send(user, div_eth, "burnShares", 1_000 * WAD)
    assert await chain.call(div_eth, "convertToAssets", WAD) == before
    await chain.settle()
    await chain.send(user, div_eth, "mintShares", user.address, WAD)
    with pytest.raises(TransactionReverted):
        await chain.settle()


async def test_multicall_answers(chain: LocalChain, world: DemoWorld) -> None:
    multicall = chain.contract(MULTICALL_ABI, MULTICALL3)
    rate = chain.token(world.lrt).encode_abi("getRate")
    _, (data,) = await chain.call(multicall, "aggregate", [(world.lrt, rate)])
    assert int.from_bytes(data) == LRT_RATE_WAD


async def test_the_lender_reads_its_source(chain: LocalChain, world: DemoWorld) -> None:
    owner = world.accounts.owner
    oracle = await deploy_aave_oracle(chain, owner, assets=[world.lrt], sources=[world.lrt])
    assert await chain.call(oracle, "getSourceOfAsset", world.lrt) == world.lrt
    assert await chain.call(oracle, "BASE_CURRENCY_UNIT") == 10**8


MULTICALL_ABI = [
    {
        "type": "function",
        "name": "aggregate",
        "stateMutability": "payable",
        "inputs": [
            {
                "name": "calls",
                "type": "tuple[]",
                "components": [{"name": "target", "type": "address"}, {"name": "callData", "type": "bytes"}],
            },
        ],
        "outputs": [{"name": "blockNumber", "type": "uint256"}, {"name": "returnData", "type": "bytes[]"}],
    }
]
