"""OKX spot: ``tickers`` and ``trades`` channels of WebSocket v5, the REST ticker and order book.

Source: okx.com/docs-v5 (WebSocket "Tickers channel", "Trades channel", "Connect", "Notification"; REST "GET / Ticker", "GET
/ Full order book"; error codes). ``tickers`` sends on each trade and each change of the best bid or ask, at most every
100 ms, and carries last trade, 24 h volume and the time, so nothing else is subscribed. Not documented: whether one unknown
instrument fails the others of its message; so each is subscribed by its own.

``trades`` has one row for all that one order took at one price, with the last trade's id, and begins with the last trade;
block trades and spreads have channels of their own. Derivatives trade in contracts, whose size no message says: their
trades and books are refused. The full book has up to 5,000 levels a side, beyond 2 % for all but the largest pairs, and is
renewed once a second. Its levels name no instrument.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import quote as url_quote

from feeds.decode import order_book, spelling, values
from feeds.errors import FeedError, Malformed, RateLimited, Refused, Unreachable, WrongSymbol
from feeds.streams.venue import PlainSession, VenueLimits, refused_trades
from feeds.types import Book, Instrument, Listing, Quote, Request, Tick, TradeTick, VenueTrade

_LIMITS = VenueLimits(
    symbols_per_connection=50, connect_interval_ms=1_000, message_interval_ms=350, ping_ms=20_000, requests_per_s=10
)
_UNKNOWN = ("60018", "51001")
_TOO_FAST = ("50011", "60014")
_CLOSING = "64008"
_NAMED = ",instId:"
_BOOK_LEVELS = 5_000
_CONTRACT = re.compile(
    r"(?P<base>[A-Z0-9]{1,20})-(?P<quote>[A-Z0-9]{1,20})(_UM)?"
    r"-(SWAP|(?P<future>\d{6})|(?P<option>\d{6}-\d+(\.\d+)?-[CP]))",
    re.ASCII,
)
"""_UM: margined in dollars, whatever they are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Okx(PlainSession):
    """Symbols as the venue writes them: ``STETH-USDT``. The volume is in base units, as the venue states for spot."""

    name: str = "okx"
    ws_url: str = "wss://ws.okx.com:8443/ws/v5/public"
    rest_url: str = "https://www.okx.com"
    limits: VenueLimits = _LIMITS
    ping_text = "ping"

    def subscribe(self, symbols: Sequence[str], now_ms: int) -> tuple[str, ...]:
        """One message per instrument."""
        del now_ms
        return tuple(json.dumps({"op": "subscribe", "args": [{"channel": "tickers", "instId": s}]}) for s in symbols)

    def parse(self, frame: str | bytes) -> tuple[Tick, ...]:
        """Read one stream message.

        Raises:
            Refused: an error that names no instrument.
            Unreachable: the venue announces that it will close this connection.
            Malformed: a message that was not subscribed, or not a message at all.
        """
        message = _message(frame)
        if "event" in message:
            return _control(message)
        symbol = _symbol(message, "tickers")
        return (values.tick(symbol, partial(_quote, symbol, message)),)

    def subscribe_trades(self, symbols: Sequence[str], now_ms: int) -> tuple[str, ...]:
        """One message per instrument."""
        del now_ms
        return tuple(json.dumps({"op": "subscribe", "args": [{"channel": "trades", "instId": s}]}) for s in symbols)

    def parse_trades(self, frame: str | bytes) -> tuple[TradeTick, ...]:
        """Read one stream message; raises as :meth:`parse`."""
        message = _message(frame)
        if "event" in message:
            return refused_trades(_control(message))
        symbol, rows = _symbol(message, "trades"), values.array(values.member(message, "data"))
        return tuple(values.trade_tick(symbol, partial(_trade, symbol, row)) for row in rows)

    def request(self, symbols: Sequence[str]) -> tuple[Request, ...]:
        """One request per instrument."""
        root = f"{self.rest_url}/api/v5/market/ticker?instId="
        return tuple(Request(url=root + url_quote(s, safe=""), symbols=(s,)) for s in symbols)

    def parse_reply(self, request: Request, body: bytes) -> tuple[Tick, ...]:
        """Read the ticker of the one instrument asked; errors come with status 200 too."""
        message = values.load(body)
        return tuple(values.tick(s, partial(_asked, s, message)) for s in request.symbols)

    def listing(self, symbol: str) -> Listing:
        """``ETH-USDT``; ``ETH-USDT-SWAP``, ``ETH-USD-260626`` and ``ETH-USD-260626-4000-C`` are derivatives."""
        found = _CONTRACT.fullmatch(symbol.upper())
        if found is None:
            return spelling.parted(symbol, "-")
        kind = Instrument.FUTURE if found["future"] else Instrument.OPTION if found["option"] else Instrument.PERPETUAL
        return Listing(base=found["base"], quote=found["quote"], instrument=kind)

    def book_request(self, symbol: str) -> Request:
        """The full order book."""
        url = f"{self.rest_url}/api/v5/market/books-full?instId={url_quote(symbol, safe='')}&sz={_BOOK_LEVELS}"
        return Request(url=url, symbols=(symbol,))

    def parse_book(self, request: Request, body: bytes) -> Book:
        """``bids`` and ``asks`` of [price, base units, orders]."""
        message = order_book.load(body)
        if values.member(message, "code") != "0":
            raise _error(message)
        _check_spot(request.symbols[0])
        row = values.item(values.member(message, "data"), 0)
        bids, asks, stated = (values.member(row, k) for k in ("bids", "asks", "ts"))
        return order_book.read(bids, asks, stated_at_ms=values.time_ms(stated))


