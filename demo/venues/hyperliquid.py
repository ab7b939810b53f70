"""Hyperliquid's side of the conversation: book, trades and context of a coin, and POST /info."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
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
    TradeState,
    dumps,
)

_LEVELS = 20
_CHANNELS = ("l2Book", "trades", "activeAssetCtx")


@dataclass(frozen=True, slots=True)
class HyperliquidWire(PlainWire):
    """api.hyperliquid.xyz/ws and api.hyperliquid.xyz/info."""

    name: str = "hyperliquid"
    ws_path: str = "/ws"
    beats_with_data: bool = False
    repeats_trades = 10

    def answer(self, message: Mapping[str, Any], listed: Collection[str]) -> tuple[list[str], tuple[str, ...]]:
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

    def answer_trades(
        self, message: Mapping[str, Any], listed: Collection[str]
    ) -> tuple[list[str], tuple[str, ...]] | None:
        """The same of trades."""
        if message.get("method") != "subscribe" or (message.get("subscription") or {}).get("type") != "trades":
            return None
        return self.answer(message, listed)

    def trade(self, trade: TradeState) -> str:
        """An array of one trade."""
        row = {
            "coin": trade.symbol, "side": "B" if trade.buy else "A", "px": trade.price, "sz": trade.volume,
            "hash": "0x00", "time": trade.time_ms, "tid": trade.number, "users": ["0x01", "0x02"],
        }  # fmt: skip
        return dumps({"channel": "trades", "data": [row]})

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
        if state is None:
            return HTTP_OK, None
        figures = body.get("nSigFigs")
        return HTTP_OK, _book(state) if figures is None else _coarse_book(state, int(figures))


def _book(state: SymbolState) -> dict[str, Any]:
    sides = [[{"px": state.bid, "sz": "1.5", "n": 2}], [{"px": state.ask, "sz": "2.25", "n": 1}]]
    return {"coin": state.symbol, "time": state.ms(), "levels": sides}


def _coarse_book(state: SymbolState, figures: int) -> dict[str, Any]:
    """20 levels of a side, bids rounded down and asks up to so many significant figures."""
    sides = [_merged(levels, figures, rounding) for levels, rounding in _sides(state)]
    return {"coin": state.symbol, "time": state.ms(), "levels": sides}


def _sides(state: SymbolState) -> tuple[tuple[Iterable[tuple[str, str]], str], ...]:
    return (state.bids, ROUND_FLOOR), (state.asks, ROUND_CEILING)


def _merged(levels: Iterable[tuple[str, str]], figures: int, rounding: str) -> list[dict[str, Any]]:
    sizes: dict[Decimal, list[Decimal]] = {}
    for text, size in levels:
        price = Decimal(text)
        step = Decimal(1).scaleb(price.adjusted() - figures + 1)
        sizes.setdefault((price / step).to_integral_value(rounding) * step, []).append(Decimal(size))
    merged = ({"px": f"{price:f}", "sz": f"{sum(each):f}", "n": len(each)} for price, each in sizes.items())
    return list(itertools.islice(merged, _LEVELS))
