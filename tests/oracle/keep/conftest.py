"""A chain with the contracts on it, as it was deployed, for each test."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from demo.world import anvil, staking
from demo.world.chain import LocalChain
from tests.oracle.keep.keeper_world import KeeperWorld, deploy


@pytest.fixture(scope="module")
def deployed() -> Iterator[tuple[str, staking.StakingWorld]]:
    async def whole(url: str) -> staking.StakingWorld:
        async with LocalChain(url) as chain:
            return await deploy(chain, url)

    with anvil.running() as node:
        yield node.url, asyncio.run(whole(node.url))


@pytest.fixture
async def world(deployed: tuple[str, staking.StakingWorld]) -> AsyncIterator[KeeperWorld]:
    url, contracts = deployed
    async with LocalChain(url) as chain:
        before = await chain.rpc("evm_snapshot")
        await chain.automine(on=False)
        made = KeeperWorld(url, chain, contracts, await chain.block_time_s())
        yield made
        await made.close()
        await chain.automine(on=True)
        await chain.rpc("evm_revert", before)
