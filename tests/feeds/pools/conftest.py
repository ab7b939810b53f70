"""Real pools on a real local chain, and a way to read them with an adapter."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest_asyncio

from demo.world import anvil, npm
from demo.world.chain import LocalChain
from demo.world.deploy import DemoWorld, backdated, deploy
from feeds.chains.endpoint import Head
from feeds.chains.reader import ChainReader
from feeds.errors import FeedError
from feeds.types import ChainAdapter, Quote

_CHAIN_ID = 31337
_OVERSIZE = ("--code-size-limit", "200000")
"""Packages that ship their contracts unoptimised pass the chain's limit."""
_QUOTER = "node_modules/@uniswap/v3-periphery/artifacts/contracts/lens/QuoterV2.sol/QuoterV2.json"


@dataclass(frozen=True)
class Pools:
    """The demo's world on a node of its own, Uniswap's quoter beside it."""

    chain: LocalChain
    world: DemoWorld
    quoter: Any
    reader: ChainReader

    async def call(self, contract: Any, function: str, *args: Any, head: Head) -> Any:
        """Decoded answer of a contract at a block."""
        return await getattr(contract.functions, function)(*args).call(block_identifier=head.block_hash)

    async def quotes(self, **adapters: ChainAdapter) -> tuple[Head, dict[str, Quote | FeedError]]:
        """The newest block and what the adapters say at it."""
        read = await self.reader.read(await self.reader.head(), {name: a.read() for name, a in adapters.items()})
        assert self.reader.stats.bugs == 0
        return read.head, dict(read.results)

    async def quote(self, adapter: ChainAdapter) -> tuple[Head, Quote]:
        """The newest block and the quote of one adapter, which must give one."""
        head, results = await self.quotes(one=adapter)
        quote = results["one"]
        assert isinstance(quote, Quote), str(quote)
        return head, quote


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pools() -> AsyncIterator[Pools]:
    with anvil.running(extra=(*backdated(), *_OVERSIZE)) as node:
        async with LocalChain(node.url) as chain, aiohttp.ClientSession() as session:
            world = await deploy(chain)
            quoter = await chain.create(
                world.accounts.owner, npm.read(npm.ROOT / _QUOTER), world.uniswap_factory, world.weth
            )
            reader = ChainReader(
                chain_id=_CHAIN_ID, endpoints=[node.url], session=session, now_ms=lambda: time.time_ns() // 10**6
            )
            yield Pools(chain, world, quoter, reader)
