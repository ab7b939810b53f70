"""Bitstamp spot: ``order_book`` with ``live_trades``, the REST ticker and order book.

Source: bitstamp.net/websocket/v2 ("Channels", "Heartbeat", "Forced reconnection") and bitstamp.net/api ("Get market
ticker", "Get order book"). There is no ticker channel. ``order_book`` sends its best 100 levels with each message, so there is no book to
keep and no gap to fall into, where ``diff_order_book`` sends changes without a sequence. Times of the stream are texts of
microseconds, and may be null. Trades carry price and amount as a number and as a text: the text is taken. The stream has no 24 h
volume; REST has it. Its time is in whole seconds [unconfirmed: of the reply, or of the last trade], and it names no
symbol. A market that does not exist is acknowledged and silent, and REST answers 404. The REST book is the whole one: of it
the best 5,000 levels of each side are read, which is more than 2 % of any market.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import quote as url_quote

from feeds.decode import order_book, spelling, values
from feeds.errors import FeedError, Malformed, Refused, Unreachable
from feeds.streams.two_channels import BookTop, LastTrade, Part, TwoChannels
from feeds.streams.venue import PlainSession, Session, VenueLimits
from feeds.types import Book, Instrument, Listing, Quote, Request, Tick, TradeTick, VenueTrade

_LIMITS = VenueLimits(
    symbols_per_connection=50, connect_interval_ms=1_000, message_interval_ms=20, ping_ms=20_000, requests_per_s=10
)
_BOOK, _TRADES = "order_book_", "live_trades_"
_PERPETUAL = "-perp"
_US_PER_S = 1_000_000
_LEVELS = 5_000
_QUOTES = ("USD", "EUR", "GBP", "USDT", "USDC", "BTC", "ETH", "PAX")
_QUIET = ("bts:subscription_succeeded", "bts:unsubscription_succeeded", "bts:heartbeat")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bitstamp(PlainSession):
    """Symbols in lower case: ``ethusd``."""

    name: str = "bitstamp"
    ws_url: str = "wss://ws.bitstamp.net"
    rest_url: str = "https://www.bitstamp.net"
    limits: VenueLimits = _LIMITS
    ping_text = '{"event":"bts:heartbeat"}'

    def subscribe(self, symbols: Sequence[str], now_ms: int) -> tuple[str, ...]:
        """Two messages per symbol, the trades first: a message carries one channel."""
        del now_ms
        channels = (channel + s for s in symbols for channel in (_TRADES, _BOOK))
        return tuple(json.dumps({"event": "bts:subscribe", "data": {"channel": c}}) for c in channels)

    def session(self) -> Session:
        """Return a reader that remembers the last trade."""
        return TwoChannels(_parts, self.ping_text)

    def subscribe_trades(self, symbols: Sequence[str], now_ms: int) -> tuple[str, ...]:
        """One message per symbol."""
        del now_ms
        return tuple(json.dumps({"event": "bts:subscribe", "data": {"channel": _TRADES + s}}) for s in symbols)

    def parse_trades(self, frame: str | bytes) -> tuple[TradeTick, ...]:
        """Read one stream message.

        Raises:
            Refused: an error of the venue; it names no symbol.
            Unreachable: the venue asks to reconnect.
            Malformed: a message that was not subscribed, or not a message at all.
        """
        channel = _channel(values.load(frame), ("trade",))
        return () if channel is None else (values.trade_tick(channel[1], partial(_trade, channel[2])),)

    def request(self, symbols: Sequence[str]) -> tuple[Request, ...]:
        """One request per symbol."""
        root = f"{self.rest_url}/api/v2/ticker/"
        return tuple(Request(url=f"{root}{url_quote(s, safe='')}/", symbols=(s,)) for s in symbols)

    def parse_reply(self, request: Request, body: bytes) -> tuple[Tick, ...]:
        """Read a ticker. The reply does not name its symbol: the request does."""
        message = values.load(body)
        return tuple(values.tick(s, partial(_asked, message)) for s in request.symbols)

    def listing(self, symbol: str) -> Listing:
        """``ethusd``; ``ethusd-perp`` is perpetual."""
        pair, mark, rest = symbol.partition(_PERPETUAL)
        if not mark or rest:
            return spelling.joined(symbol, quotes=_QUOTES)
        found = spelling.joined(pair, quotes=_QUOTES)
        return Listing(base=found.base, quote=found.quote, instrument=Instrument.PERPETUAL)

    def book_request(self, symbol: str) -> Request:
        """The whole book, its equal prices added up: the venue has nothing shorter."""
        url = f"{self.rest_url}/api/v2/order_book/{url_quote(symbol, safe='')}/?group=1"
        return Request(url=url, symbols=(symbol,))

    def parse_book(self, request: Request, body: bytes) -> Book:
        """``bids`` and ``asks`` of [price, amount], the best first; the reply does not name its symbol."""
        del request
        message = order_book.load(body)
        _check(message)
        bids, asks = (order_book.best(values.member(message, side), _LEVELS) for side in ("bids", "asks"))
        stated = message.get("microtimestamp")
        stated_at_ms = None if stated is None else values.time_ms(stated, per_s=_US_PER_S)
        return order_book.read(bids, asks, stated_at_ms=stated_at_ms)


def _parts(frame: str | bytes) -> tuple[Part, ...]:
    """Read one stream message of a connection of quotes; raises as :meth:`Bitstamp.parse_trades`."""
    channel = _channel(values.load(frame), ("data", "trade"))
    return () if channel is None else (_part(*channel),)


def _channel(message: Any, events: tuple[str, ...]) -> tuple[str, str, Any] | None:
    """Event, symbol and data of a stream's message; None for an acknowledgement."""
    event = values.text(values.member(message, "event"))
    if event in _QUIET:
        return None
    if event == "bts:request_reconnect":
        raise Unreachable("the venue asks for a new connection")
    data = values.member(message, "data")
    if event == "bts:error":
        text = data if isinstance(data, Mapping) else {}
        raise Refused(values.printable(text.get("message", "")), code=values.printable(text.get("code")))
    channel = values.text(values.member(message, "channel"))
    head = {"data": _BOOK, "trade": _TRADES}.get(event) if event in events else None
    if head is None or not channel.startswith(head) or channel == head:
        raise Malformed("not what was subscribed", event=values.printable(event), channel=values.printable(channel))
    return event, channel.removeprefix(head), data


