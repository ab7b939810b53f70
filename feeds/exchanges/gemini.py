"""Gemini spot: ``{symbol}@bookTicker`` with ``{symbol}@trade``, the REST ticker v1 and order book.

Source: docs.gemini.com/websocket and developer.gemini.com ("Message Format", "Streams"; REST "Get Ticker", "Get Current Order
Book"); github.com/gemini/developer-platform (samples of the trade stream). The venue has
archived its older market data v2 (``l2_updates``) and asks for this interface. It is also the better one here: the book
ticker is complete with each message and carries the event's time (in nanoseconds), where ``l2_updates`` are the changes
of a book without a time and without a sequence, so that a lost one could not be noticed. An empty side is an empty text.
Neither streams a 24 h volume; REST v1 has it, and v2 has not, so v1 is asked. Its one time belongs to the volume and not to
the prices: replies count as untimed. It does not name its symbol, but the volume's two currencies do.

A trade of ``@trade`` is one of the continuous book: the message has no field for another kind (the older interfaces name
auctions and block trades, which print ten minutes later, as such). Nothing of the past comes on subscribing. The order book
is asked for 5,000 levels a side, which is nearly always all of it; the reply has neither its symbol nor its time.
Unconfirmed: whether an unknown symbol is refused by -1013 (invalid parameters) or only stays silent.
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
from feeds.errors import FeedError, Malformed, RateLimited, Refused, WrongSymbol
from feeds.streams.two_channels import BookTop, LastTrade, Part, TwoChannels
from feeds.streams.venue import PlainSession, Session, VenueLimits, refused_trades
from feeds.types import Book, Instrument, Listing, Quote, Request, Tick, TradeTick, VenueTrade

_LIMITS = VenueLimits(symbols_per_connection=50, connect_interval_ms=5_000, message_interval_ms=100, requests_per_s=1)
_NS_PER_S = 1_000_000_000
_OK = 200
_UNKNOWN, _TOO_FAST = -1013, -1003
_BOOK_LEVELS = 5_000
"""0 would be all, however many."""
_QUOTES = ("USD", "USDC", "USDT", "DAI", "EUR", "GBP", "SGD", "AUD", "CAD", "HKD", "BTC", "ETH", "LTC", "BCH", "FIL")
_DOLLAR, _IN_DOLLARS = "GUSD", frozenset({"BTC", "ETH", "SOL", "LTC", "BCH", "XRP", "DOGE", "LINK"})
"""The venue's own dollar, and what it is traded for on the spot market: PAXGUSD is PAXG in dollars, not PAX in GUSD."""
_PERPETUAL = re.compile(r"(?P<base>[A-Z0-9]{1,20}?)(?P<quote>GUSD|USDC|USD)PERP", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gemini(PlainSession):
    """Symbols in upper case: ``ETHUSD``."""

    name: str = "gemini"
    ws_url: str = "wss://ws.gemini.com"
    rest_url: str = "https://api.gemini.com"
    limits: VenueLimits = _LIMITS

    def subscribe(self, symbols: Sequence[str], now_ms: int) -> tuple[str, ...]:
        """One message per symbol, whose id is the symbol: a refusal repeats it. Stream names are in lower case."""
        del now_ms
        streams = ((s, [f"{s.lower()}@trade", f"{s.lower()}@bookTicker"]) for s in symbols)
        return tuple(json.dumps({"id": s, "method": "subscribe", "params": params}) for s, params in streams)

    def session(self) -> Session:
        """Return a reader that remembers the last trade."""
        return TwoChannels(_parts)

    def request(self, symbols: Sequence[str]) -> tuple[Request, ...]:
        """One request per symbol."""
        root = f"{self.rest_url}/v1/pubticker/"
        return tuple(Request(url=root + url_quote(s.lower(), safe=""), symbols=(s,)) for s in symbols)

    def parse_reply(self, request: Request, body: bytes) -> tuple[Tick, ...]:
        """Read the ticker of the one symbol asked."""
        message = values.load(body)
        return tuple(values.tick(s, partial(_asked, s, message)) for s in request.symbols)

    def subscribe_trades(self, symbols: Sequence[str], now_ms: int) -> tuple[str, ...]:
        """One message per symbol, whose id is the symbol."""
        del now_ms
        streams = ((s, [f"{s.lower()}@trade"]) for s in symbols)
        return tuple(json.dumps({"id": s, "method": "subscribe", "params": params}) for s, params in streams)

    def parse_trades(self, frame: str | bytes) -> tuple[TradeTick, ...]:
        """Read one stream message.

        Raises:
            Refused: an error that names no symbol.
            Malformed: a message that was not subscribed, or not a message at all.
        """
        message = values.load(frame)
        if isinstance(message, Mapping) and "status" in message:
            return refused_trades(_control(message))
        symbol = values.text(values.member(message, "s")).upper()
        if "p" not in message or {"b", "a", "e"} & message.keys():
            raise Malformed("not what was subscribed", keys=values.printable(sorted(message)))
        return (values.trade_tick(symbol, partial(_trade, message)),)

    def listing(self, symbol: str) -> Listing:
        """``ETHUSD``; ``ETHGUSDPERP`` is a perpetual."""
        name = symbol.upper()
        if found := _PERPETUAL.fullmatch(name):
            return Listing(base=found["base"], quote=found["quote"], instrument=Instrument.PERPETUAL)
        base = name.removesuffix(_DOLLAR)
        return spelling.pair(base, _DOLLAR) if base in _IN_DOLLARS else spelling.joined(symbol, quotes=_QUOTES)

    def book_request(self, symbol: str) -> Request:
        """All levels but for absurdly many."""
        limits = f"limit_bids={_BOOK_LEVELS}&limit_asks={_BOOK_LEVELS}"
        return Request(url=f"{self.rest_url}/v1/book/{url_quote(symbol.lower(), safe='')}?{limits}", symbols=(symbol,))

    def parse_book(self, request: Request, body: bytes) -> Book:
        """``bids`` and ``asks`` of {price, amount}."""
        del request
        message = order_book.load(body)
        _check(message)
        level = order_book.keyed("price", "amount")
        return order_book.read(values.member(message, "bids"), values.member(message, "asks"), level=level)


def _trade(row: Any) -> VenueTrade:
    price, volume, at, number = (values.member(row, k) for k in ("p", "q", "E", "t"))
    return values.trade(price, volume, at_ms=values.time_ms(at, per_s=_NS_PER_S), trade_id=number)


def _parts(frame: str | bytes) -> tuple[Part, ...]:
    """Read one stream message.

    Raises:
        Refused: an error that names no symbol.
        Malformed: a message that was not subscribed, or not a message at all.
    """
    message = values.load(frame)
    if isinstance(message, Mapping) and "status" in message:
        return _control(message)
    symbol = values.text(values.member(message, "s")).upper()
    is_book, is_trade = ("b" in message or "a" in message), "p" in message
    if is_book == is_trade or "e" in message:
        raise Malformed("not what was subscribed", keys=values.printable(sorted(message)))
    try:
        stated = message.get("E")
        at_ms = None if stated is None else values.time_ms(stated, per_s=_NS_PER_S)
        if is_trade:
            return (LastTrade(symbol=symbol, last=message["p"], stated_at_ms=at_ms),)
        bid, ask = values.member(message, "b"), values.member(message, "a")
    except FeedError as e:
        return (Tick(symbol=symbol, result=e),)
    return (BookTop(symbol=symbol, bid=bid, ask=ask, stated_at_ms=at_ms),)


def _control(message: Mapping[str, Any]) -> tuple[Tick, ...]:
    if message["status"] == _OK:
        return ()
    error = message.get("error")
    code = error.get("code") if isinstance(error, Mapping) else None
    text = values.printable(error.get("msg", "")) if isinstance(error, Mapping) else ""
    kind = WrongSymbol if code == _UNKNOWN else RateLimited if code == _TOO_FAST else Refused
    result, symbol = kind(text, code=values.printable(code)), message.get("id")
    if not isinstance(symbol, str) or not symbol:
        raise result
    return (Tick(symbol=symbol, result=result),)


def _check(message: Any) -> None:
    """Raise the error that a reply of the REST interface is."""
    if isinstance(message, Mapping) and message.get("result") == "error":
        reason, text = message.get("reason"), values.printable(message.get("message", ""))
        raise (WrongSymbol if reason == "InvalidSymbol" else Refused)(text, reason=values.printable(reason))


def _asked(symbol: str, message: Any) -> Quote:
    _check(message)
    bid, ask, last, volumes = (values.member(message, k) for k in ("bid", "ask", "last", "volume"))
    return values.book_quote(bid, ask, last=last, volume=_base_volume(symbol, volumes))


def _base_volume(symbol: str, volumes: Any) -> Any:
    """Return the volume in base units of {"ETH": .., "USD": .., "timestamp": ..}; its currencies make the symbol."""
    if not isinstance(volumes, Mapping):
        raise Malformed("expected an object", key="volume", got=type(volumes).__name__)
    currencies = [c for c in volumes if c != "timestamp"]
    base = next((b for b in currencies for q in currencies if (b + q).upper() == symbol.upper()), None)
    if base is None:
        raise WrongSymbol("the reply is about another symbol", asked=symbol, got=values.printable(sorted(currencies)))
    return volumes[base]
