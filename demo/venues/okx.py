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
    dumps,
)

_ABSENT = "doesn't exist. Please use the correct URL, channel and parameters referring to API document."


@dataclass(frozen=True, slots=True)
class OkxWire(PlainWire):
    """ws.okx.com/ws/v5/public and www.okx.com/api/v5."""

    name: str = "okx"
    ws_path: str = "/ws/v5/public"
    beats_with_data: bool = False

    def receive(
        self, text: str, listed: Collection[str], connection: ConnectionState
    ) -> tuple[list[Frame], tuple[str, ...]]:
        """Answer the text ``ping``, as a text too, beside the JSON requests."""
        if text != "ping":
            return PlainWire.receive(self, text, listed, connection)
        connection.missed_beats = 0
        return ["pong"], ()

    def answer(self, message: Mapping[str, Any], listed: Collection[str]) -> tuple[list[Frame], tuple[str, ...]]:
        """Acknowledge or refuse each argument."""
        if message.get("op") != "subscribe":
            error = {"event": "error", "code": "60012", "msg": "Illegal request: unknown op", "connId": "a4d3ae55"}
            return [dumps(error)], ()
        args = message.get("args", ())
        frames: list[Frame] = [dumps(_acknowledgement(arg, listed)) for arg in args]
        return frames, tuple(arg["instId"] for arg in args if arg["instId"] in listed)

    def ticker(self, state: SymbolState, *, first: bool) -> str:
        """One row; all numbers are texts."""
        del first
        arg = {"channel": "tickers", "instId": state.symbol}
        return dumps({"arg": arg, "data": [_row(state)]})

    def rest(self, path: str, query: Mapping[str, str], lookup: StateLookup) -> tuple[int, Any]:
        """GET /api/v5/market/ticker?instId=X; an unknown instrument is refused with status 200."""
        if path != "/api/v5/market/ticker":
            return HTTP_MISSING, {"code": "404", "data": [], "msg": "Not Found"}
        state = lookup(query.get("instId", ""))
        if state is None:
            return HTTP_OK, {"code": "51001", "data": [], "msg": "Instrument ID or Spread ID doesn't exist."}
        return HTTP_OK, {"code": "0", "msg": "", "data": [_row(state)]}


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
