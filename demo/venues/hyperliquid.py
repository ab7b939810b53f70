"""Hyperliquid's side of the conversation: book, trades and context of a coin, and POST /info."""

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
    RestRequest,
    StateLookup,
    SymbolState,
    dumps,
)

_CHANNELS = ("l2Book", "trades", "activeAssetCtx")


@dataclass(frozen=True, slots=True)
class HyperliquidWire(PlainWire):
    """api.hyperliquid.xyz/ws and api.hyperliquid.xyz/info."""

    name: str = "hyperliquid"
    ws_path: str = "/ws"
    beats_with_data: bool = False

    def answer(self, message: Mapping[str, Any], listed: Collection[str]) -> tuple[list[Frame], tuple[str, ...]]:
        """Acknowledge or refuse one subscription; the refusal is a text that repeats it."""
        if message.get("method") == "ping":
            return [dumps({"channel": "pong"})], ()
        subscription = message.get("subscription") or {}
        if message.get("method") != "subscribe":
            message_text = f"Error parsing JSON into valid websocket request: {dumps(dict(message))}"
            return [dumps({"channel": "error", "data": message_text})], ()
        coin = subscription.get("coin")
        if subscription.get("type") not in _CHANNELS or coin not in listed:
            return [dumps({"channel": "error", "data": f"Invalid subscription {dumps(subscription)}"})], ()
        return [dumps({"channel": "subscriptionResponse", "data": dict(message)})], (str(coin),)

    def frames(self, state: SymbolState, connection: ConnectionState, *, first: bool) -> list[Frame]:
        """The trade, the day's volume, and the whole book."""
        del connection, first
        trade = {
            "coin": state.symbol, "side": "B", "px": state.last, "sz": "0.25", "hash": "0x00", "time": state.ms(),
            "tid": state.sequence, "users": ["0x01", "0x02"],
        }  # fmt: skip
        context = {"dayNtlVlm": "50000", "prevDayPx": state.last, "markPx": state.last, "dayBaseVlm": state.volume}
        return [
            *([] if state.time_ms is None else [dumps({"channel": "trades", "data": [trade]})]),
            dumps({"channel": "activeAssetCtx", "data": {"coin": state.symbol, "ctx": context}}),
            dumps({"channel": "l2Book", "data": _book(state)}),
        ]

    def rest_response(self, request: RestRequest, lookup: StateLookup) -> tuple[int, Any]:
        """POST /info {"type": "l2Book", "coin": X}; null for a market that does not exist."""
        body = request.body if isinstance(request.body, dict) else {}
        if not request.post or request.path != "/info" or body.get("type") != "l2Book":
            return HTTP_MISSING, "not found"
        state = lookup(str(body.get("coin", "")))
        return HTTP_OK, None if state is None else _book(state)


def _book(state: SymbolState) -> dict[str, Any]:
    sides = [[{"px": state.bid, "sz": "1.5", "n": 2}], [{"px": state.ask, "sz": "2.25", "n": 1}]]
    return {"coin": state.symbol, "time": state.ms(), "levels": sides}
