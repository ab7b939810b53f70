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
from feeds.streams.venue import Frame, Session, StreamAddress, StreamedVenue
from feeds.types import Quote, Request, Tick, TradeTick
from feeds.units import MS

_log = structlog.get_logger(__name__)

_EARLY_MS = 30_000
_MOST_EARLY_ENDS = 3

OnTick = Callable[[str, Tick, int], bool]
"""venue, tick, received at (Unix ms) -> True if it was a quote that is news (:meth:`feeds.streams.latest.Latest.put`)."""
OnTrade = Callable[[str, TradeTick, int], FeedError | None]
"""venue, trade, received at (Unix ms) -> what is wrong with it (:meth:`feeds.streams.tape.TradeTape.put`)."""
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

    def count_bad(self, error: FeedError) -> None:
        """Count a frame or tick that is not a quote; logs the 1st, 2nd, 4th, 8th ... of a code."""
        self.bad[error.code] += 1
        self.last_error = error
        count = self.bad[error.code]
        if count & (count - 1) == 0:
            _log.warning("bad message", venue=self.venue, error=str(error), count=count, advice=error.advice)


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamContext:
    """What all connections to a venue share. ``connect_slot`` waits until the venue allows a further connect.

    ``may_part``: takes leave to make two connections of one; False if there are enough.
    """

    session: aiohttp.ClientSession
    fetch: Fetch | None
    on_tick: OnTick
    on_silent: OnSilent | None
    now_ms: Callable[[], int]
    sleep: Callable[[float], Awaitable[None]]
    connect_slot: Callable[[], Awaitable[None]]
    rng: random.Random
    timeouts: StreamTimeouts
    counts: StreamCounts
    on_trade: OnTrade | None = None
    may_part: Callable[[], bool] = lambda: False


