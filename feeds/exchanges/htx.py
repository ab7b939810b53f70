"""HTX spot: ``market.$symbol.ticker`` and ``market.$symbol.trade.detail``, the merged REST ticker and order book.

Source: huobiapi.github.io/docs/spot/v1/en and htx.com/en-us/opend (WebSocket "Market Ticker", "Trade Detail", "Heartbeat",
"Data Format"; REST "Get Latest Aggregated Ticker", "Get Market Depth"). Each frame of the venue is gzipped; ours are plain
text. The venue pings with a number and closes the connection after two unanswered ones. Prices are JSON numbers; ``amount``
is the 24 h volume in base units, ``vol`` the turnover. A subscription carries its symbol as its id, so that a refusal names
it.

A trade is told by its ``tradeId``, as the venue advises (``id`` is on its way out), ``amount`` is in base units, and a
subscription begins with the last trade; one with a retail price improvement order (``isRpiTrade``) is one of the book. REST
has 150 levels a side: 2 % of what is traded seldom, a few tenths of a per cent of the largest pairs. Its coarser steps reach
further, but how coarse they are depends on the pair.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import quote as url_quote

from feeds.decode import order_book, spelling, values
from feeds.errors import FeedError, Malformed, Refused, WrongSymbol
from feeds.streams.venue import Frame, ParsedFrame, PlainSession, Session, VenueLimits, refused_trades
from feeds.types import Book, Instrument, Listing, Quote, Request, Tick, TradeTick, VenueTrade

_LIMITS = VenueLimits(
    symbols_per_connection=50, connect_interval_ms=1_000, message_interval_ms=20, life_ms=84_600_000, requests_per_s=10
)
_HEAD, _STREAM, _TRADES, _MERGED = "market.", ".ticker", ".trade.detail", ".detail.merged"
_DEPTH = "step0"
"""Levels as they are, none merged."""
_UNKNOWN = ("invalid symbol", "invalid topic")
_LARGEST_PING = 2**63
_QUOTES = ("HUSD", *(q for q in spelling.QUOTES if q != "USD"))
"""The venue had a dollar of its own; what it quotes in dollars are contracts."""
_CONTRACT = re.compile(r"(?P<base>[A-Z0-9]{1,20}?)(-(?P<quote>USDT?))?(?P<term>_(CW|NW|CQ|NQ)|-?\d{6})?", re.ASCII)
"""ETH-USD and ETH-USDT are swaps, ETH-USDT-260327, ETH260327 and ETH_CQ dated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Htx(PlainSession):
    """Symbols in lower case: ``ethusdt``."""

    name: str = "htx"
    ws_url: str = "wss://api.huobi.pro/ws"
    rest_url: str = "https://api.huobi.pro"
    limits: VenueLimits = _LIMITS

    def subscribe(self, symbols: Sequence[str], now_ms: int) -> tuple[str, ...]:
        """One message per symbol."""
        del now_ms
        return _subscriptions(_STREAM, symbols)

    def session(self) -> Session:
        """Return a reader that unpacks, and answers pings."""
        return _Session(lambda message: ParsedFrame(ticks=_ticks(message)))

    def subscribe_trades(self, symbols: Sequence[str], now_ms: int) -> tuple[str, ...]:
        """One message per symbol."""
        del now_ms
        return _subscriptions(_TRADES, symbols)

    def trade_session(self) -> Session:
        """Return a reader that unpacks, and answers pings."""
        return _Session(lambda message: ParsedFrame(trades=_trades(message)))

    def request(self, symbols: Sequence[str]) -> tuple[Request, ...]:
        """One request per symbol."""
        root = f"{self.rest_url}/market/detail/merged?symbol="
        return tuple(Request(url=root + url_quote(s, safe=""), symbols=(s,)) for s in symbols)

    def parse_reply(self, request: Request, body: bytes) -> tuple[Tick, ...]:
        """Read the ticker of the one symbol asked; errors come with status 200."""
        message = values.load(body)
        return tuple(values.tick(s, partial(_asked, s, message)) for s in request.symbols)

    def listing(self, symbol: str) -> Listing:
        """``ethusdt``; ``ETH-USDT``, ``ETH-USDT-260327`` and ``ETH_CQ`` are derivatives."""
        name = symbol.upper()
        contract = _CONTRACT.fullmatch(name)
        if contract is None or not (contract["quote"] or contract["term"]):
            return spelling.joined(symbol, quotes=_QUOTES)
        kind = Instrument.FUTURE if contract["term"] else Instrument.PERPETUAL
        return Listing(base=contract["base"], quote=contract["quote"] or "USD", instrument=kind)

    def book_request(self, symbol: str) -> Request:
        """All levels that the venue gives, none of them merged."""
        root = f"{self.rest_url}/market/depth?symbol="
        return Request(url=f"{root}{url_quote(symbol, safe='')}&type={_DEPTH}", symbols=(symbol,))

    def parse_book(self, request: Request, body: bytes) -> Book:
        """``bids`` and ``asks`` of [price, base units]; errors come with status 200."""
        message, symbol = order_book.load(body), request.symbols[0]
        if values.member(message, "status") != "ok":
            raise _error(message)
        channel, stated, book = (values.member(message, k) for k in ("ch", "ts", "tick"))
        if channel != f"{_HEAD}{symbol}.depth.{_DEPTH}":
            raise WrongSymbol("the reply is about another symbol", asked=symbol, got=values.printable(channel))
        bids, asks = (values.member(book, k) for k in ("bids", "asks"))
        return order_book.read(bids, asks, stated_at_ms=values.time_ms(stated))


