"""An exchange's wire protocol from the venue's side: pure text building, one small file for each venue.

They are written from the venues' public documentation, independently of the adapters in ``feeds.exchanges``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

_RAW = "\0"
_RAW_TEXT = re.compile(r'"\\u0000([^"]*)"')
_MS = 1_000
HTTP_OK, HTTP_BAD, HTTP_MISSING = 200, 400, 404
Frame = str | bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class SymbolState:
    """What the venue shows of one symbol: texts, because a misbehaving venue shows what is not a number.

    ``time_ms`` is Unix ms, None for null; ``seconds`` writes it as a number of seconds where the format wants something else.
    ``bids`` and ``asks``: (price, size) of each level of the order book, the best first.
    """

    symbol: str
    bid: str
    ask: str
    last: str
    volume: str
    sequence: int
    time_ms: int | None
    seconds: bool = False
    bids: tuple[tuple[str, str], ...] = ()
    asks: tuple[tuple[str, str], ...] = ()

    def iso(self) -> Any:
        """Time as RFC 3339 text with microseconds."""
        if self.time_ms is None or self.seconds:
            return None if self.time_ms is None else self.time_ms // _MS
        return iso(self.time_ms)

    def ms(self) -> int | None:
        """Time as Unix ms."""
        return self.time_ms // _MS if self.seconds and self.time_ms is not None else self.time_ms

    def ms_text(self) -> str | None:
        """Time as Unix ms, written as text."""
        at = self.ms()
        return None if at is None else str(at)


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeState:
    """One trade that the venue reports. ``number``: its id; ``buy``: the taker bought."""

    symbol: str
    price: str
    volume: str
    number: int
    time_ms: int
    buy: bool = True


@dataclass(slots=True)
class ConnectionState:
    """What a venue remembers of one connection.

    Attributes:
        first_number: of the numbers that this connection's subscriptions get; other connections get others.
        numbers: of its subscriptions to quotes, by symbol.
        traded: the same of its subscriptions to trades.
        pinged: what the venue's last ping carried.
        missed_beats: heartbeats since the client last sent something that keeps the connection open.
    """

    first_number: int = 1
    numbers: dict[str, int] = field(default_factory=dict)
    traded: dict[str, int] = field(default_factory=dict)
    pinged: int = 0
    missed_beats: int = 0

    def number(self, symbol: str) -> int:
        """Return the number of the subscription to a symbol; a new one gets the next."""
        return self.numbers.setdefault(symbol, self._next())

    def trade_number(self, symbol: str) -> int:
        """The same of a subscription to its trades."""
        return self.traded.setdefault(symbol, self._next())

    def _next(self) -> int:
        return self.first_number + len(self.numbers) + len(self.traded)


@dataclass(frozen=True, slots=True, kw_only=True)
class RestRequest:
    """A REST request.

    ``body``: the JSON of a POST, None for a GET. ``stream_url``: address of this venue's stream. ``token``: a fresh one,
    which opens one connection.
    """

    path: str
    query: Mapping[str, str]
    body: Any
    post: bool
    stream_url: str
    token: str


StateLookup = Callable[[str], SymbolState | None]
"""A symbol's state; None if the venue does not list it."""


class WireProtocol(Protocol):
    """One venue's side of the conversation. :class:`PlainWire` has what most venues share."""

    @property
    def name(self) -> str:
        """The venue's name."""

    @property
    def ws_path(self) -> str:
        """Path of the stream."""

    @property
    def beats_with_data(self) -> bool:
        """The venue repeats the ticker instead of sending heartbeat messages."""

    @property
    def wants_token(self) -> bool:
        """The stream opens only with a token in its query, which a REST request returns."""

    @property
    def repeats_trades(self) -> int:
        """So many of the last trades are the beginning of each subscription to them."""

    def encode(self, frame: Frame) -> Frame:
        """How a frame travels."""

    def greeting(self) -> list[str]:
        """Frames right after the connection is open."""

    def receive(
        self, text: str, listed: Collection[str], connection: ConnectionState
    ) -> tuple[list[Frame], tuple[str, ...]]:
        """Frames that answer a client's message, and the symbols whose quotes the message subscribed.

        Symbols whose trades it subscribed get a number: ``connection.trade_number(symbol)``.
        """

    def frames(self, state: SymbolState, connection: ConnectionState, *, first: bool) -> list[Frame]:
        """Frames that carry a symbol's state; ``first`` marks the snapshot after a subscription."""

    def trade_frames(self, trade: TradeState, connection: ConnectionState) -> list[Frame]:
        """Frames that carry one trade."""

    def past_trades(self, trades: Sequence[TradeState], connection: ConnectionState) -> list[Frame]:
        """Frames that repeat a symbol's last trades at the beginning of a subscription, given oldest first."""

    def heartbeats(self, connection: ConnectionState, now_ms: int) -> list[Frame]:
        """Heartbeat frames."""

    def rest_response(self, request: RestRequest, lookup: StateLookup) -> tuple[int, Any]:
        """Status and JSON value of a REST request."""