def _message(frame: str | bytes) -> Mapping[str, Any]:
    """Read a message; the answer to a ping is an acknowledgement of nothing."""
    if frame in ("pong", b"pong"):
        return {"event": "subscribe"}
    message = values.load(frame)
    if not isinstance(message, Mapping):
        raise Malformed("expected an object", got=type(message).__name__)
    return message


def _symbol(message: Mapping[str, Any], wanted: str) -> str:
    """The instrument of a message, which must be of the channel that was subscribed."""
    arg = values.member(message, "arg")
    channel, symbol = values.member(arg, "channel"), values.text(values.member(arg, "instId"))
    if channel != wanted:
        raise Malformed("unknown channel", channel=values.printable(channel))
    return symbol


def _check_spot(symbol: str) -> None:
    if symbol.count("-") != 1:
        raise WrongSymbol("a derivative is counted in contracts, not in base units", symbol=values.printable(symbol))


def _trade(symbol: str, row: Any) -> VenueTrade:
    named = values.member(row, "instId")
    if named != symbol:
        raise WrongSymbol("the row is about another instrument", asked=symbol, got=values.printable(named))
    _check_spot(symbol)
    price, volume, at, number = (values.member(row, k) for k in ("px", "sz", "ts", "tradeId"))
    return values.trade(price, volume, at_ms=values.time_ms(at), trade_id=number)


def _quote(symbol: str, message: Any) -> Quote:
    row = values.item(values.member(message, "data"), 0)
    named = values.member(row, "instId")
    if named != symbol:
        raise WrongSymbol("the row is about another instrument", asked=symbol, got=values.printable(named))
    bid, ask = values.member(row, "bidPx"), values.member(row, "askPx")
    stated = row.get("ts")
    stated_at_ms = None if stated is None else values.time_ms(stated)
    return values.book_quote(bid, ask, last=row.get("last"), volume=row.get("vol24h"), stated_at_ms=stated_at_ms)


def _asked(symbol: str, message: Any) -> Quote:
    if values.member(message, "code") != "0":
        raise _error(message)
    return _quote(symbol, message)


def _control(message: Mapping[str, Any]) -> tuple[Tick, ...]:
    event = message["event"]
    if event in ("subscribe", "unsubscribe", "channel-conn-count"):
        return ()
    if event == "notice" and message.get("code") == _CLOSING:
        raise Unreachable("the venue announces that it will close the connection")
    error = _error(message)
    symbol = values.printable(message.get("msg", "")).partition(_NAMED)[2].partition(" ")[0]
    if not symbol:
        raise error
    return (Tick(symbol=symbol, result=error),)


def _error(message: Mapping[str, Any]) -> FeedError:
    code, text = values.printable(message.get("code")), values.printable(message.get("msg", ""))
    if code in _UNKNOWN:
        return WrongSymbol(text, code=code)
    return (RateLimited if code in _TOO_FAST else Refused)(text, code=code)
