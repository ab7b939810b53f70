"""Binance spot: ``<symbol>@ticker`` and ``<symbol>@aggTrade`` of the combined stream, the REST 24 h ticker and order book.

Source: github.com/binance/binance-spot-api-docs (web-socket-streams, rest-api). ``@ticker`` and not ``@bookTicker``:
it carries the event time, without which a stream that lags by minutes looks fresh, and last trade and volume beside
bid and ask, once a second. ``@bookTicker`` messages are understood too. An unknown stream is acknowledged and silent.
``@aggTrade`` is one message for all that one order took at one price, in base units; nothing of the past comes on
subscribing. The order book is read 1,000 levels a side: 2 % of a staking token, below 1 % of the largest pairs.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import quote as url_quote

from feeds.decode import order_book, spelling, values
from feeds.errors import Malformed, Refused, Unreachable, WrongSymbol
from feeds.streams.venue import PlainSession, VenueLimits
from feeds.types import Book, Instrument, Listing, Quote, Request, Tick, TradeTick, VenueTrade

_LIMITS = VenueLimits(symbols_per_connection=200, connect_interval_ms=1_000, life_ms=84_600_000, requests_per_s=5)
_STREAM = ("b", "a", "c", "v", "E")
_REST = ("bidPrice", "askPrice", "lastPrice", "volume", "closeTime")
_TRADES = "aggTrade"
_BOOK_LEVELS = 1_000
"""5,000 levels would cost 250 of the venue's request weight a minute, 1,000 cost 50."""
_QUOTES = (
    "USDT", "USDC", "FDUSD", "TUSD", "BUSD", "USDE", "USD1", "DAI", "EURI", "AEUR", "EUR", "GBP", "TRY", "BRL", "JPY",
    "ARS", "MXN", "PLN", "RON", "CZK", "UAH", "ZAR", "IDR", "COP", "AUD", "RUB", "NGN", "BTC", "ETH", "BNB", "SOL", "XRP",
    "TRX", "DOGE", "DOT",
)  # fmt: skip
"""Of its spot pairs: none is quoted in USD, in which its futures on coins are."""
_SYMBOLS_PER_REQUEST = 20
"""Up to 20 symbols cost 2 of the venue's request weight, 21 cost 40."""
_UNKNOWN = -1121