class Connection:
    """A connection and its share of the symbols."""

    def __init__(self, exchange: StreamedVenue, symbols: tuple[str, ...], context: StreamContext) -> None:
        self._exchange, self._context = exchange, context
        self.symbols = frozenset(symbols)
        self.connected = False
        self.news_at_ms: dict[str, int] = {}
        self.silent: set[str] = set()
        self._failures = 0
        self._opened_at_ms = 0
        self._life_ms = 0
        self._opened = self._heard = False
        self._early_ends = 0

    async def run(self) -> None:
        """Connect, read, reconnect, without end; returns where its symbols should have two connections in its place."""
        while True:
            await self._context.connect_slot()
            self._opened = self._heard = False
            try:
                await self._run_once()
                self._early_ends = 0
            except FeedError as error:
                self._context.counts.last_error = error
                delay_ms = self._delay_ms()
                self._failures += 1
                _log.warning(
                    "stream lost; it reconnects", venue=self._exchange.name, symbols=len(self.symbols),
                    error=str(error), failures=self._failures, retry_ms=delay_ms, advice=error.advice,
                )  # fmt: skip
                if self._should_part(error):
                    return
                await self._context.sleep(delay_ms / MS)

    def _should_part(self, error: FeedError) -> bool:
        """Whether it was lost early, again and again, so that one of its symbols may be what the venue ends it for.

        A connection that stayed open and brought nothing at all is such a loss too: the venue may have refused all that was
        asked for in one message.
        """
        if not self._opened:
            return False
        is_early = self._context.now_ms() - self._opened_at_ms < _EARLY_MS
        if isinstance(error, Stale):
            is_early = not self._heard and self._context.on_trade is None
        self._early_ends = self._early_ends + 1 if is_early else 0
        if self._early_ends < _MOST_EARLY_ENDS or len(self.symbols) < 2 or not self._context.may_part():  # noqa: PLR2004
            return False
        _log.warning(
            "stream parted: one of its symbols may be why it ends", venue=self._exchange.name, symbols=len(self.symbols),
            error=str(error), advice="look for a symbol that the venue no longer lists", news=True,
        )  # fmt: skip
        return True

    def _delay_ms(self) -> int:
        """Exponential backoff with full jitter: uniform in 0 .. min(cap, base * 2^failures)."""
        timeouts = self._context.timeouts
        return int(
            self._context.rng.uniform(0, min(timeouts.backoff_max_ms, timeouts.backoff_ms << min(self._failures, 20)))
        )

    async def _run_once(self) -> None:
        """One connection's life. Returns at its planned end, raises FeedError when it is lost."""
        address = await self._stream_address()
        socket = await self._open(address)
        session = self._exchange.session()
        tasks = {
            asyncio.create_task(self._read_frames(socket, session)),
            asyncio.create_task(self._send_messages(socket, session, address)),
        }
        try:
            while True:
                done, _ = await asyncio.wait(
                    tasks, timeout=self._context.timeouts.check_ms / MS, return_when=asyncio.FIRST_COMPLETED
                )
                for task in done:
                    await task
                if self._reached_its_end():
                    return
        finally:
            self.connected = False
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await socket.close()

    async def _stream_address(self) -> StreamAddress:
        """Where to connect; asks the venue first, if it has a handshake."""
        handshake = self._exchange.handshake()
        if handshake is None:
            return self._exchange.stream_address(None)
        if self._context.fetch is None:
            raise Unreachable("the venue needs a handshake and there is no HTTP client", venue=self._exchange.name)
        return self._exchange.stream_address(await self._context.fetch(handshake))

    async def _open(self, address: StreamAddress) -> aiohttp.ClientWebSocketResponse:
        timeout_ms, exchange = self._context.timeouts.connect_ms, self._exchange
        try:
            async with asyncio.timeout(timeout_ms / MS):
                socket = await self._connect(address)
        except TimeoutError:
            raise TimedOut("no stream", venue=exchange.name, timeout_ms=timeout_ms) from None
        except aiohttp.WSServerHandshakeError as e:
            kind = RateLimited if e.status in (429, 418) else Refused
            raise kind("no stream", venue=exchange.name, status=e.status) from None
        except (aiohttp.ClientError, OSError) as e:
            raise Unreachable("no stream", venue=exchange.name, error=type(e).__name__) from None
        self.connected = self._opened = True
        self._context.counts.connects += 1
        self._opened_at_ms = self._context.now_ms()
        self._life_ms = int(exchange.limits.life_ms * self._context.rng.uniform(0.9, 1.0))
        _log.info("stream open", venue=exchange.name, symbols=len(self.symbols), connects=self._context.counts.connects)
        return socket

    async def _connect(self, address: StreamAddress) -> aiohttp.ClientWebSocketResponse:
        return await self._context.session.ws_connect(
            address.url,
            heartbeat=self._context.timeouts.ping_ms / MS,
            max_msg_size=self._context.timeouts.max_frame_bytes,
            timeout=aiohttp.ClientWSTimeout(ws_close=1.0),
        )

    async def _send_messages(
        self, socket: aiohttp.ClientWebSocketResponse, session: Session, address: StreamAddress
    ) -> None:
        """Subscribe, then send the pings that the venue wants. Ends only with the connection."""
        limits = self._exchange.limits
        for message in self._exchange.subscribe(tuple(sorted(self.symbols)), self._context.now_ms()):
            await self._send(socket, message)
            if limits.message_interval_ms:
                await self._context.sleep(limits.message_interval_ms / MS)
        ping_ms = limits.ping_ms if address.ping_ms is None else address.ping_ms
        while ping_ms > 0 and session.ping(self._context.now_ms()) is not None:
            await asyncio.sleep(ping_ms / MS)
            ping = session.ping(self._context.now_ms())
            if ping is not None:
                await self._send(socket, ping)
        await asyncio.Event().wait()

    async def _send(self, socket: aiohttp.ClientWebSocketResponse, message: Frame) -> None:
        try:
            if isinstance(message, bytes):
                await socket.send_bytes(message)
            else:
                await socket.send_str(message)
        except (aiohttp.ClientError, OSError) as e:
            raise Unreachable("stream closed", venue=self._exchange.name, error=type(e).__name__) from None

    async def _read_frames(self, socket: aiohttp.ClientWebSocketResponse, session: Session) -> None:
        venue = self._exchange.name
        while True:
            message = await socket.receive()
            if message.type in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY):
                for reply in self._take_frame(message.data, session):
                    await self._send(socket, reply)
            elif message.type is aiohttp.WSMsgType.ERROR:
                if getattr(message.data, "code", None) == aiohttp.WSCloseCode.MESSAGE_TOO_BIG:
                    raise TooLarge("frame", venue=venue, max_bytes=self._context.timeouts.max_frame_bytes)
                raise Unreachable("broken stream", venue=venue, error=type(message.data).__name__)
            else:
                raise Unreachable("stream closed by the venue", venue=venue, close_code=str(socket.close_code))

    def _take_frame(self, data: Frame, session: Session) -> tuple[Frame, ...]:
        """Hand on the ticks of a frame, return the replies that the venue wants.

        A frame that cannot be read is counted; Unreachable ends the connection.
        """
        self._context.counts.frames += 1
        now_ms = self._context.counts.last_frame_at_ms = self._context.now_ms()
        try:
            frame = session.read_frame(data)
        except Unreachable:
            raise
        except FeedError as error:
            self._context.counts.count_bad(error)
            return ()
        for tick in frame.ticks:
            self._take_tick(tick, now_ms)
        for trade in frame.trades:
            self._take_trade(trade, now_ms)
        return frame.replies

    def _take_tick(self, tick: Tick, now_ms: int) -> None:
        if not self._subscribed(tick.symbol):
            return
        if isinstance(tick.result, FeedError):
            self._context.counts.count_bad(tick.result)
        else:
            self._heard = True
        news = self._context.on_tick(self._exchange.name, tick, now_ms)
        if news and isinstance(tick.result, Quote):
            self._note_news(tick.symbol, now_ms)

    def _take_trade(self, trade: TradeTick, now_ms: int) -> None:
        if self._context.on_trade is None or not self._subscribed(trade.symbol):
            return
        error = self._context.on_trade(self._exchange.name, trade, now_ms)
        if error is None:
            self._note_news(trade.symbol, now_ms)
        else:
            self._context.counts.count_bad(error)

    def _subscribed(self, symbol: str) -> bool:
        """Whether a symbol was subscribed to; one that was not is counted."""
        if symbol in self.symbols:
            return True
        self._context.counts.count_bad(
            WrongSymbol("not subscribed", venue=self._exchange.name, symbol=ascii(symbol[:20]))
        )
        return False

    def _note_news(self, symbol: str, now_ms: int) -> None:
        self._failures = 0
        self.news_at_ms[symbol] = now_ms
        self.silent.discard(symbol)

    def _reached_its_end(self) -> bool:
        """Look for silent symbols. True at the planned end of the connection; Stale if every symbol is silent."""
        now_ms, limit_ms = self._context.now_ms(), self._context.timeouts.silence_ms
        ages = {s: now_ms - max(self.news_at_ms.get(s, 0), self._opened_at_ms) for s in self.symbols}
        for symbol in sorted(s for s, age in ages.items() if age > limit_ms and s not in self.silent):
            self.silent.add(symbol)
            if self._context.on_silent is not None:
                self._context.on_silent(self._exchange.name, symbol, ages[symbol])
        youngest_ms = min(ages.values())
        if youngest_ms > limit_ms:
            raise Stale("open but silent", venue=self._exchange.name, age_ms=youngest_ms, max_age_ms=limit_ms)
        return now_ms - self._opened_at_ms > self._life_ms
