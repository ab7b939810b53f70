"""Gate's side of the conversation: WebSocket v4 and REST."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from demo.venues.protocols import (
    HTTP_BAD,
    HTTP_MISSING,
    HTTP_OK,
    PlainWire,
    StateLookup,
    SymbolState,
    TradeState,
    dumps,
)

_MS = 1_000


@dataclass(frozen=True, slots=True)
class GateWire(PlainWire):
    """api.gateio.ws/ws/v4/ and api.gateio.ws/api/v4."""

    name: str = "gate"
    ws_path: str = "/ws/v4/"
    beats_with_data: bool = False

    def answer(self, message: Mapping[str, Any], listed: Collection[str]) -> tuple[list[str], tuple[str, ...]]:
        """Acknowledge or refuse the whole message."""
        return _answered(message, listed, "spot.tickers")

    def answer_trades(
        self, message: Mapping[str, Any], listed: Collection[str]
    ) -> tuple[list[str], tuple[str, ...]] | None:
        """The same of trades."""
        return _answered(message, listed, "spot.trades") if message.get("channel") == "spot.trades" else None

    def ticker(self, state: SymbolState, *, first: bool) -> str:
        """An update; the time is beside the row."""
        del first
        at = state.ms()
        head = {"time": None if at is None else at // _MS, "time_ms": at, "channel": "spot.tickers", "event": "update"}
        return dumps({**head, "result": _row(state)})

    def trade(self, trade: TradeState) -> str:
        """A trade as its taker saw it; its time has fractions of a millisecond."""
        row = {
            "id": trade.number, "id_market": trade.number, "create_time": trade.time_ms // _MS,
            "create_time_ms": f"{trade.time_ms}.4578", "side": "buy" if trade.buy else "sell",
            "currency_pair": trade.symbol, "amount": trade.volume, "price": trade.price,
            "range": f"{trade.number}-{trade.number}",
        }  # fmt: skip
        head = {"time": trade.time_ms // _MS, "time_ms": trade.time_ms, "channel": "spot.trades", "event": "update"}
        return dumps({**head, "result": row})

    def rest(self, path: str, query: Mapping[str, str], lookup: StateLookup) -> tuple[int, Any]:
        """GET /api/v4/spot/tickers or order_book?currency_pair=X; an unknown pair is status 400."""
        if path not in ("/api/v4/spot/tickers", "/api/v4/spot/order_book"):
            return HTTP_MISSING, {"label": "NOT_FOUND", "message": "Not Found"}
        name = query.get("currency_pair", "")
        state = lookup(name)
        if state is None:
            return HTTP_BAD, {"label": "INVALID_CURRENCY_PAIR", "message": f"Invalid currency pair {name}"}
        if path.endswith("order_book"):
            return HTTP_OK, {"current": state.ms(), "update": state.ms(), "asks": state.asks, "bids": state.bids}
        return HTTP_OK, [{**_row(state), "lowest_size": "2.25", "highest_size": "1.5"}]


def _answered(message: Mapping[str, Any], listed: Collection[str], wanted: str) -> tuple[list[str], tuple[str, ...]]:
    at, channel = message.get("time", 0), message.get("channel", "")
    head = {"time": at, "time_ms": at * _MS, "channel": channel, "event": message.get("event", "")}
    if channel == "spot.ping":
        return [dumps({**head, "channel": "spot.pong", "error": None, "result": None})], ()
    pairs = tuple(message.get("payload", ()))
    if channel != wanted or head["event"] != "subscribe":
        return [dumps({**head, "error": {"code": 1, "message": "invalid argument struct"}, "result": None})], ()
    unknown = next((p for p in pairs if p not in listed), None)
    if unknown is not None:
        error = {"code": 2, "message": f"unknown currency pair {unknown}"}
        return [dumps({**head, "error": error, "result": None})], ()
    return [dumps({**head, "payload": list(pairs), "result": {"status": "success"}})], pairs


def _row(state: SymbolState) -> dict[str, Any]:
    return {
        "currency_pair": state.symbol, "last": state.last, "lowest_ask": state.ask, "highest_bid": state.bid,
        "change_percentage": "0", "base_volume": state.volume, "quote_volume": "50000", "high_24h": state.last,
        "low_24h": state.last,
    }  # fmt: skip
