"""The REST fallback over every exchange: one symbol never costs another, and a fallback can only add."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
import pytest
from aiohttp import web

from demo.venues.faults import Misbehaviour
from demo.venues.server import Venue
from feeds.errors import Crossed, FeedError, RateLimited, Refused, TimedOut, WrongSymbol
from feeds.exchanges.binance import Binance
from feeds.registry import EXCHANGES
from feeds.streams.fallback import AnswerTable, Fallback, FallbackPlan, is_venue_wide, read_refusal
from feeds.streams.http import HttpClient
from feeds.streams.latest import LatestQuotes
from feeds.streams.venue import Exchange, VenueLimits
from feeds.types import Quote, Request, Tick
from feeds.units import WAD, Wad
from tests.feeds.local_venues import HABITS, SYMBOLS, other_symbols, quote, until, wall_ms

pytestmark = pytest.mark.loopback
LONG_S = 60.0
_HASTE = 50
"""The pauses between requests pass so many times as fast."""


_BEGAN_MS, _BEGAN_S = wall_ms(), time.monotonic()


def hasty_ms() -> int:
    return _BEGAN_MS + int((time.monotonic() - _BEGAN_S) * 1_000 * _HASTE)


async def hasty_sleep(seconds: float) -> None:
    await asyncio.sleep(seconds / _HASTE)


@dataclass
class Desk:
    """A fallback over one exchange, with a table of its own; its clock runs fast, the quotes' times are true."""

    exchange: Exchange
    symbols: Sequence[str]
    session: aiohttp.ClientSession
    timeout_s: float = 2.0
    silence_ms: int = 0
    dates: list[int] = field(default_factory=list)
    table: LatestQuotes = field(default_factory=LatestQuotes)

    def fallback(self) -> Fallback:
        name = self.exchange.name
        client = HttpClient(
            self.session, wall_ms, limits={name: VenueLimits(requests_per_s=self.exchange.limits.requests_per_s)},
            monotonic=lambda: time.monotonic() * _HASTE, sleep=hasty_sleep,
        )  # fmt: skip
        answers = AnswerTable(
            latest=lambda s: self.table.get(name, s),
            put=lambda tick, _, received_ms: self.table.put_answer(name, tick, received_ms, asked_at_ms=received_ms),
            note_date=lambda date_ms, _: self.dates.append(date_ms),
        )
        plan = FallbackPlan(silence_ms=self.silence_ms, rest_ms=1_000, timeout_s=self.timeout_s)
        return Fallback(self.exchange, self.symbols, plan, client, answers, hasty_ms, sleep=hasty_sleep)

    def price(self, symbol: str) -> int | None:
        seen = self.table.get(self.exchange.name, symbol).newest
        return seen.price_wad if isinstance(seen, Quote) else None

    def error(self, symbol: str) -> str:
        seen = self.table.get(self.exchange.name, symbol).error
        return seen.code if seen is not None else ""


@asynccontextmanager
async def asking(desk: Desk) -> AsyncIterator[Desk]:
    task = asyncio.create_task(desk.fallback().run())
    try:
        yield desk
        assert not task.done(), task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


STREAM = Quote(price_wad=Wad(3990 * WAD), stated_at_ms=None)
FAULTS = (None, Misbehaviour.SILENT, Misbehaviour.HTML, Misbehaviour.HALF_FRAME, Misbehaviour.HUGE_BODY)
"""What is wrong with one symbol: it is not listed (None), its answer hangs, or makes what it is part of unreadable."""


@pytest.mark.parametrize("name", sorted(SYMBOLS))
@pytest.mark.parametrize("fault", FAULTS)
async def test_one_symbol_costs_no_other_its_answers_and_may_come_back(
    name: str, fault: Misbehaviour | None, session: aiohttp.ClientSession
) -> None:
    good = other_symbols(name, 6)
    bad = HABITS[name].unknown if fault is None else SYMBOLS[name]
    listed = [*good[:3], bad, *good[3:]]
    venue = Venue(name)
    await venue.start()
    try:
        for symbol in good if fault is None else listed:
            quote(venue, "4000", symbol)
        venue.misbehave(fault, [bad])
        async with asking(Desk(venue.adapter(), listed, session)) as desk:
            await until(lambda: all(desk.price(s) == 4000 * WAD for s in good), within_s=LONG_S)
            await until(lambda: desk.error(bad), within_s=LONG_S)
            await asyncio.sleep(0.005)
            for symbol in good:
                quote(venue, "4100", symbol)
            await until(lambda: all(desk.price(s) == 4100 * WAD for s in good), within_s=LONG_S)
            assert desk.price(bad) is None
            venue.misbehave(None)
            quote(venue, "4200", bad)
            await until(lambda: desk.price(bad) == 4200 * WAD, within_s=LONG_S)
    finally:
        await venue.stop()


