"""KuCoin spot: ``/market/ticker`` with ``/market/snapshot``, and the REST 24 h statistics.

Source: kucoin.com/docs (WebSocket "Apply connect token", "Create connection", "Ping", "Symbol Ticker", "Symbol Snapshot";
REST "Get 24hr Stats"). Each connect needs a fresh token; the reply that holds it also says where to connect and how often
the venue wants to be pinged. The ticker (every 100 ms) has best bid and ask and the last trade, the snapshot (every 2 s)
the 24 h volume. ``sequence`` is that of the whole book: a ticker skips numbers as a matter of course, and each is complete
by itself, so a gap loses nothing. Unconfirmed: what REST answers for an unknown symbol; captures and clients show null
data, or null prices.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import quote as url_quote

from feeds.decode import values
from feeds.errors import FeedError, Malformed, RateLimited, Refused, WrongSymbol
from feeds.streams.two_channels import BookTop, LastTrade, Part, TwoChannels
from feeds.streams.venue import PlainSession, Session, StreamAddress, VenueLimits
from feeds.types import Quote, Request, Tick

_LIMITS = VenueLimits(
    symbols_per_connection=100, connect_interval_ms=1_000, message_interval_ms=110, ping_ms=18_000, requests_per_s=10
)
_TICKER, _SNAPSHOT = "/market/ticker:", "/market/snapshot:"
_OK = "200000"
_UNKNOWN = ("400100", "900001")
_LEAST_PING_MS, _MOST_PING_MS = 1_000, 600_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Kucoin(PlainSession):
    """Symbols as the venue writes them: ``ETH-USDT``. ``ws_url`` only gives the scheme: the venue says where to go."""

    name: str = "kucoin"
    ws_url: str = "wss://ws-api-spot.kucoin.com/"
    rest_url: str = "https://api.kucoin.com"
    limits: VenueLimits = _LIMITS

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
        topics = [topic + s for s in symbols for topic in (_SNAPSHOT, _TICKER)]
        head = {"type": "subscribe", "privateChannel": False, "response": True}
        return tuple(json.dumps({"id": str(i), **head, "topic": t}) for i, t in enumerate(topics, 1))

    def session(self) -> Session:
        """Return a reader that remembers the volume."""
        return TwoChannels(_parts, '{"id":"0","type":"ping"}')

    def request(self, symbols: Sequence[str]) -> tuple[Request, ...]:
        """One request per symbol."""
        root = f"{self.rest_url}/api/v1/market/stats?symbol="
        return tuple(Request(url=root + url_quote(s, safe=""), symbols=(s,)) for s in symbols)

    def parse_reply(self, request: Request, body: bytes) -> tuple[Tick, ...]:
        """Read the statistics of the one symbol asked; errors come with status 200."""
        message = values.load(body)
        return tuple(values.tick(s, partial(_asked, s, message)) for s in request.symbols)


def _parts(frame: str | bytes) -> tuple[Part, ...]:
    """Read one stream message.

    Raises:
        Refused: an error that names no symbol.
        Malformed: a message that was not subscribed, or not a message at all.
    """
    message = values.load(frame)
    kind = values.member(message, "type")
    if kind in ("welcome", "ack", "pong"):
        return ()
    if kind == "error":
        return (_refused(message),)
    topic = values.text(values.member(message, "topic"))
    if kind != "message" or not topic.startswith((_TICKER, _SNAPSHOT)):
        raise Malformed("not what was subscribed", type=values.printable(kind), topic=values.printable(topic))
    symbol = topic.partition(":")[2]
    try:
        return (_part(topic, symbol, values.member(message, "data")),)
    except FeedError as e:
        return (Tick(symbol=symbol, result=e),)


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
