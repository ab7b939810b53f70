"""KuCoin spot: ``/market/ticker`` with ``/market/snapshot``, ``/market/match``, the REST 24 h statistics and order book.

Source: kucoin.com/docs (WebSocket "Apply connect token", "Create connection", "Ping", "Symbol Ticker", "Symbol Snapshot",
"Match Execution Data"; REST "Get 24hr Stats", "Get Part OrderBook"). Each connect needs a fresh token; the reply that holds it also says where to connect and how often
the venue wants to be pinged. The ticker (every 100 ms) has best bid and ask and the last trade, the snapshot (every 2 s)
the 24 h volume. ``sequence`` is that of the whole book: a ticker skips numbers as a matter of course, and each is complete
by itself, so a gap loses nothing. Unconfirmed: what REST answers for an unknown symbol; captures and clients show null
data, or null prices.

``/market/match`` has each match of a maker with a taker by itself, in base units, with its time in nanoseconds; nothing of
the past comes on subscribing. Without a key the order book has 100 levels a side: 2 % of what is traded seldom, well below
1 % of the largest pairs. It names no symbol.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import quote as url_quote

from feeds.decode import order_book, spelling, values
from feeds.errors import FeedError, Malformed, RateLimited, Refused, WrongSymbol
from feeds.streams.two_channels import BookTop, LastTrade, Part, TwoChannels
from feeds.streams.venue import PlainSession, Session, StreamAddress, VenueLimits, refused_trades
from feeds.types import Book, Instrument, Listing, Quote, Request, Tick, TradeTick, VenueTrade

_LIMITS = VenueLimits(
    symbols_per_connection=100, connect_interval_ms=1_000, message_interval_ms=110, ping_ms=18_000, requests_per_s=10
)
_TICKER, _SNAPSHOT, _MATCH = "/market/ticker:", "/market/snapshot:", "/market/match:"
_QUIET = ("welcome", "ack", "pong")
_OK = "200000"
_UNKNOWN = ("400100", "900001")
_NS_PER_S = 1_000_000_000
_PERPETUAL = re.compile(r"(?P<base>[A-Z0-9]{1,20}?)(?P<quote>USDT|USDC|USD)M", re.ASCII)
_DATED = re.compile(r"(?P<base>[A-Z]{1,20})M[FGHJKMNQUVXZ]\d\d", re.ASCII)
"""XBTMH26: a contract in dollars that ends in the month of that letter."""
_LEAST_PING_MS, _MOST_PING_MS = 1_000, 600_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Kucoin(PlainSession):
    """Symbols as the venue writes them: ``ETH-USDT``. ``ws_url`` only gives the scheme: the venue says where to go."""

    name: str = "kucoin"
    ws_url: str = "wss://ws-api-spot.kucoin.com/"
    rest_url: str = "https://api.kucoin.com"
    limits: VenueLimits = _LIMITS
    ping_text = '{"id":"0","type":"ping"}'

    def handshake(self) -> Request | None:
        """Ask for a token; anybody gets one."""
        return Request(url=f"{self.rest_url}/api/v1/bullet-public", symbols=(), body=b"{}")

    def stream_address(self, body: bytes | None) -> StreamAddress:
        """Read where to connect with which token, and how often to ping.

        Raises:
            Refused: the venue gives no token.
            Malformed: the reply is none, or names an address of another scheme or an absurd interval.
        """
        message = values.load(b"" if body is None else body)
        data = _data(message)
        server = values.item(values.member(data, "instanceServers"), 0)
        token, endpoint = values.text(values.member(data, "token")), values.text(values.member(server, "endpoint"))
        ping = values.number(values.member(server, "pingInterval"))
        if endpoint.partition("://")[0] != self.ws_url.partition("://")[0] or "?" in endpoint:
            raise Malformed("not an address of a stream", endpoint=values.printable(endpoint))
        if not _LEAST_PING_MS <= ping <= _MOST_PING_MS:
            raise Malformed("absurd ping interval", ms=values.printable(ping))
        return StreamAddress(url=f"{endpoint}?token={url_quote(token, safe='', errors='replace')}", ping_ms=int(ping))

    def subscribe(self, symbols: Sequence[str], now_ms: int) -> tuple[str, ...]:
        """Two messages per symbol, the volume first: one unknown symbol fails the whole message."""
        del now_ms
        return _subscriptions(topic + s for s in symbols for topic in (_SNAPSHOT, _TICKER))

    def session(self) -> Session:
        """Return a reader that remembers the volume."""
        return TwoChannels(_parts, self.ping_text)

    def subscribe_trades(self, symbols: Sequence[str], now_ms: int) -> tuple[str, ...]:
        """One message per symbol."""
        del now_ms
        return _subscriptions(_MATCH + s for s in symbols)

    def parse_trades(self, frame: str | bytes) -> tuple[TradeTick, ...]:
        """Read one stream message.

        Raises:
            Refused: an error that names no symbol.
            Malformed: a message that was not subscribed, or not a message at all.
        """
        message = values.load(frame)
        kind = values.member(message, "type")
        if kind in _QUIET:
            return ()
        if kind == "error":
            return refused_trades((_refused(message),))
        topic = _topic(message, (_MATCH,))
        symbol = topic.removeprefix(_MATCH)
        return (values.trade_tick(symbol, partial(_trade, symbol, message)),)

    def request(self, symbols: Sequence[str]) -> tuple[Request, ...]:
        """One request per symbol."""
        root = f"{self.rest_url}/api/v1/market/stats?symbol="
        return tuple(Request(url=root + url_quote(s, safe=""), symbols=(s,)) for s in symbols)

    def parse_reply(self, request: Request, body: bytes) -> tuple[Tick, ...]:
        """Read the statistics of the one symbol asked; errors come with status 200."""
        message = values.load(body)
        return tuple(values.tick(s, partial(_asked, s, message)) for s in request.symbols)

    def listing(self, symbol: str) -> Listing:
        """``ETH-USDT``; ``ETHUSDTM`` is a perpetual, ``XBTMH26`` a future."""
        name = symbol.upper()
        if found := _PERPETUAL.fullmatch(name):
            pair, kind = spelling.parted(f"{found['base']}-{found['quote']}", "-"), Instrument.PERPETUAL
        elif found := _DATED.fullmatch(name):
            pair, kind = spelling.parted(f"{found['base']}-USD", "-"), Instrument.FUTURE
        else:
            return spelling.parted(symbol, "-")
        return Listing(base=pair.base, quote=pair.quote, instrument=kind)

    def book_request(self, symbol: str) -> Request:
        """As many levels as the venue gives to anybody."""
        url = f"{self.rest_url}/api/v1/market/orderbook/level2_100?symbol={url_quote(symbol, safe='')}"
        return Request(url=url, symbols=(symbol,))

    def parse_book(self, request: Request, body: bytes) -> Book:
        """``bids`` and ``asks`` of [price, size]; errors come with status 200."""
        book = _data(order_book.load(body))
        if book is None:
            raise WrongSymbol("the venue has no such symbol", asked=request.symbols[0])
        bids, asks, stated = (values.member(book, k) for k in ("bids", "asks", "time"))
        return order_book.read(bids, asks, stated_at_ms=values.time_ms(stated))


def _subscriptions(topics: Iterable[str]) -> tuple[str, ...]:
    head = {"type": "subscribe", "privateChannel": False, "response": True}
    return tuple(json.dumps({"id": str(i), **head, "topic": t}) for i, t in enumerate(topics, 1))


def _parts(frame: str | bytes) -> tuple[Part, ...]:
    """Read one stream message.

    Raises:
        Refused: an error that names no symbol.
        Malformed: a message that was not subscribed, or not a message at all.
    """
    message = values.load(frame)
    kind = values.member(message, "type")
    if kind in _QUIET:
        return ()
    if kind == "error":
        return (_refused(message),)
    topic = _topic(message, (_TICKER, _SNAPSHOT))
    symbol = topic.partition(":")[2]
    try:
        return (_part(topic, symbol, values.member(message, "data")),)
    except FeedError as e:
        return (Tick(symbol=symbol, result=e),)


def _topic(message: Mapping[str, Any], wanted: tuple[str, ...]) -> str:
    """The topic of a message, which must be one that was subscribed."""
    topic, kind = values.text(values.member(message, "topic")), message["type"]
    if kind != "message" or not topic.startswith(wanted):
        raise Malformed("not what was subscribed", type=values.printable(kind), topic=values.printable(topic))
    return topic


def _trade(symbol: str, message: Any) -> VenueTrade:
    row = values.member(message, "data")
    named = values.member(row, "symbol")
    if named != symbol:
        raise WrongSymbol("topic and symbol differ", topic=values.printable(symbol), symbol=values.printable(named))
    price, volume, at, number = (values.member(row, k) for k in ("price", "size", "time", "tradeId"))
    return values.trade(price, volume, at_ms=values.time_ms(at, per_s=_NS_PER_S), trade_id=number)


def _part(topic: str, symbol: str, data: Any) -> Part:
    if topic.startswith(_TICKER):
        bid, ask, last = (values.member(data, k) for k in ("bestBid", "bestAsk", "price"))
        return BookTop(symbol=symbol, bid=bid, ask=ask, last=last, stated_at_ms=_time(data.get("time")))
    row = values.member(data, "data")
    named = values.member(row, "symbol")
    if named != symbol:
        raise WrongSymbol("topic and symbol differ", topic=values.printable(topic), symbol=values.printable(named))
    return LastTrade(symbol=symbol, volume=values.member(row, "vol"), stated_at_ms=_time(row.get("datetime")))


def _time(stated: Any) -> int | None:
    return None if stated is None else values.time_ms(stated)


def _asked(symbol: str, message: Any) -> Quote:
    row = _data(message)
    bid, ask, last = (row.get(k) for k in ("buy", "sell", "last")) if isinstance(row, Mapping) else (None,) * 3
    if row is None or (isinstance(row, Mapping) and bid is ask is last is None):
        raise WrongSymbol("the venue has no such symbol", asked=symbol)
    named = values.member(row, "symbol")
    if named != symbol:
        raise WrongSymbol("the reply is about another symbol", asked=symbol, got=values.printable(named))
    return values.book_quote(bid, ask, last=last, volume=row.get("vol"), stated_at_ms=_time(row.get("time")))


def _data(message: Any) -> Any:
    code = values.member(message, "code")
    if code != _OK:
        text = values.printable(message.get("msg", ""))
        kind = WrongSymbol if code in _UNKNOWN else RateLimited if code == "429000" else Refused
        raise kind(text, code=values.printable(code))
    return values.member(message, "data")


def _refused(message: Mapping[str, Any]) -> Tick:
    text = values.printable(message.get("data", ""))
    topic, missing, _ = text.removeprefix("topic ").partition(" is not found")
    symbol = topic.partition(":")[2]
    if not missing or not symbol:
        raise Refused(text, code=values.printable(message.get("code")))
    return Tick(symbol=symbol, result=WrongSymbol(text))
