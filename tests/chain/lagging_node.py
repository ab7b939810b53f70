"""An honest endpoint in front of a real node that is some blocks behind, and slow or silent where a test wants it."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import orjson
from aiohttp import web


class LaggingNode:
    """One endpoint; ``url`` once started.

    Args:
        node_url: the real node.
        lag: blocks that it is behind.
        slow_s: before it answers.
    """

    def __init__(self, node_url: str, *, lag: int = 0, slow_s: float = 0.0) -> None:
        self.lag, self.slow_s = lag, slow_s
        self.silent: frozenset[str] = frozenset()
        self.url = ""
        self._node_url = node_url
        self._runner: web.AppRunner | None = None
        self._session: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        app = web.Application(client_max_size=1 << 24)
        app.router.add_post("/", self._answer)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        self._session = aiohttp.ClientSession()

    async def stop(self) -> None:
        assert self._runner is not None
        assert self._session is not None
        await self._runner.cleanup()
        await self._session.close()

    async def _ask(self, method: str, params: list[Any]) -> Any:
        assert self._session is not None
        call = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        async with self._session.post(self._node_url, json=call) as reply:
            return orjson.loads(await reply.read())

    async def _answer(self, request: web.Request) -> web.Response:
        call = orjson.loads(await request.read())
        await asyncio.sleep(self.slow_s)
        if call["method"] in self.silent:
            return web.Response(status=503)
        body = await self._behind(call["method"], list(call["params"]))
        return web.json_response(body | {"id": call["id"]})

    async def _behind(self, method: str, params: list[Any]) -> dict[str, Any]:
        """What the node would have said `lag` blocks ago; what is waiting to be mined it knows as everybody does."""
        if not self.lag or method in {"eth_sendRawTransaction", "eth_chainId"}:
            return dict(await self._ask(method, params))
        top = max(0, int((await self._ask("eth_blockNumber", []))["result"], 16) - self.lag)
        at = [p for p in params if isinstance(p, str) and p.startswith("0x") and len(p) < 12]
        params = [hex(top) if p == "latest" else p for p in params]
        if method == "eth_getBlockByNumber" and int(params[0], 16) > top:
            return {"jsonrpc": "2.0", "result": None}
        if method in {"eth_call", "eth_getStorageAt"} and any(int(p, 16) > top for p in at):
            return {"jsonrpc": "2.0", "error": {"code": -32000, "message": "header not found"}}
        body = dict(await self._ask(method, params))
        late = method == "eth_getTransactionReceipt" and body.get("result")
        return body | {"result": None} if late and int(body["result"]["blockNumber"], 16) > top else body
