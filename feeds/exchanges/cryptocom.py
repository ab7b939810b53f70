"""Crypto.com Exchange spot: ``ticker`` and ``trade`` channels of the v1 market stream, the REST tickers and order book.

Source: exchange-docs.crypto.com/exchange/v1 (WebSocket "ticker.{instrument_name}", "trade.{instrument_name}", "Heartbeats",
"Common API Reference"; REST "public/get-tickers", "public/get-book"). The venue sends ``public/heartbeat`` every 30 s and cuts off whoever has not answered within
5 s. ``a`` is the last trade, ``b`` and ``k`` are bid and ask, ``v`` is the 24 h volume in base units; each is null where
there is none. Data pushes are named like the subscription's acknowledgement and told from it by their result.

A trade is told by ``d``; ``q`` is in base units. A subscription begins with the last trades. The order book has 50 levels
a side, the most that the venue gives: well below 1 % of the largest pairs.
Unconfirmed: the words and code of the refusal of an unknown instrument; it is known to repeat what was asked.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import quote as url_quote

from feeds.decode import order_book, spelling, values
from feeds.errors import FeedError, Malformed, RateLimited, Refused, WrongSymbol
from feeds.streams.venue import Frame, ParsedFrame, PlainSession, Session, VenueLimits, refused_trades
from feeds.types import Book, Instrument, Listing, Quote, Request, Tick, VenueTrade

_LIMITS = VenueLimits(symbols_per_connection=100, connect_interval_ms=1_000, message_interval_ms=50, requests_per_s=10)
_TICKER, _TRADE = "ticker", "trade"
_NAMED = re.compile(r'"(?:ticker|trade)\.([A-Za-z0-9_-]{1,40})"')
_UNKNOWN = re.compile(r"symbol|instrument|channel", re.IGNORECASE)
_TOO_FAST = 42_901
_LARGEST_ID = 2**63
_BOOK_LEVELS = 50
_CONTRACT = re.compile(
    r"(?P<base>[A-Z0-9]{1,20}?)(?P<quote>USDT?)-((?P<perpetual>PERP)|(?P<index>INDEX)|\d{6}(M\d)?)", re.ASCII
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CryptoCom(PlainSession):
    """Symbols as the venue writes them: ``ETH_USD``."""

    name: str = "cryptocom"
    ws_url: str = "wss://stream.crypto.com/exchange/v1/market"
    rest_url: str = "https://api.crypto.com"
    limits: VenueLimits = _LIMITS

    def subscribe(self, symbols: Sequence[str], now_ms: int) -> tuple[str, ...]:
        """One message per symbol."""
        del now_ms
        return _subscriptions(_TICKER, symbols)

    def session(self) -> Session:
        """Return a reader that answers heartbeats."""
        return _Session(_TICKER)

    def subscribe_trades(self, symbols: Sequence[str], now_ms: int) -> tuple[str, ...]:
        """One message per symbol."""
        del now_ms
        return _subscriptions(_TRADE, symbols)

    def trade_session(self) -> Session:
        """Return a reader that answers heartbeats."""
        return _Session(_TRADE)

    def request(self, symbols: Sequence[str]) -> tuple[Request, ...]:
        """One request per symbol; without a symbol the venue sends all of its tickers."""
        root = f"{self.rest_url}/exchange/v1/public/get-tickers?instrument_name="
        return tuple(Request(url=root + url_quote(s, safe=""), symbols=(s,)) for s in symbols)

    def parse_reply(self, request: Request, body: bytes) -> tuple[Tick, ...]:
        """Read the ticker of the one symbol asked."""
        message = values.load(body)
        return tuple(values.tick(s, partial(_asked, s, message)) for s in request.symbols)

    def listing(self, symbol: str) -> Listing:
        """``ETH_USD``; ``ETHUSD-PERP`` and ``ETHUSD-260327`` are derivatives."""
        contract = _CONTRACT.fullmatch(symbol.upper())
        if contract is None:
            return spelling.parted(symbol, "_")
        kind = Instrument.INDEX if contract["index"] else Instrument.FUTURE
        kind = Instrument.PERPETUAL if contract["perpetual"] else kind
        return Listing(base=contract["base"], quote=contract["quote"], instrument=kind)

    def book_request(self, symbol: str) -> Request:
        """As many levels as the venue gives."""
        root = f"{self.rest_url}/exchange/v1/public/get-book?instrument_name="
        return Request(url=f"{root}{url_quote(symbol, safe='')}&depth={_BOOK_LEVELS}", symbols=(symbol,))

    def parse_book(self, request: Request, body: bytes) -> Book:
        """``bids`` and ``asks`` of [price, quantity, orders]; the time where there is one."""
        message, symbol = order_book.load(body), request.symbols[0]
        if values.member(message, "code") != 0:
            raise _error(message)
        result = values.member(message, "result")
        named, row = values.member(result, "instrument_name"), values.item(values.member(result, "data"), 0)
        if named != symbol:
            raise WrongSymbol("the reply is about another instrument", asked=symbol, got=values.printable(named))
        bids, asks = values.member(row, "bids"), values.member(row, "asks")
        return order_book.read(bids, asks, stated_at_ms=_time(row.get("t")))


@dataclass(frozen=True, slots=True)
class _Session:
    """Remembers nothing but its channel."""

    channel: str
    ping_text: str | None = None

    def read_frame(self, frame: Frame) -> ParsedFrame:
        """Read one frame.

        Raises:
            Refused: an error that names no symbol.
            RateLimited: the venue refuses more messages for now.
            WrongSymbol: subscription and instrument differ.
            Malformed: a message that was not subscribed, or not a message at all.
        """
        message = values.load(frame)
        method, code = values.member(message, "method"), message.get("code")
        if method == "public/heartbeat":
            return ParsedFrame(replies=(_beat(values.member(message, "id")),))
        if code != 0 or isinstance(code, bool):
            return self._parsed(_refused(message))
        if method != "subscribe":
            raise Malformed("unknown method", method=values.printable(method))
        result = message.get("result")
        if result is None:
            return ParsedFrame()
        symbol = _symbol(result, self.channel)
        if self.channel == _TICKER:
            return ParsedFrame(ticks=(values.tick(symbol, partial(_pushed, symbol, result)),))
        rows = values.array(values.member(result, "data"))
        return ParsedFrame(trades=tuple(values.trade_tick(symbol, partial(_traded, symbol, row)) for row in rows))

    def _parsed(self, refused: tuple[Tick, ...]) -> ParsedFrame:
        if self.channel == _TICKER:
            return ParsedFrame(ticks=refused)
        return ParsedFrame(trades=refused_trades(refused))

    def ping(self, now_ms: int) -> Frame | None:
        """None: it is the venue that asks for signs of life."""
        del now_ms
        return self.ping_text


def _beat(number: Any) -> str:
    if not isinstance(number, int) or isinstance(number, bool) or not -1 <= number < _LARGEST_ID:
        raise Malformed("a heartbeat carries a number", got=values.printable(number))
    return json.dumps({"id": number, "method": "public/respond-heartbeat"})


def _subscriptions(channel: str, symbols: Sequence[str]) -> tuple[str, ...]:
    return tuple(
        json.dumps({"id": i, "method": "subscribe", "params": {"channels": [f"{channel}.{s}"]}})
        for i, s in enumerate(symbols, 1)
    )


def _symbol(result: Any, wanted: str) -> str:
    """The instrument of a push, which must be of the channel that was subscribed."""
    channel, subscription = values.member(result, "channel"), values.member(result, "subscription")
    if channel != wanted:
        raise Malformed("unknown channel", channel=values.printable(channel))
    symbol = values.text(values.member(result, "instrument_name"))
    if subscription != f"{wanted}.{symbol}":
        raise WrongSymbol("subscription and instrument differ", got=values.printable(subscription))
    return symbol


def _pushed(symbol: str, result: Any) -> Quote:
    return _quote(symbol, values.item(values.member(result, "data"), 0))


def _traded(symbol: str, row: Any) -> VenueTrade:
    _check_row(symbol, row)
    price, volume, at, number = (values.member(row, k) for k in ("p", "q", "t", "d"))
    return values.trade(price, volume, at_ms=values.time_ms(at), trade_id=number)


def _check_row(symbol: str, row: Any) -> None:
    named = values.member(row, "i")
    if named != symbol:
        raise WrongSymbol("the row is about another instrument", asked=symbol, got=values.printable(named))


def _time(stated: Any) -> int | None:
    return None if stated is None else values.time_ms(stated)


def _quote(symbol: str, row: Any) -> Quote:
    _check_row(symbol, row)
    bid, ask = values.member(row, "b"), values.member(row, "k")
    return values.book_quote(bid, ask, last=row.get("a"), volume=row.get("v"), stated_at_ms=_time(row.get("t")))


def _asked(symbol: str, message: Any) -> Quote:
    if values.member(message, "code") != 0:
        raise _error(message)
    rows = values.member(values.member(message, "result"), "data")
    if rows == []:
        raise WrongSymbol("the venue has no such instrument", asked=symbol)
    return _quote(symbol, values.item(rows, 0))


def _refused(message: Any) -> tuple[Tick, ...]:
    """Return the error as that of each symbol which the refusal repeats."""
    error = _error(message)
    texts = (message.get(key) for key in ("message", "original"))
    symbols = dict.fromkeys(s for text in texts if isinstance(text, str) for s in _NAMED.findall(text))
    if not symbols:
        raise error
    return tuple(Tick(symbol=s, result=error) for s in symbols)


def _error(message: Any) -> FeedError:
    code, text = message.get("code"), values.printable(message.get("message", ""))
    if code == _TOO_FAST:
        return RateLimited(text, code=_TOO_FAST)
    return (WrongSymbol if _UNKNOWN.search(text) else Refused)(text, code=values.printable(code))
