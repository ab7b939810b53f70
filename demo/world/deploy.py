"""Deploy the demo's world on a fresh local chain: tokens, real pools with liquidity, Multicall3, and a funded trader.

On a fresh node the same contracts come in the same order, so every address is the same each time.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from demo.world import balancer, npm, uniswap
from demo.world.chain import MAX_UINT, Accounts, LocalChain, accounts

MULTICALL3 = "0xcA11bde05977b3631167028862bE2a173976CA11"
WDIVETH_RATE_WAD = 105 * 10**16
LRT_RATE_WAD = 102 * 10**16
HISTORY_S = 600
"""Age of the pools at the start, if the node was started with ``backdated()``: a 30 s average answers at once."""

_ETHER = 10**18
_BALANCE_WAD = 4_000_000 * _ETHER
_PURSE_WAD = 1_000_000 * _ETHER

Pool = uniswap.UniswapPool | balancer.BalancerPool


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoWorld:
    """Everything that was deployed: checksummed addresses, the accounts by role, the pools by name."""

    chain_id: int
    accounts: Accounts
    weth: str
    div_eth: str
    wdiv_eth: str
    lrt: str
    multicall3: str
    uniswap_factory: str
    position_manager: str
    swap_router: str
    vault: str
    stable_pool_factory: str
    pools: Mapping[str, Pool]

    def addresses(self) -> dict[str, str]:
        """Address of every contract by name, pools by their own names."""
        own = {
            "weth": self.weth,
            "divETH": self.div_eth,
            "wdivETH": self.wdiv_eth,
            "demoLRT": self.lrt,
            "multicall3": self.multicall3,
            "uniswap_factory": self.uniswap_factory,
            "position_manager": self.position_manager,
            "swap_router": self.swap_router,
            "vault": self.vault,
            "stable_pool_factory": self.stable_pool_factory,
        }
        return own | {name: pool.address for name, pool in self.pools.items()}

    def pool_ids(self) -> dict[str, str]:
        """Balancer pool id (bytes32, hex) by pool name."""
        return {name: pool.pool_id for name, pool in self.pools.items() if isinstance(pool, balancer.BalancerPool)}


def backdated(seconds: int = HISTORY_S) -> tuple[str, str]:
    """Arguments for anvil that start its clock ``seconds`` ago; ``deploy`` sets it right at the end."""
    return "--timestamp", str(int(time.time()) - seconds)


async def deploy(
    chain: LocalChain,
    *,
    block_time_s: int | None = None,
    then: Callable[[DemoWorld], Awaitable[None]] | None = None,
    behind_s: int = 0,
) -> DemoWorld:
    """Deploy everything and return where it is.

    Args:
        chain: a connection to anvil.
        block_time_s: seconds between blocks from then on; None mines a block for each transaction.
        then: what else happened so long ago.
        behind_s: so far behind the chain's clock stays, for what happened since.
    """
    roles = accounts()
    async with instant_blocks(chain, block_time_s, behind_s=behind_s):
        world = await _deploy(chain, roles)
        if then is not None:
            await then(world)
        return world


@asynccontextmanager
async def instant_blocks(chain: LocalChain, block_time_s: int | None, *, behind_s: int = 0) -> AsyncIterator[None]:
    """A block of the same time for each transaction; afterwards the chain's clock is right, or so far behind."""
    await chain.rpc("evm_setIntervalMining", 0)
    await chain.automine(on=True)
    # many blocks in a second must not push the chain's clock into the future
    await chain.rpc("anvil_setBlockTimestampInterval", 0)
    yield
    await chain.rpc("anvil_removeBlockTimestampInterval")
    await chain.rpc("anvil_setTime", int(time.time()) - behind_s)
    await chain.rpc("evm_mine")
    if block_time_s is not None:
        await chain.rpc("evm_setIntervalMining", block_time_s)


async def _deploy(chain: LocalChain, roles: Accounts) -> DemoWorld:
    owner = roles.owner
    for account in (owner, roles.trader, roles.user):
        await chain.rpc("anvil_setBalance", account.address, hex(_BALANCE_WAD))
    # a call without a recipient answers with the code that the creation code would leave
    runtime = await chain.rpc("eth_call", {"from": owner.address, "data": npm.multicall3()}, "latest")
    await chain.rpc("anvil_setCode", MULTICALL3, runtime)

    weth = await chain.create(owner, npm.aave("dependencies/weth", "WETH9"))
    div_eth = await chain.create(owner, npm.own("DivETH"))
    wdiv_eth = await chain.create(owner, npm.own("WdivETH"), div_eth.address)
    lrt = await chain.create(owner, npm.own("DemoLRT"), LRT_RATE_WAD)
    v3 = await uniswap.deploy(chain, owner, weth.address)
    v2 = await balancer.deploy(chain, owner, weth.address)

    for account in (owner, roles.trader):
        for token in (weth, wdiv_eth, lrt):
            await chain.pay(account, token.address, _PURSE_WAD)
            for spender in (v3.positions, v3.router, v2.vault):
                await chain.send(account, chain.token(token.address), "approve", spender.address, MAX_UINT)
    await chain.settle()
    shares = await chain.call(div_eth, "totalShares")
    now_s = await chain.block_time_s()
    post_ether = shares * WDIVETH_RATE_WAD // 10**18
    await chain.send(owner, div_eth, "rebase", now_s, 86_400, post_ether, 0)
    await chain.settle()

    pools: dict[str, Pool] = {}
    for symbol, token, rate_wad, fee in (
        ("wdiveth", wdiv_eth.address, WDIVETH_RATE_WAD, 100),
        ("demolrt", lrt.address, LRT_RATE_WAD, 500),
    ):
        on_v3, on_v2 = f"{symbol}_uniswap", f"{symbol}_balancer"
        pools[on_v3] = await uniswap.create_pool(chain, owner, v3, name=on_v3, token=token, fee=fee, price_wad=rate_wad)
        pools[on_v2] = await balancer.create_pool(chain, owner, v2, name=on_v2, token=token, rate_wad=rate_wad)
    return DemoWorld(
        chain_id=await chain.chain_id(),
        accounts=roles,
        weth=weth.address,
        div_eth=div_eth.address,
        wdiv_eth=wdiv_eth.address,
        lrt=lrt.address,
        multicall3=MULTICALL3,
        uniswap_factory=v3.factory.address,
        position_manager=v3.positions.address,
        swap_router=v3.router.address,
        vault=v2.vault.address,
        stable_pool_factory=v2.pool_factory.address,
        pools=pools,
    )
