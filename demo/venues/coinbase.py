"""Coinbase Exchange's side of the conversation."""

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
    iso,
)


@dataclass(frozen=True, slots=True)
class CoinbaseWire(PlainWire):
    """ws-feed.exchange.coinbase.com and api.exchange.coinbase.com."""

    name: str = "coinbase"
    ws_path: str = "/"
    beats_with_data: bool = False
    repeats_trades: int = 1

    def greeting(self) -> list[str]:
        """Say nothing before the first subscription."""
        return []

    def answer(self, message: Mapping[str, Any], listed: Collection[str]) -> tuple[list[str], tuple[str, ...]]:
        """Refuse the whole message if one product is unknown."""
        products = tuple(message.get("product_ids", ()))
        if message.get("type") != "subscribe":
            return [dumps({"type": "error", "message": "Malformed JSON", "reason": ""})], ()
        unknown = [p for p in products if p not in listed]
        if unknown:
            reason = f"{unknown[0]} is not a valid product"
            return [dumps({"type": "error", "message": "Failed to subscribe", "reason": reason})], ()
        channels = [{"name": c, "product_ids": list(products)} for c in message.get("channels", ())]
        return [dumps({"type": "subscriptions", "channels": channels})], products

    def ticker(self, state: SymbolState, *, first: bool) -> str:
        """Ticker of a match; the snapshot has the same form."""
        del first
        return dumps({
            "type": "ticker", "sequence": state.sequence, "product_id": state.symbol, "price": state.last,
            "open_24h": state.last, "volume_24h": state.volume, "low_24h": state.last, "high_24h": state.last,
            "volume_30d": state.volume, "best_bid": state.bid, "best_bid_size": "1.5", "best_ask": state.ask,
            "best_ask_size": "2.25", "side": "buy", "time": state.iso(), "trade_id": state.sequence,
            "last_size": "0.25",
        })  # fmt: skip

    def answer_trades(
        self, message: Mapping[str, Any], listed: Collection[str]
    ) -> tuple[list[str], tuple[str, ...]] | None:
        """The same of matches."""
        return self.answer(message, listed) if "matches" in message.get("channels", ()) else None

    def trade(self, trade: TradeState) -> str:
        """One match; ``side`` is the maker's."""
        return self._match("match", trade)

    def past_trades(self, trades: Sequence[TradeState], connection: ConnectionState) -> list[Frame]:
        """The last match."""
        del connection
        return [self._match("last_match", trade) for trade in trades]

    def _match(self, kind: str, trade: TradeState) -> str:
        return dumps({
            "type": kind, "trade_id": trade.number, "maker_order_id": "ac928c66-ca53-498f-9c13-a110027a60e8",
            "taker_order_id": "132fb6ae-456b-4654-b4e0-d681ac05cea1", "side": "sell" if trade.buy else "buy",
            "size": trade.volume, "price": trade.price, "product_id": trade.symbol, "sequence": trade.number,
            "time": iso(trade.time_ms),
        })  # fmt: skip

    def heartbeat(self, symbols: Sequence[str], now_ms: int) -> list[str]:
        """One heartbeat per product."""
        return [
            dumps({"type": "heartbeat", "last_trade_id": 1, "product_id": s, "sequence": 1, "time": iso(now_ms)})
            for s in symbols
        ]

    def rest(self, path: str, query: Mapping[str, str], lookup: StateLookup) -> tuple[int, Any]:
        """GET /products/X/ticker, /products/X/book?level=1 and level=2."""
        match = re.fullmatch(r"/products/([^/]+)/(ticker|book)", path)
        state = lookup(match[1]) if match else None
        if match is None or state is None:
            return HTTP_MISSING, {"message": "NotFound"}
        if match[2] == "book":
            best = [[(state.bid, "1.5")], [(state.ask, "2.25")]]
            sides = [state.bids, state.asks] if query.get("level") == "2" else best
            bids, asks = ([[p, size, 1] for p, size in side] for side in sides)
            return HTTP_OK, {
                "bids": bids, "asks": asks, "sequence": state.sequence, "auction_mode": False, "auction": None,
                "time": state.iso(),
            }  # fmt: skip
        return HTTP_OK, {
            "ask": state.ask, "bid": state.bid, "volume": state.volume, "trade_id": state.sequence,
            "price": state.last, "size": "0.25", "time": state.iso(), "rfq_volume": "0",
        }  # fmt: skip
