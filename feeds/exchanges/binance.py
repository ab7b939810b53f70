"""Binance spot: ``<symbol>@ticker`` of the combined stream, and the REST 24 h ticker.

Source: github.com/binance/binance-spot-api-docs (web-socket-streams, rest-api). ``@ticker`` and not ``@bookTicker``:
it carries the event time, without which a stream that lags by minutes looks fresh, and last trade and volume beside
bid and ask, once a second. ``@bookTicker`` messages are understood too. An unknown stream is acknowledged and silent.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import quote as url_quote

from feeds.decode import values
from feeds.errors import Malformed, Refused, Unreachable, WrongSymbol
from feeds.streams.venue import PlainSession, VenueLimits
from feeds.types import Quote, Request, Tick

_LIMITS = VenueLimits(symbols_per_connection=200, connect_interval_ms=1_000, life_ms=84_600_000, requests_per_s=5)
_STREAM = ("b", "a", "c", "v", "E")
_REST = ("bidPrice", "askPrice", "lastPrice", "volume", "closeTime")
_SYMBOLS_PER_REQUEST = 20
"""Up to 20 symbols cost 2 of the venue's request weight, 21 cost 40."""
_UNKNOWN = -1121


@dataclass(frozen=True, slots=True, kw_only=True)
class Binance(PlainSession):
    """Symbols in upper case: ``WBETHUSDT``. ``channel`` is ``ticker`` or ``bookTicker``."""

    name: str = "binance"
    ws_url: str = "wss://stream.binance.com:9443/stream"
    rest_url: str = "https://api.binance.com"
    channel: str = "ticker"
    limits: VenueLimits = _LIMITS

    def subscribe(self, symbols: Sequence[str], now_ms: int) -> tuple[str, ...]:
        """One message for all streams; stream names are in lower case."""
        del now_ms
        params = [f"{s.lower()}@{self.channel}" for s in symbols]
        return (json.dumps({"method": "SUBSCRIBE", "params": params, "id": 1}),)

    def parse(self, frame: str | bytes) -> tuple[Tick, ...]:
        """Read one stream message.

        Raises:
            Refused: an error message of the venue.
            Unreachable: the venue announces that it will close this connection.
            WrongSymbol: the stream's name and the data's symbol differ.
            Malformed: a message of a stream that was not subscribed, or not a message at all.
        """
        message = values.load(frame)
        if isinstance(message, Mapping) and "stream" not in message:
            return _control(message)
        stream, data = values.text(values.member(message, "stream")), values.member(message, "data")
        if isinstance(data, Mapping) and data.get("e") == "serverShutdown":
            return _control(data)
        name, _, channel = stream.partition("@")
        if channel not in ("ticker", "bookTicker"):
            raise Malformed("unknown stream", stream=values.printable(stream))
        symbol = values.text(values.member(data, "s"))
        if symbol.lower() != name:
            raise WrongSymbol(
                "stream and symbol differ", stream=values.printable(stream), symbol=values.printable(symbol)
            )
        return (values.tick(symbol, partial(_quote, _STREAM, data)),)

    def request(self, symbols: Sequence[str]) -> tuple[Request, ...]:
        """One request per 20 symbols. The venue refuses a whole request in which one symbol is unknown."""
        root = f"{self.rest_url}/api/v3/ticker/24hr?symbols="
        size = _SYMBOLS_PER_REQUEST
        groups = (tuple(symbols[i : i + size]) for i in range(0, len(symbols), size))
        named = ((url_quote(json.dumps(g, separators=(",", ":")), safe=""), g) for g in groups)
        return tuple(Request(url=root + names, symbols=g) for names, g in named)

    def parse_reply(self, request: Request, body: bytes) -> tuple[Tick, ...]:
        """Read the 24 h tickers; a symbol that was asked and is not there is WrongSymbol."""
        message = values.load(body)
        if isinstance(message, Mapping):
            _control(message)
        if not isinstance(message, list):
            raise Malformed("expected an array", got=type(message).__name__)
        rows = {str(row["symbol"]): row for row in message if isinstance(row, Mapping) and "symbol" in row}
        return tuple(values.tick(s, partial(_quote, _REST, rows.get(s))) for s in request.symbols)


def _quote(keys: tuple[str, ...], row: Any) -> Quote:
    if row is None:
        raise WrongSymbol("the reply does not hold the symbol that was asked")
    bid, ask = (values.member(row, k) for k in keys[:2])
    last, volume, stated = (row.get(k) for k in keys[2:])
    stated_at_ms = None if stated is None else values.time_ms(stated)
    return values.book_quote(bid, ask, last=last, volume=volume, stated_at_ms=stated_at_ms)


def _control(message: Mapping[str, Any]) -> tuple[Tick, ...]:
    if message.get("e") == "serverShutdown":
        raise Unreachable("the venue announces that it will close the connection")
    error = message.get("error", message)
    if isinstance(error, Mapping) and ("code" in error or "error" in message):
        kind = WrongSymbol if error.get("code") == _UNKNOWN else Refused
        raise kind(values.printable(error.get("msg", "")), code=values.printable(error.get("code")))
    if message.get("result", message) is None:
        return ()
    raise Malformed("neither data nor an acknowledgement", keys=values.printable(sorted(message)))
