"""Coinbase Exchange: ``ticker`` stream and product ticker.

Source: docs.cdp.coinbase.com/exchange (WebSocket channels; REST "Get product ticker"). USD and USDC products are one
and the same book there: list only one of the two.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import quote as url_quote

from feeds.decode import values
from feeds.errors import Malformed, Refused, WrongSymbol
from feeds.streams.venue import PlainSession, VenueLimits
from feeds.types import Quote, Request, Tick

_LIMITS = VenueLimits(symbols_per_connection=50, connect_interval_ms=1_000, requests_per_s=5)
_STREAM = ("best_bid", "best_ask", "price", "volume_24h", "time")
_REST = ("bid", "ask", "price", "volume", "time")
_UNKNOWN = " is not a valid product"


@dataclass(frozen=True, slots=True, kw_only=True)
class Coinbase(PlainSession):
    """Symbols as the venue writes them: ``CBETH-USD``."""

    name: str = "coinbase"
    ws_url: str = "wss://ws-feed.exchange.coinbase.com"
    rest_url: str = "https://api.exchange.coinbase.com"
    limits: VenueLimits = _LIMITS

    def subscribe(self, symbols: Sequence[str], now_ms: int) -> tuple[str, ...]:
        """One message per product: the venue ignores a whole message in which one product is unknown."""
        del now_ms
        channels = ["ticker", "heartbeat"]
        return tuple(json.dumps({"type": "subscribe", "product_ids": [s], "channels": channels}) for s in symbols)

    def parse(self, frame: str | bytes) -> tuple[Tick, ...]:
        """Read one stream message.

        Raises:
            Refused: an error message of the venue that names no product.
            Malformed: a message of a type that was not subscribed, or not a message at all.
        """
        message = values.load(frame)
        kind = values.member(message, "type")
        if kind == "ticker":
            symbol = values.text(values.member(message, "product_id"))
            return (values.tick(symbol, partial(_quote, _STREAM, message)),)
        if kind in ("heartbeat", "subscriptions"):
            return ()
        if kind == "error":
            return (_refused(message),)
        raise Malformed("unknown message type", type=values.printable(kind))

    def request(self, symbols: Sequence[str]) -> tuple[Request, ...]:
        """One request per product."""
        return tuple(
            Request(url=f"{self.rest_url}/products/{url_quote(s, safe='')}/ticker", symbols=(s,)) for s in symbols
        )

    def parse_reply(self, request: Request, body: bytes) -> tuple[Tick, ...]:
        """Read a product ticker. The reply does not name its product: the request does."""
        message = values.load(body)
        return tuple(values.tick(s, partial(_quote, _REST, message)) for s in request.symbols)


def _quote(keys: tuple[str, ...], row: Any) -> Quote:
    if isinstance(row, Mapping) and "message" in row:
        raise Refused(values.printable(row["message"]))
    bid, ask = (values.member(row, k) for k in keys[:2])
    last, volume, stated = (row.get(k) for k in keys[2:])
    stated_at_ms = None if stated is None else values.iso_ms(stated)
    return values.book_quote(bid, ask, last=last, volume=volume, stated_at_ms=stated_at_ms)


def _refused(message: Any) -> Tick:
    reason = values.printable(message.get("reason", ""))
    symbol, unknown, _ = reason.partition(_UNKNOWN)
    if unknown and symbol:
        return Tick(symbol=symbol, result=WrongSymbol(reason))
    raise Refused(": ".join(p for p in (values.printable(message.get("message", "error")), reason) if p))
