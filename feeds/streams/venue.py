"""An exchange as the I/O side sees it: where its stream is, what to send there, how to read what comes.

An adapter is pure: no I/O and no clock, times are arguments. What one connection must remember (a channel's number, a
book) lives in its :class:`Session`, and dies with the connection.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from feeds.errors import FeedError
from feeds.types import Book, Listing, Request, Tick, TradeTick

Frame = str | bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueLimits:
    """What a venue allows and wants; the I/O side keeps to it.

    Attributes:
        symbols_per_connection: subscriptions that one connection carries.
        connect_interval_ms: between two connects.
        message_interval_ms: between two messages that we send.
        life_ms: of a connection; it is renewed before.
        ping_ms: how often the venue wants a :meth:`Session.ping`; 0 for never.
        requests_per_s: of its REST interface.
        rest_ms: pause between two requests to a venue without a stream; 0 leaves it to the config.
    """

    symbols_per_connection: int = 100
    connect_interval_ms: int = 1_000
    message_interval_ms: int = 0
    life_ms: int = 24 * 3_600_000
    ping_ms: int = 0
    requests_per_s: int = 5
    rest_ms: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamAddress:
    """Where to connect. ``ping_ms``: as the venue's handshake says; None leaves it to the venue's limits."""

    url: str
    ping_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedFrame:
    """What a frame holds: ticks or trades, and the replies that the venue wants at once."""

    ticks: tuple[Tick, ...] = ()
    replies: tuple[Frame, ...] = ()
    trades: tuple[TradeTick, ...] = ()


class Session(Protocol):
    """One connection, from its opening to its end."""

    def read_frame(self, frame: Frame) -> ParsedFrame:
        """Read one frame; nothing for acknowledgements and heartbeats; FeedError for what is not a message.

        Unreachable says that the connection is of no more use (the venue closes it, or the session lost its sequence).
        """

    def ping(self, now_ms: int) -> Frame | None:
        """What to send every ``ping_ms``; None for nothing."""


class StreamedVenue(Protocol):
    """What a connection must know of a venue. Pure."""

    @property
    def name(self) -> str:
        """The venue's name in the config, which is also its group."""

    @property
    def limits(self) -> VenueLimits:
        """What the venue allows."""

    def handshake(self) -> Request | None:
        """What must be asked before each connect; None for nothing."""

    def stream_address(self, body: bytes | None) -> StreamAddress:
        """Where to connect, given the answer to the handshake."""

    def subscribe(self, symbols: Sequence[str], now_ms: int) -> tuple[str, ...]:
        """Messages to send right after the connection is open: JSON objects that together name every symbol."""

    def session(self) -> Session:
        """A reader for one new connection."""


class QuotedVenue(StreamedVenue, Protocol):
    """A venue that states prices: how to ask, how to read. Pure."""

    @property
    def ws_url(self) -> str:
        """Address of the public stream; "" for a venue that is only asked by REST."""

    @property
    def rest_url(self) -> str:
        """Root of the public REST interface, without a trailing slash."""

    def request(self, symbols: Sequence[str]) -> tuple[Request, ...]:
        """REST requests that together answer for all symbols, each symbol in one of them; none for no symbols."""

    def parse_reply(self, request: Request, body: bytes) -> tuple[Tick, ...]:
        """Ticks of one REST reply to that request."""


class Exchange(QuotedVenue, Protocol):
    """An exchange: quotes, trades, and an order book for every symbol. Pure."""

    def listing(self, symbol: str) -> Listing:
        """What a symbol is about, by the venue's spelling; ValueError says how the venue spells where it cannot be one."""

    def subscribe_trades(self, symbols: Sequence[str], now_ms: int) -> tuple[str, ...]:
        """As :meth:`subscribe`, for the channel of trades: it runs on connections of its own."""

    def trade_session(self) -> Session:
        """A reader for one new connection that subscribed to trades; its frames hold trades and no ticks.

        A trade that cannot be read is a TradeTick with its error, or a FeedError where the frame names no symbol. Trades
        that a venue repeats on subscribing (a snapshot) carry the ids and times that they had.
        """

    def book_request(self, symbol: str) -> Request:
        """The REST request of a symbol's order book, with as many levels as cost little."""

    def parse_book(self, request: Request, body: bytes) -> Book:
        """Read the reply to it.

        Raises:
            WrongSymbol, Refused: the venue does not list the symbol, or says no.
            Malformed, NotPositive, OutOfRange, Crossed: it is not a sane book (:func:`feeds.decode.order_book.read`).
        """


@dataclass(frozen=True, slots=True)
class Stateless:
    """A session that remembers nothing: every frame can be read by itself."""

    parse: Callable[[Frame], tuple[Tick, ...]]
    ping_text: str | None = None

    def read_frame(self, frame: Frame) -> ParsedFrame:
        """Read one frame."""
        return ParsedFrame(ticks=self.parse(frame))

    def ping(self, now_ms: int) -> Frame | None:
        """Return the same text each time."""
        del now_ms
        return self.ping_text


@dataclass(frozen=True, slots=True)
class StatelessTrades:
    """The same for a connection that subscribed to trades."""

    parse: Callable[[Frame], tuple[TradeTick, ...]]
    ping_text: str | None = None

    def read_frame(self, frame: Frame) -> ParsedFrame:
        """Read one frame."""
        return ParsedFrame(trades=self.parse(frame))

    def ping(self, now_ms: int) -> Frame | None:
        """Return the same text each time."""
        del now_ms
        return self.ping_text


def refused_trades(ticks: Sequence[Tick]) -> tuple[TradeTick, ...]:
    """The errors among ticks, as errors of the same symbols' trades: a venue refuses both in the same words."""
    return tuple(TradeTick(symbol=t.symbol, result=t.result) for t in ticks if isinstance(t.result, FeedError))


class PlainSession:
    """The common case, to inherit from: one address, no handshake, frames that can be read by themselves.

    An exchange then has ``parse(frame)`` for its quotes and ``parse_trades(frame)`` for its trades.
    """

    __slots__ = ()
    ping_text: str | None = None

    def handshake(self) -> Request | None:
        """None."""
        return None

    def stream_address(self, body: bytes | None) -> StreamAddress:
        """Return the one address."""
        del body
        return StreamAddress(url=self.ws_url)  # type: ignore[attr-defined]

    def session(self) -> Session:
        """Return a reader that only calls ``parse``."""
        return Stateless(self.parse, self.ping_text)  # type: ignore[attr-defined]

    def trade_session(self) -> Session:
        """Return a reader that only calls ``parse_trades``."""
        return StatelessTrades(self.parse_trades, self.ping_text)  # type: ignore[attr-defined]
