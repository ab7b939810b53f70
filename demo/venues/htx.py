"""HTX's side of the conversation: gzipped frames, pings that want an answer, and the merged ticker."""

from __future__ import annotations

import gzip
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

_TICKER, _TRADES = ".ticker", ".trade.detail"


@dataclass(frozen=True, slots=True)
class HtxWire(PlainWire):
    """api.huobi.pro/ws and api.huobi.pro."""

    name: str = "htx"
    ws_path: str = "/ws"
    beats_with_data: bool = False
    repeats_trades = 1

    def encode(self, frame: Frame) -> Frame:
        """Packed, every one."""
        return gzip.compress(frame.encode() if isinstance(frame, str) else frame, 1)

    def receive(
        self, text: str, listed: Collection[str], connection: ConnectionState
    ) -> tuple[list[Frame], tuple[str, ...]]:
        """Take the answer to the last ping; acknowledge or refuse a topic under the client's own id."""
        message = json_object(text)
        if "pong" in message:
            connection.missed_beats = 0 if message["pong"] == connection.pinged else connection.missed_beats
            return [], ()
        topic, number = str(message.get("sub", "")), message.get("id")
        symbol = topic.removeprefix("market.").removesuffix(_TICKER).removesuffix(_TRADES)
        if topic in (f"market.{symbol}{_TICKER}", f"market.{symbol}{_TRADES}") and symbol in listed:
            accepted = [dumps({"id": number, "status": "ok", "subbed": topic, "ts": 1_700_000_000_000})]
            if topic.endswith(_TICKER):
                return list(accepted), (symbol,)
            connection.trade_number(symbol)
            return list(accepted), ()
        message_text = f"invalid symbol {symbol}" if topic.endswith((_TICKER, _TRADES)) else f"invalid topic {topic}"
        error = {
            "status": "error",
            "ts": 1_700_000_000_000,
            "id": number,
            "err-code": "bad-request",
            "err-msg": message_text,
        }
        return [dumps(error)], ()

    def ticker(self, state: SymbolState, *, first: bool) -> str:
        """Numbers are bare."""
        del first
        tick = {**_day(state), "bid": raw(state.bid), "bidSize": raw("1.5"), "ask": raw(state.ask), "askSize": raw("2.25"),
                "lastPrice": raw(state.last), "lastSize": raw("0.25")}  # fmt: skip
        return dumps({"ch": f"market.{state.symbol}.ticker", "ts": state.ms(), "tick": tick})

    def trade(self, trade: TradeState) -> str:
        """Numbers are bare, the old id is longer than 64 bits."""
        row = {
            "id": trade.number * 10**15 + trade.time_ms, "ts": trade.time_ms, "tradeId": trade.number,
            "amount": raw(trade.volume), "price": raw(trade.price), "direction": "buy" if trade.buy else "sell",
        }  # fmt: skip
        tick = {"id": trade.number, "ts": trade.time_ms, "data": [row]}
        return dumps({"ch": f"market.{trade.symbol}{_TRADES}", "ts": trade.time_ms + 1, "tick": tick})

    def heartbeats(self, connection: ConnectionState, now_ms: int) -> list[Frame]:
        """One ping, with the time."""
        connection.pinged = now_ms
        return [dumps({"ping": now_ms})]

    def rest(self, path: str, query: Mapping[str, str], lookup: StateLookup) -> tuple[int, Any]:
        """GET /market/detail/merged or /market/depth?symbol=X; errors come with status 200."""
        if path not in ("/market/detail/merged", "/market/depth"):
            return HTTP_MISSING, {"status": "error", "err-code": "invalid-path", "err-msg": "not found", "data": None}
        state = lookup(query.get("symbol", ""))
        if state is None:
            error = {"err-code": "invalid-parameter", "err-msg": "invalid symbol", "data": None}
            return HTTP_OK, {"ts": 1_700_000_000_000, "status": "error", **error}
        if path.endswith("depth"):
            sides = {k: [[raw(p), raw(size)] for p, size in v] for k, v in (("bids", state.bids), ("asks", state.asks))}
            channel = f"market.{state.symbol}.depth.{query.get('type', 'step0')}"
            tick: dict[str, Any] = {**sides, "version": state.sequence, "ts": state.ms()}
            return HTTP_OK, {"ch": channel, "status": "ok", "ts": state.ms(), "tick": tick}
        best = {"bid": [raw(state.bid), raw("1.5")], "ask": [raw(state.ask), raw("2.25")]}
        tick = {**_day(state), "id": state.sequence, "version": state.sequence, **best}
        return HTTP_OK, {"ch": f"market.{state.symbol}.detail.merged", "status": "ok", "ts": state.ms(), "tick": tick}


def _day(state: SymbolState) -> dict[str, Any]:
    last = raw(state.last)
    prices = {"open": last, "high": last, "low": last, "close": last}
    return {**prices, "amount": raw(state.volume), "vol": raw("50000"), "count": 20}
