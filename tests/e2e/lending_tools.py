"""A market of the unmodified Aave v3 over the demo's feeds, one loan in it, and scenarios that wait for the test."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import contracts
from demo.market import DemoMarket
from demo.scenarios import SCENARIOS, Stage
from demo.testbed import Testbed
from demo.world import npm
from demo.world.aave import Reserve, deploy_aave_market
from demo.world.aave_position import Position
from demo.world.chain import ZERO_ADDRESS, LocalChain, account
from oracle.app import App
from tests.e2e.e2e_tools import PATIENCE_S, service, stand_with_market, until

WAD = 10**18
COLLATERAL_ETHER = 105
LENT_ETHER = 1_000
LTV_BPS, THRESHOLD_BPS, BONUS_BPS = 8_000, 8_250, 10_500
BORROWED_SHARE = (995, 1_000)
"""Of what Aave would lend: the prices move a little until the loan is mined."""
MAX_AGE_S = 600
"""Of a price that the lender takes: a busy machine must not be a stale feed."""
FEED = "wdivETH/ETH"


@dataclass(frozen=True, slots=True, kw_only=True)
class Loan:
    """A loan in ether against wdivETH, near its limit, and everything that its price comes from."""

    stand: Testbed
    market: DemoMarket
    app: App
    position: Position

    async def head(self) -> int:
        """Number of the newest block."""
        return int(await self.position.chain.rpc("eth_blockNumber"), 16)

    async def first_block(self, block: int, holds: Callable[[int], Awaitable[bool]], what: str) -> int:
        """The first block, from ``block`` on, after which a condition holds; waits for it."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                while True:
                    head = await self.head()
                    while block <= head:
                        if await holds(block):
                            return block
                        block += 1
                    await asyncio.sleep(0.1)
        except TimeoutError:
            raise AssertionError(f"not within {PATIENCE_S} s: {what}") from None

    async def unhealthy(self, block: int) -> bool:
        """Whether the loan's health factor after a block is below one."""
        return (await self.position.standing(block)).health_wad < WAD

    async def pool_price(self, name: str, block: int) -> int:
        """Price of wdivETH in a Uniswap pool after a block, WETH per token in 1e18, from its slot0."""
        pool = self.stand.world.pools[name]
        sqrt_x96 = (await pool.contract.functions.slot0().call(block_identifier=block))[0]
        first = int(pool.token, 16) < int(pool.weth, 16)
        return int(WAD * sqrt_x96**2 // 2**192 if first else WAD * 2**192 // sqrt_x96**2)


@asynccontextmanager
async def lending(folder: Path) -> AsyncIterator[Loan]:
    """Stand, market that moves, Aave, the service, and a loan that is healthy by little."""
    async with stand_with_market(folder) as (stand, market), LocalChain(stand.node.url) as chain:
        async with quick_blocks(chain):
            position = await listed(stand, chain)
            await position.fund(collateral_ether_wad=COLLATERAL_ETHER * WAD, lent_wad=LENT_ETHER * WAD)
        async with service(stand) as app:
            wanted = {FEED, "ETH/USD"}
            await until(lambda: bool(app.targets) and wanted <= set(app.targets["local"].onchain), "prices on chain")
            _, ether_usd = await position.prices_usd()
            most = (await position.standing()).available_usd * WAD // ether_usd
            await position.borrow(most * BORROWED_SHARE[0] // BORROWED_SHARE[1])
            yield Loan(stand=stand, market=market, app=app, position=position)


async def listed(stand: Testbed, chain: LocalChain) -> Position:
    """A market of Aave whose sources are strict views over the deployed ones, as the integration guide has it."""
    owner, borrower, lender, liquidator = (account(index) for index in (7, 6, 8, 9))
    artifact = contracts.load("StrictFeedView")
    code = npm.NpmArtifact(abi=artifact.abi, bytecode="0x" + artifact.bytecode.hex())

    async def strict(feed: str) -> str:
        view = await chain.create(owner, code, stand.deployment.views[feed], MAX_AGE_S, ZERO_ADDRESS, 0)
        return str(view.address)

    world = stand.world
    reserves = (
        Reserve(symbol="WETH", asset=world.weth, source=await strict("ETH/USD"), borrowable=True),
        Reserve(
            symbol="wdivETH",
            asset=world.wdiv_eth,
            source=await strict("wdivETH/USD"),
            ltv_bps=LTV_BPS,
            threshold_bps=THRESHOLD_BPS,
            bonus_bps=BONUS_BPS,
        ),
    )
    return Position(
        chain=chain,
        market=await deploy_aave_market(chain, owner, reserves),
        collateral=world.wdiv_eth,
        debt=world.weth,
        borrower=borrower,
        lender=lender,
        liquidator=liquidator,
    )


@asynccontextmanager
async def quick_blocks(chain: LocalChain) -> AsyncIterator[None]:
    """A block for each transaction, none of them ahead of the clock; a block a second again afterwards."""
    await chain.rpc("evm_setIntervalMining", 0)
    await chain.automine(on=True)
    await chain.rpc("anvil_setBlockTimestampInterval", 0)
    yield
    await chain.rpc("anvil_removeBlockTimestampInterval")
    await chain.rpc("anvil_setTime", int(time.time()))
    await chain.automine(on=False)
    await chain.rpc("evm_setIntervalMining", 1)


@dataclass(frozen=True, slots=True)
class Cued(Stage):
    """A stage on which the test says when the next act begins, and not the clock."""

    cues: asyncio.Semaphore

    async def wait(self, share: float) -> None:  # noqa: ARG002 - the time of the act is not the clock's here
        """Wait for the next cue."""
        await self.cues.acquire()


@asynccontextmanager
async def playing(name: str, market: DemoMarket) -> AsyncIterator[Callable[[], None]]:
    """Play a scenario of the demo; yields what begins its next act. An error of the scenario is the test's."""
    cues = asyncio.Semaphore(0)
    script = asyncio.ensure_future(SCENARIOS[name](Cued(market, 0.0, lambda _: None, cues)))
    try:
        yield cues.release
        if script.done():
            script.result()
    finally:
        script.cancel()
        await asyncio.gather(script, return_exceptions=True)
