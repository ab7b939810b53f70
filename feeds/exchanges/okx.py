"""OKX spot: ``tickers`` channel of WebSocket v5, and the REST ticker.

Source: okx.com/docs-v5 (WebSocket "Tickers channel", "Connect", "Notification"; REST "GET / Ticker"; error codes). The
channel sends on each trade and each change of the best bid or ask, at most every 100 ms, and carries last trade, 24 h
volume and the time, so nothing else is subscribed. Not documented: whether one unknown instrument fails the others of
its message; so each is subscribed by its own.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import quote as url_quote

from feeds.decode import values
from feeds.errors import FeedError, Malformed, RateLimited, Refused, Unreachable, WrongSymbol
from feeds.streams.venue import PlainSession, VenueLimits
from feeds.types import Quote, Request, Tick

_LIMITS = VenueLimits(
    symbols_per_connection=50, connect_interval_ms=1_000, message_interval_ms=350, ping_ms=20_000, requests_per_s=10
)
_UNKNOWN = ("60018", "51001")
_TOO_FAST = ("50011", "60014")
_CLOSING = "64008"
_NAMED = ",instId:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Okx(PlainSession):
    """Symbols as the venue writes them: ``STETH-USDT``. The volume is in base units, as the venue states for spot."""

    name: str = "okx"
    ws_url: str = "wss://ws.okx.com:8443/ws/v5/public"
    rest_url: str = "https://www.okx.com"
    limits: VenueLimits = _LIMITS
    ping_text = "ping"

    def subscribe(self, symbols: Sequence[str], now_ms: int) -> tuple[str, ...]:
        """One message per instrument."""
        del now_ms
        return tuple(json.dumps({"op": "subscribe", "args": [{"channel": "tickers", "instId": s}]}) for s in symbols)

    def parse(self, frame: str | bytes) -> tuple[Tick, ...]:
        """Read one stream message.

        Raises:
            Refused: an error that names no instrument.
            Unreachable: the venue announces that it will close this connection.
            Malformed: a message that was not subscribed, or not a message at all.
        """
        if frame in ("pong", b"pong"):
            return ()
        message = values.load(frame)
        if isinstance(message, Mapping) and "event" in message:
            return _control(message)
        arg = values.member(message, "arg")
        channel, symbol = values.member(arg, "channel"), values.text(values.member(arg, "instId"))
        if channel != "tickers":
            raise Malformed("unknown channel", channel=values.printable(channel))
        return (values.tick(symbol, partial(_quote, symbol, message)),)

    def request(self, symbols: Sequence[str]) -> tuple[Request, ...]:
        """One request per instrument."""
        root = f"{self.rest_url}/api/v5/market/ticker?instId="
        return tuple(Request(url=root + url_quote(s, safe=""), symbols=(s,)) for s in symbols)

    def parse_reply(self, request: Request, body: bytes) -> tuple[Tick, ...]:
        """Read the ticker of the one instrument asked; errors come with status 200 too."""
        message = values.load(body)
        return tuple(values.tick(s, partial(_asked, s, message)) for s in request.symbols)


def _quote(symbol: str, message: Any) -> Quote:
    row = values.item(values.member(message, "data"), 0)
    named = values.member(row, "instId")
    if named != symbol:
        raise WrongSymbol("the row is about another instrument", asked=symbol, got=values.printable(named))
    bid, ask = values.member(row, "bidPx"), values.member(row, "askPx")
    stated = row.get("ts")
    stated_at_ms = None if stated is None else values.time_ms(stated)
    return values.book_quote(bid, ask, last=row.get("last"), volume=row.get("vol24h"), stated_at_ms=stated_at_ms)


def _asked(symbol: str, message: Any) -> Quote:
    if values.member(message, "code") != "0":
        raise _error(message)
    return _quote(symbol, message)


def _control(message: Mapping[str, Any]) -> tuple[Tick, ...]:
    event = message["event"]
    if event in ("subscribe", "unsubscribe", "channel-conn-count"):
        return ()
    if event == "notice" and message.get("code") == _CLOSING:
        raise Unreachable("the venue announces that it will close the connection")
    error = _error(message)
    symbol = values.printable(message.get("msg", "")).partition(_NAMED)[2].partition(" ")[0]
    if not symbol:
        raise error
    return (Tick(symbol=symbol, result=error),)


def _error(message: Mapping[str, Any]) -> FeedError:
    code, text = values.printable(message.get("code")), values.printable(message.get("msg", ""))
    if code in _UNKNOWN:
        return WrongSymbol(text, code=code)
    return (RateLimited if code in _TOO_FAST else Refused)(text, code=code)
