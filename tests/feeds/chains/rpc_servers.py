"""JSON-RPC servers in front of a real node, which change, delay or spoil its answers, and readers that ask them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import orjson
from aiohttp import web
from web3 import HTTPProvider, Web3

from demo.world import anvil
from feeds.chains import multicall
from feeds.chains.endpoint import ReaderLimits
from feeds.chains.reader import ChainReader
from feeds.errors import FeedError
from feeds.rates.call import RateCall
from feeds.types import Quote, Read

CHAIN_ID = 31337
WAD = 10**18
BLOCK = RateCall(contract=multicall.ADDRESS, function="getBlockNumber()", scale=0)
TIME = RateCall(contract=multicall.ADDRESS, function="getCurrentBlockTimestamp()", scale=9)
QUICK = ReaderLimits(timeout_ms=8_000, grace_ms=3_000, retry_ms=50, missing_ms=5)
"""Short pauses, and deadlines that a busy machine keeps too."""


def ask(url: str, method: str, *params: Any) -> Any:
    reply = Web3(HTTPProvider(url)).provider.make_request(method, list(params))  # type: ignore[arg-type]
    return reply["result"]


class Clock:
    def __init__(self) -> None:
        self.ms = time.time_ns() // 10**6

    def __call__(self) -> int:
        return self.ms


Fault = Callable[[dict[str, Any], Any], Any]
"""Gets the request and the node's answer; returns what to answer instead: JSON, bytes, a response, or a pause."""


@dataclass
class Server:
    """A JSON-RPC server that asks the node and may then change, delay or spoil the answer."""

    node: str
    session: aiohttp.ClientSession
    fault: Fault | None = None
    seen: list[str] = field(default_factory=list)
    blocks: list[Any] = field(default_factory=list)
    url: str = ""
    runner: web.AppRunner | None = None

    async def start(self, port: int | None = None) -> Server:
        app = web.Application(client_max_size=1 << 24)
        app.router.add_post("/", self.answer)
        self.runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self.runner.setup()
        port = port or anvil.free_port()
        await web.TCPSite(self.runner, "127.0.0.1", port).start()
        self.url = f"http://127.0.0.1:{port}"
        return self

    async def answer(self, request: web.Request) -> web.StreamResponse:
        asked = orjson.loads(await request.read())
        self.seen.append(asked["method"])
        if asked["method"] == "eth_call":
            self.blocks.append(asked["params"][1])
        async with self.session.post(self.node, json=asked) as reply:
            answer = await reply.json()
        if self.fault is not None:
            answer = self.fault(asked, answer)
        if asyncio.iscoroutine(answer):
            answer = await answer
        if isinstance(answer, web.StreamResponse):
            return answer
        return web.Response(body=answer if isinstance(answer, bytes) else orjson.dumps(answer))


def reader(
    session: aiohttp.ClientSession, *urls: str, clock: Clock | None = None, limits: ReaderLimits = QUICK, **more: Any
) -> ChainReader:
    return ChainReader(
        chain_id=CHAIN_ID, endpoints=urls, session=session, now_ms=clock or Clock(), limits=limits, **more
    )


def refusal(message: str, code: int = -32000) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": 1, "error": {"code": code, "message": message}}


def on(method: str, change: Callable[[Any], Any]) -> Fault:
    """A fault of one method only; the change gets the node's answer."""
    return lambda asked, answer: change(answer) if asked["method"] == method else answer


async def values(read: ChainReader, **reads: Read) -> dict[str, Quote | FeedError]:
    return dict((await read.read(await read.head(), reads)).results)


def price(result: Quote | FeedError) -> int:
    assert isinstance(result, Quote), str(result)
    return result.price_wad


def code(result: Quote | FeedError) -> str:
    assert isinstance(result, FeedError)
    return result.code
