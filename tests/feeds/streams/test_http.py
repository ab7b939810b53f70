"""The HTTP client: bounded in time, size and rate, and nothing but FeedErrors."""

from __future__ import annotations

import asyncio
import gzip
import json
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from urllib.parse import quote as url_quote

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web

from demo.venues.faults import Misbehaviour
from demo.venues.server import Venue
from feeds.errors import FeedError, Malformed, RateLimited, Refused, TimedOut, TooLarge, Unreachable
from feeds.exchanges.json_http import JsonHttp, JsonVenue
from feeds.streams.fallback import read_refusal
from feeds.streams.http import Fetched, HttpClient
from feeds.streams.venue import VenueLimits
from feeds.types import Quote, Request, Tick
from feeds.units import WAD
from tests.feeds.local_venues import HABITS, SYMBOLS, quote, wall_ms

pytestmark = pytest.mark.loopback
CAP = 100_000
NOW_MS = 1_741_064_767_891
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Server:
    """Answers every request with `handler` and counts them."""

    def __init__(self) -> None:
        self.handler: Handler
        self.seen: list[web.Request] = []
        self.url = ""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.seen.append(request)
        await request.read()
        return await self.handler(request)

    def says(self, status: int = 200, body: bytes = b"{}", **headers: str) -> None:
        async def handler(_: web.Request) -> web.StreamResponse:
            return web.Response(status=status, body=body, headers={k.replace("_", "-"): v for k, v in headers.items()})

        self.handler = handler

    def request(self, **more: object) -> Request:
        return Request(url=f"{self.url}/x?a=%5B%22b%22%5D", symbols=(), **more)  # type: ignore[arg-type]


@pytest_asyncio.fixture
async def server() -> AsyncIterator[Server]:
    local = Server()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", local.answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    local.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield local
    await runner.cleanup()


class Clock:
    """Seconds that pass only by sleeping."""

    def __init__(self) -> None:
        self.now_s = 1_000.0

    def __call__(self) -> float:
        return self.now_s

    async def sleep(self, seconds: float) -> None:
        self.now_s += seconds


async def fetch(client: HttpClient, request: Request, *, timeout_s: float = 2.0, max_bytes: int = CAP) -> Fetched:
    return await client.fetch("v", request, timeout_s=timeout_s, max_bytes=max_bytes)


async def test_an_answer_carries_our_time_and_the_servers_date(session: aiohttp.ClientSession, server: Server) -> None:
    server.says(body=b'{"a":1}', Date="Tue, 04 Mar 2025 05:06:07 GMT")
    fetched = await fetch(HttpClient(session, lambda: NOW_MS), server.request())
    assert fetched == Fetched(body=b'{"a":1}', received_at_ms=NOW_MS, date_ms=1_741_064_767_000)
    assert server.seen[0].raw_path == "/x?a=%5B%22b%22%5D"
    assert server.seen[0].method == "GET"


async def test_a_body_makes_it_a_post(session: aiohttp.ClientSession, server: Server) -> None:
    server.says()
    await fetch(HttpClient(session, wall_ms), server.request(body=b"[1]", headers={"X-A": "b"}))
    seen = server.seen[0]
    assert (seen.method, await seen.read(), seen.headers["Content-Type"]) == ("POST", b"[1]", "application/json")
    assert seen.headers["X-A"] == "b"


@pytest.mark.parametrize("date", ["", "yesterday", "Tue, 99 Mar 2025 05:06:07 GMT", "Tue, 04 Mar 99999 05:06:07 GMT"])
async def test_a_date_that_is_none_is_left_out(session: aiohttp.ClientSession, server: Server, date: str) -> None:
    server.says(Date=date)
    assert (await fetch(HttpClient(session, wall_ms), server.request())).date_ms is None


