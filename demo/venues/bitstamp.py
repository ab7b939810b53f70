"""Bitstamp's side of the conversation: order book and trades of the stream, and the REST ticker."""

from __future__ import annotations

import re
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
    TradeState,
    dumps,
    json_object,
    raw,
)

_BOOK, _TRADES = "order_book_", "live_trades_"
_MS = 1_000
_US_PER_MS = 1_000
_PATHS = re.compile(r"/api/v2/(ticker|order_book)/([^/]+)/")


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
        times = _times(state.ms())
        trade = {
            "id": state.sequence, **times, "amount": raw("0.25"), "amount_str": "0.25000000", "price": raw(state.last),
            "price_str": state.last, "type": 0, "buy_order_id": 1, "sell_order_id": 2,
        }  # fmt: skip
        book = {**times, "bids": [[state.bid, "1.50000000"]], "asks": [[state.ask, "2.25000000"]]}
        return [
            dumps({"data": trade, "channel": _TRADES + state.symbol, "event": "trade"}),
            dumps({"data": book, "channel": _BOOK + state.symbol, "event": "data"}),
        ]

    def receive(
        self, text: str, listed: Collection[str], connection: ConnectionState
    ) -> tuple[list[Frame], tuple[str, ...]]:
        """A symbol's trades alone are a subscription to trades; its book makes it one to quotes."""
        frames, symbols = self.answer(json_object(text), listed)
        connection.missed_beats = 0
        if _TRADES in text:
            for symbol in symbols:
                connection.trade_number(symbol)
            return frames, ()
        return frames, symbols

    def trade(self, trade: TradeState) -> str:
        """The same as beside a book."""
        row = {
            "id": trade.number, **_times(trade.time_ms), "amount": raw(trade.volume), "amount_str": trade.volume,
            "price": raw(trade.price), "price_str": trade.price, "type": int(not trade.buy), "buy_order_id": 1,
            "sell_order_id": 2,
        }  # fmt: skip
        return dumps({"data": row, "channel": _TRADES + trade.symbol, "event": "trade"})

    def rest(self, path: str, query: Mapping[str, str], lookup: StateLookup) -> tuple[int, Any]:
        """GET /api/v2/ticker/x/ or order_book/x/; a market that does not exist is status 404. Times are texts."""
        del query
        match = _PATHS.fullmatch(path)
        state = lookup(match[2]) if match else None
        if match is None or state is None:
            return HTTP_MISSING, {"status": "error", "reason": "Not found", "code": "API0000"}
        at_ms = state.ms()
        if match[1] == "order_book":
            return HTTP_OK, {**_times(at_ms), "bids": state.bids, "asks": state.asks}
        return HTTP_OK, {
            "timestamp": None if at_ms is None else str(at_ms // _MS), "open": state.last, "high": state.last,
            "low": state.last, "last": state.last, "volume": state.volume, "vwap": state.last, "bid": state.bid,
            "ask": state.ask, "side": "0", "open_24": state.last, "percent_change_24": "0.00",
        }  # fmt: skip


def _times(at_ms: int | None) -> dict[str, str | None]:
    """Seconds and microseconds, as texts."""
    return {
        "timestamp": None if at_ms is None else str(at_ms // _MS),
        "microtimestamp": None if at_ms is None else str(at_ms * _US_PER_MS),
    }
