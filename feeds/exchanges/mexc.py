"""MEXC spot: book ticker with mini ticker, and trades, all protobuf; the REST 24 h ticker and order book.

Source: mexc.com/api-docs/spot-v3 (WebSocket "Individual Symbol Book Ticker Streams", "MiniTicker", "Trade Streams",
"PING/PONG Mechanism"; REST "24hr Ticker Price Change Statistics", "Order Book"); field numbers:
github.com/mexcdevelop/websocket-proto. Of the wrapper: channel 1, symbol 3, sendTime 6, publicMiniTicker 309,
publicAggreDeals 314, publicAggreBookTicker 315; of the mini ticker: symbol 1, price 2, quantity 8 (base units; 7 is
turnover); of the book ticker: bidPrice 1, askPrice 3; of the deals: deals 1, each with price 1, quantity 2 (base units),
time 4 and, since 2025, tradeId 5. Numbers are texts. The book
ticker sends only when the book changes, the mini ticker every 3 s: a book that stands still for a minute counts as
silent. Control messages are JSON, and a refusal has code 0 as a success has: only its text tells. Symbols listed on no
market are believed to be refused so [unconfirmed].

The channel of trades is called aggregated because it sends every 100 ms what came in them: each deal has one buyer and one
seller, and nothing of the past comes on subscribing. The order book has up to 5,000 levels a side, beyond 2 % for all but
the largest pairs; it names no symbol, and its time is undocumented and read where it is there.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeGuard
from urllib.parse import quote as url_quote

from feeds.decode import order_book, protobuf, spelling, values
from feeds.errors import FeedError, Malformed, Refused, WrongSymbol
from feeds.streams.two_channels import BookTop, LastTrade, Part, TwoChannels
from feeds.streams.venue import PlainSession, Session, VenueLimits, refused_trades
from feeds.types import Book, Instrument, Listing, Quote, Request, Tick, TradeTick, VenueTrade

_LIMITS = VenueLimits(
    symbols_per_connection=15,
    connect_interval_ms=1_000,
    message_interval_ms=100,
    life_ms=84_600_000,
    ping_ms=20_000,
    requests_per_s=10,
)
_BOOK, _MINI = "spot@public.aggre.bookTicker.v3.api.pb@100ms@", "spot@public.miniTicker.v3.api.pb@"
_DEALS = "spot@public.aggre.deals.v3.api.pb@100ms@"
_WINDOW = "@24H"
_SYMBOL, _SENT, _MINI_BODY, _DEALS_BODY, _BOOK_BODY = 3, 6, 309, 314, 315
_PRICE, _QUANTITY, _TIME, _ID = 1, 2, 4, 5
_MOST_DEALS = 20_000
"""In one message: no market deals as much in 100 ms."""
_BOOK_LEVELS = 5_000
_QUOTES = tuple(q for q in spelling.QUOTES if q != "USD")
"""The venue has no pair in dollars."""
_REFUSED = "Not Subscribed successfully"
_UNKNOWN = -1121


@dataclass(frozen=True, slots=True, kw_only=True)
class Mexc(PlainSession):
    """Symbols in upper case: ``ETHUSDT``. A connection carries 30 subscriptions, a symbol takes two."""

    name: str = "mexc"
    ws_url: str = "wss://wbs-api.mexc.com/ws"
    rest_url: str = "https://api.mexc.com"
    limits: VenueLimits = _LIMITS
    ping_text = '{"method":"PING"}'

    def subscribe(self, symbols: Sequence[str], now_ms: int) -> tuple[str, ...]:
        """One message per symbol."""
        del now_ms
        channels = ([f"{_MINI}{s}{_WINDOW}", f"{_BOOK}{s}"] for s in symbols)
        return tuple(json.dumps({"method": "SUBSCRIPTION", "params": params}) for params in channels)

    def subscribe_trades(self, symbols: Sequence[str], now_ms: int) -> tuple[str, ...]:
        """One message per symbol."""
        del now_ms
        return tuple(json.dumps({"method": "SUBSCRIPTION", "params": [f"{_DEALS}{s}"]}) for s in symbols)

    def parse_trades(self, frame: str | bytes) -> tuple[TradeTick, ...]:
        """Read one stream message.

        Raises:
            Refused: an error that names no symbol.
            WrongSymbol: channel and symbol differ.
            Malformed: a message that was not subscribed, or not a message at all.
        """
        if not _is_binary(frame):
            return refused_trades(_control(values.load(frame)))
        message = protobuf.fields(frame)
        symbol, _ = _named_message(message, (_DEALS,))
        body = protobuf.message_at(message, _DEALS_BODY, most=_MOST_DEALS)
        if body is None:
            raise Malformed("a message without its body", symbol=values.printable(symbol))
        return tuple(values.trade_tick(symbol, partial(_trade, deal)) for deal in protobuf.parts_at(body, 1))

    def session(self) -> Session:
        """Return a reader that remembers last trade and volume."""
        return TwoChannels(_parts, self.ping_text)

    def request(self, symbols: Sequence[str]) -> tuple[Request, ...]:
        """One request per symbol: a list is not taken, and all symbols at once are far more than is asked."""
        root = f"{self.rest_url}/api/v3/ticker/24hr?symbol="
        return tuple(Request(url=root + url_quote(s, safe=""), symbols=(s,)) for s in symbols)

    def parse_reply(self, request: Request, body: bytes) -> tuple[Tick, ...]:
        """Read the 24 h ticker of the one symbol asked."""
        message = values.load(body)
        return tuple(values.tick(s, partial(_asked, s, message)) for s in request.symbols)

    def listing(self, symbol: str) -> Listing:
        """``ETHUSDT``; ``ETH_USDT`` is a perpetual."""
        if "_" not in symbol:
            return spelling.joined(symbol, quotes=_QUOTES)
        pair = spelling.parted(symbol, "_")
        return Listing(base=pair.base, quote=pair.quote, instrument=Instrument.PERPETUAL)

    def book_request(self, symbol: str) -> Request:
        """As many levels as the venue gives; they cost no more of its weight than one."""
        root = f"{self.rest_url}/api/v3/depth?symbol="
        return Request(url=f"{root}{url_quote(symbol, safe='')}&limit={_BOOK_LEVELS}", symbols=(symbol,))

    def parse_book(self, request: Request, body: bytes) -> Book:
        """``bids`` and ``asks`` of [price, quantity]."""
        del request
        message = order_book.load(body)
        _check(message)
        bids, asks, stated = values.member(message, "bids"), values.member(message, "asks"), message.get("timestamp")
        return order_book.read(bids, asks, stated_at_ms=None if stated is None else values.time_ms(stated))


def _parts(frame: str | bytes) -> tuple[Part, ...]:
    """Read one stream message.

    Raises:
        Refused: an error that names no symbol.
        WrongSymbol: channel and symbol differ.
        Malformed: a message that was not subscribed, or not a message at all.
    """
    if not _is_binary(frame):
        return _control(values.load(frame))
    message = protobuf.fields(frame)
    symbol, channel = _named_message(message, (_BOOK, _MINI))
    try:
        return (_part(message, symbol, is_book=channel.startswith(_BOOK)),)
    except FeedError as e:
        return (Tick(symbol=symbol, result=e),)


def _is_binary(frame: str | bytes) -> TypeGuard[bytes]:
    """Whether a frame is protobuf, which never begins with a brace; else it is JSON."""
    return not isinstance(frame, str) and frame[:1] not in (b"", b"{")


def _named_message(message: protobuf.Fields, wanted: tuple[str, ...]) -> tuple[str, str]:
    """Symbol and channel of a message, which must be of a channel that was subscribed, and of one symbol."""
    channel, symbol = protobuf.text_at(message, 1) or "", protobuf.text_at(message, _SYMBOL)
    if symbol is None or not channel.startswith(wanted):
        raise Malformed("not what was subscribed", channel=values.printable(channel))
    if channel not in (_BOOK + symbol, _DEALS + symbol, f"{_MINI}{symbol}{_WINDOW}"):
        raise WrongSymbol(
            "channel and symbol differ", channel=values.printable(channel), symbol=values.printable(symbol)
        )
    return symbol, channel


def _trade(part: bytes | int) -> VenueTrade:
    deal = protobuf.nested(part)
    at_ms = values.time_ms(protobuf.int_at(deal, _TIME))
    price, volume, number = (protobuf.text_at(deal, n) for n in (_PRICE, _QUANTITY, _ID))
    return values.trade(price, volume, at_ms=at_ms, trade_id=number or "")


def _part(message: protobuf.Fields, symbol: str, *, is_book: bool) -> Part:
    body = protobuf.message_at(message, _BOOK_BODY if is_book else _MINI_BODY)
    if body is None:
        raise Malformed("a message without its body", symbol=values.printable(symbol))
    sent = protobuf.int_at(message, _SENT)
    at_ms = None if sent is None else values.time_ms(sent)
    if is_book:
        bid, ask = protobuf.text_at(body, 1), protobuf.text_at(body, 3)
        return BookTop(symbol=symbol, bid=bid, ask=ask, stated_at_ms=at_ms)
    if protobuf.text_at(body, 1) != symbol:
        raise WrongSymbol("the ticker is about another symbol", asked=values.printable(symbol))
    last, volume = protobuf.text_at(body, 2), protobuf.text_at(body, 8)
    return LastTrade(symbol=symbol, last=last, volume=volume, stated_at_ms=at_ms)


def _control(message: Any) -> tuple[Tick, ...]:
    text = values.text(values.member(message, "msg"))
    if message.get("code") == 0 and (text == "PONG" or text.startswith("spot@")):
        return ()
    error = Refused(values.printable(text), code=values.printable(message.get("code")))
    named, _, _ = text.partition("[")[2].partition("]")
    symbols = {_named(channel): None for channel in named.split(",")} if text.startswith(_REFUSED) else {}
    if not symbols or "" in symbols:
        raise error
    return tuple(Tick(symbol=s, result=error) for s in symbols)


def _named(channel: str) -> str:
    """Return the symbol of a channel's name, "" if it has none."""
    known = next((c for c in (_BOOK, _MINI, _DEALS) if channel.startswith(c)), channel)
    return channel.removeprefix(known).removesuffix(_WINDOW)


def _check(message: Any) -> None:
    """Raise the error that a reply of the REST interface is."""
    if isinstance(message, Mapping) and "code" in message:
        text, code = values.printable(message.get("msg", "")), message["code"]
        raise (WrongSymbol if code == _UNKNOWN else Refused)(text, code=values.printable(code))


def _asked(symbol: str, message: Any) -> Quote:
    _check(message)
    named = values.member(message, "symbol")
    if named != symbol:
        raise WrongSymbol("the reply is about another symbol", asked=symbol, got=values.printable(named))
    bid, ask = values.member(message, "bidPrice"), values.member(message, "askPrice")
    stated = message.get("closeTime")
    stated_at_ms = None if stated is None else values.time_ms(stated)
    last, volume = message.get("lastPrice"), message.get("volume")
    return values.book_quote(bid, ask, last=last, volume=volume, stated_at_ms=stated_at_ms)
