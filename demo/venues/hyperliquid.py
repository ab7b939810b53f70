"""Hyperliquid's side of the conversation: book, trades and context of a coin, and POST /info."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from demo.venues.protocols import (
    HTTP_MISSING,
    HTTP_OK,
    Caller,
    Frame,
    PlainWire,
    RestRequest,
    Show,
    Shown,
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
        asked = message.get("subscription") or {}
        if message.get("method") != "subscribe":
            said = f"Error parsing JSON into valid websocket request: {dumps(dict(message))}"
            return [dumps({"channel": "error", "data": said})], ()
        coin = asked.get("coin")
        if asked.get("type") not in _CHANNELS or coin not in listed:
            return [dumps({"channel": "error", "data": f"Invalid subscription {dumps(asked)}"})], ()
        return [dumps({"channel": "subscriptionResponse", "data": dict(message)})], (str(coin),)

    def frames(self, shown: Shown, caller: Caller, *, first: bool) -> list[Frame]:
        """The trade, the day's volume, and the whole book."""
        del caller, first
        trade = {
            "coin": shown.symbol, "side": "B", "px": shown.last, "sz": "0.25", "hash": "0x00", "time": shown.ms(),
            "tid": shown.sequence, "users": ["0x01", "0x02"],
        }  # fmt: skip
        context = {"dayNtlVlm": "50000", "prevDayPx": shown.last, "markPx": shown.last, "dayBaseVlm": shown.volume}
        return [
            *([] if shown.time_ms is None else [dumps({"channel": "trades", "data": [trade]})]),
            dumps({"channel": "activeAssetCtx", "data": {"coin": shown.symbol, "ctx": context}}),
            dumps({"channel": "l2Book", "data": _book(shown)}),
        ]

    def reply(self, asked: RestRequest, show: Show) -> tuple[int, Any]:
        """POST /info {"type": "l2Book", "coin": X}; null for a market that does not exist."""
        body = asked.body if isinstance(asked.body, dict) else {}
        if not asked.post or asked.path != "/info" or body.get("type") != "l2Book":
            return HTTP_MISSING, "not found"
        shown = show(str(body.get("coin", "")))
        return HTTP_OK, None if shown is None else _book(shown)


def _book(shown: Shown) -> dict[str, Any]:
    sides = [[{"px": shown.bid, "sz": "1.5", "n": 2}], [{"px": shown.ask, "sz": "2.25", "n": 1}]]
    return {"coin": shown.symbol, "time": shown.ms(), "levels": sides}
