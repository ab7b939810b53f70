"""The demo's stand and the service, for end-to-end tests: the same code, driven from a test."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from demo.market import DemoMarket
from demo.testbed import Testbed, resolved_config, running_testbed
from demo.world.anvil import free_port
from demo.world.trader import Trader
from oracle.app import App
from oracle.build import build

PATIENCE_S = 240.0
"""On an idle machine everything that is awaited comes within some seconds; a busy one may take its time."""


async def until(condition: Callable[[], bool], what: str) -> None:
    """Wait until a condition holds; fails with what was awaited."""
    for _ in range(int(PATIENCE_S / 0.1)):
        if condition():
            return
        await asyncio.sleep(0.1)
    raise AssertionError(f"not within {PATIENCE_S} s: {what}")


@asynccontextmanager
async def stand_with_market(
    folder: Path, endpoints: Callable[[str], tuple[str, ...]] = lambda url: (url,)
) -> AsyncIterator[tuple[Testbed, DemoMarket]]:
    """Chain, contracts, venues and a market that moves; no service."""
    async with running_testbed(folder, port=free_port(), endpoints=endpoints) as stand:
        market = DemoMarket(Trader(stand.chain, stand.world), stand.venues)
        tasks = [asyncio.create_task(market.run_venues()), asyncio.create_task(pools(market))]
        try:
            yield stand, market
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def pools(market: DemoMarket) -> None:
    """The arbitrageur, who goes on when a reorganisation took transactions of his away."""
    while True:
        with contextlib.suppress(Exception):
            await market.run_pools()
        await asyncio.sleep(0.5)


@asynccontextmanager
async def service(stand: Testbed) -> AsyncIterator[App]:
    """The service on a stand, ended in order."""
    app = App(build(resolved_config(stand), environ=stand.environ))
    stop = asyncio.Event()
    running = asyncio.create_task(app.run(stop))
    try:
        yield app
    finally:
        stop.set()
        async with asyncio.timeout(PATIENCE_S):
            await running


class Proxy:
    """An RPC endpoint in front of a real node, that can die, lie about its chain, or freeze.

    ``mode``: ok, dead, wrong_chain, frozen. ``methods``: what was asked.
    """

    def __init__(self) -> None:
        self.port = free_port()
        self.mode = "ok"
        self.requests, self.methods = 0, set[str]()
        self._node = ""
        self._frozen: Any = None

    def before(self, node: str) -> tuple[str, ...]:
        """The endpoints of a config: this proxy first, the node itself second."""
        self._node = node
        return (f"http://127.0.0.1:{self.port}", node)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        app = web.Application(client_max_size=1 << 24)
        app.router.add_post("/", self._answer)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", self.port).start()
        async with aiohttp.ClientSession() as self._session:
            try:
                yield
            finally:
                await runner.cleanup()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.requests += 1
        call = await request.json()
        method = call.get("method", "")
        self.methods.add(method)
        if self.mode == "dead":
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        if self.mode == "wrong_chain" and method == "eth_chainId":
            return web.json_response({"jsonrpc": "2.0", "id": call["id"], "result": "0x1"})
        async with self._session.post(self._node, json=call) as reply:
            body = await reply.json()
        if method == "eth_getBlockByNumber":
            if self.mode == "frozen" and self._frozen is not None:
                body["result"] = self._frozen
            else:
                self._frozen = body.get("result")
        return web.json_response(body)
