"""Bitget's side of the conversation: WebSocket v2 and REST."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from demo.venues.protocols import (
    HTTP_BAD,
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
)


@dataclass(frozen=True, slots=True)
class BitgetWire(PlainWire):
    """ws.bitget.com/v2/ws/public and api.bitget.com."""

    name: str = "bitget"
    ws_path: str = "/v2/ws/public"
    beats_with_data: bool = False
    repeats_trades: int = 50

    def receive(
        self, text: str, listed: Collection[str], connection: ConnectionState
    ) -> tuple[list[Frame], tuple[str, ...]]:
        """Answer the text ``ping``; only that keeps a connection alive."""
        if text == "ping":
            connection.missed_beats = 0
            return ["pong"], ()
        message = json_object(text)
        frames, symbols = self.answer(message, listed)
        traded = {arg["instId"] for arg in message.get("args", ()) if arg.get("channel") == "trade"}
        for symbol in traded.intersection(symbols):
            connection.trade_number(symbol)
        return frames, tuple(s for s in symbols if s not in traded)

    def answer(self, message: Mapping[str, Any], listed: Collection[str]) -> tuple[list[Frame], tuple[str, ...]]:
        """Acknowledge or refuse each argument."""
        if message.get("op") != "subscribe":
            return [dumps({"event": "error", "code": 30002, "msg": "Unrecognized request", "op": "subscribe"})], ()
        args = message.get("args", ())
        frames: list[Frame] = [dumps(_acknowledgement(arg, listed)) for arg in args]
        return frames, tuple(arg["instId"] for arg in args if arg["instId"] in listed)

    def ticker(self, state: SymbolState, *, first: bool) -> str:
        """Every message is a snapshot."""
        del first
        arg = {"instType": "SPOT", "channel": "ticker", "instId": state.symbol}
        row = {"instId": state.symbol, "open24h": state.last, **_prices(state)}
        return dumps({"action": "snapshot", "arg": arg, "data": [row], "ts": state.ms()})

    def trade(self, trade: TradeState) -> str:
        """An update of one trade, which does not name its symbol."""
        return _traded("update", [trade])

    def past_trades(self, trades: Sequence[TradeState], connection: ConnectionState) -> list[Frame]:
        """One snapshot, the newest first."""
        del connection
        return [_traded("snapshot", trades[::-1])] if trades else []

    def rest(self, path: str, query: Mapping[str, str], lookup: StateLookup) -> tuple[int, Any]:
        """GET /api/v2/spot/market/tickers or orderbook?symbol=X; an unknown symbol is status 400."""
        if path not in ("/api/v2/spot/market/tickers", "/api/v2/spot/market/orderbook"):
            return HTTP_MISSING, {"code": "40404", "msg": "Request URL NOT FOUND", "requestTime": 0, "data": None}
        name = query.get("symbol", "")
        state = lookup(name)
        if state is None:
            message_text = f"Parameter {name} does not exist"
            return HTTP_BAD, {"code": "40034", "msg": message_text, "requestTime": 0, "data": None}
        if path.endswith("orderbook"):
            book = {"asks": state.asks, "bids": state.bids, "ts": state.ms_text()}
            return HTTP_OK, {"code": "00000", "msg": "success", "requestTime": state.ms(), "data": book}
        row = {"symbol": state.symbol, "open": state.last, "usdtVolume": "50000", **_prices(state)}
        return HTTP_OK, {"code": "00000", "msg": "success", "requestTime": state.ms(), "data": [row]}


def _acknowledgement(arg: Mapping[str, Any], listed: Collection[str]) -> dict[str, Any]:
    if arg["instId"] in listed:
        return {"event": "subscribe", "arg": dict(arg)}
    message_text = f"instType:{arg['instType']},channel:{arg['channel']},instId:{arg['instId']} doesn't exist"
    return {"event": "error", "arg": dict(arg), "code": 30001, "msg": message_text, "op": "subscribe"}


def _traded(action: str, trades: Sequence[TradeState]) -> str:
    arg = {"instType": "SPOT", "channel": "trade", "instId": trades[0].symbol}
    rows = [
        {
            "ts": str(t.time_ms), "price": t.price, "size": t.volume, "side": "buy" if t.buy else "sell",
            "tradeId": str(1_116_461_060_000_000_000 + t.number),
        }
        for t in trades
    ]  # fmt: skip
    return dumps({"action": action, "arg": arg, "data": rows, "ts": trades[0].time_ms + 1})


def _prices(state: SymbolState) -> dict[str, Any]:
    return {
        "lastPr": state.last, "high24h": state.last, "low24h": state.last, "change24h": "0", "bidPr": state.bid,
        "askPr": state.ask, "bidSz": "1.5", "askSz": "2.25", "baseVolume": state.volume, "quoteVolume": "50000",
        "openUtc": state.last, "changeUtc24h": "0", "ts": state.ms_text(),
    }  # fmt: skip