class PlainWire:
    """The common case, to inherit from: JSON objects as text, one frame an update, GET only.

    A wire then has ``answer(message, listed)``, ``answer_trades(message, listed)``, ``ticker(state, first=)``,
    ``trade(trade)``, ``heartbeat(symbols, now_ms)`` and ``rest(path, query, lookup)``; or overrides what its venue does
    differently.
    """

    __slots__ = ()
    wants_token: bool = False
    repeats_trades: int = 0

    def encode(self, frame: Frame) -> Frame:
        """As it is."""
        return frame

    def greeting(self) -> list[str]:
        """Say nothing before the first subscription."""
        return []

    def receive(
        self, text: str, listed: Collection[str], connection: ConnectionState
    ) -> tuple[list[Frame], tuple[str, ...]]:
        """Answer a JSON object; anything else is answered as an empty one. Every message keeps the connection open."""
        connection.missed_beats = 0
        message = json_object(text)
        about_trades = self.answer_trades(message, listed)
        if about_trades is None:
            return self.answer(message, listed)  # type: ignore[attr-defined, no-any-return]
        frames, symbols = about_trades
        for symbol in symbols:
            connection.trade_number(symbol)
        return list(frames), ()

    def answer_trades(
        self, message: Mapping[str, Any], listed: Collection[str]
    ) -> tuple[list[str], tuple[str, ...]] | None:
        """As ``answer``, for a message that subscribes to trades; None: it does not."""
        del message, listed
        return None

    def frames(self, state: SymbolState, connection: ConnectionState, *, first: bool) -> list[Frame]:
        """One ticker."""
        del connection
        return [self.ticker(state, first=first)]  # type: ignore[attr-defined]

    def trade_frames(self, trade: TradeState, connection: ConnectionState) -> list[Frame]:
        """One frame."""
        del connection
        return [self.trade(trade)]  # type: ignore[attr-defined]

    def past_trades(self, trades: Sequence[TradeState], connection: ConnectionState) -> list[Frame]:
        """The same frames as when they happened."""
        return [frame for trade in trades for frame in self.trade_frames(trade, connection)]

    def heartbeats(self, connection: ConnectionState, now_ms: int) -> list[Frame]:
        """What ``heartbeat`` sends."""
        return list(self.heartbeat(tuple(connection.numbers), now_ms))

    def heartbeat(self, symbols: Sequence[str], now_ms: int) -> Sequence[Frame]:
        """Send no heartbeats."""
        del symbols, now_ms
        return []

    def rest_response(self, request: RestRequest, lookup: StateLookup) -> tuple[int, Any]:
        """GET only."""
        if request.post:
            return HTTP_MISSING, {"error": "not found"}
        return self.rest(request.path, request.query, lookup)  # type: ignore[attr-defined, no-any-return]


def json_object(text: str) -> dict[str, Any]:
    """Read a JSON object; an empty one for anything else."""
    try:
        message = json.loads(text)
    except ValueError:
        message = None
    return message if isinstance(message, dict) else {}


def iso(time_ms: int) -> str:
    """RFC 3339 text in UTC with microseconds."""
    return datetime.fromtimestamp(time_ms / _MS, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def dumps(value: Any) -> str:
    """JSON text; strings made by :func:`raw` become bare numbers with exactly those digits."""
    return _RAW_TEXT.sub(r"\1", json.dumps(value, separators=(",", ":")))


def raw(text: str) -> str:
    """Mark a text as a bare JSON number, if it looks like one."""
    return _RAW + text if re.fullmatch(r"-?\d+(\.\d+)?([eE][+-]?\d+)?|NaN", text) else text
