"""Gate spot, v4: ``spot.tickers`` channel, and the REST tickers.

Source: gate.io/docs/developers/apiv4 (WebSocket "Tickers Channel", "Server Response"; REST "Retrieve ticker information").
The channel carries best bid and ask, last trade and 24 h volume, once a second where something changed. ``spot.book_ticker``
is faster and has neither of the last two. The time is the frame's ``time_ms``; captures of 2021 have only whole seconds
in ``time``, which are not used. The venue needs no ping of ours besides that of the transport.
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
from feeds.streams.venue import PlainSession, VenueLimits
from feeds.types import Quote, Request, Tick
from feeds.units import MS

_LIMITS = VenueLimits(symbols_per_connection=50, connect_interval_ms=1_000, message_interval_ms=50, requests_per_s=10)
_UNKNOWN = "unknown currency pair"


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate(PlainSession):
    """Symbols as the venue writes them: ``ETH_USDT``."""

    name: str = "gate"
    ws_url: str = "wss://api.gateio.ws/ws/v4/"
    rest_url: str = "https://api.gateio.ws"
    limits: VenueLimits = _LIMITS

    def subscribe(self, symbols: Sequence[str], now_ms: int) -> tuple[str, ...]:
        """One message per pair: one unknown pair fails the whole message."""
        head = {"time": now_ms // MS, "channel": "spot.tickers", "event": "subscribe"}
        return tuple(json.dumps({**head, "payload": [s]}) for s in symbols)

    def parse(self, frame: str | bytes) -> tuple[Tick, ...]:
        """Read one stream message.

        Raises:
            Refused: an error that names no pair.
            Malformed: a message that was not subscribed, or not a message at all.
        """
        message = values.load(frame)
        channel = values.member(message, "channel")
        if message.get("error") is not None:
            return _refused(message["error"])
        if channel == "spot.pong" or message.get("event") in ("subscribe", "unsubscribe"):
            return ()
        if channel != "spot.tickers" or message.get("event") != "update":
            raise Malformed("not what was subscribed", channel=values.printable(channel))
        row = values.member(message, "result")
        symbol = values.text(values.member(row, "currency_pair"))
        return (values.tick(symbol, partial(_quote, row, message.get("time_ms"))),)

    def request(self, symbols: Sequence[str]) -> tuple[Request, ...]:
        """One request per pair."""
        root = f"{self.rest_url}/api/v4/spot/tickers?currency_pair="
        return tuple(Request(url=root + url_quote(s, safe=""), symbols=(s,)) for s in symbols)

    def parse_reply(self, request: Request, body: bytes) -> tuple[Tick, ...]:
        """Read the ticker of the one pair asked. The reply has no time."""
        message = values.load(body)
        return tuple(values.tick(s, partial(_asked, s, message)) for s in request.symbols)


def _quote(row: Any, stated: Any) -> Quote:
    bid, ask = values.member(row, "highest_bid"), values.member(row, "lowest_ask")
    stated_at_ms = None if stated is None else values.time_ms(stated)
    return values.book_quote(bid, ask, last=row.get("last"), volume=row.get("base_volume"), stated_at_ms=stated_at_ms)


def _asked(symbol: str, message: Any) -> Quote:
    if isinstance(message, Mapping) and "label" in message:
        unknown = message["label"] in ("INVALID_CURRENCY_PAIR", "INVALID_CURRENCY")
        text = values.printable(message.get("message", ""))
        raise (WrongSymbol if unknown else Refused)(text, label=values.printable(message["label"]))
    row = values.item(message, 0)
    named = values.member(row, "currency_pair")
    if named != symbol:
        raise WrongSymbol("the reply is about another pair", asked=symbol, got=values.printable(named))
    return _quote(row, None)


def _refused(error: Any) -> tuple[Tick, ...]:
    text = values.printable(error.get("message", "") if isinstance(error, Mapping) else error)
    _, unknown, symbol = text.partition(_UNKNOWN)
    failure: FeedError = WrongSymbol(text) if unknown else Refused(text)
    if not unknown or not symbol.strip(": "):
        raise failure
    return (Tick(symbol=symbol.strip(": "), result=failure),)
