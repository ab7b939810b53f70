"""HTX spot: ``market.$symbol.ticker``, and the merged REST ticker.

Source: huobiapi.github.io/docs/spot/v1/en and htx.com/en-us/opend (WebSocket "Market Ticker", "Heartbeat", "Data
Format"; REST "Get Latest Aggregated Ticker"). Each frame of the venue is gzipped; ours are plain text. The venue pings
with a number and closes the connection after two unanswered ones. Prices are JSON numbers; ``amount`` is the 24 h volume in
base units, ``vol`` the turnover. A subscription carries its symbol as its id, so that a refusal names it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import quote as url_quote

from feeds.decode import values
from feeds.errors import FeedError, Malformed, Refused, WrongSymbol
from feeds.streams.venue import Frame, ParsedFrame, PlainSession, Session, VenueLimits
from feeds.types import Quote, Request, Tick

_LIMITS = VenueLimits(
    symbols_per_connection=50, connect_interval_ms=1_000, message_interval_ms=20, life_ms=84_600_000, requests_per_s=10
)
_HEAD, _STREAM, _MERGED = "market.", ".ticker", ".detail.merged"
_UNKNOWN = ("invalid symbol", "invalid topic")
_LARGEST_PING = 2**63


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
        return tuple(json.dumps({"sub": f"{_HEAD}{s}{_STREAM}", "id": s}) for s in symbols)

    def session(self) -> Session:
        """Return a reader that unpacks, and answers pings."""
        return _Session()

    def request(self, symbols: Sequence[str]) -> tuple[Request, ...]:
        """One request per symbol."""
        root = f"{self.rest_url}/market/detail/merged?symbol="
        return tuple(Request(url=root + url_quote(s, safe=""), symbols=(s,)) for s in symbols)

    def parse_reply(self, request: Request, body: bytes) -> tuple[Tick, ...]:
        """Read the ticker of the one symbol asked; errors come with status 200."""
        message = values.load(body)
        return tuple(values.tick(s, partial(_asked, s, message)) for s in request.symbols)


@dataclass(frozen=True, slots=True)
class _Session:
    """Remembers nothing."""

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
        return ParsedFrame(ticks=_ticks(message))

    def ping(self, now_ms: int) -> Frame | None:
        """None: it is the venue that pings."""
        del now_ms
        return self.ping_text


def _pong(number: Any) -> str:
    if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number < _LARGEST_PING:
        raise Malformed("a ping carries a number", got=values.printable(number))
    return json.dumps({"pong": number})


def _ticks(message: Any) -> tuple[Tick, ...]:
    if isinstance(message, Mapping) and "status" in message:
        return _control(message)
    channel = values.text(values.member(message, "ch"))
    symbol = channel.removeprefix(_HEAD).removesuffix(_STREAM)
    if channel != f"{_HEAD}{symbol}{_STREAM}" or not symbol or "." in symbol:
        raise Malformed("unknown channel", channel=values.printable(channel))
    return (values.tick(symbol, partial(_streamed, message)),)


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
