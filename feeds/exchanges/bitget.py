"""Bitget spot, v2: ``ticker`` channel, and the REST tickers.

Source: bitget.com/api-doc (spot WebSocket "Tickers Channel", "WebSocket API intro"; REST "Get Ticker Information"). The
channel carries everything, every 100 to 300 ms whether or not something changed. The venue wants the text ``ping`` every
30 s and cuts off who does not send it. An unknown symbol is code 30003 in the documents of v1, and 30001 as seen on another
venue's copy of v2 [unconfirmed here]; ``arg`` names the symbol in both.
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
from feeds.streams.venue import PlainSession, VenueLimits
from feeds.types import Quote, Request, Tick

_LIMITS = VenueLimits(
    symbols_per_connection=45, connect_interval_ms=1_000, message_interval_ms=150, ping_ms=25_000, requests_per_s=10
)
_PER_MESSAGE = 20
"""A message may hold 4,096 bytes; a subscription takes about 65."""
_UNKNOWN = ("30001", "30003", "40034")
_TOO_FAST = ("30006", "429")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bitget(PlainSession):
    """Symbols in upper case: ``STETHUSDT``."""

    name: str = "bitget"
    ws_url: str = "wss://ws.bitget.com/v2/ws/public"
    rest_url: str = "https://api.bitget.com"
    limits: VenueLimits = _LIMITS
    ping_text = "ping"

    def subscribe(self, symbols: Sequence[str], now_ms: int) -> tuple[str, ...]:
        """One message per 20 symbols; each is acknowledged or refused by itself."""
        del now_ms
        args = [{"instType": "SPOT", "channel": "ticker", "instId": s} for s in symbols]
        groups = (args[i : i + _PER_MESSAGE] for i in range(0, len(args), _PER_MESSAGE))
        return tuple(json.dumps({"op": "subscribe", "args": group}) for group in groups)

    def parse(self, frame: str | bytes) -> tuple[Tick, ...]:
        """Read one stream message.

        Raises:
            Refused: an error that names no symbol.
            Malformed: a message that was not subscribed, or not a message at all.
        """
        if frame in ("pong", b"pong"):
            return ()
        message = values.load(frame)
        if isinstance(message, Mapping) and "event" in message:
            return _control(message)
        arg = values.member(message, "arg")
        kind, channel = values.member(arg, "instType"), values.member(arg, "channel")
        symbol = values.text(values.member(arg, "instId"))
        if (kind, channel) != ("SPOT", "ticker"):
            raise Malformed("unknown channel", channel=values.printable(channel), kind=values.printable(kind))
        return (values.tick(symbol, partial(_quote, symbol, "instId", message)),)

    def request(self, symbols: Sequence[str]) -> tuple[Request, ...]:
        """One request per symbol: the venue takes no list, and all symbols at once are far more than is asked."""
        root = f"{self.rest_url}/api/v2/spot/market/tickers?symbol="
        return tuple(Request(url=root + url_quote(s, safe=""), symbols=(s,)) for s in symbols)

    def parse_reply(self, request: Request, body: bytes) -> tuple[Tick, ...]:
        """Read the ticker of the one symbol asked."""
        message = values.load(body)
        return tuple(values.tick(s, partial(_asked, s, message)) for s in request.symbols)


def _quote(symbol: str, name: str, message: Any) -> Quote:
    row = values.item(values.member(message, "data"), 0)
    named = values.member(row, name)
    if named != symbol:
        raise WrongSymbol("the row is about another symbol", asked=symbol, got=values.printable(named))
    bid, ask = values.member(row, "bidPr"), values.member(row, "askPr")
    stated = row.get("ts")
    stated_at_ms = None if stated is None else values.time_ms(stated)
    return values.book_quote(bid, ask, last=row.get("lastPr"), volume=row.get("baseVolume"), stated_at_ms=stated_at_ms)


def _asked(symbol: str, message: Any) -> Quote:
    if values.member(message, "code") != "00000":
        raise _error(message)
    return _quote(symbol, "symbol", message)


def _control(message: Mapping[str, Any]) -> tuple[Tick, ...]:
    if message["event"] == "subscribe":
        return ()
    error = _error(message)
    arg = message.get("arg")
    symbol = arg.get("instId") if isinstance(arg, Mapping) else None
    if not isinstance(symbol, str):
        raise error
    return (Tick(symbol=symbol, result=error),)


def _error(message: Mapping[str, Any]) -> FeedError:
    code, text = values.printable(message.get("code")), values.printable(message.get("msg", ""))
    if code in _UNKNOWN:
        return WrongSymbol(text, code=code)
    return (RateLimited if code in _TOO_FAST else Refused)(text, code=code)