@dataclass(frozen=True, slots=True)
class _Session:
    """Remembers nothing."""

    read: Callable[[Any], ParsedFrame]
    ping_text: str | None = None

    def read_frame(self, frame: Frame) -> ParsedFrame:
        """Read one frame.

        Raises:
            Refused: an error that names no symbol.
            TooLarge: a frame that unpacks to more than any ticker.
            Malformed: a message that was not subscribed, or not a message at all.
        """
        packed = frame.encode("utf-8", "replace") if isinstance(frame, str) else frame
        message = values.load(values.gunzip(packed))
        if isinstance(message, Mapping) and "ping" in message:
            return ParsedFrame(replies=(_pong(message["ping"]),))
        return self.read(message)

    def ping(self, now_ms: int) -> Frame | None:
        """None: it is the venue that pings."""
        del now_ms
        return self.ping_text


def _pong(number: Any) -> str:
    if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number < _LARGEST_PING:
        raise Malformed("a ping carries a number", got=values.printable(number))
    return json.dumps({"pong": number})


def _subscriptions(channel: str, symbols: Sequence[str]) -> tuple[str, ...]:
    return tuple(json.dumps({"sub": f"{_HEAD}{s}{channel}", "id": s}) for s in symbols)


def _ticks(message: Any) -> tuple[Tick, ...]:
    if isinstance(message, Mapping) and "status" in message:
        return _control(message)
    return (values.tick(_symbol(message, _STREAM), partial(_streamed, message)),)


def _trades(message: Any) -> tuple[TradeTick, ...]:
    if isinstance(message, Mapping) and "status" in message:
        return refused_trades(_control(message))
    symbol = _symbol(message, _TRADES)
    rows = values.array(values.member(values.member(message, "tick"), "data"))
    return tuple(values.trade_tick(symbol, partial(_trade, row)) for row in rows)


def _trade(row: Any) -> VenueTrade:
    price, volume, at, number = (values.member(row, k) for k in ("price", "amount", "ts", "tradeId"))
    return values.trade(price, volume, at_ms=values.time_ms(at), trade_id=number)


def _symbol(message: Any, wanted: str) -> str:
    """The symbol of a message, which must be of the channel that was subscribed."""
    channel = values.text(values.member(message, "ch"))
    symbol = channel.removeprefix(_HEAD).removesuffix(wanted)
    if channel != f"{_HEAD}{symbol}{wanted}" or not symbol or "." in symbol:
        raise Malformed("unknown channel", channel=values.printable(channel))
    return symbol


def _streamed(message: Any) -> Quote:
    row = values.member(message, "tick")
    bid, ask = values.member(row, "bid"), values.member(row, "ask")
    return values.book_quote(
        bid, ask, last=row.get("lastPrice"), volume=row.get("amount"), stated_at_ms=_time(message.get("ts"))
    )


def _asked(symbol: str, message: Any) -> Quote:
    if values.member(message, "status") != "ok":
        raise _error(message)
    channel = values.member(message, "ch")
    if channel != f"{_HEAD}{symbol}{_MERGED}":
        raise WrongSymbol("the reply is about another symbol", asked=symbol, got=values.printable(channel))
    row = values.member(message, "tick")
    bid, ask = (values.item(values.member(row, side), 0) for side in ("bid", "ask"))
    return values.book_quote(
        bid, ask, last=row.get("close"), volume=row.get("amount"), stated_at_ms=_time(message.get("ts"))
    )


def _time(stated: Any) -> int | None:
    return None if stated is None else values.time_ms(stated)


def _control(message: Mapping[str, Any]) -> tuple[Tick, ...]:
    if message["status"] == "ok" and "subbed" in message:
        return ()
    error, symbol = _error(message), message.get("id")
    if not isinstance(symbol, str) or not symbol:
        raise error
    return (Tick(symbol=symbol, result=error),)


def _error(message: Mapping[str, Any]) -> FeedError:
    text, code = values.printable(message.get("err-msg", "")), values.printable(message.get("err-code"))
    return (WrongSymbol if text.startswith(_UNKNOWN) else Refused)(text, code=code)
