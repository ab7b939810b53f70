"""The event stream over a real server on loopback: what it sends, and which readers it drops."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import orjson
import pytest

from oracle.model.publication import Transition
from oracle.model.status import Status
from oracle.serve.interface import Update
from oracle.serve.openapi.schemas import SCHEMAS
from oracle.serve.server import serve
from tests.oracle.serve.endpoint_client import NOW_MS, Client, faults
from tests.oracle.serve.memory_service import ROUND_S, filled, record

pytestmark = pytest.mark.loopback


async def event(answer: aiohttp.ClientResponse) -> tuple[str, Any]:
    """The next event of a stream; heartbeats are passed over."""
    async with asyncio.timeout(30):
        while True:
            block = (await answer.content.readuntil(b"\n\n")).decode().splitlines()
            if not block[0].startswith(":"):
                return block[0].removeprefix("event: "), orjson.loads(block[1].removeprefix("data: "))


async def readers(client: Client, number: int) -> None:
    for _ in range(3_000):
        if len(client.server.hub) == number:
            return
        await asyncio.sleep(0.01)
    raise TimeoutError(f"{len(client.server.hub)} readers, not {number}")


async def test_what_is_sent_again_and_again_has_risks_by_their_codes(client: Client) -> None:
    """Sentences and sources would be most of every event, and of every list."""
    codes = {"raised": ["RATE_MOVABLE_BY_TRANSFER", "ONE_GROUP_NOW"], "unknown": ["PAUSABLE"]}
    async with client.session.get(f"{client.server.url}/v1/stream") as answer:
        _, first = await event(answer)
        await readers(client, 1)
        client.service.notify(Update(indications=(record("wdivETH/ETH", ROUND_S + 3, final=False),)))
        _, tick = await event(answer)
    lists = [first, tick, (await client.get("/v1/prices"))[1], (await client.get("/v1/prices?live=1"))[1]]
    assert [(b["prices"][0]["risk_codes"], b["prices"][0]["risk"]) for b in lists] == [(codes, None)] * 4
    for path in ("/v1/prices/wdivETH/ETH", "/v1/prices/wdivETH/ETH?live=1"):
        alone = (await client.get(path))[1]
        assert alone["risk_codes"] == codes
        assert [f["code"] for f in alone["risk"]["flags"]] == ["RATE_MOVABLE_BY_TRANSFER"]


async def test_the_stream_starts_with_the_prices_and_sends_every_update(client: Client) -> None:
    async with client.session.get(f"{client.server.url}/v1/stream") as answer:
        assert answer.content_type == "text/event-stream"
        name, body = await event(answer)
        assert (name, faults(body, SCHEMAS["Prices"])) == ("final", [])
        await readers(client, 1)
        client.service.notify(Update(indications=(record("wdivETH/ETH", ROUND_S + 3, final=False),)))
        name, body = await event(answer)
        assert (name, faults(body, SCHEMAS["Live"])) == ("live", [])
        client.service.put(record("wdivETH/ETH", ROUND_S + 10))
        change = Transition(feed="wdivETH/ETH", at_ms=NOW_MS, before=Status.OK, after=Status.WATCH, reasons=())
        client.service.notify(Update(round_time_s=ROUND_S + 10, transitions=(change,)))
        name, body = await event(answer)
        assert (name, body["prices"][0]["round"]) == ("final", ROUND_S + 10)
        assert body == (await client.get("/v1/prices"))[1]
        name, body = await event(answer)
        assert (name, faults(body, SCHEMAS["Changes"])) == ("status", [])


async def test_a_quiet_stream_has_a_heartbeat(client: Client) -> None:
    async with client.session.get(f"{client.server.url}/v1/stream") as answer:
        await event(answer)
        assert await answer.content.readuntil(b"\n\n") == b": alive\n\n"


@asynccontextmanager
async def idle_reader(client: Client) -> AsyncIterator[socket.socket]:
    """A reader that asks for the stream and never reads."""
    host, port = client.server.url.removeprefix("http://").split(":")
    loop = asyncio.get_running_loop()
    with socket.socket() as idle:
        idle.setblocking(False)
        await loop.sock_connect(idle, (host, int(port)))
        await loop.sock_sendall(idle, b"GET /v1/stream HTTP/1.1\r\nHost: x\r\n\r\n")
        await readers(client, 1)
        yield idle


async def test_a_slow_reader_is_dropped_and_the_others_are_not(client: Client) -> None:
    async with idle_reader(client) as idle:
        async with client.session.get(f"{client.server.url}/v1/stream") as answer:
            await event(answer)
            for count in range(20_000):
                client.service.notify(Update(round_time_s=count))
                assert (await event(answer))[0] == "final"
                if client.server.hub.dropped:
                    break
            assert client.server.hub.dropped == 1
            assert len(client.server.hub) == 1
            client.service.notify(Update(round_time_s=1))
            assert (await event(answer))[0] == "final"
        async with asyncio.timeout(30):
            while await asyncio.get_running_loop().sock_recv(idle, 1 << 20):
                pass


async def test_a_reader_that_takes_nothing_for_long_is_dropped(impatient: Client) -> None:
    hub = impatient.server.hub
    async with idle_reader(impatient):
        for _ in range(40_000):
            hub.publish(b": " + b"x" * 90_000 + b"\n\n")
            await asyncio.sleep(0)
            if hub.queued_bytes or hub.dropped:
                break
        await readers(impatient, 0)
        assert hub.dropped == 1


async def test_a_reader_that_leaves_is_forgotten(client: Client) -> None:
    async with client.session.get(f"{client.server.url}/v1/stream") as answer:
        await event(answer)
        await readers(client, 1)
    await readers(client, 0)
    assert client.server.hub.dropped == 0


async def test_too_many_readers_are_refused(client: Client) -> None:
    async with asyncio.TaskGroup() as group:
        open_ = [group.create_task(client.session.get(f"{client.server.url}/v1/stream")) for _ in range(3)]
    assert (await client.error("/v1/stream"))[:2] == (503, "no_stream")
    for task in open_:
        task.result().close()


async def test_closing_the_server_ends_its_streams() -> None:
    server = await serve(filled(), host="127.0.0.1", port=0, now_ms=lambda: NOW_MS, metrics=bytes)
    async with aiohttp.ClientSession() as session, session.get(f"{server.url}/v1/stream") as answer:
        await event(answer)
        async with asyncio.timeout(30):
            await server.close()
            rest = await answer.content.read()
        assert rest == b""
        with pytest.raises(aiohttp.ClientConnectorError):
            await session.get(f"{server.url}/healthz")
