"""Bitstamp's side of the conversation: order book and trades of the stream, and the REST ticker."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from demo.venues.protocols import (
    HTTP_MISSING,
    HTTP_OK,
    ConnectionState,
    Frame,
    PlainWire,
    StateLookup,
    SymbolState,
    dumps,
    raw,
)

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
            error = {"code": None, "message": "Bad subscription string."}
            return [dumps({"event": "bts:error", "channel": "", "data": error})], ()
        symbol = channel.removeprefix(_BOOK).removeprefix(_TRADES)
        frames: list[Frame] = [dumps({"event": "bts:subscription_succeeded", "channel": channel, "data": {}})]
        return frames, (symbol,) if symbol in listed else ()

    def frames(self, state: SymbolState, connection: ConnectionState, *, first: bool) -> list[Frame]:
        """The last trade, with its numbers bare and as texts, and the book; times are texts of microseconds."""
        del connection, first
        at_ms = state.ms()
        times = {
            "timestamp": None if at_ms is None else str(at_ms // _MS),
            "microtimestamp": None if at_ms is None else str(at_ms * _US_PER_MS),
        }
        trade = {
            "id": state.sequence, **times, "amount": raw("0.25"), "amount_str": "0.25000000", "price": raw(state.last),
            "price_str": state.last, "type": 0, "buy_order_id": 1, "sell_order_id": 2,
        }  # fmt: skip
        book = {**times, "bids": [[state.bid, "1.50000000"]], "asks": [[state.ask, "2.25000000"]]}
        return [
            dumps({"data": trade, "channel": _TRADES + state.symbol, "event": "trade"}),
            dumps({"data": book, "channel": _BOOK + state.symbol, "event": "data"}),
        ]

    def rest(self, path: str, query: Mapping[str, str], lookup: StateLookup) -> tuple[int, Any]:
        """GET /api/v2/ticker/x/; a market that does not exist is status 404. The time is a text of seconds."""
        del query
        state = lookup(path.removeprefix(_PATH).rstrip("/")) if path.startswith(_PATH) else None
        if state is None:
            return HTTP_MISSING, {"status": "error", "reason": "Not found", "code": "API0000"}
        at_ms = state.ms()
        return HTTP_OK, {
            "timestamp": None if at_ms is None else str(at_ms // _MS), "open": state.last, "high": state.last,
            "low": state.last, "last": state.last, "volume": state.volume, "vwap": state.last, "bid": state.bid,
            "ask": state.ask, "side": "0", "open_24": state.last, "percent_change_24": "0.00",
        }  # fmt: skip
