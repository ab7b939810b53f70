"""Coinbase Exchange: ``ticker`` and ``matches`` streams, and the product book.

Source: docs.cdp.coinbase.com/exchange (WebSocket channels; REST "Get product book"). A ticker is made by a match: its bid and
ask are those of that moment, also in the one that a subscription begins with, and its time is the match's. So a product
that nobody trades has an old quote though its book stands, and its heartbeats say nothing of the book. Then the best level
of the book is asked for, which states its own time; it has neither last trade nor volume. USD and USDC products are one and the same book there: list only one of the two. A subscription to ``matches`` begins with the last
one, under its own id and time; what is traded by request for quote has a channel of its own and is not among them. The
book is the whole one, of which the best 5,000 levels of each side are read: 2 % and more of any product. In an auction
it shows what may be matched and not what is offered: then there is no book.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import quote as url_quote

from feeds.decode import order_book, spelling, values
from feeds.errors import FeedError, Malformed, NoData, Refused, WrongSymbol
from feeds.streams.venue import PlainSession, VenueLimits
from feeds.types import Book, Instrument, Listing, Quote, Request, Tick, TradeTick, VenueTrade

_LIMITS = VenueLimits(symbols_per_connection=50, connect_interval_ms=1_000, requests_per_s=5)
_UNKNOWN = " is not a valid product"
_MATCHES = ("match", "last_match")
_LEVELS = 5_000
_DATED = "CDE"
"""What symbols of its futures end with: BIT-27MAR26-CDE."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Coinbase(PlainSession):
    """Symbols as the venue writes them: ``CBETH-USD``."""

    name: str = "coinbase"
    ws_url: str = "wss://ws-feed.exchange.coinbase.com"
    rest_url: str = "https://api.exchange.coinbase.com"
    limits: VenueLimits = _LIMITS

    def subscribe(self, symbols: Sequence[str], now_ms: int) -> tuple[str, ...]:
        """One message per product: the venue ignores a whole message in which one product is unknown."""
        del now_ms
        channels = ["ticker", "heartbeat"]
        return tuple(json.dumps({"type": "subscribe", "product_ids": [s], "channels": channels}) for s in symbols)

    def parse(self, frame: str | bytes) -> tuple[Tick, ...]:
        """Read one stream message.

        Raises:
            Refused: an error message of the venue that names no product.
            Malformed: a message of a type that was not subscribed, or not a message at all.
        """
        message = values.load(frame)
        kind = values.member(message, "type")
        if kind == "ticker":
            symbol = values.text(values.member(message, "product_id"))
            return (values.tick(symbol, partial(_quote, message)),)
        if kind in ("heartbeat", "subscriptions"):
            return ()
        if kind == "error":
            symbol, error = _refusal(message)
            return (Tick(symbol=symbol, result=error),)
        raise Malformed("unknown message type", type=values.printable(kind))

    def subscribe_trades(self, symbols: Sequence[str], now_ms: int) -> tuple[str, ...]:
        """One message per product, as for quotes; heartbeats show that the stream lives while nothing trades."""
        del now_ms
        channels = ["matches", "heartbeat"]
        return tuple(json.dumps({"type": "subscribe", "product_ids": [s], "channels": channels}) for s in symbols)

    def parse_trades(self, frame: str | bytes) -> tuple[TradeTick, ...]:
        """Read one stream message; raises as :meth:`parse`."""
        message = values.load(frame)
        kind = values.member(message, "type")
        if kind in _MATCHES:
            symbol = values.text(values.member(message, "product_id"))
            return (values.trade_tick(symbol, partial(_trade, message)),)
        if kind in ("heartbeat", "subscriptions"):
            return ()
        if kind == "error":
            symbol, error = _refusal(message)
            return (TradeTick(symbol=symbol, result=error),)
        raise Malformed("unknown message type", type=values.printable(kind))

    def request(self, symbols: Sequence[str]) -> tuple[Request, ...]:
        """One request per product, of the best level of its book."""
        paths = ((s, f"/products/{url_quote(s, safe='')}/book?level=1") for s in symbols)
        return tuple(Request(url=self.rest_url + path, symbols=(s,)) for s, path in paths)

    def parse_reply(self, request: Request, body: bytes) -> tuple[Tick, ...]:
        """Read the best level of a book. The reply does not name its product: the request does."""
        message = values.load(body)
        return tuple(values.tick(s, partial(_asked, message)) for s in request.symbols)

    def listing(self, symbol: str) -> Listing:
        """``ETH-USD``; ``ETH-PERP`` and ``BIT-27MAR26-CDE`` are contracts."""
        coin, _, rest = symbol.upper().partition("-")
        if coin and rest == "PERP":
            return Listing(base=coin, quote="USDC", instrument=Instrument.PERPETUAL)
        if rest.endswith("-" + _DATED):
            return Listing(base=None, quote=None, instrument=Instrument.FUTURE)
        return spelling.parted(symbol, "-")

    def book_request(self, symbol: str) -> Request:
        """The whole book, aggregated: the venue has nothing between it and the best level."""
        url = f"{self.rest_url}/products/{url_quote(symbol, safe='')}/book?level=2"
        return Request(url=url, symbols=(symbol,))

    def parse_book(self, request: Request, body: bytes) -> Book:
        """``bids`` and ``asks`` of [price, size, orders], the best first; the reply does not name its product."""
        del request
        message = order_book.load(body)
        _check(message)
        bids, asks = (order_book.best(values.member(message, side), _LEVELS) for side in ("bids", "asks"))
        stated = message.get("time")
        return order_book.read(bids, asks, stated_at_ms=None if stated is None else values.iso_ms(stated))


def _check(row: Any) -> None:
    if isinstance(row, Mapping) and "message" in row:
        raise Refused(values.printable(row["message"]))
    if isinstance(row, Mapping) and row.get("auction_mode") is True:
        raise NoData("the product is in an auction")


def _quote(row: Any) -> Quote:
    bid, ask = values.member(row, "best_bid"), values.member(row, "best_ask")
    last, volume, stated = (row.get(k) for k in ("price", "volume_24h", "time"))
    stated_at_ms = None if stated is None else values.iso_ms(stated)
    return values.book_quote(bid, ask, last=last, volume=volume, stated_at_ms=stated_at_ms)


def _asked(book: Any) -> Quote:
    _check(book)
    sides = [values.member(book, side) for side in ("bids", "asks")]
    if [] in sides:
        raise NoData("a side of the book is empty")
    bid, ask = (values.item(values.item(side, 0), 0) for side in sides)
    stated = book.get("time")
    return values.book_quote(bid, ask, stated_at_ms=None if stated is None else values.iso_ms(stated))


def _refusal(message: Any) -> tuple[str, FeedError]:
    """Product and error of a refused subscription; raises Refused where it names no product."""
    reason = values.printable(message.get("reason", ""))
    symbol, unknown, _ = reason.partition(_UNKNOWN)
    if unknown and symbol:
        return symbol, WrongSymbol(reason)
    raise Refused(": ".join(p for p in (values.printable(message.get("message", "error")), reason) if p))


def _trade(row: Any) -> VenueTrade:
    price, size, at, number = (values.member(row, k) for k in ("price", "size", "time", "trade_id"))
    return values.trade(price, size, at_ms=values.iso_ms(at), trade_id=number)
