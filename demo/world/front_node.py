"""A server in front of a real node, on the loopback: what an endpoint needs before it misbehaves."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import orjson
from aiohttp import web

_LONGEST_BODY = 1 << 24


class FrontNode:
    """One endpoint before a node; ``url`` once started. A child says in ``_answer`` what it makes of a request."""

    def __init__(self, node_url: str) -> None:
        self.url = ""
        self._node_url = node_url
        self._runner: web.AppRunner | None = None
        self._session: aiohttp.ClientSession | None = None
        self._open = asyncio.Event()
        self._open.set()

    def hold(self) -> None:
        """Answer nothing that the node has to be asked for, until `release`."""
        self._open.clear()

    def release(self) -> None:
        """Go on, also with what waits."""
        self._open.set()

    async def start(self) -> None:
        """Listen on a free port."""
        app = web.Application(client_max_size=_LONGEST_BODY)
        app.router.add_post("/", self._answer)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        self._session = aiohttp.ClientSession()

    async def stop(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()
        if self._session is not None:
            await self._session.close()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        raise NotImplementedError

    async def _forward(self, call: Any) -> Any:
        """The node's own answer to a request, or to a batch of them."""
        return orjson.loads((await self._forward_bytes(orjson.dumps(call)))[1])

    async def _forward_bytes(self, body: bytes) -> tuple[int, bytes, str]:
        """Status, body and content type of the node's own answer, byte for byte."""
        if self._session is None:
            raise RuntimeError("the endpoint has not been started")
        await self._open.wait()
        headers = {"Content-Type": "application/json", "Accept-Encoding": "identity"}
        async with self._session.post(self._node_url, data=body, headers=headers) as reply:
            return reply.status, await reply.read(), reply.headers.get("Content-Type", "application/json")
