"""Local exchanges and HTTP sessions for the tests of feeds."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import aiohttp
import pytest
import pytest_asyncio

from demo.venues.server import Venue
from demo.world import anvil, npm
from feeds.chains import multicall
from tests.feeds.chains.rpc_servers import Server, ask
from tests.feeds.local_venues import SYMBOLS, quote


@pytest_asyncio.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as shared:
        yield shared


@pytest_asyncio.fixture(params=sorted(SYMBOLS))
async def venue(request: pytest.FixtureRequest) -> AsyncIterator[Venue]:
    """Each local exchange in turn, with one quote at 4000."""
    local = Venue(request.param, beat_s=0.02)
    await local.start()
    quote(local, "4000")
    yield local
    await local.stop()


@pytest.fixture(scope="module")
def chain() -> Iterator[str]:
    with anvil.running() as node:
        runtime = ask(node.url, "eth_call", {"data": npm.multicall3()}, "latest")
        ask(node.url, "anvil_setCode", multicall.ADDRESS, runtime)
        ask(node.url, "anvil_mine", "0x5")
        yield node.url


@pytest_asyncio.fixture
async def server(chain: str, session: aiohttp.ClientSession) -> AsyncIterator[Server]:
    running = await Server(chain, session).start()
    yield running
    assert running.runner is not None
    await running.runner.cleanup()


@pytest_asyncio.fixture
async def second(chain: str, session: aiohttp.ClientSession) -> AsyncIterator[Server]:
    running = await Server(chain, session).start()
    yield running
    assert running.runner is not None
    await running.runner.cleanup()
