"""An RPC endpoint in front of a real node that acts out what endpoints do: it drops, delays, repeats, lies, refuses.

Real HTTP on the loopback; what it does to a request is drawn from a seeded random, so a run repeats.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from dataclasses import dataclass
from typing import Any

import orjson
from aiohttp import web

from demo.world.front_node import FrontNode

SAID = {
    "underpriced": "replacement transaction underpriced",
    "nonce_low": "nonce too low",
    "known": "already known",
}
KINDS = ("drop", "lose_answer", "delay", "twice", "429", "html", *SAID)


@dataclass
class Mood:
    """How a proxy behaves now: chance of any fault per request, and whether it lies."""

    chance: float = 0.0
    kinds: tuple[str, ...] = KINDS
    lies: bool = False
    dead: bool = False


class FaultyNode(FrontNode):
    """One endpoint. ``url`` once started; ``done`` counts what it acted out."""

    def __init__(self, node_url: str, seed: int) -> None:
        super().__init__(node_url)
        self.mood = Mood()
        self.done: Counter[str] = Counter()
        self._rng = random.Random(seed)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        call = orjson.loads(await request.read())
        fault = self._draw(call["method"])
        if fault is not None:
            self.done[fault] += 1
        early = self._before(request, call, fault)
        if early is not None:
            return early
        if fault == "delay":
            await asyncio.sleep(self._rng.choice((0.02, 0.1, 0.6)))
        if fault == "twice":
            await self._forward(call)
        body = await self._forward(call)
        if fault in SAID:
            return _error(call, SAID[fault])
        if fault == "lose_answer":
            return _hang_up(request)
        if self.mood.lies and self._rng.random() < 0.5:
            body = self._lie(call, body)
        return web.Response(body=orjson.dumps(body), content_type="application/json")

    def _draw(self, method: str) -> str | None:
        mood = self.mood
        if mood.dead:
            return "drop"
        if self._rng.random() >= mood.chance:
            return None
        fault = self._rng.choice(mood.kinds)
        return None if fault in SAID and method != "eth_sendRawTransaction" else fault

    def _before(self, request: web.Request, call: Any, fault: str | None) -> web.StreamResponse | None:
        """What is answered without asking the node; half of the refusals are said of a transaction that is passed on."""
        if fault == "drop":
            return _hang_up(request)
        if fault == "429":
            return web.Response(status=429, text="slow down")
        if fault == "html":
            return web.Response(text="<html>bad gateway</html>", content_type="text/html")
        return _error(call, SAID[fault]) if fault in SAID and self._rng.random() < 0.5 else None

    def _lie(self, call: Any, body: Any) -> Any:
        """Answer something else than the truth, in the right form."""
        method, result = call["method"], body.get("result")
        lie: Any = None
        if method == "eth_getTransactionReceipt":
            lie = None if result else _receipt(call["params"][0])
        elif method == "eth_getTransactionCount" and result:
            lie = hex(int(result, 16) + self._rng.choice((-1, 1, 5))) if int(result, 16) else "0x3"
        elif method == "eth_getBlockByNumber" and result:
            far = self._rng.choice((-3, 40))
            lie = {**result, "number": hex(max(0, int(result["number"], 16) + far))}
            lie["timestamp"] = hex(int(result["timestamp"], 16) + 2 * far)
        elif method == "eth_call" and isinstance(result, str) and len(result) == 66:
            lie = hex(int(result, 16) ^ (1 << 200))
            lie = "0x" + lie[2:].zfill(64)
        elif method == "eth_sendRawTransaction":
            lie = "0x" + "ab" * 32
        else:
            return body
        self.done["lie"] += 1
        return {"jsonrpc": "2.0", "id": call["id"], "result": lie}


def _receipt(tx_hash: str) -> dict[str, Any]:
    return {
        "transactionHash": tx_hash, "blockNumber": "0x1", "blockHash": "0x" + "cd" * 32, "status": "0x1",
        "gasUsed": "0x5208", "logs": [],
    }  # fmt: skip


def _error(call: Any, message: str) -> web.Response:
    body = {"jsonrpc": "2.0", "id": call["id"], "error": {"code": -32000, "message": message}}
    return web.Response(body=orjson.dumps(body), content_type="application/json")


def _hang_up(request: web.Request) -> web.Response:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()
