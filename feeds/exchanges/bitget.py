"""Bitget spot, v2: ``ticker`` and ``trade`` channels, the REST tickers and order book.

Source: bitget.com/api-doc (spot WebSocket "Tickers Channel", "Trading Channel", "WebSocket API intro"; REST "Get Ticker
Information", "Get OrderBook Depth"). The ticker
channel carries everything, every 100 to 300 ms whether or not something changed. The venue wants the text ``ping`` every
30 s and cuts off who does not send it. An unknown symbol is code 30003 in the documents of v1, and 30001 as seen on another
venue's copy of v2 [unconfirmed here]; ``arg`` names the symbol in both. A subscription to trades begins with a snapshot of the
last ones, under their own ids and times; rows do not name their symbol. The REST book has 150 levels: 2 % of a staking
token, less of ETHUSDT; the merged book would reach further, but how its prices are rounded is not documented.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import quote as url_quote

from feeds.decode import order_book, spelling, values
from feeds.errors import FeedError, Malformed, RateLimited, Refused, WrongSymbol
from feeds.streams.venue import PlainSession, VenueLimits
from feeds.types import Book, Listing, Quote, Request, Tick, TradeTick, VenueTrade

_LIMITS = VenueLimits(
    symbols_per_connection=45, connect_interval_ms=1_000, message_interval_ms=150, ping_ms=25_000, requests_per_s=10
)
_PER_MESSAGE = 20
"""A message may hold 4,096 bytes; a subscription takes about 65."""
_LEVELS = 150
_QUOTES = ("USDT", "USDC", "USDE", "EUR", "BRL", "TRY", "BTC", "ETH", "BGB")
_UNKNOWN = ("30001", "30003", "40034")
_TOO_FAST = ("30006", "429")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bitget(PlainSession):
    """Symbols in upper case: ``STETHUSDT``."""

    name: str = "bitget"
    ws_url: str = "wss://ws.bitget.com/v2/ws/public"
    rest_url: str = "https://api.bitget.com"
    limits: VenueLimits = _LIMITS
    ping_text = "ping"

    def subscribe(self, symbols: Sequence[str], now_ms: int) -> tuple[str, ...]:
        """One message per 20 symbols; each is acknowledged or refused by itself."""
        del now_ms
        return _subscriptions("ticker", symbols)

    def parse(self, frame: str | bytes) -> tuple[Tick, ...]:
        """Read one stream message.

        Raises:
            Refused: an error that names no symbol.
            Malformed: a message that was not subscribed, or not a message at all.
        """
        symbol, said = _said(frame, "ticker")
        if isinstance(said, FeedError):
            return (Tick(symbol=symbol, result=said),)
        return () if said is None else (values.tick(symbol, partial(_quote, symbol, "instId", said)),)

    def subscribe_trades(self, symbols: Sequence[str], now_ms: int) -> tuple[str, ...]:
        """As for quotes."""
        del now_ms
        return _subscriptions("trade", symbols)

    def parse_trades(self, frame: str | bytes) -> tuple[TradeTick, ...]:
        """Read one stream message; raises as :meth:`parse`."""
        symbol, said = _said(frame, "trade")
        if isinstance(said, FeedError):
            return (TradeTick(symbol=symbol, result=said),)
        if said is None:
            return ()
        rows = values.member(said, "data")
        if not isinstance(rows, list):
            raise Malformed("expected an array", key="data", got=type(rows).__name__)
        return tuple(values.trade_tick(symbol, partial(_trade, row)) for row in rows)

    def request(self, symbols: Sequence[str]) -> tuple[Request, ...]:
        """One request per symbol: the venue takes no list, and all symbols at once are far more than is asked."""
        root = f"{self.rest_url}/api/v2/spot/market/tickers?symbol="
        return tuple(Request(url=root + url_quote(s, safe=""), symbols=(s,)) for s in symbols)

    def parse_reply(self, request: Request, body: bytes) -> tuple[Tick, ...]:
        """Read the ticker of the one symbol asked."""
        message = values.load(body)
        return tuple(values.tick(s, partial(_asked, s, message)) for s in request.symbols)

    def listing(self, symbol: str) -> Listing:
        """``ETHUSDT``; ``ETHPERP``, ``ETHUSD`` and ``ETHUSDH26`` are contracts."""
        return spelling.joined_or_margined(symbol, quotes=_QUOTES)

    def book_request(self, symbol: str) -> Request:
        """As many levels as the venue gives, each price by itself."""
        path = f"/api/v2/spot/market/orderbook?symbol={url_quote(symbol, safe='')}&type=step0&limit={_LEVELS}"
        return Request(url=self.rest_url + path, symbols=(symbol,))

    def parse_book(self, request: Request, body: bytes) -> Book:
        """``bids`` and ``asks`` of [price, size]; the reply does not name its symbol."""
        del request
        row = _data(values.load(body))
        stated = values.member(row, "ts")
        stated_at_ms = None if stated is None else values.time_ms(stated)
        return order_book.read(values.member(row, "bids"), values.member(row, "asks"), stated_at_ms=stated_at_ms)


def _subscriptions(channel: str, symbols: Sequence[str]) -> tuple[str, ...]:
    args = [{"instType": "SPOT", "channel": channel, "instId": s} for s in symbols]
    groups = (args[i : i + _PER_MESSAGE] for i in range(0, len(args), _PER_MESSAGE))
    return tuple(json.dumps({"op": "subscribe", "args": group}) for group in groups)


def _said(frame: str | bytes, wanted: str) -> tuple[str, Any]:
    """Symbol and message of a channel, or its error; None for an acknowledgement."""
    if frame in ("pong", b"pong"):
        return "", None
    message = values.load(frame)
    if isinstance(message, Mapping) and "event" in message:
        return _control(message)
    arg = values.member(message, "arg")
    kind, channel = values.member(arg, "instType"), values.member(arg, "channel")
    symbol = values.text(values.member(arg, "instId"))
    if (kind, channel) != ("SPOT", wanted):
        raise Malformed("unknown channel", channel=values.printable(channel), kind=values.printable(kind))
    return symbol, message


def _trade(row: Any) -> VenueTrade:
    price, size, at, number = (values.member(row, k) for k in ("price", "size", "ts", "tradeId"))
    return values.trade(price, size, at_ms=values.time_ms(at), trade_id=number)


def _quote(symbol: str, name: str, message: Any) -> Quote:
    row = values.item(values.member(message, "data"), 0)
    named = values.member(row, name)
    if named != symbol:
        raise WrongSymbol("the row is about another symbol", asked=symbol, got=values.printable(named))
    bid, ask = values.member(row, "bidPr"), values.member(row, "askPr")
    stated = row.get("ts")
    stated_at_ms = None if stated is None else values.time_ms(stated)
    return values.book_quote(bid, ask, last=row.get("lastPr"), volume=row.get("baseVolume"), stated_at_ms=stated_at_ms)


def _data(message: Any) -> Any:
    if values.member(message, "code") != "00000":
        raise _error(message)
    return values.member(message, "data")


def _asked(symbol: str, message: Any) -> Quote:
    _data(message)
    return _quote(symbol, "symbol", message)


def _control(message: Mapping[str, Any]) -> tuple[str, FeedError | None]:
    """Symbol and error of a refused subscription; None for an acknowledgement."""
    if message["event"] == "subscribe":
        return "", None
    error = _error(message)
    arg = message.get("arg")
    symbol = arg.get("instId") if isinstance(arg, Mapping) else None
    if not isinstance(symbol, str):
        raise error
    return symbol, error


def _error(message: Mapping[str, Any]) -> FeedError:
    code, text = values.printable(message.get("code")), values.printable(message.get("msg", ""))
    if code in _UNKNOWN:
        return WrongSymbol(text, code=code)
    return (RateLimited if code in _TOO_FAST else Refused)(text, code=code)
