"""One streaming connection: opened, read and watched until it is lost or has lived its time.

A live socket proves nothing: streams stop while ping and pong go on. So the watchdog looks at the age of data, symbol
by symbol, and a connection on which nothing is news any more is given up.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import aiohttp
import structlog

from feeds.errors import FeedError, RateLimited, Refused, Stale, TimedOut, TooLarge, Unreachable, WrongSymbol
from feeds.streams.venue import Exchange, Frame, Session, StreamAddress
from feeds.types import Quote, Request, Tick
from feeds.units import MS

_log = structlog.get_logger(__name__)

OnTick = Callable[[str, Tick, int], bool]
"""venue, tick, received at (Unix ms) -> True if it was a quote that is news (:meth:`feeds.streams.latest.Latest.put`)."""
OnSilent = Callable[[str, str, int], None]
"""venue, symbol, ms since its last news (or since the connection was opened). Called once for each silence."""
Fetch = Callable[[Request], Awaitable[bytes]]
"""Sends the request of a handshake; returns the body of its answer, or raises FeedError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamTimeouts:
    """How long the client waits for what. ``silence_ms``: age of a symbol's data that counts as silence."""

    connect_ms: int = 10_000
    silence_ms: int = 60_000
    check_ms: int = 1_000
    ping_ms: int = 20_000
    backoff_ms: int = 500
    backoff_max_ms: int = 60_000
    max_frame_bytes: int = 1 << 20


@dataclass(slots=True)
class StreamCounts:
    """What a stream has seen, over all its connections. ``bad``: frames and ticks that were no quote, by error code."""

    venue: str
    connects: int = 0
    frames: int = 0
    bad: Counter[str] = field(default_factory=Counter)
    last_frame_at_ms: int | None = None
    last_error: FeedError | None = None

    def note(self, error: FeedError) -> None:
        """Count a frame or tick that is no quote; logs the 1st, 2nd, 4th, 8th ... of a code."""
        self.bad[error.code] += 1
        self.last_error = error
        count = self.bad[error.code]
        if count & (count - 1) == 0:
            _log.warning("bad message", venue=self.venue, error=str(error), count=count, advice=error.advice)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wiring:
    """What a connection is given from outside. ``turn`` waits until the venue allows a further connect."""

    session: aiohttp.ClientSession
    fetch: Fetch | None
    on_tick: OnTick
    on_silent: OnSilent | None
    now_ms: Callable[[], int]
    sleep: Callable[[float], Awaitable[None]]
    turn: Callable[[], Awaitable[None]]
    rng: random.Random
    patience: StreamTimeouts
    counts: StreamCounts


