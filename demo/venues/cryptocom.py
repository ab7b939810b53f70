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
    dumps,
    json_object,
)

_ANSWER = "public/respond-heartbeat"
_TICKER = "ticker."


@dataclass(frozen=True, slots=True)
class CryptoComWire(PlainWire):
    """stream.crypto.com/exchange/v1/market and api.crypto.com/exchange/v1."""

    name: str = "cryptocom"
    ws_path: str = "/exchange/v1/market"
    beats_with_data: bool = False

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
        symbols = tuple(str(c).removeprefix(_TICKER) for c in params.get("channels", ()))
        head = {"id": number, "method": "subscribe"}
        if not symbols or any(s not in listed for s in symbols):
            return [dumps({**head, "code": 40004, "message": f"invalid channel {dumps(params)}", "original": text})], ()
        return [dumps({**head, "code": 0})], symbols

    def ticker(self, state: SymbolState, *, first: bool) -> str:
        """One row; all numbers but the time are texts."""
        del first
        result = {
            "instrument_name": state.symbol, "subscription": _TICKER + state.symbol, "channel": "ticker",
            "data": [_row(state)],
        }  # fmt: skip
        return dumps({"id": -1, "method": "subscribe", "code": 0, "result": result})

    def heartbeats(self, connection: ConnectionState, now_ms: int) -> list[Frame]:
        """One heartbeat, numbered by the time."""
        connection.pinged = now_ms
        return [dumps({"id": now_ms, "method": "public/heartbeat", "code": 0})]

    def rest(self, path: str, query: Mapping[str, str], lookup: StateLookup) -> tuple[int, Any]:
        """GET /exchange/v1/public/get-tickers?instrument_name=X; an invalid one is status 400."""
        if path != "/exchange/v1/public/get-tickers":
            return HTTP_MISSING, {"id": -1, "code": 40401, "message": "Not found"}
        head = {"id": -1, "method": "public/get-tickers"}
        state = lookup(query.get("instrument_name", ""))
        if state is None:
            return HTTP_BAD, {**head, "code": 40004, "message": "Invalid instrument_name"}
        return HTTP_OK, {**head, "code": 0, "result": {"data": [_row(state)]}}


def _row(state: SymbolState) -> dict[str, Any]:
    return {
        "i": state.symbol, "h": state.last, "l": state.last, "a": state.last, "v": state.volume, "vv": "50000", "c": "0",
        "b": state.bid, "bs": "1.5", "k": state.ask, "ks": "2.25", "oi": "0", "t": state.ms(),
    }  # fmt: skip
