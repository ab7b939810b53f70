"""OKX's side of the conversation: WebSocket v5 and REST."""

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
    TradeState,
    dumps,
)

_ABSENT = "doesn't exist. Please use the correct URL, channel and parameters referring to API document."


@dataclass(frozen=True, slots=True)
class OkxWire(PlainWire):
    """ws.okx.com/ws/v5/public and www.okx.com/api/v5."""

    name: str = "okx"
    ws_path: str = "/ws/v5/public"
    beats_with_data: bool = False
    repeats_trades = 1

    def receive(
        self, text: str, listed: Collection[str], connection: ConnectionState
    ) -> tuple[list[Frame], tuple[str, ...]]:
        """Answer the text ``ping``, as a text too, beside the JSON requests."""
        if text != "ping":
            return PlainWire.receive(self, text, listed, connection)
        connection.missed_beats = 0
        return ["pong"], ()

    def answer(self, message: Mapping[str, Any], listed: Collection[str]) -> tuple[list[str], tuple[str, ...]]:
        """Acknowledge or refuse each argument."""
        if message.get("op") != "subscribe":
            error = {"event": "error", "code": "60012", "msg": "Illegal request: unknown op", "connId": "a4d3ae55"}
            return [dumps(error)], ()
        return _acknowledged(message, listed)

    def answer_trades(
        self, message: Mapping[str, Any], listed: Collection[str]
    ) -> tuple[list[str], tuple[str, ...]] | None:
        """The same of trades."""
        channels = {arg["channel"] for arg in message.get("args", ())}
        return _acknowledged(message, listed) if message.get("op") == "subscribe" and channels == {"trades"} else None

    def ticker(self, state: SymbolState, *, first: bool) -> str:
        """One row; all numbers are texts."""
        del first
        arg = {"channel": "tickers", "instId": state.symbol}
        return dumps({"arg": arg, "data": [_row(state)]})

    def trade(self, trade: TradeState) -> str:
        """What one order took at one price."""
        row = {
            "instId": trade.symbol, "tradeId": str(trade.number), "px": trade.price, "sz": trade.volume,
            "side": "buy" if trade.buy else "sell", "ts": str(trade.time_ms), "count": "1", "source": "0", "seqId": 1,
        }  # fmt: skip
        return dumps({"arg": {"channel": "trades", "instId": trade.symbol}, "data": [row]})

    def rest(self, path: str, query: Mapping[str, str], lookup: StateLookup) -> tuple[int, Any]:
        """GET /api/v5/market/ticker or books-full?instId=X; an unknown instrument is refused with status 200."""
        if path not in ("/api/v5/market/ticker", "/api/v5/market/books-full"):
            return HTTP_MISSING, {"code": "404", "data": [], "msg": "Not Found"}
        state = lookup(query.get("instId", ""))
        if state is None:
            return HTTP_OK, {"code": "51001", "data": [], "msg": "Instrument ID or Spread ID doesn't exist."}
        if path.endswith("books-full"):
            sides = {k: [[p, size, "1"] for p, size in v] for k, v in (("asks", state.asks), ("bids", state.bids))}
            return HTTP_OK, {"code": "0", "msg": "", "data": [{**sides, "ts": state.ms_text()}]}
        return HTTP_OK, {"code": "0", "msg": "", "data": [_row(state)]}


def _acknowledged(message: Mapping[str, Any], listed: Collection[str]) -> tuple[list[str], tuple[str, ...]]:
    args = message.get("args", ())
    frames = [dumps(_acknowledgement(arg, listed)) for arg in args]
    return frames, tuple(arg["instId"] for arg in args if arg["instId"] in listed)


def _acknowledgement(arg: Mapping[str, Any], listed: Collection[str]) -> dict[str, Any]:
    if arg["instId"] in listed:
        return {"event": "subscribe", "arg": dict(arg), "connId": "a4d3ae55"}
    error = f"Wrong URL or channel:{arg['channel']},instId:{arg['instId']} {_ABSENT}"
    return {"event": "error", "code": "60018", "msg": error, "connId": "a4d3ae55"}


def _row(state: SymbolState) -> dict[str, Any]:
    return {
        "instType": "SPOT", "instId": state.symbol, "last": state.last, "lastSz": "0.25", "askPx": state.ask,
        "askSz": "2.25", "bidPx": state.bid, "bidSz": "1.5", "open24h": state.last, "high24h": state.last,
        "low24h": state.last, "volCcy24h": "50000", "vol24h": state.volume, "ts": state.ms_text(),
        "sodUtc0": state.last, "sodUtc8": state.last,
    }  # fmt: skip