async def test_a_small_gzip_body_is_unpacked(session: aiohttp.ClientSession, server: Server) -> None:
    server.says(body=gzip.compress(b"[1]"), Content_Encoding="gzip")
    assert (await fetch(HttpClient(session, wall_ms), server.request())).body == b"[1]"


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd"])
async def test_a_body_that_cannot_be_unpacked_is_malformed(
    session: aiohttp.ClientSession, server: Server, encoding: str
) -> None:
    server.says(body=b"\x00 this is not compressed", Content_Encoding=encoding)
    with pytest.raises((Malformed, Unreachable)):
        await fetch(HttpClient(session, wall_ms), server.request())


async def test_a_bomb_is_never_unpacked_beyond_the_cap(session: aiohttp.ClientSession, server: Server) -> None:
    server.says(body=gzip.compress(bytes(64 << 20), 1), Content_Encoding="gzip")
    client = HttpClient(session, wall_ms)
    tracemalloc.start()
    try:
        with pytest.raises(TooLarge, match="max_bytes=100000"):
            await fetch(client, server.request())
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(("size", "fits"), [(CAP, True), (CAP + 1, False)])
async def test_the_cap_is_exact(session: aiohttp.ClientSession, server: Server, size: int, *, fits: bool) -> None:
    server.says(body=b"x" * size)
    client = HttpClient(session, wall_ms)
    if fits:
        assert len((await fetch(client, server.request())).body) == size
    else:
        with pytest.raises(TooLarge):
            await fetch(client, server.request())


async def test_a_closed_port_is_unreachable(session: aiohttp.ClientSession) -> None:
    with pytest.raises(Unreachable):
        await fetch(HttpClient(session, wall_ms), Request(url="http://127.0.0.1:9/", symbols=()))


@pytest.mark.parametrize("url", ["http://", "ftp://127.0.0.1/x", "nonsense", "http://127.0.0.1:99999/"])
async def test_a_bad_address_is_unreachable(session: aiohttp.ClientSession, url: str) -> None:
    with pytest.raises(Unreachable):
        await fetch(HttpClient(session, wall_ms), Request(url=url, symbols=()))


@pytest.mark.parametrize("status", [204, 302, 307, 400, 403, 404, 500, 503])
async def test_any_other_status_is_refused_with_what_was_said(
    session: aiohttp.ClientSession, server: Server, status: int
) -> None:
    server.says(status, b"" if status == 204 else b"no\x00 such pair", Location="/elsewhere")
    with pytest.raises(Refused, match=f"status={status}") as caught:
        await fetch(HttpClient(session, wall_ms), server.request())
    assert caught.value.detail == ("" if status == 204 else "no such pair")
    assert len(server.seen) == 1, "redirects are not followed"


@pytest.mark.parametrize(
    ("status", "retry_after", "pause_s"),
    [
        (429, "7", 7), (418, "90", 90), (403, "5", 5), (503, "5", 5), (429, None, 30), (429, "soon", 30), (429, "0", 1),
        (429, "99999999999", 3_600), (429, "Tue, 04 Mar 2025 05:06:17 GMT", 9), (429, "-5", 30), (429, "1e9", 30),
    ],
)  # fmt: skip
async def test_a_pause_that_was_asked_for_is_kept(
    session: aiohttp.ClientSession, server: Server, status: int, retry_after: str | None, pause_s: int
) -> None:
    clock = Clock()
    client = HttpClient(session, lambda: NOW_MS, monotonic=clock, sleep=clock.sleep)
    server.says(status, **({} if retry_after is None else {"Retry_After": retry_after}))
    with pytest.raises(RateLimited, match=f"status={status}"):
        await fetch(client, server.request())
    server.says()
    clock.now_s += pause_s - 0.5
    with pytest.raises(RateLimited, match="left_ms"):
        await fetch(client, server.request())
    assert len(server.seen) == 1, "nothing is sent during the pause"
    await client.fetch("other", server.request(), timeout_s=1, max_bytes=CAP)
    clock.now_s += 1
    await fetch(client, server.request())


