"""Crypto.com Exchange spot: ``ticker`` channel of the v1 market stream, and the REST tickers.

Source: exchange-docs.crypto.com/exchange/v1 (WebSocket "ticker.{instrument_name}", "Heartbeats", "Common API Reference";
REST "public/get-tickers"). The venue sends ``public/heartbeat`` every 30 s and cuts off whoever has not answered within
5 s. ``a`` is the last trade, ``b`` and ``k`` are bid and ask, ``v`` is the 24 h volume in base units; each is null where
there is none. Data pushes are named like the subscription's acknowledgement and told from it by their result.
Unconfirmed: the words and code of the refusal of an unknown instrument; it is known to repeat what was asked.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import quote as url_quote

from feeds.decode import values
from feeds.errors import FeedError, Malformed, RateLimited, Refused, WrongSymbol
from feeds.streams.venue import Frame, ParsedFrame, PlainSession, Session, VenueLimits
from feeds.types import Quote, Request, Tick

_LIMITS = VenueLimits(symbols_per_connection=100, connect_interval_ms=1_000, message_interval_ms=50, requests_per_s=10)
_CHANNEL = "ticker."
_NAMED = re.compile(r'"ticker\.([A-Za-z0-9_-]{1,40})"')
_UNKNOWN = re.compile(r"symbol|instrument|channel", re.IGNORECASE)
_TOO_FAST = 42_901
_LARGEST_ID = 2**63


@dataclass(frozen=True, slots=True, kw_only=True)
class CryptoCom(PlainSession):
    """Symbols as the venue writes them: ``ETH_USD``."""

    name: str = "cryptocom"
    ws_url: str = "wss://stream.crypto.com/exchange/v1/market"
    rest_url: str = "https://api.crypto.com"
    limits: VenueLimits = _LIMITS

    def subscribe(self, symbols: Sequence[str], now_ms: int) -> tuple[str, ...]:
        """One message per symbol."""
        del now_ms
        return tuple(
            json.dumps({"id": i, "method": "subscribe", "params": {"channels": [_CHANNEL + s]}})
            for i, s in enumerate(symbols, 1)
        )

    def session(self) -> Session:
        """Return a reader that answers heartbeats."""
        return _Session()

    def request(self, symbols: Sequence[str]) -> tuple[Request, ...]:
        """One request per symbol; without a symbol the venue sends all of its tickers."""
        root = f"{self.rest_url}/exchange/v1/public/get-tickers?instrument_name="
        return tuple(Request(url=root + url_quote(s, safe=""), symbols=(s,)) for s in symbols)

    def parse_reply(self, request: Request, body: bytes) -> tuple[Tick, ...]:
        """Read the ticker of the one symbol asked."""
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
            RateLimited: the venue refuses more messages for now.
            WrongSymbol: subscription and instrument differ.
            Malformed: a message that was not subscribed, or not a message at all.
        """
        message = values.load(frame)
        method, code = values.member(message, "method"), message.get("code")
        if method == "public/heartbeat":
            return ParsedFrame(replies=(_beat(values.member(message, "id")),))
        if code != 0 or isinstance(code, bool):
            return ParsedFrame(ticks=_refused(message))
        if method != "subscribe":
            raise Malformed("unknown method", method=values.printable(method))
        result = message.get("result")
        return ParsedFrame() if result is None else ParsedFrame(ticks=(_pushed(result),))

    def ping(self, now_ms: int) -> Frame | None:
        """None: it is the venue that asks for signs of life."""
        del now_ms
        return self.ping_text


def _beat(number: Any) -> str:
    if not isinstance(number, int) or isinstance(number, bool) or not -1 <= number < _LARGEST_ID:
        raise Malformed("a heartbeat carries a number", got=values.printable(number))
    return json.dumps({"id": number, "method": "public/respond-heartbeat"})


def _pushed(result: Any) -> Tick:
    channel, subscription = values.member(result, "channel"), values.member(result, "subscription")
    if channel != "ticker":
        raise Malformed("unknown channel", channel=values.printable(channel))
    symbol = values.text(values.member(result, "instrument_name"))
    if subscription != _CHANNEL + symbol:
        raise WrongSymbol("subscription and instrument differ", got=values.printable(subscription))
    return values.tick(symbol, lambda: _quote(symbol, values.item(values.member(result, "data"), 0)))


def _quote(symbol: str, row: Any) -> Quote:
    named = values.member(row, "i")
    if named != symbol:
        raise WrongSymbol("the row is about another instrument", asked=symbol, got=values.printable(named))
    bid, ask = values.member(row, "b"), values.member(row, "k")
    stated = row.get("t")
    stated_at_ms = None if stated is None else values.time_ms(stated)
    return values.book_quote(bid, ask, last=row.get("a"), volume=row.get("v"), stated_at_ms=stated_at_ms)


def _asked(symbol: str, message: Any) -> Quote:
    if values.member(message, "code") != 0:
        raise _error(message)
    rows = values.member(values.member(message, "result"), "data")
    if rows == []:
        raise WrongSymbol("the venue has no such instrument", asked=symbol)
    return _quote(symbol, values.item(rows, 0))


def _refused(message: Any) -> tuple[Tick, ...]:
    """Return the error as that of each symbol which the refusal repeats."""
    error = _error(message)
    texts = (message.get(key) for key in ("message", "original"))
    symbols = dict.fromkeys(s for text in texts if isinstance(text, str) for s in _NAMED.findall(text))
    if not symbols:
        raise error
    return tuple(Tick(symbol=s, result=error) for s in symbols)


def _error(message: Any) -> FeedError:
    code, text = message.get("code"), values.printable(message.get("message", ""))
    if code == _TOO_FAST:
        return RateLimited(text, code=_TOO_FAST)
    return (WrongSymbol if _UNKNOWN.search(text) else Refused)(text, code=values.printable(code))
