"""Bitfinex spot: ``ticker`` channel of WebSocket v2, and the REST tickers.

Source: docs.bitfinex.com (WebSocket "General": info and error codes, "Ticker"; REST "Tickers"). Data frames are arrays that
name a channel's number instead of its symbol: the session remembers which is which, from the acknowledgements of its own
connection. Fields are read by position from the front: flags of the connection and later versions append some. Prices are
JSON numbers; there is no time in either interface, so quotes are untimed. Bid, ask, last trade and daily volume (base
units) stand at 0, 2, 6 and 7 of the ticker.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from urllib.parse import quote as url_quote

from feeds.decode import values
from feeds.errors import Malformed, RateLimited, Refused, Unreachable, WrongSymbol
from feeds.streams.venue import Frame, ParsedFrame, PlainSession, Session, VenueLimits
from feeds.types import Quote, Request, Tick

_LIMITS = VenueLimits(symbols_per_connection=25, connect_interval_ms=4_000, requests_per_s=1)
_SYMBOLS_PER_REQUEST = 20
_MOST_CHANNELS = 250
_VERSION = 2
_RESTART, _PAUSED, _RESUMED = 20_051, 20_060, 20_061
_TOO_MANY = 10_305
_QUIET = ("unsubscribed", "conf", "pong")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bitfinex(PlainSession):
    """Symbols as the venue writes them, with a t in front: ``tETHUSD``, ``tTESTBTC:TESTUSD``. UST is its tether."""

    name: str = "bitfinex"
    ws_url: str = "wss://api-pub.bitfinex.com/ws/2"
    rest_url: str = "https://api-pub.bitfinex.com"
    limits: VenueLimits = _LIMITS

    def subscribe(self, symbols: Sequence[str], now_ms: int) -> tuple[str, ...]:
        """One message per symbol."""
        del now_ms
        return tuple(json.dumps({"event": "subscribe", "channel": "ticker", "symbol": s}) for s in symbols)

    def session(self) -> Session:
        """Return a reader that remembers channel numbers."""
        return _Session()

    def request(self, symbols: Sequence[str]) -> tuple[Request, ...]:
        """One request per 20 symbols. What is not listed is left out of the reply."""
        root, size = f"{self.rest_url}/v2/tickers?symbols=", _SYMBOLS_PER_REQUEST
        groups = (tuple(symbols[i : i + size]) for i in range(0, len(symbols), size))
        return tuple(Request(url=root + url_quote(",".join(g), safe=""), symbols=g) for g in groups)

    def parse_reply(self, request: Request, body: bytes) -> tuple[Tick, ...]:
        """Read the tickers; a symbol that was asked and is not there is WrongSymbol."""
        message = values.load(body)
        if not isinstance(message, list):
            raise Malformed("expected an array", got=type(message).__name__)
        if message[:1] == ["error"]:
            code, text = (values.printable(part) for part in (*message[1:3], "", "")[:2])
            raise Refused(text, code=code)
        rows = {row[0]: row[1:] for row in message if isinstance(row, list) and row and isinstance(row[0], str)}
        return tuple(values.tick(s, partial(_quote, rows.get(s))) for s in request.symbols)


@dataclass(slots=True)
class _Session:
    ping_text: str | None = None
    _symbols: dict[int, str] = field(default_factory=dict)

    def read_frame(self, frame: Frame) -> ParsedFrame:
        """Read one frame.

        Raises:
            Refused: an error that names no symbol, or a venue under maintenance.
            Unreachable: the venue restarts, or asks to subscribe again after maintenance.
            WrongSymbol: data of a channel that is not one of ours.
            Malformed: a message of an unknown kind, or not a message at all.
        """
        message = values.load(frame)
        if isinstance(message, Mapping):
            return ParsedFrame(ticks=self._event(message))
        channel, body = values.item(message, 0), values.item(message, 1)
        if not isinstance(channel, int) or isinstance(channel, bool):
            raise Malformed("a channel is a number", got=values.printable(channel))
        if body == "hb":
            return ParsedFrame()
        symbol = self._symbols.get(channel)
        if symbol is None:
            raise WrongSymbol("data of a channel that was not subscribed", channel=str(channel)[:20])
        return ParsedFrame(ticks=(values.tick(symbol, partial(_quote, body)),))

    def ping(self, now_ms: int) -> Frame | None:
        """None: the venue sends heartbeats of its own."""
        del now_ms
        return self.ping_text

    def _event(self, message: Mapping[str, Any]) -> tuple[Tick, ...]:
        event = values.text(values.member(message, "event"))
        if event == "subscribed":
            self._remember(message)
        elif event == "error":
            return (_refused(message),)
        elif event == "info":
            _inform(message)
        elif event not in _QUIET:
            raise Malformed("unknown event", event=values.printable(event))
        return ()

    def _remember(self, message: Mapping[str, Any]) -> None:
        if values.member(message, "channel") != "ticker":
            return
        channel, symbol = values.member(message, "chanId"), values.text(values.member(message, "symbol"))
        if not isinstance(channel, int) or isinstance(channel, bool):
            raise Malformed("a channel is a number", got=values.printable(channel))
        if len(self._symbols) >= _MOST_CHANNELS:
            raise Unreachable("more channels than were ever subscribed", channels=len(self._symbols))
        self._symbols[channel] = symbol


def _quote(row: Any) -> Quote:
    if row is None:
        raise WrongSymbol("the reply does not hold the symbol that was asked")
    bid, ask, last, volume = (values.item(row, i) for i in (0, 2, 6, 7))
    return values.book_quote(bid, ask, last=last, volume=volume)


def _inform(message: Mapping[str, Any]) -> None:
    """Raise what an info message means, if it is more than a greeting."""
    code = message.get("code")
    if code in (_RESTART, _RESUMED):
        raise Unreachable("the venue asks for a new connection", code=values.printable(code))
    platform = message.get("platform")
    up = platform.get("status", 1) if isinstance(platform, Mapping) else 1
    if code == _PAUSED or up != 1:
        raise Refused("the venue is under maintenance", code=values.printable(code))
    version = message.get("version", _VERSION)
    if version != _VERSION:
        raise Malformed("another version of the interface", version=values.printable(version))


def _refused(message: Mapping[str, Any]) -> Tick:
    text, code, symbol = values.printable(message.get("msg", "")), message.get("code"), message.get("symbol")
    kind = WrongSymbol if text.startswith("symbol") else RateLimited if code == _TOO_MANY else Refused
    error = kind(text, code=values.printable(code))
    if not isinstance(symbol, str) or not symbol:
        raise error
    return Tick(symbol=symbol, result=error)
