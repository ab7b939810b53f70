"""What the shipped configuration of nginx answers by itself, whom it counts as one, and who waits for whom."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from oracle.serve.openapi.schemas import SCHEMAS
from tests.oracle.serve.endpoint_client import OWN, faults
from tests.oracle.serve.late_endpoint import endpoint
from tests.oracle.serve.memory_service import ROUND_S
from tests.oracle.serve.shipped_nginx import needs_nginx, nginx

pytestmark = [pytest.mark.loopback, needs_nginx]
AT_ONCE = 12


async def said(answer: aiohttp.ClientResponse) -> tuple[int, str]:
    body = await answer.json()
    assert not faults(body, SCHEMAS["Error"])
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    return answer.status, body["error"]["code"]


async def test_errors_of_nginx_itself_are_documents_as_those_of_a_node(tmp_path: Path) -> None:
    async with (
        endpoint(ROUND_S) as client,
        nginx(tmp_path, client.server.url) as url,
        aiohttp.ClientSession() as session,
    ):
        for path in ("/metrics", "/readyz"):
            async with session.get(url + path) as answer:
                assert await said(answer) == (404, "unknown_path")
        for path in (OWN, f"{OWN}/history", f"{OWN}/report", "/v1/stream"):
            async with session.delete(url + path) as answer:
                assert await said(answer) == (405, "method_not_allowed")
                assert answer.headers["Allow"] == "GET, HEAD"
        async with session.post(url + "/healthz", data=b"x" * 4_096) as answer:
            assert await said(answer) == (413, "body_refused")
        await client.server.close()
        async with session.get(f"{url}{OWN}/history") as answer:
            assert await said(answer) == (503, "busy")
            assert answer.headers["Retry-After"] == "1"


async def test_addresses_of_one_64_have_one_limit_and_the_refusal_says_when_to_ask_again(tmp_path: Path) -> None:
    async with (
        endpoint(ROUND_S) as client, nginx(tmp_path, client.server.url, few=True) as url,
        aiohttp.ClientSession() as session,
    ):  # fmt: skip

        async def asked(reader: str) -> int:
            async with session.get(url + OWN, headers={"X-Test-Reader": reader}) as answer:
                if answer.status != 200:
                    assert (await said(answer), answer.headers["Retry-After"]) == ((429, "too_many"), "1")
                return answer.status

        one = [await asked(f"2001:db8:1:2:{n}::1") for n in range(4)]
        assert one == [200, 200, 429, 429]
        assert await asked("2001:db8:1:3::1") == 200, "another one's"
        assert [await asked(f"192.0.2.{n}") for n in range(1, 5)] == [200] * 4, "each of IPv4 by itself"
        assert [await asked("198.51.100.10") for _ in range(3)] == [200, 200, 429], "a byte that ends a line"


@pytest.mark.parametrize("path", ["/v1/prices/nope/ETH", f"{OWN}?live=1", f"{OWN}/report", f"{OWN}/explain?round=1"])
async def test_nobody_waits_for_an_answer_that_is_not_kept(tmp_path: Path, path: str) -> None:
    """The endpoint answers nobody until all have come to it."""
    async with meeting(AT_ONCE) as origin, nginx(tmp_path, origin) as url, aiohttp.ClientSession() as session:

        async def status() -> int:
            async with session.get(url + path) as answer:
                return answer.status

        async with asyncio.timeout(60):
            assert await asyncio.gather(*(status() for _ in range(AT_ONCE))) == [404] * AT_ONCE


@asynccontextmanager
async def meeting(count: int) -> AsyncIterator[str]:
    """A stand-in for a node, whose answers come when as many requests as this are there at a time."""
    together, here = asyncio.Event(), 0

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal here
        await reader.readuntil(b"\r\n\r\n")
        here += 1
        if here >= count:
            together.set()
        await together.wait()
        writer.write(
            b"HTTP/1.1 404 Not Found\r\nCache-Control: no-store\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
        )
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
