"""An honest endpoint in front of a real node that is some blocks behind, and slow or silent where a test wants it."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
from aiohttp import web

from demo.world.front_node import FrontNode
from demo.world.stale_answers import stale_answer


class LaggingNode(FrontNode):
    """One endpoint; ``url`` once started.

    Args:
        node_url: the real node.
        lag: blocks that it is behind.
        slow_s: before it answers.
    """

    def __init__(self, node_url: str, *, lag: int = 0, slow_s: float = 0.0) -> None:
        super().__init__(node_url)
        self.lag, self.slow_s = lag, slow_s
        self.silent: frozenset[str] = frozenset()

    async def _ask(self, method: str, params: list[Any]) -> Any:
        return await self._forward({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})

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
        return await stale_answer(self._ask, method, params, lag=self.lag)
