"""Real pools on a real local chain, and a way to read them with an adapter."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest

from demo import anvil, npm
from demo.chain import Chain
from demo.deploy import World, backdated, deploy
from feeds.rpc import ChainRead, ChainReader
from feeds.types import ChainAdapter, FeedError, Quote

CHAIN_ID = 31337


@dataclass(frozen=True)
class Pools:
    """The demo's world on a node of its own. Each test method opens its own connections."""

    url: str
    world: World
    quoter: str

    def run(self, work: Callable[[Chain], Awaitable[Any]]) -> Any:
        """Result of a coroutine function of a connection."""

        async def connected() -> Any:
            async with Chain(self.url) as chain:
                return await work(chain)

        return asyncio.run(connected())

    async def read(self, **adapters: ChainAdapter) -> ChainRead:
        async with aiohttp.ClientSession() as session:
            reader = ChainReader(
                chain_id=CHAIN_ID, endpoints=[self.url], session=session, now_ms=lambda: time.time_ns() // 10**6
            )
            return await reader.read(await reader.head(), {name: a.read() for name, a in adapters.items()})

    def quotes(self, **adapters: ChainAdapter) -> dict[str, Quote | FeedError]:
        """What the adapters say at the newest block."""
        return dict(asyncio.run(self.read(**adapters)).results)


@pytest.fixture(scope="session")
def pools() -> Iterator[Pools]:
    with anvil.running(extra=backdated()) as node:

        async def build() -> tuple[World, str]:
            async with Chain(node.url) as chain:
                world = await deploy(chain)
                artifact = npm.read(
                    npm.ROOT
                    / "node_modules/@uniswap/v3-periphery/artifacts/contracts/lens/QuoterV2.sol/QuoterV2.json"
                )
                quoter = await chain.create(world.accounts.owner, artifact, world.uniswap_factory, world.weth)
                return world, quoter.address

        world, quoter = asyncio.run(build())
        yield Pools(node.url, world, quoter)
