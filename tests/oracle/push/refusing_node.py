"""An endpoint in front of a real node that refuses transactions in words of a test's choice, and counts what it was sent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import orjson
from aiohttp import web

from demo.world.front_node import FrontNode


class RefusingNode(FrontNode):
    """One endpoint; ``url`` once started.

    Attributes:
        says: of a raw transaction, why it is refused (message, or code and message); None passes it on.
        gives: the result in place of a transaction's hash, where it says nothing; "" passes it on.
        sent: how often each raw transaction came.
        asked: every method that was asked for.
    """

    def __init__(self, node_url: str) -> None:
        super().__init__(node_url)
        self.says: Callable[[bytes], str | tuple[int, str] | None] = lambda _: None
        self.gives: str | None = ""
        self.sent: Counter[bytes] = Counter()
        self.asked: set[str] = set()

    async def _answer(self, request: web.Request) -> web.Response:
        call: dict[str, Any] = orjson.loads(await request.read())
        self.asked.add(call["method"])
        if call["method"] == "eth_sendRawTransaction":
            raw = bytes.fromhex(call["params"][0][2:])
            self.sent[raw] += 1
            refusal = self.says(raw)
            if refusal is not None:
                code, message = refusal if isinstance(refusal, tuple) else (-32000, refusal)
                return web.json_response({"jsonrpc": "2.0", "id": 1, "error": {"code": code, "message": message}})
            if self.gives != "":
                return web.json_response({"jsonrpc": "2.0", "id": 1, "result": self.gives})
        return web.json_response(await self._forward(call))
