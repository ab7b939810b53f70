"""Bitfinex's side of the conversation: channel numbers in place of symbols, and the REST tickers."""

from __future__ import annotations

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
    dumps,
    json_object,
    raw,
)

_ELSEWHERE = 99
"""A channel number that no connection is given."""


@dataclass(frozen=True, slots=True)
class BitfinexWire(PlainWire):
    """api-pub.bitfinex.com/ws/2 and api-pub.bitfinex.com/v2."""

    name: str = "bitfinex"
    ws_path: str = "/ws/2"
    beats_with_data: bool = False

    def greeting(self) -> list[str]:
        """Version and state."""
        return [dumps({"event": "info", "version": 2, "serverId": "e293377e", "platform": {"status": 1}})]

    def receive(
        self, text: str, listed: Collection[str], connection: ConnectionState
    ) -> tuple[list[Frame], tuple[str, ...]]:
        """Acknowledge a symbol with its channel's number, or refuse it."""
        message = json_object(text)
        if message.get("event") != "subscribe" or message.get("channel") != "ticker":
            return [dumps({"event": "error", "msg": "unknown event", "code": 10000})], ()
        symbol = str(message.get("symbol", ""))
        head = {"channel": "ticker", "symbol": symbol, "pair": symbol[1:]}
        if symbol not in listed:
            return [dumps({**head, "event": "error", "msg": "symbol: invalid", "code": 10300})], ()
        return [dumps({"event": "subscribed", **head, "chanId": connection.number(symbol)})], (symbol,)

    def frames(self, state: SymbolState, connection: ConnectionState, *, first: bool) -> list[Frame]:
        """Bare numbers in an array, without a time."""
        del first
        return [dumps([connection.numbers.get(state.symbol, _ELSEWHERE), _row(state)])]

    def heartbeats(self, connection: ConnectionState, now_ms: int) -> list[Frame]:
        """One heartbeat for each channel."""
        del now_ms
        return [dumps([number, "hb"]) for number in connection.numbers.values()]

    def rest(self, path: str, query: Mapping[str, str], lookup: StateLookup) -> tuple[int, Any]:
        """GET /v2/tickers?symbols=A,B; what is not listed is left out."""
        if path != "/v2/tickers":
            return HTTP_MISSING, ["error", 10020, "not found"]
        state: Sequence[SymbolState | None] = [lookup(s) for s in query.get("symbols", "").split(",")]
        return HTTP_OK, [[s.symbol, *_row(s)] for s in state if s is not None]


def _row(state: SymbolState) -> list[Any]:
    bid, ask, last, volume = (raw(t) for t in (state.bid, state.ask, state.last, state.volume))
    return [bid, raw("1.5"), ask, raw("2.25"), raw("0"), raw("0"), last, volume, last, last]
