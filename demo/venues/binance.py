"""Binance's side of the conversation: the combined stream and REST."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
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


@dataclass(frozen=True, slots=True)
class BinanceWire(PlainWire):
    """stream.binance.com/stream and api.binance.com."""

    name: str = "binance"
    ws_path: str = "/stream"
    beats_with_data: bool = True

    def greeting(self) -> list[str]:
        """Say nothing before the first subscription."""
        return []

    def answer(self, message: Mapping[str, Any], listed: Collection[str]) -> tuple[list[str], tuple[str, ...]]:
        """Acknowledge every stream name, known or not: an unknown one stays silent."""
        if message.get("method") != "SUBSCRIBE":
            error = {"code": 2, "msg": "Invalid request: unknown variant"}
            return [dumps({"error": error, "id": message.get("id")})], ()
        names = [str(p).partition("@")[0].upper() for p in message.get("params", ())]
        return [dumps({"result": None, "id": message.get("id")})], tuple(n for n in names if n in listed)

    def ticker(self, state: SymbolState, *, first: bool) -> str:
        """24 h ticker of the combined stream."""
        del first
        at = state.ms()
        data = {
            "e": "24hrTicker", "E": at, "s": state.symbol, "p": "0.00", "P": "0.00", "w": state.last, "x": state.last,
            "c": state.last, "Q": "0.25", "b": state.bid, "B": "1.5", "a": state.ask, "A": "2.25", "o": state.last,
            "h": state.last, "l": state.last, "v": state.volume, "q": state.volume, "O": 0, "C": at, "F": 1,
            "L": state.sequence, "n": 1,
        }  # fmt: skip
        return dumps({"stream": f"{state.symbol.lower()}@ticker", "data": data})

    def answer_trades(
        self, message: Mapping[str, Any], listed: Collection[str]
    ) -> tuple[list[str], tuple[str, ...]] | None:
        """The same of streams of trades."""
        params = [str(p).partition("@") for p in message.get("params", ())]
        if message.get("method") != "SUBSCRIBE" or {channel for _, _, channel in params} != {"aggTrade"}:
            return None
        names = [name.upper() for name, _, _ in params]
        return [dumps({"result": None, "id": message.get("id")})], tuple(n for n in names if n in listed)

    def trade(self, trade: TradeState) -> str:
        """What one order took at one price."""
        data = {
            "e": "aggTrade", "E": trade.time_ms + 1, "s": trade.symbol, "a": trade.number, "p": trade.price,
            "q": trade.volume, "f": trade.number, "l": trade.number, "T": trade.time_ms, "m": not trade.buy, "M": True,
        }  # fmt: skip
        return dumps({"stream": f"{trade.symbol.lower()}@aggTrade", "data": data})

    def heartbeat(self, symbols: Sequence[str], now_ms: int) -> list[str]:
        """Send none: the ticker itself comes every second."""
        del symbols, now_ms
        return []

    def rest(self, path: str, query: Mapping[str, str], lookup: StateLookup) -> tuple[int, Any]:
        """GET /api/v3/ticker/24hr?symbols=[...]; one unknown symbol refuses the whole request. GET /api/v3/depth?symbol=X."""
        if path == "/api/v3/depth":
            return _depth(lookup(query.get("symbol", "")))
        if path != "/api/v3/ticker/24hr":
            return HTTP_MISSING, {"code": -1, "msg": "Not Found"}
        try:
            symbols = json.loads(query["symbols"])
        except (KeyError, ValueError):
            return HTTP_BAD, {"code": -1100, "msg": "Illegal characters found in parameter 'symbols'."}
        rows = [lookup(s) for s in symbols]
        known = [r for r in rows if r is not None]
        if len(known) != len(rows):
            return HTTP_BAD, {"code": -1121, "msg": "Invalid symbol."}
        return HTTP_OK, [
            {
                "symbol": r.symbol, "lastPrice": r.last, "lastQty": "0.25", "bidPrice": r.bid, "bidQty": "1.5",
                "askPrice": r.ask, "askQty": "2.25", "volume": r.volume, "quoteVolume": r.volume, "openTime": 0,
                "closeTime": r.ms(), "firstId": 1, "lastId": r.sequence, "count": 1,
            }
            for r in known
        ]  # fmt: skip


def _depth(state: SymbolState | None) -> tuple[int, Any]:
    if state is None:
        return HTTP_BAD, {"code": -1121, "msg": "Invalid symbol."}
    return HTTP_OK, {"lastUpdateId": state.sequence, "bids": state.bids, "asks": state.asks}
