"""Kraken spot: ``ticker`` and ``trade`` channels of WebSocket v2, the REST ticker and order book.

Source: docs.kraken.com/exchange (spot WebSocket v2 "ticker" and "trade"; REST "Get Ticker Information" and "Get Order
Book"). Prices of the stream are JSON numbers. A time in the ticker is used where the venue gives one; older interfaces do
not. A subscription to trades begins with the last 50, under their own ids; ``qty`` is in base units. The order book has 500
levels a side: 2 % of a staking token, about 1 % of the largest pairs.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import quote as url_quote

from feeds.decode import order_book, spelling, values
from feeds.errors import FeedError, Malformed, Refused, WrongSymbol
from feeds.streams.venue import PlainSession, VenueLimits
from feeds.types import Book, Instrument, Listing, Quote, Request, Tick, TradeTick, VenueTrade

_LIMITS = VenueLimits(symbols_per_connection=100, connect_interval_ms=5_000, requests_per_s=1)
_BOOK_LEVELS = 500
_DERIVATIVES = {
    "PF": Instrument.PERPETUAL,
    "PI": Instrument.PERPETUAL,
    "FF": Instrument.FUTURE,
    "FI": Instrument.FUTURE,
}
"""What symbols of the venue's futures begin with: PF_ETHUSD."""
_OLD_NAMES = {"BTC": "XBT", "DOGE": "XDG"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Kraken(PlainSession):
    """Symbols as WebSocket v2 writes them: ``ETH/USD``, ``BTC/USD``."""

    name: str = "kraken"
    ws_url: str = "wss://ws.kraken.com/v2"
    rest_url: str = "https://api.kraken.com"
    limits: VenueLimits = _LIMITS

    def subscribe(self, symbols: Sequence[str], now_ms: int) -> tuple[str, ...]:
        """One message. Updates on every change of the best bid or ask, not only on trades: LSTs trade seldom."""
        del now_ms
        params = {"channel": "ticker", "symbol": list(symbols), "event_trigger": "bbo", "snapshot": True}
        return (json.dumps({"method": "subscribe", "params": params}),)

    def parse(self, frame: str | bytes) -> tuple[Tick, ...]:
        """Read one stream message.

        Raises:
            Refused: an error that names no symbol, or a venue that is not online.
            Malformed: a message that was not subscribed, or not a message at all.
        """
        message = values.load(frame)
        if isinstance(message, Mapping) and "method" in message:
            return _acknowledged(message)
        return tuple(values.tick(_name(row), partial(_streamed, row)) for row in _rows(message, "ticker"))

    def subscribe_trades(self, symbols: Sequence[str], now_ms: int) -> tuple[str, ...]:
        """One message; the venue answers each symbol by itself."""
        del now_ms
        return (json.dumps({"method": "subscribe", "params": {"channel": "trade", "symbol": list(symbols)}}),)

    def parse_trades(self, frame: str | bytes) -> tuple[TradeTick, ...]:
        """Read one stream message; raises as :meth:`parse`."""
        message = values.load(frame)
        if isinstance(message, Mapping) and "method" in message:
            refused = ((t.symbol, t.result) for t in _acknowledged(message))
            return tuple(TradeTick(symbol=s, result=r) for s, r in refused if isinstance(r, FeedError))
        return tuple(values.trade_tick(_name(row), partial(_trade, row)) for row in _rows(message, "trade"))

    def request(self, symbols: Sequence[str]) -> tuple[Request, ...]:
        """One request per symbol: the reply is keyed by the venue's own spelling, and one unknown pair fails all."""
        pairs = ((s, url_quote(s.replace("/", ""), safe="")) for s in symbols)
        return tuple(Request(url=f"{self.rest_url}/0/public/Ticker?pair={p}", symbols=(s,)) for s, p in pairs)

    def parse_reply(self, request: Request, body: bytes) -> tuple[Tick, ...]:
        """Read the REST ticker of the one symbol asked."""
        message = values.load(body)
        return tuple(values.tick(s, partial(_asked, s, message)) for s in request.symbols)

    def listing(self, symbol: str) -> Listing:
        """``ETH/USD``; ``PF_ETHUSD`` and its like are futures."""
        head, mark, rest = symbol.upper().partition("_")
        if mark and head in _DERIVATIVES:
            pair = spelling.joined(rest.partition("_")[0], quotes=("USD",))
            return Listing(base=pair.base, quote=pair.quote, instrument=_DERIVATIVES[head])
        return spelling.parted(symbol, "/")

    def book_request(self, symbol: str) -> Request:
        """As many levels as the venue gives."""
        pair = url_quote(symbol.replace("/", ""), safe="")
        return Request(url=f"{self.rest_url}/0/public/Depth?pair={pair}&count={_BOOK_LEVELS}", symbols=(symbol,))

    def parse_book(self, request: Request, body: bytes) -> Book:
        """``bids`` and ``asks`` of [price, volume, time]."""
        row = _only_row(request.symbols[0], values.load(body))
        return order_book.read(values.member(row, "bids"), values.member(row, "asks"))


def _rows(message: Any, wanted: str) -> list[Any]:
    """Rows of a channel's message; none of a heartbeat."""
    channel = values.member(message, "channel")
    if channel == wanted:
        rows = values.member(message, "data")
        if not isinstance(rows, list):
            raise Malformed("expected an array", key="data", got=type(rows).__name__)
        return rows
    if channel == "status":
        _check_status(message)
    elif channel != "heartbeat":
        raise Malformed("unknown channel", channel=values.printable(channel))
    return []


def _trade(row: Any) -> VenueTrade:
    values.text(values.member(row, "symbol"))
    price, volume, at, number = (values.member(row, k) for k in ("price", "qty", "timestamp", "trade_id"))
    return values.trade(price, volume, at_ms=values.iso_ms(at), trade_id=number)


def _name(row: Any) -> str:
    """Return the symbol of a row, "" where there is none: the row fails, the others do not."""
    symbol = row.get("symbol") if isinstance(row, Mapping) else None
    return symbol if isinstance(symbol, str) else ""


def _streamed(row: Any) -> Quote:
    values.text(values.member(row, "symbol"))
    bid, ask = values.member(row, "bid"), values.member(row, "ask")
    stated = row.get("timestamp")
    stated_at_ms = None if stated is None else values.iso_ms(stated)
    return values.book_quote(bid, ask, last=row.get("last"), volume=row.get("volume"), stated_at_ms=stated_at_ms)


def _only_row(symbol: str, message: Any) -> Any:
    """The one row of a reply, which must be about the symbol."""
    errors = values.member(message, "error")
    if errors:
        raise _error(str(errors))
    result = values.member(message, "result")
    if not isinstance(result, Mapping) or len(result) != 1:
        raise Malformed("expected the ticker of one pair", got=type(result).__name__)
    key, row = next(iter(result.items()))
    if key not in _spellings(symbol):
        raise WrongSymbol("the reply is about another pair", asked=symbol, got=values.printable(key))
    return row


def _asked(symbol: str, message: Any) -> Quote:
    row = _only_row(symbol, message)
    bid, ask, last = (values.item(values.member(row, k), 0) for k in "bac")
    volume = values.item(row["v"], 1) if row.get("v") is not None else None
    return values.book_quote(bid, ask, last=last, volume=volume)


def _spellings(symbol: str) -> frozenset[str]:
    """Keys under which the venue may answer: ETH/USD is XETHZUSD or ETHUSD, BTC/USD is XXBTZUSD."""
    base, _, quote = symbol.partition("/")
    bases = {b for name in (base, _OLD_NAMES.get(base, base)) for b in (name, f"X{name}")}
    quotes = {q for name in (quote, _OLD_NAMES.get(quote, quote)) for q in (name, f"Z{name}", f"X{name}")}
    return frozenset(b + q for b in bases for q in quotes) | {symbol}


def _acknowledged(message: Mapping[str, Any]) -> tuple[Tick, ...]:
    if message.get("success") is True or message["method"] == "pong":
        return ()
    error = _error(str(message.get("error", "not acknowledged")))
    symbol = message.get("symbol")
    if not isinstance(symbol, str):
        raise error
    return (Tick(symbol=symbol, result=error),)


def _check_status(message: Any) -> None:
    system = values.member(values.item(values.member(message, "data"), 0), "system")
    if system != "online":
        raise Refused("the venue is not online", system=values.printable(system))


def _error(text: str) -> FeedError:
    unknown = "pair not supported" in text or "Unknown asset pair" in text
    return WrongSymbol(values.printable(text)) if unknown else Refused(values.printable(text))
