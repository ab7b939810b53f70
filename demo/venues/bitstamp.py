"""Bitstamp's side of the conversation: order book and trades of the stream, and the REST ticker."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from demo.venues.protocols import HTTP_MISSING, HTTP_OK, Caller, Frame, PlainWire, Show, Shown, dumps, raw

_BOOK, _TRADES = "order_book_", "live_trades_"
_MS = 1_000
_US_PER_MS = 1_000
_PATH = "/api/v2/ticker/"


@dataclass(frozen=True, slots=True)
class BitstampWire(PlainWire):
    """ws.bitstamp.net and www.bitstamp.net/api/v2."""

    name: str = "bitstamp"
    ws_path: str = "/"
    beats_with_data: bool = False

    def answer(self, message: Mapping[str, Any], listed: Collection[str]) -> tuple[list[Frame], tuple[str, ...]]:
        """Acknowledge every channel, known or not."""
        if message.get("event") == "bts:heartbeat":
            return [dumps({"event": "bts:heartbeat", "channel": "", "data": {"status": "success"}})], ()
        channel = str((message.get("data") or {}).get("channel", ""))
        if message.get("event") != "bts:subscribe" or not channel.startswith((_BOOK, _TRADES)):
            said = {"code": None, "message": "Bad subscription string."}
            return [dumps({"event": "bts:error", "channel": "", "data": said})], ()
        symbol = channel.removeprefix(_BOOK).removeprefix(_TRADES)
        frames: list[Frame] = [dumps({"event": "bts:subscription_succeeded", "channel": channel, "data": {}})]
        return frames, (symbol,) if symbol in listed else ()

    def frames(self, shown: Shown, caller: Caller, *, first: bool) -> list[Frame]:
        """The last trade, with its numbers bare and as texts, and the book; times are texts of microseconds."""
        del caller, first
        at_ms = shown.ms()
        times = {
            "timestamp": None if at_ms is None else str(at_ms // _MS),
            "microtimestamp": None if at_ms is None else str(at_ms * _US_PER_MS),
        }
        trade = {
            "id": shown.sequence, **times, "amount": raw("0.25"), "amount_str": "0.25000000", "price": raw(shown.last),
            "price_str": shown.last, "type": 0, "buy_order_id": 1, "sell_order_id": 2,
        }  # fmt: skip
        book = {**times, "bids": [[shown.bid, "1.50000000"]], "asks": [[shown.ask, "2.25000000"]]}
        return [
            dumps({"data": trade, "channel": _TRADES + shown.symbol, "event": "trade"}),
            dumps({"data": book, "channel": _BOOK + shown.symbol, "event": "data"}),
        ]

    def rest(self, path: str, query: Mapping[str, str], show: Show) -> tuple[int, Any]:
        """GET /api/v2/ticker/x/; a market that does not exist is status 404. The time is a text of seconds."""
        del query
        shown = show(path.removeprefix(_PATH).rstrip("/")) if path.startswith(_PATH) else None
        if shown is None:
            return HTTP_MISSING, {"status": "error", "reason": "Not found", "code": "API0000"}
        at_ms = shown.ms()
        return HTTP_OK, {
            "timestamp": None if at_ms is None else str(at_ms // _MS), "open": shown.last, "high": shown.last,
            "low": shown.last, "last": shown.last, "volume": shown.volume, "vwap": shown.last, "bid": shown.bid,
            "ask": shown.ask, "side": "0", "open_24": shown.last, "percent_change_24": "0.00",
        }  # fmt: skip
