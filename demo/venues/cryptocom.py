"""Crypto.com's side of the conversation: the market stream with its heartbeats, and REST."""

from __future__ import annotations

from collections.abc import Collection, Mapping
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

_ANSWER = "public/respond-heartbeat"
_TICKER, _TRADE = "ticker.", "trade."


@dataclass(frozen=True, slots=True)
class CryptoComWire(PlainWire):
    """stream.crypto.com/exchange/v1/market and api.crypto.com/exchange/v1."""

    name: str = "cryptocom"
    ws_path: str = "/exchange/v1/market"
    beats_with_data: bool = False
    repeats_trades = 50

    def receive(
        self, text: str, listed: Collection[str], connection: ConnectionState
    ) -> tuple[list[Frame], tuple[str, ...]]:
        """Take the answer to the last heartbeat; acknowledge or refuse a whole message, repeating what was asked."""
        message = json_object(text)
        method, number = message.get("method"), message.get("id", -1)
        if method == _ANSWER:
            connection.missed_beats = 0 if number == connection.pinged else connection.missed_beats
            return [], ()
        if method != "subscribe":
            error = {"id": number, "method": "ERROR", "code": 40002, "message": "Method not found", "original": text}
            return [dumps(error)], ()
        params = message.get("params", {})
        channels = tuple(str(c) for c in params.get("channels", ()))
        symbols = tuple(c.removeprefix(_TICKER).removeprefix(_TRADE) for c in channels)
        head = {"id": number, "method": "subscribe"}
        if not symbols or any(s not in listed for s in symbols):
            return [dumps({**head, "code": 40004, "message": f"invalid channel {dumps(params)}", "original": text})], ()
        for channel, symbol in zip(channels, symbols, strict=True):
            if channel.startswith(_TRADE):
                connection.trade_number(symbol)
        return [dumps({**head, "code": 0})], tuple(s for s in symbols if _TICKER + s in channels)

    def ticker(self, state: SymbolState, *, first: bool) -> str:
        """One row; all numbers but the time are texts."""
        del first
        result = {
            "instrument_name": state.symbol, "subscription": _TICKER + state.symbol, "channel": "ticker",
            "data": [_row(state)],
        }  # fmt: skip
        return dumps({"id": -1, "method": "subscribe", "code": 0, "result": result})

    def trade(self, trade: TradeState) -> str:
        """One row; the numbers are texts."""
        row = {
            "d": str(trade.number), "t": trade.time_ms, "tn": str(trade.time_ms * 1_000_000), "q": trade.volume,
            "p": trade.price, "s": "BUY" if trade.buy else "SELL", "i": trade.symbol, "m": str(trade.number),
        }  # fmt: skip
        result = {
            "instrument_name": trade.symbol, "subscription": _TRADE + trade.symbol, "channel": "trade", "data": [row],
        }  # fmt: skip
        return dumps({"id": -1, "method": "subscribe", "code": 0, "result": result})

    def heartbeats(self, connection: ConnectionState, now_ms: int) -> list[Frame]:
        """One heartbeat, numbered by the time."""
        connection.pinged = now_ms
        return [dumps({"id": now_ms, "method": "public/heartbeat", "code": 0})]

    def rest(self, path: str, query: Mapping[str, str], lookup: StateLookup) -> tuple[int, Any]:
        """GET /exchange/v1/public/get-tickers or get-book?instrument_name=X; an invalid one is status 400."""
        if path not in ("/exchange/v1/public/get-tickers", "/exchange/v1/public/get-book"):
            return HTTP_MISSING, {"id": -1, "code": 40401, "message": "Not found"}
        head = {"id": -1, "method": path.removeprefix("/exchange/v1/")}
        state = lookup(query.get("instrument_name", ""))
        if state is None:
            return HTTP_BAD, {**head, "code": 40004, "message": "Invalid instrument_name"}
        if path.endswith("get-book"):
            depth = int(query.get("depth", "50"))
            sides = {
                k: [[p, size, "1"] for p, size in v[:depth]] for k, v in (("bids", state.bids), ("asks", state.asks))
            }
            result = {"depth": depth, "data": [{**sides, "t": state.ms()}], "instrument_name": state.symbol}
            return HTTP_OK, {**head, "code": 0, "result": result}
        return HTTP_OK, {**head, "code": 0, "result": {"data": [_row(state)]}}


def _row(state: SymbolState) -> dict[str, Any]:
    return {
        "i": state.symbol, "h": state.last, "l": state.last, "a": state.last, "v": state.volume, "vv": "50000", "c": "0",
        "b": state.bid, "bs": "1.5", "k": state.ask, "ks": "2.25", "oi": "0", "t": state.ms(),
    }  # fmt: skip