async def test_requests_leave_at_the_venues_rate(session: aiohttp.ClientSession, server: Server) -> None:
    clock = Clock()
    limits = {"v": VenueLimits(requests_per_s=4)}
    client = HttpClient(session, wall_ms, limits=limits, monotonic=clock, sleep=clock.sleep)
    server.says()
    for _ in range(4):
        await fetch(client, server.request())
    assert clock.now_s == 1_000.0, "one second's worth may leave at once"
    for i in range(1, 5):
        await fetch(client, server.request())
        assert clock.now_s == pytest.approx(1_000 + i / 4)
    clock.now_s += 100
    start = clock.now_s
    for _ in range(4):
        await fetch(client, server.request())
    assert clock.now_s == start, "an idle venue has saved up one second's worth, no more"
    await fetch(client, server.request())
    assert clock.now_s > start


async def test_a_wait_beyond_the_deadline_fails_at_once(session: aiohttp.ClientSession, server: Server) -> None:
    clock = Clock()
    client = HttpClient(
        session, wall_ms, limits={"v": VenueLimits(requests_per_s=1)}, monotonic=clock, sleep=clock.sleep
    )
    server.says()
    await fetch(client, server.request())
    with pytest.raises(RateLimited, match="wait_ms=1000"):
        await fetch(client, server.request(), timeout_s=0.9)
    assert len(server.seen) == 1
    assert clock.now_s == 1_000.0


async def test_a_cancelled_fetch_is_cancelled(session: aiohttp.ClientSession, server: Server) -> None:
    async def never(_: web.Request) -> web.StreamResponse:
        await asyncio.sleep(5)
        return web.Response()

    server.handler = never
    task = asyncio.create_task(fetch(HttpClient(session, wall_ms), server.request()))
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def ask(
    venue: Venue, session: aiohttp.ClientSession, symbol: str, timeout_s: float = 5.0
) -> tuple[Tick, ...] | FeedError:
    """One REST request to a local exchange, as the observer makes it."""
    exchange = venue.adapter()
    request = exchange.request([symbol])[0]
    try:
        fetched = await HttpClient(session, wall_ms).fetch(venue.name, request, timeout_s=timeout_s, max_bytes=CAP)
        assert fetched.date_ms is not None
        assert abs(fetched.date_ms - fetched.received_at_ms) < 2_000
        return exchange.parse_reply(request, fetched.body)
    except FeedError as e:
        return e


async def test_every_local_exchange_answers(venue: Venue, session: aiohttp.ClientSession) -> None:
    answer = await ask(venue, session, SYMBOLS[venue.name])
    assert not isinstance(answer, FeedError)
    (tick,) = answer
    assert isinstance(tick.result, Quote)
    assert (tick.symbol, tick.result.price_wad) == (SYMBOLS[venue.name], 4000 * WAD)


async def test_an_unknown_symbol_is_named_as_such(venue: Venue, session: aiohttp.ClientSession) -> None:
    answer = await ask(venue, session, HABITS[venue.name].unknown)
    code = HABITS[venue.name].rest_unknown_is
    if code.startswith("*"):
        assert isinstance(answer, FeedError)
        assert answer.code == code[1:]
    else:
        assert not isinstance(answer, FeedError), str(answer)
        assert isinstance(answer[0].result, FeedError)
        assert answer[0].result.code == code


