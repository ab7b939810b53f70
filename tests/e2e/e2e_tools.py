"""The demo's stand and the service, for end-to-end tests: the same code, driven from a test."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from demo.anvil import free_port
from demo.main import Stand, load, standing
from demo.market import Market
from demo.trader import Trader
from oracle.app import App


async def until(condition: Callable[[], bool], what: str, seconds: float = 30.0) -> None:
    """Wait until a condition holds; fails with what was awaited."""
    for _ in range(int(seconds / 0.1)):
        if condition():
            return
        await asyncio.sleep(0.1)
    raise AssertionError(f"not within {seconds} s: {what}")


@asynccontextmanager
async def stand_with_market(folder: Path) -> AsyncIterator[tuple[Stand, Market]]:
    """Chain, contracts, venues and a market that moves; no service."""
    async with standing(folder, port=free_port()) as stand:
        market = Market(Trader(stand.chain, stand.world), stand.venues)
        tasks = [asyncio.create_task(market.run_venues()), asyncio.create_task(market.run_pools())]
        try:
            yield stand, market
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def service(stand: Stand) -> AsyncIterator[App]:
    """The service on a stand, ended in order."""
    app = App(load(stand), environ=stand.environ)
    stop = asyncio.Event()
    running = asyncio.create_task(app.run(stop))
    try:
        yield app
    finally:
        stop.set()
        async with asyncio.timeout(10):
            await running