@dataclass
class Ticker24h:
    """Binance's 24 h ticker as it is: one unknown symbol in a request refuses all of it. Keeps what it was asked."""

    unknown: set[str]
    asked: list[list[str]] = field(default_factory=list)
    status: int = 0
    url: str = ""

    async def answer(self, request: web.Request) -> web.Response:
        symbols = json.loads(request.query["symbols"])
        self.asked.append(symbols)
        if self.status:
            return web.json_response({"code": 0, "msg": "unavailable"}, status=self.status)
        if self.unknown & set(symbols):
            return web.json_response({"code": -1121, "msg": "Invalid symbol."}, status=400)
        price = {"bidPrice": "4320.10", "askPrice": "4320.20", "closeTime": wall_ms()}
        return web.json_response([{"symbol": s, **price} for s in symbols])


@asynccontextmanager
async def listening(ticker: Ticker24h) -> AsyncIterator[Binance]:
    app = web.Application()
    app.router.add_get("/api/v3/ticker/24hr", ticker.answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield Binance(rest_url=f"http://127.0.0.1:{runner.addresses[0][1]}")
    finally:
        await runner.cleanup()


NAMES = [f"T{i}USDT" for i in range(20)]


async def test_halves_are_asked_until_the_unknown_are_alone_and_they_stay_so(session: aiohttp.ClientSession) -> None:
    ticker = Ticker24h(unknown={"T3USDT", "T11USDT"})
    async with listening(ticker) as binance, asking(Desk(binance, NAMES, session)) as desk:
        await until(lambda: all(desk.price(s) for s in NAMES if s not in ticker.unknown), within_s=LONG_S)
        await until(lambda: {desk.error(s) for s in ticker.unknown} == {"WRONG_SYMBOL"}, within_s=LONG_S)
        assert ticker.asked[0] == sorted(NAMES)
        before = len(ticker.asked)
        await until(lambda: len(ticker.asked) > before + 10, within_s=LONG_S)
        later = ticker.asked[before:]
        assert all(len(s) == 1 for s in later if ticker.unknown & set(s)), "the unknown are asked alone"
        assert any(len(s) == 18 for s in later), "the others share a request again"
        ticker.unknown = set()
        await until(lambda: all(desk.price(s) for s in NAMES), within_s=LONG_S)
        await until(lambda: len(ticker.asked[-1]) == 20, within_s=LONG_S)


@pytest.mark.parametrize("name", sorted(set(SYMBOLS) - {"binance", "bitfinex"}))
async def test_nobody_waits_for_an_answer_that_hangs(name: str, session: aiohttp.ClientSession) -> None:
    good, bad = other_symbols(name, 3), SYMBOLS[name]
    venue = Venue(name)
    await venue.start()
    try:
        for symbol in (bad, *good):
            quote(venue, "4000", symbol)
        venue.misbehave(Misbehaviour.SILENT, [bad])
        async with asking(Desk(venue.adapter(), [bad, *good], session, timeout_s=10 * LONG_S)) as desk:
            for price in (4000, 4100, 4200):
                await asyncio.sleep(0.005)
                for symbol in good:
                    quote(venue, str(price), symbol)
                await until(lambda p=price: all(desk.price(s) == p * WAD for s in good), within_s=LONG_S)  # type: ignore[misc]
            assert desk.error(bad) == ""
    finally:
        await venue.stop()


@pytest.mark.parametrize("name", sorted(SYMBOLS))
async def test_the_venues_clock_is_seen_whatever_one_symbol_does(name: str, session: aiohttp.ClientSession) -> None:
    """The streams of the others are lively, so that nobody asks for them; one is unknown to the venue, for good."""
    good, bad = other_symbols(name, 2), HABITS[name].unknown
    venue = Venue(name)
    await venue.start()
    try:
        for symbol in good:
            quote(venue, "4000", symbol)
        desk = Desk(venue.adapter(), [bad, *good], session, silence_ms=1 << 50)
        for symbol in good:
            desk.table.put(name, Tick(symbol=symbol, result=STREAM), wall_ms())
        async with asking(desk):
            await until(lambda: desk.error(bad), within_s=LONG_S)
            await until(lambda: len(desk.dates) > 2, within_s=LONG_S)
    finally:
        await venue.stop()


@pytest.mark.parametrize("status", [401, 403, 451])
async def test_a_refusal_of_us_is_not_asked_in_halves(status: int, session: aiohttp.ClientSession) -> None:
    ticker = Ticker24h(unknown=set(), status=status)
    async with listening(ticker) as binance, asking(Desk(binance, NAMES, session)) as desk:
        await until(lambda: len(ticker.asked) > 5, within_s=LONG_S)
        assert {len(s) for s in ticker.asked} <= {20, 1}, "all of them, or one to see the clock"
        assert desk.error(NAMES[0]) == "REFUSED"


async def test_where_everything_fails_halves_are_a_rare_thing(session: aiohttp.ClientSession) -> None:
    ticker = Ticker24h(unknown=set(), status=500)
    async with listening(ticker) as binance, asking(Desk(binance, NAMES, session)) as desk:
        await until(lambda: sum(len(s) == 1 for s in ticker.asked) >= 20, within_s=LONG_S)
        sizes = lambda: [len(s) for s in ticker.asked]  # noqa: E731
        await until(lambda: (20, 20) in zip(sizes(), sizes()[1:], strict=False), within_s=LONG_S)
        ticker.status = 0
        await until(lambda: all(desk.price(s) for s in NAMES), within_s=LONG_S)
        await until(lambda: sizes()[-1] == 20, within_s=LONG_S)
        assert all(desk.price(s) for s in NAMES), "and stays so once all are asked together again"


ANSWER_FAULTS = (
    Misbehaviour.HTTP_429, Misbehaviour.HTML, Misbehaviour.HALF_FRAME, Misbehaviour.HUGE_BODY, Misbehaviour.GZIP_BOMB,
    Misbehaviour.REDIRECT, Misbehaviour.ZERO, Misbehaviour.NAN, Misbehaviour.FUTURE, None,
)  # fmt: skip
"""What a request for a symbol can bring that is no price of it; None: the symbol is not listed there. Only an answer with a time
can have one that lies ahead."""


@pytest.mark.parametrize(
    ("name", "fault"),
    [(n, f) for n in sorted(SYMBOLS) for f in ANSWER_FAULTS if f is not Misbehaviour.FUTURE or HABITS[n].rest_timed],
)
async def test_no_answer_takes_the_streams_quote_away(
    name: str, fault: Misbehaviour | None, session: aiohttp.ClientSession
) -> None:
    symbol = HABITS[name].unknown if fault is None else SYMBOLS[name]
    venue = Venue(name)
    await venue.start()
    try:
        if fault is not None:
            quote(venue, "4000")
        venue.misbehave(fault)
        desk = Desk(venue.adapter(), [symbol], session)
        desk.table.put(name, Tick(symbol=symbol, result=STREAM), wall_ms())
        async with asking(desk):
            await until(lambda: desk.table.get(name, symbol).missed is not None, within_s=LONG_S)
            assert desk.table.get(name, symbol).newest == STREAM
            desk.table.put(name, Tick(symbol=symbol, result=Crossed("in the stream")), wall_ms())
            assert isinstance(desk.table.get(name, symbol).newest, FeedError), "what the stream says counts at once"
    finally:
        await venue.stop()


REQUEST = Request(url="https://x/products/NO-PE/ticker", symbols=("NO-PE",))


def refused(status: int, body: bytes) -> Refused:
    error = Refused("said", status=status, venue="v")
    error.body = body
    return error


@pytest.mark.parametrize(
    ("name", "status", "body", "code"),
    [
        ("binance", 400, b'{"code":-1121,"msg":"Invalid symbol."}', "WRONG_SYMBOL"),
        ("binance", 400, b'{"code":-1003,"msg":"Too many."}', "REFUSED"),
        ("bitget", 400, b'{"code":"40034","msg":"Parameter does not exist"}', "WRONG_SYMBOL"),
        ("gate", 400, b'{"label":"INVALID_CURRENCY_PAIR","message":"no"}', "WRONG_SYMBOL"),
        ("gemini", 400, b'{"result":"error","reason":"InvalidSymbol","message":"no"}', "WRONG_SYMBOL"),
        ("mexc", 400, b'{"code":-1121,"msg":"Invalid symbol."}', "WRONG_SYMBOL"),
        ("cryptocom", 400, b'{"code":40004,"message":"Invalid instrument_name"}', "WRONG_SYMBOL"),
        ("coinbase", 404, b'{"message":"NotFound"}', "WRONG_SYMBOL"),
        ("bitstamp", 404, b"<html>nothing here</html>", "WRONG_SYMBOL"),
        ("bitstamp", 503, b"<html>away</html>", "REFUSED"),
        ("gate", 451, b'{"label":"INVALID_CURRENCY_PAIR","message":"no"}', "REFUSED"),
        ("coinbase", 400, b"", "REFUSED"),
    ],
)
def test_a_refusal_is_read_for_what_it_says_of_the_symbol(name: str, status: int, body: bytes, code: str) -> None:
    assert read_refusal(EXCHANGES[name], REQUEST, refused(status, body)).code == code


def test_what_is_missing_at_an_address_without_the_symbol_is_no_unknown_symbol() -> None:
    request = Request(url="https://x/latest", symbols=("ETH/USD",))
    assert read_refusal(EXCHANGES["coinbase"], request, refused(404, b"")).code == "REFUSED"
    shared = Request(url="https://x/AB", symbols=("A", "B"))
    assert read_refusal(EXCHANGES["coinbase"], shared, refused(404, b"")).code == "REFUSED"


def test_what_is_about_us_is_about_no_symbol() -> None:
    assert is_venue_wide(RateLimited())
    assert is_venue_wide(refused(451, b""))
    assert not any(is_venue_wide(e) for e in (refused(400, b""), refused(500, b""), WrongSymbol(), TimedOut()))