REST_CODES = {
    Misbehaviour.SILENT: {TimedOut}, Misbehaviour.SLOW_BODY: {TimedOut}, Misbehaviour.HTTP_429: {RateLimited},
    Misbehaviour.REDIRECT: {Refused}, Misbehaviour.HALF_FRAME: {Unreachable}, Misbehaviour.GZIP_BOMB: {TooLarge},
    Misbehaviour.HUGE_BODY: {TooLarge}, Misbehaviour.HTML: {Malformed},
}  # fmt: skip
TICK_CODES = {
    Misbehaviour.ZERO: "NOT_POSITIVE", Misbehaviour.NEGATIVE: "NOT_POSITIVE", Misbehaviour.NAN: "MALFORMED",
    Misbehaviour.PRICE_TEXT: "MALFORMED", Misbehaviour.SWAPPED_DECIMALS: "OUT_OF_RANGE",
    Misbehaviour.SECONDS_FOR_MS: "MALFORMED", Misbehaviour.WRONG_SYMBOL: "WRONG_SYMBOL",
}  # fmt: skip
UNSEEN = {
    *((name, Misbehaviour.SECONDS_FOR_MS) for name, habits in HABITS.items() if not habits.rest_timed),
    *((name, Misbehaviour.WRONG_SYMBOL) for name, habits in HABITS.items() if not habits.rest_named),
}
"""A reply without a time, or one that names no symbol: there is nothing to notice."""


@pytest.mark.parametrize("fault", list(Misbehaviour))
async def test_every_misbehaviour_gives_a_sane_quote_or_a_typed_error(
    venue: Venue, session: aiohttp.ClientSession, fault: Misbehaviour
) -> None:
    venue.misbehave(fault)
    quote(venue, "4100")
    hangs = REST_CODES.get(fault) == {TimedOut}
    answer = await ask(venue, session, SYMBOLS[venue.name], 0.15 if hangs else 5.0)
    if fault in REST_CODES:
        assert type(answer) in REST_CODES[fault]
        return
    assert not isinstance(answer, FeedError), str(answer)
    (tick,) = answer
    if fault in TICK_CODES and (venue.name, fault) not in UNSEEN:
        assert isinstance(tick.result, FeedError)
        assert tick.result.code == TICK_CODES[fault]
    else:
        assert isinstance(tick.result, Quote), "its own time, or other sources, must tell"


# --- secrets that a server repeats ------------------------------------------------------------------------------------

SECRET = "aB3%2Fxyz+/Qq9_secret"


@pytest.mark.parametrize("status", [200, 400, 404, 500])
@pytest.mark.parametrize(
    "repeated",
    [SECRET, SECRET.upper(), "aB3/xyz+/Qq9_secret", "aB3/xyz /Qq9_secret", url_quote(SECRET, safe=""), SECRET.replace("/", "\\/")],
)  # fmt: skip
async def test_what_a_server_repeats_of_a_secret_is_in_no_error(
    server: Server, session: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch, status: int, repeated: str
) -> None:
    """Not in the error of the status, nor in the body that an adapter may quote from."""
    monkeypatch.setenv("LRT_TEST_KEY", SECRET)
    server.says(status, f"no such key: {repeated}.".encode())
    request = server.request(has_secrets=True, headers={"X-Key": "${LRT_TEST_KEY}"})
    try:
        said = [(await fetch(HttpClient(session, wall_ms), request)).body.decode()]
    except Refused as e:
        said = [str(e), e.body.decode()]
    assert server.seen[-1].headers["X-Key"] == SECRET
    assert all("no such key: ***." in text for text in said), said


async def test_what_must_stand_somewhere_in_a_refusal_is_quoted_without_the_secret(
    server: Server, session: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LRT_TEST_KEY", SECRET)
    server.says(404, json.dumps({"token": f"bad key {SECRET}"}).encode())
    source = JsonHttp(
        url="http://127.0.0.1/x", price="p", expect={"token": "weETH"}, headers={"X-Key": "${LRT_TEST_KEY}"}
    )
    request = server.request(has_secrets=True, headers=source.headers)
    with pytest.raises(Refused) as caught:
        await fetch(HttpClient(session, wall_ms), request)
    read = read_refusal(JsonVenue(name="x", source=source), replace(request, symbols=("weETH",)), caught.value)
    assert read.code == "WRONG_SYMBOL"
    assert "bad key ***" in str(read)
