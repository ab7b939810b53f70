"""Limits by address and by key, over real connections: from several addresses of this machine, and through proxies."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from ipaddress import IPv6Address, ip_network
from typing import Any

import aiohttp
import orjson
import pytest

from oracle.serve.connection_gate import GateLimits
from oracle.serve.events import StreamLimits
from oracle.serve.front_door import tokens_of
from oracle.serve.interface import Update
from oracle.serve.openapi.schemas import SCHEMAS
from oracle.serve.public_limits import PublicLimits, Visitor, VisitorLimits
from oracle.serve.visitors import MOST_REMEMBERED, Visitors, address_in, counted_as
from tests.oracle.serve.endpoint_client import OWN, Client, faults, served
from tests.oracle.serve.memory_service import filled

pytestmark = pytest.mark.loopback
FEW = VisitorLimits(per_s=1, burst=3, streams=1)
HERE = (ip_network("127.0.0.0/8"),)
KEY = "lrt_key-of-a-reader"
KEYS = {hashlib.sha256(KEY.encode()).digest(): ("reader", VisitorLimits(per_s=1, burst=5, streams=2))}
PROXY = {"X-Forwarded-For": "203.0.113.7"}


@asynccontextmanager
async def endpoint(public: PublicLimits, **options: Any) -> AsyncIterator[Client]:
    async with asyncio.timeout(60):
        async for client in served(filled(), public=public, cors_origins=("*",), **options):
            yield client


@asynccontextmanager
async def line(client: Client, sent: bytes = b"", source: str = "127.0.0.1") -> AsyncIterator[asyncio.StreamReader]:
    """A connection of its own from an address of this machine, and what comes back on it."""
    host, port = client.server.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port), local_addr=(source, 0))
    writer.write(sent)
    try:
        yield reader
    finally:
        writer.close()


async def until(client: Client, connections: int) -> None:
    while len(client.server.gate) != connections:  # noqa: ASYNC110 - a counter has no event
        await asyncio.sleep(0.005)


async def codes(client: Client, count: int, **more: Any) -> list[int]:
    return [(await client.get(OWN, **more))[0] for _ in range(count)]


def a_visitor(per_s: int, burst: int) -> Visitor:
    return Visitor("x", VisitorLimits(per_s=per_s, burst=burst))


def test_a_bucket_gives_its_burst_at_once_and_then_its_rate() -> None:
    visitor = a_visitor(per_s=10, burst=5)
    assert [visitor.take(1, 100.0) for _ in range(5)] == [0.0] * 5
    assert visitor.take(1, 100.0) == pytest.approx(0.1)
    assert visitor.take(1, 100.1) == 0.0
    assert visitor.take(1, 100.1) > 0, "what was refused took nothing, what was granted did"
    assert [visitor.take(1, 1_000.0) for _ in range(6)][4:] == [0.0, pytest.approx(0.1)], (
        "no more than the burst is saved"
    )
    assert a_visitor(per_s=10, burst=5).take(50, 0.0) == 0.0, "more than the bucket holds is there when it is full"


def test_what_is_long_or_read_from_disk_costs_more() -> None:
    assert [tokens_of(p) for p in (OWN, "/v1/prices?live=1", f"{OWN}/history?limit=1", f"{OWN}/explain")] == [
        1,
        4,
        10,
        10,
    ]


async def test_an_address_gets_its_burst_and_then_a_typed_refusal() -> None:
    async with endpoint(PublicLimits(each=FEW)) as client:
        assert await codes(client, 3) == [200] * 3
        status, body, answer = await client.get(OWN)
        assert (status, body["error"]["code"], faults(body, SCHEMAS["Error"])) == (429, "too_many", [])
        wanted = {"Retry-After": "1", "Cache-Control": "no-store", "Access-Control-Allow-Origin": "*"}
        assert {k: answer.headers[k] for k in wanted} == wanted
        status, body, _ = await client.get("/v1/nothing")
        assert status == 429, "what is not there costs as well"


async def test_one_address_takes_nothing_from_another() -> None:
    async with endpoint(PublicLimits(each=FEW)) as client:
        assert await codes(client, 4) == [200, 200, 200, 429]
        other = aiohttp.TCPConnector(local_addr=("127.0.0.9", 0))
        async with aiohttp.ClientSession(connector=other) as session, session.get(client.server.url + OWN) as answer:
            assert answer.status == 200


async def test_the_operator_s_own_machine_is_not_limited_but_what_a_proxy_on_it_hands_on_is() -> None:
    async with endpoint(PublicLimits(each=FEW, unlimited=HERE)) as client:
        assert await codes(client, 9) == [200] * 9
        assert await codes(client, 4, headers=PROXY) == [200, 200, 200, 429]
        assert await codes(client, 1, headers={"Forwarded": "for=198.51.100.1"}) == [429], "all of them as one"
        assert await codes(client, 9) == [200] * 9


async def test_behind_a_trusted_proxy_each_address_has_its_own_bucket() -> None:
    async with endpoint(PublicLimits(each=FEW, proxies=HERE)) as client:
        assert await codes(client, 4, headers=PROXY) == [200, 200, 200, 429]
        written = {"X-Forwarded-For": "198.51.100.9, 203.0.113.7, 127.0.0.3"}
        assert await codes(client, 1, headers=written) == [429], "what the reader wrote before it does not count"
        assert await codes(client, 1, headers={"X-Forwarded-For": "203.0.113.8"}) == [200]
        for n in range(3):
            assert await codes(client, 1, headers={"X-Forwarded-For": f"2001:db8:0:1::{n}"}) == [200]
        assert await codes(client, 1, headers={"X-Forwarded-For": "[2001:db8:0:1::ffff]:443"}) == [429], (
            "one /64 is one"
        )
        assert await codes(client, 1, headers={"X-Forwarded-For": "2001:db8:0:2::1"}) == [200]
        assert await codes(client, 1, headers={"Forwarded": "for=203.0.113.7"}) == [200], "that header is not read here"


async def test_of_the_two_headers_only_the_configured_one_is_read() -> None:
    async with endpoint(PublicLimits(each=FEW, proxies=HERE, proxy_header="forwarded")) as client:
        named = {"Forwarded": 'for=192.0.2.1;proto=https, For="[2001:db8::1]:4711";by=203.0.113.43'}
        assert await codes(client, 4, headers=named) == [200, 200, 200, 429]
        assert await codes(client, 1, headers={**named, **PROXY}) == [429]
        assert await codes(client, 1, headers={"Forwarded": "for=192.0.2.1"}) == [200]


async def test_who_is_no_proxy_cannot_choose_its_address() -> None:
    async with endpoint(PublicLimits(each=FEW)) as client:
        chosen = [{"X-Forwarded-For": f"203.0.113.{n}", "Forwarded": f"for=203.0.113.{n}"} for n in range(4)]
        assert [(await codes(client, 1, headers=h))[0] for h in chosen] == [200, 200, 200, 429]


async def test_a_key_has_its_own_limits_and_trying_keys_costs() -> None:
    async with endpoint(PublicLimits(each=FEW, keys=KEYS)) as client:
        assert await codes(client, 6, headers={"X-API-Key": KEY}) == [200] * 5 + [429]
        assert (await client.error(OWN, headers={"X-API-Key": "lrt_guess"}))[:2] == (401, "bad_key")
        assert await codes(client, 4, headers={"X-API-Key": "lrt_guess"}) == [401, 401, 429, 429]
        _, text, _ = await client.get("/metrics", headers={"X-API-Key": KEY})
        assert b"lrt_key" not in text


async def test_an_address_has_its_share_of_connections() -> None:
    plain = f"GET {OWN} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
    async with endpoint(PublicLimits(each=FEW), gate_limits=GateLimits(per_address=2)) as client:
        async with line(client), line(client):
            await until(client, 2)
            async with line(client) as third:
                refusal = await third.read()
            assert refusal.startswith(b"HTTP/1.1 429 ")
            assert orjson.loads(refusal.split(b"\r\n\r\n")[1])["error"]["code"] == "too_many"
            async with line(client, plain, "127.0.0.9") as other:
                assert (await other.readline()).startswith(b"HTTP/1.1 200 ")
        await until(client, 0)
        assert await codes(client, 1) == [200]
        assert client.server.gate.crowded == 1


@pytest.mark.parametrize(
    "sent", [b"GET / HTTX/1.1\r\n\r\n", b"\x16\x03\x01\x00\xa5junk\r\n\r\n", b"GET / HTTP/1.1\r\nno header\r\n\r\n"]
)
async def test_what_is_no_request_is_counted_and_leaves_no_line(sent: bytes, caplog: pytest.LogCaptureFixture) -> None:
    async with endpoint(PublicLimits(each=FEW)) as client:
        for _ in range(3):
            async with line(client, sent) as reader:
                assert b" 400 Bad Request\r\n" in await reader.readline()
        assert caplog.records == []
        _, text, _ = await client.get("/metrics")
        assert b'lrt_oracle_http_answers_total{answer="malformed"} 3.0' in text


async def test_an_address_has_its_share_of_streams() -> None:
    async with endpoint(PublicLimits(each=VisitorLimits(streams=1))) as client:
        async with client.session.get(f"{client.server.url}/v1/stream"):
            assert (await client.error("/v1/stream"))[:2] == (429, "too_many")
            assert (await client.error("/v1/rounds/stream"))[:2] == (429, "too_many")
        await until(client, 0)
        async with client.session.get(f"{client.server.url}/v1/stream") as answer:
            assert answer.status == 200


async def test_a_reader_that_falls_behind_is_told_why_its_stream_ends() -> None:
    async with endpoint(PublicLimits(), limits=StreamLimits(backlog_bytes=20_000)) as client:
        async with client.session.get(f"{client.server.url}/v1/stream") as answer:
            await answer.content.readuntil(b"\n\n")
            for count in range(20):
                client.service.notify(Update(round_time_s=count))
            *_, last, end = (await answer.content.read()).split(b"\n\n")
        kind, data = last.split(b"\n")
        assert (kind, end) == (b"event: dropped", b"")
        assert orjson.loads(data.removeprefix(b"data: "))["error"]["code"] == "too_slow"
        assert client.server.hub.dropped == 1


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (f"GET {OWN}?live=0 HTTP/1.1\r\nHost: x\r\nX-A: {'a' * 3_000}\r\n", 200),
        (f"GET {OWN} HTTP/1.1\r\nHost: x\r\nX-A: {'a' * 5_000}\r\n", 400),
        (f"GET {OWN}?{'a' * 5_000} HTTP/1.1\r\nHost: x\r\n", 400),
        (f"GET {OWN} HTTP/1.1\r\nHost: x\r\n" + "X-A: a\r\n" * 80, 400),
        (f"GET {OWN} HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n", 413),
        (f"GET {OWN} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n", 413),
    ],
)
async def test_a_request_is_small(head: str, status: int) -> None:
    async with endpoint(PublicLimits()) as client, line(client, f"{head}\r\n".encode()) as answer:
        assert int((await answer.readline()).split()[1]) == status


async def test_a_first_request_that_takes_its_time_is_not_waited_for() -> None:
    async with endpoint(PublicLimits(), gate_limits=GateLimits(idle_s=600.0, first_s=5.0)) as client:
        assert await codes(client, 1) == [200]
        async with line(client, b"GET / HTTP/1.1\r\nHost: x\r\n") as slow:
            await until(client, 2)
            client.server.gate.sweep(asyncio.get_running_loop().time() + 6)
            with suppress(ConnectionError):  # what it has sent meanwhile is unread
                assert await slow.read() == b""
            assert len(client.server.gate) == 1, "one that has asked before may rest longer"


async def test_everything_refused_is_counted() -> None:
    async with endpoint(PublicLimits(each=FEW, keys=KEYS)) as client:
        await codes(client, 4)
        await codes(client, 1, headers={"X-API-Key": "lrt_guess"})
        _, text, _ = await client.get("/metrics", headers={"X-API-Key": KEY})
    found = dict(row.rsplit(" ", 1) for row in text.decode().splitlines() if row.startswith("lrt_oracle_http_"))
    assert found['lrt_oracle_http_limited_total{limit="rate"}'] == "2.0"
    assert found['lrt_oracle_http_limited_total{limit="key"}'] == "1.0"
    assert found['lrt_oracle_http_answers_total{answer="ready"}'] == "3.0"


def test_addresses_are_read_as_they_are_written() -> None:
    assert {str(address_in(t)) for t in ("1.2.3.4", " 1.2.3.4:80", "::ffff:1.2.3.4", "[::ffff:1.2.3.4]:9")} == {
        "1.2.3.4"
    }
    assert [address_in(t) for t in ("", "unknown", "_hidden", "1.2.3", "[", "1.2.3.4, 5.6.7.8")] == [None] * 6
    assert counted_as(IPv6Address("fe80::1:2:3:4")) == "fe80::/64"


def test_what_is_remembered_is_bounded_and_who_is_limited_stays_limited() -> None:
    visitors = Visitors(PublicLimits(each=VisitorLimits(per_s=1, burst=1)))
    for n in range(MOST_REMEMBERED):
        visitors.at(f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}", 0.0)
    busy = visitors.at("10.0.0.0", 0.0)
    busy.take(1, 0.0)
    visitors.at("192.0.2.1", 0.5)
    assert len(visitors) == 2
    assert visitors.at("10.0.0.0", 0.5) is busy
