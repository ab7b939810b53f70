"""Endpoints of the chain reader that fail, freeze, spoil their answers or serve another chain, through real servers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from demo.world import anvil
from feeds.chains.endpoint import ReaderLimits
from feeds.errors import FeedError, HeadStopped, Unreachable, WrongChain
from feeds.types import Quote
from tests.feeds.chains.rpc_servers import (
    BLOCK,
    QUICK,
    TIME,
    WAD,
    Clock,
    Server,
    ask,
    code,
    on,
    price,
    reader,
    refusal,
    values,
)

pytestmark = pytest.mark.chain


async def test_another_chain_is_named_and_not_used_even_after_a_reconnect(
    server: Server, second: Server, session: aiohttp.ClientSession
) -> None:
    clock = Clock()
    reads = reader(session, server.url, second.url, clock=clock)
    server.fault = on("eth_chainId", lambda answer: {**answer, "result": "0x1"})
    await reads.head()
    first, other = reads.stats.endpoints
    assert isinstance(first.error, WrongChain)
    assert (first.usable, other.usable) == (False, True)
    server.fault, clock.ms = None, clock.ms + 60_000
    await reads.head()
    assert reads.stats.endpoints[0].usable
    server.fault = lambda *_: web.Response(status=503)
    await reads.head()
    server.fault, clock.ms = on("eth_chainId", lambda answer: {**answer, "result": "0x1"}), clock.ms + 60_000
    await reads.head()
    assert isinstance(reads.stats.endpoints[0].error, WrongChain)


async def test_an_endpoint_tells_since_when_it_is_down_and_how_long_it_takes(
    server: Server, second: Server, session: aiohttp.ClientSession
) -> None:
    clock = Clock()
    reads = reader(session, server.url, second.url, clock=clock)
    await reads.head()
    assert [e.down_since_ms for e in reads.stats.endpoints] == [None, None]
    assert all(e.latency_ms for e in reads.stats.endpoints)
    server.fault = lambda *_: web.Response(status=503)
    first_ms = clock.ms = clock.ms + 1
    await reads.head()
    clock.ms += QUICK.max_retry_ms
    await reads.head()
    assert [e.down_since_ms for e in reads.stats.endpoints] == [first_ms, None], "since the first time, not the newest"
    server.fault, clock.ms = None, clock.ms + QUICK.max_retry_ms
    await reads.head()
    assert [e.down_since_ms for e in reads.stats.endpoints] == [None, None]


async def test_a_frozen_head_is_not_used_while_another_moves(
    server: Server, second: Server, session: aiohttp.ClientSession
) -> None:
    clock = Clock()
    reads = reader(session, server.url, second.url, clock=clock)
    await reads.head()
    frozen = ask(server.node, "eth_getBlockByNumber", "latest", False)
    server.fault = on("eth_getBlockByNumber", lambda answer: {**answer, "result": frozen})
    ask(server.node, "evm_increaseTime", 120)
    ask(server.node, "anvil_mine", "0x1")
    clock.ms = int(ask(server.node, "eth_getBlockByNumber", "latest", False)["timestamp"], 16) * 1_000
    head = await reads.head()
    assert head.number > int(frozen["number"], 16)
    assert isinstance(reads.stats.endpoints[0].error, HeadStopped)
    assert reads.stats.failovers == 1
    server.fault = None
    await reads.head()
    assert reads.stats.endpoints[0].usable


async def test_a_head_that_stays_too_long_has_stopped_and_recovers(
    server: Server, session: aiohttp.ClientSession
) -> None:
    clock = Clock()
    reads = reader(session, server.url, clock=clock)
    await reads.head()
    clock.ms += QUICK.stall_ms + 1
    with pytest.raises(HeadStopped):
        await reads.head()
    ask(server.node, "anvil_mine", "0x1")
    await reads.head()


def half() -> web.Response:
    response = web.Response(body=b'{"jsonrpc":"2.0","id":1,"resu', headers={"Content-Length": "4000"})
    response.force_close()
    return response


async def never(_: Any) -> Any:
    await asyncio.Event().wait()


SPOILED: dict[str, tuple[Callable[[Any], Any], set[str]]] = {
    "html": (lambda _: b"<html><body>502 Bad Gateway</body></html>", {"MALFORMED"}),
    "status 503": (lambda _: web.Response(status=503, text="busy"), {"UNREACHABLE"}),
    "status 403": (lambda _: web.Response(status=403), {"REFUSED"}),
    "redirect": (lambda _: web.Response(status=302, headers={"Location": "http://127.0.0.1:1/"}), {"REFUSED"}),
    "status 429": (lambda _: web.Response(status=429), {"RATE_LIMITED"}),
    "limited": (lambda _: refusal("daily request limit", -32005), {"RATE_LIMITED"}),
    "half a body": (lambda _: half(), {"UNREACHABLE", "TIMED_OUT"}),
    "slow": (never, {"TIMED_OUT"}),
    "empty": (lambda _: b"", {"MALFORMED"}),
    "list": (lambda _: b"[]", {"MALFORMED"}),
    "null": (lambda _: b"null", {"MALFORMED"}),
    "number": (lambda answer: {**answer, "result": 7}, {"MALFORMED"}),
    "odd hex": (lambda answer: {**answer, "result": "0xabc"}, {"MALFORMED"}),
    "no hex": (lambda answer: {**answer, "result": "0xzz"}, {"MALFORMED"}),
    "wrong id": (lambda answer: {**answer, "id": 2}, {"MALFORMED"}),
    "no method": (lambda _: refusal("the method eth_call does not exist", -32601), {"REFUSED"}),
    "error as text": (lambda answer: {**answer, "error": "no"}, {"REFUSED"}),
    "nested": (lambda _: b"[" * 200_000, {"MALFORMED"}),
}


def limits_for(name: str) -> ReaderLimits:
    """A deadline that is short where it has to pass."""
    return replace(QUICK, timeout_ms=1_500) if "TIMED_OUT" in SPOILED[name][1] else QUICK


@pytest.mark.parametrize("name", SPOILED)
async def test_an_endpoint_that_spoils_its_answers_is_left_for_the_next(
    server: Server, second: Server, session: aiohttp.ClientSession, name: str
) -> None:
    spoil, codes = SPOILED[name]
    reads = reader(session, server.url, second.url, limits=limits_for(name))
    head = await reads.head()
    server.fault = on("eth_call", spoil)
    done = await reads.read(head, {"a": BLOCK.read()})
    assert price(done.results["a"]) == head.number * WAD
    error = reads.stats.endpoints[0].error
    assert error is not None
    assert error.code in codes
    assert error.facts["endpoint"] == server.url.removeprefix("http://")


@pytest.mark.parametrize("name", [n for n in SPOILED if n not in {"odd hex", "no hex", "number"}])
async def test_a_lone_endpoint_that_spoils_everything_is_a_typed_failure(
    server: Server, session: aiohttp.ClientSession, name: str
) -> None:
    spoil, codes = SPOILED[name]
    reads = reader(session, server.url, limits=limits_for(name))
    head = await reads.head()
    server.fault = lambda _, answer: spoil(answer)
    done = await reads.read(head, {"a": BLOCK.read(), "b": TIME.read()})
    assert {code(r) for r in done.results.values()} <= codes
    with pytest.raises(FeedError) as raised:
        await reads.head()
    assert raised.value.code in codes
    server.fault = None
    assert (await reads.head()).number == head.number
    assert price((await values(reads, a=BLOCK.read()))["a"]) == head.number * WAD


async def test_an_answer_beyond_the_cap_is_cut_off(server: Server, session: aiohttp.ClientSession) -> None:
    reads = reader(session, server.url, limits=replace(QUICK, max_body=1 << 16))
    head = await reads.head()
    server.fault = on("eth_call", lambda answer: {**answer, "result": "0x" + "00" * 10**6})
    done = await reads.read(head, {"a": BLOCK.read()})
    assert code(done.results["a"]) == "TOO_LARGE"


async def test_a_dead_endpoint_is_left_and_taken_back(
    server: Server, second: Server, session: aiohttp.ClientSession
) -> None:
    clock = Clock()
    assert server.runner is not None
    await server.runner.cleanup()
    reads = reader(session, server.url, second.url, clock=clock)
    head = await reads.head()
    assert isinstance(reads.stats.endpoints[0].error, Unreachable)
    assert price((await values(reads, a=BLOCK.read()))["a"]) == head.number * WAD
    with pytest.raises(Unreachable):
        await reader(session, server.url).head()
    await server.start(port=int(server.url.rpartition(":")[2]))
    server.seen.clear()
    clock.ms += 60_000
    await reads.head()
    assert reads.stats.endpoints[0].usable
    assert price((await values(reads, a=BLOCK.read()))["a"]) == head.number * WAD
    assert server.seen == ["eth_chainId", "eth_getBlockByNumber", "eth_getBlockByNumber", "eth_call"]
    assert reads.stats.failovers == 2


async def test_a_failing_endpoint_is_asked_ever_more_rarely(server: Server, session: aiohttp.ClientSession) -> None:
    clock = Clock()
    dead = f"http://127.0.0.1:{anvil.free_port()}"
    reads = reader(session, dead, server.url, clock=clock, limits=replace(QUICK, retry_ms=1_000, max_retry_ms=8_000))
    asked = []
    for second_ in range(60):
        before = reads.stats.failures
        await reads.head()
        asked += [second_] if reads.stats.failures > before else []
        clock.ms += 1_000
    assert asked == [0, 1, 3, 7, *range(15, 60, 8)]


async def test_a_slow_endpoint_does_not_hold_up_the_head(
    server: Server, second: Server, session: aiohttp.ClientSession
) -> None:
    server.fault = on("eth_getBlockByNumber", never)
    reads = reader(session, server.url, second.url, limits=replace(QUICK, timeout_ms=600_000, grace_ms=50))
    async with asyncio.timeout(60):  # the endpoint never answers
        await reads.head()
    assert code(reads.stats.endpoints[0].error or Quote(price_wad=1)) == "TIMED_OUT"  # type: ignore[arg-type]


async def test_an_address_with_a_key_is_never_shown(session: aiohttp.ClientSession) -> None:
    with pytest.raises(ValueError, match="is not an endpoint") as raised:
        reader(session, "ftp://host.example/key-1234")
    assert "key-1234" not in str(raised.value)
    reads = reader(session, f"http://127.0.0.1:{anvil.free_port()}/key-1234")
    with pytest.raises(Unreachable) as unreachable:
        await reads.head()
    assert "key-1234" not in str(unreachable.value) + repr(reads.stats)
