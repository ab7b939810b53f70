"""Bitfinex's side of the conversation: channel numbers in place of symbols, and the REST tickers."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
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

HTTP_ERROR = 500
_ELSEWHERE = 99
"""A channel number that no connection is given."""


@dataclass(frozen=True, slots=True)
class BitfinexWire(PlainWire):
    """api-pub.bitfinex.com/ws/2 and api-pub.bitfinex.com/v2."""

    name: str = "bitfinex"
    ws_path: str = "/ws/2"
    beats_with_data: bool = False
    repeats_trades: int = 30

    def greeting(self) -> list[str]:
        """Version and state."""
        return [dumps({"event": "info", "version": 2, "serverId": "e293377e", "platform": {"status": 1}})]

    def receive(
        self, text: str, listed: Collection[str], connection: ConnectionState
    ) -> tuple[list[Frame], tuple[str, ...]]:
        """Acknowledge a symbol with its channel's number, or refuse it."""
        message = json_object(text)
        channel = message.get("channel")
        if message.get("event") != "subscribe" or channel not in ("ticker", "trades"):
            return [dumps({"event": "error", "msg": "unknown event", "code": 10000})], ()
        symbol = str(message.get("symbol", ""))
        head = {"channel": channel, "symbol": symbol, "pair": symbol[1:]}
        if symbol not in listed:
            return [dumps({**head, "event": "error", "msg": "symbol: invalid", "code": 10300})], ()
        if channel == "trades":
            return [dumps({"event": "subscribed", **head, "chanId": connection.trade_number(symbol)})], ()
        return [dumps({"event": "subscribed", **head, "chanId": connection.number(symbol)})], (symbol,)

    def frames(self, state: SymbolState, connection: ConnectionState, *, first: bool) -> list[Frame]:
        """Bare numbers in an array, without a time."""
        del first
        return [dumps([connection.numbers.get(state.symbol, _ELSEWHERE), _row(state)])]

    def trade_frames(self, trade: TradeState, connection: ConnectionState) -> list[Frame]:
        """Executed, and then once more under the same id."""
        number, row = connection.traded.get(trade.symbol, _ELSEWHERE), _traded(trade)
        return [dumps([number, event, row]) for event in ("te", "tu")]

    def past_trades(self, trades: Sequence[TradeState], connection: ConnectionState) -> list[Frame]:
        """One snapshot, the newest first."""
        numbers = {connection.traded.get(t.symbol, _ELSEWHERE) for t in trades}
        return [dumps([number, [_traded(t) for t in reversed(trades)]]) for number in numbers]

    def heartbeats(self, connection: ConnectionState, now_ms: int) -> list[Frame]:
        """One heartbeat for each channel."""
        del now_ms
        return [dumps([number, "hb"]) for number in (*connection.numbers.values(), *connection.traded.values())]

    def rest(self, path: str, query: Mapping[str, str], lookup: StateLookup) -> tuple[int, Any]:
        """GET /v2/tickers?symbols=A,B, what is not listed is left out; GET /v2/book/A/P1."""
        match = re.fullmatch(r"/v2/book/([^/]+)/P[0-4]", path)
        if match:
            return _book(lookup(match[1]), int(query.get("len", "25")))
        if path != "/v2/tickers":
            return HTTP_MISSING, ["error", 10020, "not found"]
        state: Sequence[SymbolState | None] = [lookup(s) for s in query.get("symbols", "").split(",")]
        return HTTP_OK, [[s.symbol, *_row(s)] for s in state if s is not None]


def _traded(trade: TradeState) -> list[Any]:
    """Id, time, amount (negative where the taker sold) and price."""
    return [trade.number, trade.time_ms, raw(trade.volume if trade.buy else f"-{trade.volume}"), raw(trade.price)]


def _row(state: SymbolState) -> list[Any]:
    bid, ask, last, volume = (raw(t) for t in (state.bid, state.ask, state.last, state.volume))
    return [bid, raw("1.5"), ask, raw("2.25"), raw("0"), raw("0"), last, volume, last, last]


def _book(state: SymbolState | None, most: int) -> tuple[int, Any]:
    """Bids, then asks with a negative amount."""
    if state is None:
        return HTTP_ERROR, ["error", 10020, "symbol: invalid"]
    bids = [[raw(price), 1, raw(size)] for price, size in state.bids[:most]]
    return HTTP_OK, [*bids, *([raw(price), 1, raw("-" + size)] for price, size in state.asks[:most])]
