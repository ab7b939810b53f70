"""A chain with penalties, and a watch with a key that pays, for tests that need them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest
from web3 import Web3

from demo.world import anvil
from tests.contracts.contract_tools import connected
from tests.oracle.push.poked_views import put_multicall3
from tests.oracle.watch.chain_world import Watch, WatchedChain, watch_at, watched_chain
from tests.oracle.watch.watch_world import memory_rows


@pytest.fixture(scope="module")
def node() -> Iterator[tuple[str, Web3]]:
    with anvil.running() as running, connected(running.url) as web3:
        asyncio.run(put_multicall3(running.url))
        yield running.url, web3


@pytest.fixture
def world(node: tuple[str, Web3]) -> Iterator[WatchedChain]:
    url, web3 = node
    made = watched_chain(url, web3)
    yield made
    made.bench.ask("evm_setAutomine", True)


@pytest.fixture
async def watch(world: WatchedChain) -> AsyncIterator[Watch]:
    made = watch_at(world, memory_rows(), payer=5)
    yield made
    await made.close()