def _part(event: str, symbol: str, data: Any) -> Part:
    """Return half a quote, or what is wrong with it: the symbol's, not the whole stream's."""
    try:
        stated = values.member(data, "microtimestamp")
        at_ms = None if stated is None else values.time_ms(stated, per_s=_US_PER_S)
        if event == "trade":
            return LastTrade(symbol=symbol, last=values.text(values.member(data, "price_str")), stated_at_ms=at_ms)
        bid, ask = (values.item(values.item(values.member(data, side), 0), 0) for side in ("bids", "asks"))
    except FeedError as e:
        return Tick(symbol=symbol, result=e)
    return BookTop(symbol=symbol, bid=bid, ask=ask, stated_at_ms=at_ms)


def _trade(data: Any) -> VenueTrade:
    price, amount, at, number = (values.member(data, k) for k in ("price_str", "amount_str", "microtimestamp", "id"))
    at_ms = values.time_ms(at, per_s=_US_PER_S)
    return values.trade(values.text(price), values.text(amount), at_ms=at_ms, trade_id=number)


def _check(row: Any) -> None:
    if isinstance(row, Mapping) and (row.get("status") == "error" or "error" in row):
        raise Refused(values.printable(row.get("reason", row.get("error", ""))), code=values.printable(row.get("code")))


def _asked(row: Any) -> Quote:
    _check(row)
    bid, ask = values.member(row, "bid"), values.member(row, "ask")
    stated = row.get("timestamp")
    stated_at_ms = None if stated is None else values.time_ms(stated, per_s=1)
    return values.book_quote(bid, ask, last=row.get("last"), volume=row.get("volume"), stated_at_ms=stated_at_ms)
