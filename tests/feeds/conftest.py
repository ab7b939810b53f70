"""Local exchanges and HTTP sessions for the tests of feeds."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import pytest
import pytest_asyncio
from local_venues import SYMBOLS, quote

from demo.venues import Venue


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
