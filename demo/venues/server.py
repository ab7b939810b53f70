"""Local exchanges: HTTP and WebSocket servers on the loopback that speak the venues' own wire protocols.

The demo sets their quotes; the tests have them act out every :class:`Misbehaviour`. Adapters are pointed at them by
:meth:`Venue.adapter`; nothing else differs from the real exchanges.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, cast

from aiohttp import WSMsgType, web

from demo.venues.faults import Misbehaviour, faulty_frames, faulty_response, faulty_state
from demo.venues.protocols import ConnectionState, Frame, RestRequest, SymbolState, TradeState, dumps
from demo.venues.subscriber import Subscriber
from demo.venues.wires import WIRES
from feeds.registry import EXCHANGES
from feeds.streams.venue import Exchange

_HOST = "127.0.0.1"
_MS = 1_000
_UNAUTHORIZED = 401
_FIRST_NUMBERS = 100
_KEPT_TRADES = 100
_LEVELS, _LEVEL_SIZE, _LEVEL_STEP = 60, Decimal("2.5"), Decimal("0.0005")
"""The order book of a symbol that was given none: so many levels of each side, their size, and how far apart they are."""
Levels = tuple[tuple[Decimal, Decimal], ...]
"""(price, base units) of each level of one side, the best first."""


def _wall_ms() -> int:
    return time.time_ns() // 1_000_000


@dataclass(frozen=True, slots=True)
class _Book:
    bid: Decimal
    ask: Decimal
    last: Decimal
    volume: Decimal
    sequence: int
    at_ms: int
    levels: tuple[Levels, Levels] | None = None


class Venue:
    """One local exchange.

    Args:
        name: a key of WIRES.
        port: TCP port on 127.0.0.1; 0 takes a free one.
        now_ms: Unix ms; the times in its messages and in its Date header.
        beat_s: seconds between heartbeats (Binance: between repeated tickers).
        max_missed_beats: a client that sends nothing for more heartbeats than this is disconnected; None for never.
    """

    def __init__(
        self,
        name: str,
        *,
        port: int = 0,
        now_ms: Callable[[], int] = _wall_ms,
        beat_s: float = 1.0,
        max_missed_beats: int | None = None,
    ) -> None:
        self.name = name
        self._wire = WIRES[name]
        self._port, self._now_ms, self._beat_s, self._max_missed_beats = port, now_ms, beat_s, max_missed_beats
        self._connections, self._handshakes = itertools.count(1), itertools.count(1)
        self._tokens: set[str] = set()
        self._trade_numbers = itertools.count(1)
        self._trades: dict[str, deque[TradeState]] = {}
        self._books: dict[str, _Book] = {}
        self._frozen: dict[str, SymbolState] = {}
        self._clients: set[Subscriber] = set()
        self.beats = self.streams_opened = 0
        self._muted: frozenset[str] | None = frozenset()
        self._fault: Misbehaviour | None = None
        self._faulty: frozenset[str] | None = None
        self._hung_up_on: tuple[str, ...] = ()
        self._runner: web.AppRunner | None = None
        self._site: web.TCPSite | None = None
        self._heartbeats: asyncio.Task[None] | None = None
        self._stopping = asyncio.Event()

    @property
    def rest_url(self) -> str:
        """Root of the REST interface, without a trailing slash."""
        return f"http://{_HOST}:{self._port}"

    @property
    def ws_url(self) -> str:
        """Address of the stream."""
        return f"ws://{_HOST}:{self._port}{self._wire.ws_path}"

    def adapter(self, **changes: Any) -> Exchange:
        """The venue's adapter, pointed here; `changes` replace further fields of it (``limits``)."""
        adapter = cast("Any", EXCHANGES[self.name])
        return cast("Exchange", replace(adapter, ws_url=self.ws_url, rest_url=self.rest_url, **changes))

    async def start(self) -> None:
        """Listen; the port is known afterwards."""
        app = web.Application()
        app.router.add_get("/{path:.*}", self._handle)
        app.router.add_post("/{path:.*}", self._reply)
        self._stopping.clear()
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
        await self._runner.setup()
        await self.up()
        self._heartbeats = asyncio.create_task(self._send_heartbeats())

    async def stop(self) -> None:
        """Cut all connections and stop listening."""
        self._stopping.set()
        if self._heartbeats is not None:
            self._heartbeats.cancel()
            await asyncio.gather(self._heartbeats, return_exceptions=True)
        await self.down()
        if self._runner is not None:
            await self._runner.cleanup()

    async def down(self) -> None:
        """Cut all connections and refuse new ones."""
        if self._site is not None:
            await self._site.stop()
            self._site = None
        self.cut()

    async def up(self) -> None:
        """Listen again after :meth:`down`, on the same port."""
        if self._runner is not None and self._site is None:
            self._site = web.TCPSite(self._runner, _HOST, self._port, reuse_address=True)
            await self._site.start()
            self._port = self._runner.addresses[0][1]

    def cut(self) -> None:
        """Break all connections once; new ones are accepted."""
        for client in tuple(self._clients):
            client.cut()

    @property
    def subscribers(self) -> int:
        """How many connections have subscribed to something."""
        return sum(bool(c.symbols) for c in self._clients)

    @property
    def traders(self) -> int:
        """How many connections have subscribed to somebody's trades."""
        return sum(bool(c.connection.traded) for c in self._clients)

    def set_quote(self, symbol: str, bid: Decimal, ask: Decimal, last: Decimal, volume: Decimal) -> None:
        """Set a symbol's prices (which lists the symbol) and push them to its subscribers at once."""
        sequence = self._books[symbol].sequence + 1 if symbol in self._books else 1
        self._books[symbol] = _Book(bid, ask, last, volume, sequence, self._now_ms())
        for client in self._clients:
            if symbol in client.symbols:
                self._push(client, (symbol,), first=False)

    def set_book(self, symbol: str, bids: Levels, asks: Levels) -> None:
        """Give a listed symbol these levels until its next quote; nothing is pushed: books are asked for."""
        self._books[symbol] = replace(self._books[symbol], levels=(bids, asks))

    def trade(self, symbol: str, price: Decimal, volume: Decimal, *, at_ms: int | None = None) -> int:
        """Report a trade of a listed symbol to who subscribed to its trades; returns its number."""
        number = next(self._trade_numbers)
        time_ms = self._now_ms() if at_ms is None else at_ms
        trade = TradeState(symbol=symbol, price=f"{price:f}", volume=f"{volume:f}", number=number, time_ms=time_ms)
        self._trades.setdefault(symbol, deque(maxlen=_KEPT_TRADES)).append(trade)
        for client in self._clients:
            if symbol in client.connection.traded and (self._muted is not None and symbol not in self._muted):
                self._send(client, self._wire.trade_frames(trade, client.connection))
        return number

    def delist(self, symbol: str) -> None:
        """List a symbol no longer: who subscribes to it or asks for it is told so; who has subscribed hears nothing more."""
        del self._books[symbol]

    def mute(self, symbols: Sequence[str] | None = None) -> None:
        """Send no data of these symbols (None: of all), while sockets, acknowledgements and heartbeats go on."""
        self._muted = None if symbols is None else frozenset(symbols)

    def unmute(self) -> None:
        """Send data of all symbols again."""
        self._muted = frozenset()

    def misbehave(self, fault: Misbehaviour | str | None, symbols: Sequence[str] | None = None) -> None:
        """Act out a misbehaviour from now on, in what is about these symbols (None: in everything); None behaves again."""
        self._fault = None if fault is None else Misbehaviour(fault)
        self._faulty = None if symbols is None else frozenset(symbols)
        frozen = {s: self._state(s) for s in self._books if self._fault_about((s,)) is Misbehaviour.STUCK}
        self._frozen = {s: state for s, state in frozen.items() if state is not None}

    def hang_up_on(self, symbols: Sequence[str]) -> None:
        """Cut every connection whose client names one of these symbols."""
        self._hung_up_on = tuple(s.lower() for s in symbols)

    def _fault_about(self, symbols: Iterable[str]) -> Misbehaviour | None:
        """What is acted out in a message about these symbols."""
        return self._fault if self._faulty is None or not self._faulty.isdisjoint(symbols) else None

    def _listed(self, symbol: str) -> str | None:
        """The symbol that is meant by any of its spellings; None if it is not listed."""
        return next((s for s in self._books if symbol in (s, s.replace("/", ""))), None)

    def _state(self, symbol: str) -> SymbolState | None:
        """What is shown of a symbol, in any of its spellings; None if it is not listed."""
        listed = self._listed(symbol)
        if listed is None:
            return None
        if listed in self._frozen:
            return self._frozen[listed]
        book = self._books[listed]
        state = SymbolState(
            symbol=listed, bid=f"{book.bid:f}", ask=f"{book.ask:f}", last=f"{book.last:f}", volume=f"{book.volume:f}",
            sequence=book.sequence, time_ms=self._now_ms() if self._wire.beats_with_data else book.at_ms,
            bids=_texts(book.levels[0] if book.levels else _levels(book.bid, -1)),
            asks=_texts(book.levels[1] if book.levels else _levels(book.ask, 1)),
        )  # fmt: skip
        return faulty_state(state, self._fault_about((listed,)))

    def _push(self, client: Subscriber, symbols: Iterable[str], *, first: bool) -> None:
        if self._muted is None:
            return
        for symbol in symbols:
            state, fault = self._state(symbol), self._fault_about((symbol,))
            if fault in (Misbehaviour.SILENT, Misbehaviour.SLOW_BODY) or state is None or symbol in self._muted:
                continue
            client.send(faulty_frames(lambda s: self._encoded(client, s, first=first), state, fault))

    def _encoded(self, client: Subscriber, state: SymbolState, *, first: bool) -> list[Frame]:
        return [self._wire.encode(frame) for frame in self._wire.frames(state, client.connection, first=first)]

    def _send(self, client: Subscriber, frames: Iterable[Frame]) -> None:
        client.send(map(self._wire.encode, frames))

    async def _send_heartbeats(self) -> None:
        while True:
            await asyncio.sleep(self._beat_s)
            self.beats += 1
            for client in tuple(self._clients):
                client.connection.missed_beats += 1
                if self._max_missed_beats is not None and client.connection.missed_beats > self._max_missed_beats:
                    client.cut()
                    continue
                self._send(client, self._wire.heartbeats(client.connection, self._now_ms()))
                if self._wire.beats_with_data or self._fault is Misbehaviour.STUCK:
                    self._push(client, tuple(client.symbols), first=False)
                with contextlib.suppress(ConnectionError):
                    await client.socket.ping()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        upgrade = request.headers.get("Upgrade", "").lower() == "websocket"
        if upgrade and request.path == self._wire.ws_path:
            if self._fault_about(()) in (Misbehaviour.HTTP_429, Misbehaviour.REDIRECT):
                return await self._reply(request)
            token = request.query.get("token", "")
            if self._wire.wants_token and token not in self._tokens:
                return web.Response(status=_UNAUTHORIZED, text="token is expired")
            self._tokens.discard(token)
            return await self._serve(request)
        return await self._reply(request)

    async def _reply(self, request: web.Request) -> web.StreamResponse:
        rest = await self._rest_request(request)
        if rest.post and self._wire.wants_token:
            self._tokens.add(rest.token)
        named: list[str] = []

        def lookup(symbol: str) -> SymbolState | None:
            named.append(self._listed(symbol) or symbol)
            return self._state(symbol)

        status, value = self._wire.rest_response(rest, lookup)
        fault = self._fault_about(named)
        return await faulty_response(request, status, dumps(value), self._now_ms() / _MS, fault, self._stopping)

    async def _rest_request(self, request: web.Request) -> RestRequest:
        try:
            body = json.loads(await request.read() or b"null")
        except ValueError:
            body = None
        return RestRequest(
            path=request.path, query=request.query, body=body, post=request.method == "POST", stream_url=self.ws_url,
            token=f"token-{next(self._handshakes)}",
        )  # fmt: skip

    async def _serve(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(max_msg_size=1 << 16)
        await socket.prepare(request)
        self.streams_opened += 1
        client = Subscriber(socket, request, ConnectionState(first_number=next(self._connections) * _FIRST_NUMBERS))
        writer = asyncio.create_task(client.write())
        self._send(client, self._wire.greeting())
        self._clients.add(client)
        try:
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    self._receive(client, message.data)
        finally:
            self._clients.discard(client)
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)
        return socket

    def _receive(self, client: Subscriber, text: str) -> None:
        known = tuple(client.connection.traded)
        if any(s in text.lower() for s in self._hung_up_on):
            client.cut()
            return
        frames, symbols = self._wire.receive(text, self._books, client.connection)
        self._send(client, frames)
        for symbol in client.connection.traded.keys() - known:
            self._repeat_trades(client, symbol)
        for symbol in symbols:
            client.connection.number(symbol)
        self._push(client, symbols, first=True)

    def _repeat_trades(self, client: Subscriber, symbol: str) -> None:
        """Begin a subscription with the last trades, if that is the venue's way."""
        if (count := self._wire.repeats_trades) and self._muted is not None and symbol not in self._muted:
            trades = tuple(self._trades.get(symbol, ()))[-count:]
            self._send(client, self._wire.past_trades(trades, client.connection))


def _levels(best: Decimal, sign: int) -> Levels:
    """A plain side of a book, outwards from its best price."""
    return tuple((best * (1 + sign * step * _LEVEL_STEP), _LEVEL_SIZE) for step in range(_LEVELS))


def _texts(levels: Levels) -> tuple[tuple[str, str], ...]:
    return tuple((f"{price:f}", f"{size:f}") for price, size in levels)
