"""Kraken's side of the conversation: WebSocket v2 and REST."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from demo.venues.protocols import (
    HTTP_OK,
    ConnectionState,
    Frame,
    PlainWire,
    StateLookup,
    SymbolState,
    TradeState,
    dumps,
    iso,
    raw,
)

_OLD_NAMES = {"BTC": "XBT"}
_PREFIXED = {"ETH", "XBT", "LTC"}


@dataclass(frozen=True, slots=True)
class KrakenWire(PlainWire):
    """ws.kraken.com/v2 and api.kraken.com."""

    name: str = "kraken"
    ws_path: str = "/v2"
    beats_with_data: bool = False
    repeats_trades: int = 50

    def greeting(self) -> list[str]:
        """State of the trading engine."""
        data = {"api_version": "v2", "connection_id": 7, "system": "online", "version": "2.0.10"}
        return [dumps({"channel": "status", "type": "update", "data": [data]})]

    def answer(self, message: Mapping[str, Any], listed: Collection[str]) -> tuple[list[str], tuple[str, ...]]:
        """Acknowledge or refuse each symbol by itself."""
        return _acknowledged(message, listed, "ticker")

    def answer_trades(
        self, message: Mapping[str, Any], listed: Collection[str]
    ) -> tuple[list[str], tuple[str, ...]] | None:
        """The same of trades."""
        if message.get("params", {}).get("channel") != "trade":
            return None
        return _acknowledged(message, listed, "trade")

    def ticker(self, state: SymbolState, *, first: bool) -> str:
        """Snapshot or update; prices are JSON numbers."""
        bid, ask, last, volume = (raw(t) for t in (state.bid, state.ask, state.last, state.volume))
        row = {
            "symbol": state.symbol, "bid": bid, "bid_qty": raw("1.5"), "ask": ask, "ask_qty": raw("2.25"),
            "last": last, "volume": volume, "vwap": last, "low": last, "high": last, "change": raw("0.0"),
            "change_pct": raw("0.0"), "timestamp": state.iso(),
        }  # fmt: skip
        return dumps({"channel": "ticker", "type": "snapshot" if first else "update", "data": [row]})

    def trade(self, trade: TradeState) -> str:
        """An update of one trade; numbers are bare."""
        return dumps({"channel": "trade", "type": "update", "data": [_traded(trade)]})

    def past_trades(self, trades: Sequence[TradeState], connection: ConnectionState) -> list[Frame]:
        """One snapshot."""
        del connection
        return [dumps({"channel": "trade", "type": "snapshot", "data": [_traded(t) for t in trades]})] if trades else []

    def heartbeat(self, symbols: Sequence[str], now_ms: int) -> list[str]:
        """One heartbeat for the connection."""
        del symbols, now_ms
        return [dumps({"channel": "heartbeat"})]

    def rest(self, path: str, query: Mapping[str, str], lookup: StateLookup) -> tuple[int, Any]:
        """GET /0/public/Ticker or Depth?pair=X; errors come with status 200; the result is keyed by the venue's own spelling."""
        state = lookup(query.get("pair", "")) if path in ("/0/public/Ticker", "/0/public/Depth") else None
        if state is None:
            return HTTP_OK, {"error": ["EQuery:Unknown asset pair"]}
        if path.endswith("Depth"):
            at_s = (state.ms() or 0) // 1_000
            sides = {k: [[p, size, at_s] for p, size in v] for k, v in (("bids", state.bids), ("asks", state.asks))}
            return HTTP_OK, {"error": [], "result": {_spelling(state.symbol): sides}}
        row = {
            "a": [state.ask, "2", "2.250"], "b": [state.bid, "1", "1.500"], "c": [state.last, "0.25000000"],
            "v": [state.volume, state.volume], "p": [state.last, state.last], "t": [10, 20],
            "l": [state.last, state.last], "h": [state.last, state.last], "o": state.last,
        }  # fmt: skip
        return HTTP_OK, {"error": [], "result": {_spelling(state.symbol): row}}


def _traded(trade: TradeState) -> dict[str, Any]:
    return {
        "symbol": trade.symbol, "side": "buy" if trade.buy else "sell", "price": raw(trade.price), "qty": raw(trade.volume),
        "ord_type": "limit", "trade_id": trade.number, "timestamp": iso(trade.time_ms),
    }  # fmt: skip


def _spelling(symbol: str) -> str:
    base, _, quote = symbol.partition("/")
    base = _OLD_NAMES.get(base, base)
    return f"X{base}Z{quote}" if base in _PREFIXED and quote in ("USD", "EUR") else base + quote


def _acknowledged(
    message: Mapping[str, Any], listed: Collection[str], channel: str
) -> tuple[list[str], tuple[str, ...]]:
    params = message.get("params", {})
    times = {"time_in": iso(1_700_000_000_000), "time_out": iso(1_700_000_000_001)}
    symbols = tuple(params.get("symbol", ()))
    frames = [
        {"method": "subscribe", "result": {"channel": channel, "snapshot": True, "symbol": s}, "success": True}
        if s in listed
        else {"error": f"Currency pair not supported {s}", "method": "subscribe", "success": False, "symbol": s}
        for s in symbols
    ]
    return [dumps({**f, **times}) for f in frames], tuple(s for s in symbols if s in listed)