@dataclass(frozen=True, slots=True, kw_only=True)
class Binance(PlainSession):
    """Symbols in upper case: ``WBETHUSDT``. ``channel`` is ``ticker`` or ``bookTicker``."""

    name: str = "binance"
    ws_url: str = "wss://stream.binance.com:9443/stream"
    rest_url: str = "https://api.binance.com"
    channel: str = "ticker"
    limits: VenueLimits = _LIMITS

    def subscribe(self, symbols: Sequence[str], now_ms: int) -> tuple[str, ...]:
        """One message for all streams; stream names are in lower case."""
        del now_ms
        params = [f"{s.lower()}@{self.channel}" for s in symbols]
        return (json.dumps({"method": "SUBSCRIBE", "params": params, "id": 1}),)

    def parse(self, frame: str | bytes) -> tuple[Tick, ...]:
        """Read one stream message.

        Raises:
            Refused: an error message of the venue.
            Unreachable: the venue announces that it will close this connection.
            WrongSymbol: the stream's name and the data's symbol differ.
            Malformed: a message of a stream that was not subscribed, or not a message at all.
        """
        named = _data(values.load(frame), ("ticker", "bookTicker"))
        return () if named is None else (values.tick(named[0], partial(_quote, _STREAM, named[1])),)

    def subscribe_trades(self, symbols: Sequence[str], now_ms: int) -> tuple[str, ...]:
        """One message for all streams."""
        del now_ms
        params = [f"{s.lower()}@{_TRADES}" for s in symbols]
        return (json.dumps({"method": "SUBSCRIBE", "params": params, "id": 1}),)

    def parse_trades(self, frame: str | bytes) -> tuple[TradeTick, ...]:
        """Read one stream message; raises as :meth:`parse`."""
        named = _data(values.load(frame), (_TRADES,))
        return () if named is None else (values.trade_tick(named[0], partial(_trade, named[1])),)

    def request(self, symbols: Sequence[str]) -> tuple[Request, ...]:
        """One request per 20 symbols. The venue refuses a whole request in which one symbol is unknown."""
        root = f"{self.rest_url}/api/v3/ticker/24hr?symbols="
        size = _SYMBOLS_PER_REQUEST
        groups = (tuple(symbols[i : i + size]) for i in range(0, len(symbols), size))
        named = ((url_quote(json.dumps(g, separators=(",", ":")), safe=""), g) for g in groups)
        return tuple(Request(url=root + names, symbols=g) for names, g in named)

    def parse_reply(self, request: Request, body: bytes) -> tuple[Tick, ...]:
        """Read the 24 h tickers; a symbol that was asked and is not there is WrongSymbol."""
        message = values.load(body)
        if isinstance(message, Mapping):
            _control(message)
        if not isinstance(message, list):
            raise Malformed("expected an array", got=type(message).__name__)
        rows = {str(row["symbol"]): row for row in message if isinstance(row, Mapping) and "symbol" in row}
        return tuple(values.tick(s, partial(_quote, _REST, rows.get(s))) for s in request.symbols)

    def listing(self, symbol: str) -> Listing:
        """``ETHUSDT``; ``ETHUSD_PERP`` and ``ETHUSDT_260626`` are its futures."""
        pair, _, term = symbol.partition("_")
        if not term:
            return spelling.joined(symbol, quotes=_QUOTES)
        found = spelling.joined(pair, quotes=("USD", "USDT", "USDC"))
        kind = Instrument.PERPETUAL if term.upper() == "PERP" else Instrument.FUTURE
        return Listing(base=found.base, quote=found.quote, instrument=kind)

    def book_request(self, symbol: str) -> Request:
        """1,000 levels of each side."""
        url = f"{self.rest_url}/api/v3/depth?symbol={url_quote(symbol, safe='')}&limit={_BOOK_LEVELS}"
        return Request(url=url, symbols=(symbol,))

    def parse_book(self, request: Request, body: bytes) -> Book:
        """``bids`` and ``asks`` of [price, quantity]; the reply names neither its symbol nor its time."""
        del request
        message = values.load(body)
        if isinstance(message, Mapping) and "bids" not in message:
            _control(message)
        return order_book.read(values.member(message, "bids"), values.member(message, "asks"))


def _data(message: Any, channels: tuple[str, ...]) -> tuple[str, Any] | None:
    """Symbol and data of a stream's message; None for an acknowledgement."""
    if isinstance(message, Mapping) and "stream" not in message:
        _control(message)
        return None
    stream, data = values.text(values.member(message, "stream")), values.member(message, "data")
    if isinstance(data, Mapping) and data.get("e") == "serverShutdown":
        _control(data)
        return None
    name, _, channel = stream.partition("@")
    if channel not in channels:
        raise Malformed("unknown stream", stream=values.printable(stream))
    symbol = values.text(values.member(data, "s"))
    if symbol.lower() != name:
        raise WrongSymbol("stream and symbol differ", stream=values.printable(stream), symbol=values.printable(symbol))
    return symbol, data


def _trade(row: Any) -> VenueTrade:
    price, volume, at, number = (values.member(row, k) for k in ("p", "q", "T", "a"))
    return values.trade(price, volume, at_ms=values.time_ms(at), trade_id=number)


def _quote(keys: tuple[str, ...], row: Any) -> Quote:
    if row is None:
        raise WrongSymbol("the reply does not hold the symbol that was asked")
    bid, ask = (values.member(row, k) for k in keys[:2])
    last, volume, stated = (row.get(k) for k in keys[2:])
    stated_at_ms = None if stated is None else values.time_ms(stated)
    return values.book_quote(bid, ask, last=last, volume=volume, stated_at_ms=stated_at_ms)


def _control(message: Mapping[str, Any]) -> tuple[Tick, ...]:
    if message.get("e") == "serverShutdown":
        raise Unreachable("the venue announces that it will close the connection")
    error = message.get("error", message)
    if isinstance(error, Mapping) and ("code" in error or "error" in message):
        kind = WrongSymbol if error.get("code") == _UNKNOWN else Refused
        raise kind(values.printable(error.get("msg", "")), code=values.printable(error.get("code")))
    if message.get("result", message) is None:
        return ()
    raise Malformed("neither data nor an acknowledgement", keys=values.printable(sorted(message)))