class Connection:
    """A connection and its share of the symbols."""

    def __init__(self, exchange: Exchange, symbols: tuple[str, ...], wiring: Wiring) -> None:
        self._exchange, self._w = exchange, wiring
        self._symbols = frozenset(symbols)
        self.connected = False
        self.news_at_ms: dict[str, int] = {}
        self.silent: set[str] = set()
        self._failures = 0
        self._opened_at_ms = 0
        self._life_ms = 0

    async def run(self) -> None:
        """Connect, read, reconnect; for ever."""
        while True:
            await self._w.turn()
            try:
                await self._live()
            except FeedError as error:
                self._w.counts.last_error = error
                delay_ms = self._delay_ms()
                self._failures += 1
                _log.warning(
                    "stream lost; it reconnects", venue=self._exchange.name, symbols=len(self._symbols),
                    error=str(error), failures=self._failures, retry_ms=delay_ms, advice=error.advice,
                )  # fmt: skip
                await self._w.sleep(delay_ms / MS)

    def _delay_ms(self) -> int:
        """Exponential backoff with full jitter: uniform in 0 .. min(cap, base * 2^failures)."""
        p = self._w.patience
        return int(self._w.rng.uniform(0, min(p.backoff_max_ms, p.backoff_ms << min(self._failures, 20))))

    async def _live(self) -> None:
        """One connection's life. Returns at its planned end, raises FeedError when it is lost."""
        place = await self._place()
        socket = await self._open(place)
        session = self._exchange.session()
        tasks = {
            asyncio.create_task(self._read(socket, session)),
            asyncio.create_task(self._talk(socket, session, place)),
        }
        try:
            while True:
                done, _ = await asyncio.wait(
                    tasks, timeout=self._w.patience.check_ms / MS, return_when=asyncio.FIRST_COMPLETED
                )
                for task in done:
                    await task
                if self._expired():
                    return
        finally:
            self.connected = False
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await socket.close()

    async def _place(self) -> StreamAddress:
        """Where to connect; asks the venue first, if it wants to be asked."""
        asked = self._exchange.handshake()
        if asked is None:
            return self._exchange.place(None)
        if self._w.fetch is None:
            raise Unreachable("the venue wants a handshake and there is no HTTP client", venue=self._exchange.name)
        return self._exchange.place(await self._w.fetch(asked))

    async def _open(self, place: StreamAddress) -> aiohttp.ClientWebSocketResponse:
        p, exchange = self._w.patience, self._exchange
        try:
            async with asyncio.timeout(p.connect_ms / MS):
                socket = await self._connect(place)
        except TimeoutError:
            raise TimedOut("no stream", venue=exchange.name, timeout_ms=p.connect_ms) from None
        except aiohttp.WSServerHandshakeError as e:
            kind = RateLimited if e.status in (429, 418) else Refused
            raise kind("no stream", venue=exchange.name, status=e.status) from None
        except (aiohttp.ClientError, OSError) as e:
            raise Unreachable("no stream", venue=exchange.name, error=type(e).__name__) from None
        self.connected = True
        self._w.counts.connects += 1
        self._opened_at_ms = self._w.now_ms()
        self._life_ms = int(exchange.limits.life_ms * self._w.rng.uniform(0.9, 1.0))
        _log.info("stream open", venue=exchange.name, symbols=len(self._symbols), connects=self._w.counts.connects)
        return socket

    async def _connect(self, place: StreamAddress) -> aiohttp.ClientWebSocketResponse:
        return await self._w.session.ws_connect(
            place.url,
            heartbeat=self._w.patience.ping_ms / MS,
            max_msg_size=self._w.patience.max_frame_bytes,
            timeout=aiohttp.ClientWSTimeout(ws_close=1.0),
        )

    async def _talk(self, socket: aiohttp.ClientWebSocketResponse, session: Session, place: StreamAddress) -> None:
        """Subscribe, then say what the venue wants to hear now and then. Ends only with the connection."""
        limits = self._exchange.limits
        for message in self._exchange.subscribe(tuple(sorted(self._symbols)), self._w.now_ms()):
            await self._say(socket, message)
            if limits.message_interval_ms:
                await self._w.sleep(limits.message_interval_ms / MS)
        ping_ms = limits.ping_ms if place.ping_ms is None else place.ping_ms
        while ping_ms > 0 and session.ping(self._w.now_ms()) is not None:
            await asyncio.sleep(ping_ms / MS)
            beat = session.ping(self._w.now_ms())
            if beat is not None:
                await self._say(socket, beat)
        await asyncio.Event().wait()

    async def _say(self, socket: aiohttp.ClientWebSocketResponse, message: Frame) -> None:
        try:
            if isinstance(message, bytes):
                await socket.send_bytes(message)
            else:
                await socket.send_str(message)
        except (aiohttp.ClientError, OSError) as e:
            raise Unreachable("stream closed", venue=self._exchange.name, error=type(e).__name__) from None

    async def _read(self, socket: aiohttp.ClientWebSocketResponse, session: Session) -> None:
        venue = self._exchange.name
        while True:
            message = await socket.receive()
            if message.type in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY):
                for answer in self._frame(message.data, session):
                    await self._say(socket, answer)
            elif message.type is aiohttp.WSMsgType.ERROR:
                if getattr(message.data, "code", None) == aiohttp.WSCloseCode.MESSAGE_TOO_BIG:
                    raise TooLarge("frame", venue=venue, max_bytes=self._w.patience.max_frame_bytes)
                raise Unreachable("broken stream", venue=venue, error=type(message.data).__name__)
            else:
                raise Unreachable("stream closed by the venue", venue=venue, close_code=str(socket.close_code))

    def _frame(self, data: Frame, session: Session) -> tuple[Frame, ...]:
        """Hand on the ticks of a frame, return what the venue wants to be answered.

        A frame that is none is counted; Unreachable says that the end is near.
        """
        self._w.counts.frames += 1
        now_ms = self._w.counts.last_frame_at_ms = self._w.now_ms()
        try:
            heard = session.hear(data)
        except Unreachable:
            raise
        except FeedError as error:
            self._w.counts.note(error)
            return ()
        for tick in heard.ticks:
            self._tick(tick, now_ms)
        return heard.answers

    def _tick(self, tick: Tick, now_ms: int) -> None:
        if tick.symbol not in self._symbols:
            self._w.counts.note(
                WrongSymbol("not subscribed", venue=self._exchange.name, symbol=ascii(tick.symbol[:20]))
            )
            return
        if isinstance(tick.result, FeedError):
            self._w.counts.note(tick.result)
        news = self._w.on_tick(self._exchange.name, tick, now_ms)
        if news and isinstance(tick.result, Quote):
            self._failures = 0
            self.news_at_ms[tick.symbol] = now_ms
            self.silent.discard(tick.symbol)

    def _expired(self) -> bool:
        """Look for silent symbols. True at the planned end of the connection; Stale if every symbol is silent."""
        now_ms, limit_ms = self._w.now_ms(), self._w.patience.silence_ms
        ages = {s: now_ms - max(self.news_at_ms.get(s, 0), self._opened_at_ms) for s in self._symbols}
        for symbol in sorted(s for s, age in ages.items() if age > limit_ms and s not in self.silent):
            self.silent.add(symbol)
            if self._w.on_silent is not None:
                self._w.on_silent(self._exchange.name, symbol, ages[symbol])
        youngest_ms = min(ages.values())
        if youngest_ms > limit_ms:
            raise Stale("open but silent", venue=self._exchange.name, age_ms=youngest_ms, max_age_ms=limit_ms)
        return now_ms - self._opened_at_ms > self._life_ms
