"""KuCoin's side of the conversation: the token by REST, the stream that opens with it, and the statistics."""

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
    TradeState,
    dumps,
    raw,
)

_TICKER, _SNAPSHOT, _MATCH = "/market/ticker:", "/market/snapshot:", "/market/match:"
_STATISTICS, _BOOK = "/api/v1/market/stats", "/api/v1/market/orderbook/level2_100"
_LEVELS = 100
_OK = "200000"


@dataclass(frozen=True, slots=True)
class KucoinWire(PlainWire):
    """ws-api-spot.kucoin.com and api.kucoin.com."""

    name: str = "kucoin"
    ws_path: str = "/endpoint"
    beats_with_data: bool = False
    wants_token = True

    def greeting(self) -> list[str]:
        """Say welcome."""
        return [dumps({"id": "hQvf8jkno", "type": "welcome"})]

    def answer(self, message: Mapping[str, Any], listed: Collection[str]) -> tuple[list[str], tuple[str, ...]]:
        """Acknowledge or refuse the whole topic."""
        return _answered(message, listed)

    def answer_trades(
        self, message: Mapping[str, Any], listed: Collection[str]
    ) -> tuple[list[str], tuple[str, ...]] | None:
        """The same of trades."""
        return _answered(message, listed) if str(message.get("topic", "")).startswith(_MATCH) else None

    def frames(self, state: SymbolState, connection: ConnectionState, *, first: bool) -> list[Frame]:
        """The snapshot, whose numbers are bare, and the ticker, whose numbers are texts."""
        del connection, first
        row = {
            "symbol": state.symbol, "symbolCode": state.symbol, "trading": True, "buy": raw(state.bid),
            "sell": raw(state.ask), "lastTradedPrice": raw(state.last), "vol": raw(state.volume),
            "volValue": raw("50000"), "datetime": state.ms(), "board": 0, "mark": 0, "sort": 100,
        }  # fmt: skip
        ticker = {
            "bestAsk": state.ask, "bestAskSize": "2.25", "bestBid": state.bid, "bestBidSize": "1.5",
            "price": state.last, "sequence": str(state.sequence), "size": "0.25", "time": state.ms(),
        }  # fmt: skip
        snapshot = {"sequence": str(state.sequence), "data": row}
        return [
            dumps({"topic": topic + state.symbol, "type": "message", "subject": subject, "data": data})
            for topic, subject, data in (
                (_SNAPSHOT, "trade.snapshot", snapshot),
                (_TICKER, "trade.ticker", ticker),
            )
        ]

    def trade(self, trade: TradeState) -> str:
        """One match; its time is in nanoseconds, everything is text."""
        row = {
            "symbol": trade.symbol, "sequence": str(trade.number), "side": "buy" if trade.buy else "sell",
            "size": trade.volume, "price": trade.price, "takerOrderId": "6085c097587c2000060cde57",
            "makerOrderId": "6085c06144b3790006512a4d", "time": str(trade.time_ms * 1_000_000 + 50_725),
            "type": "match", "tradeId": str(trade.number),
        }  # fmt: skip
        return dumps({"type": "message", "topic": _MATCH + trade.symbol, "subject": "trade.l3match", "data": row})

    def rest_response(self, request: RestRequest, lookup: StateLookup) -> tuple[int, Any]:
        """POST /api/v1/bullet-public, and GET /api/v1/market/stats or .../orderbook/level2_100?symbol=X."""
        if request.post and request.path == "/api/v1/bullet-public":
            server = {
                "endpoint": request.stream_url, "encrypt": False, "protocol": "websocket", "pingInterval": 18_000,
                "pingTimeout": 10_000,
            }  # fmt: skip
            return HTTP_OK, {"code": _OK, "data": {"token": request.token, "instanceServers": [server]}}
        if request.post or request.path not in (_STATISTICS, _BOOK):
            return HTTP_MISSING, {"code": "404", "msg": "Not Found"}
        name = request.query.get("symbol", "")
        if request.path == _BOOK:
            return HTTP_OK, {"code": _OK, "data": _book(lookup(name))}
        return HTTP_OK, {"code": _OK, "data": _statistics(name, lookup(name))}


def _answered(message: Mapping[str, Any], listed: Collection[str]) -> tuple[list[str], tuple[str, ...]]:
    number, kind, topic = message.get("id", ""), message.get("type"), str(message.get("topic", ""))
    if kind == "ping":
        return [dumps({"id": number, "type": "pong", "timestamp": 0})], ()
    if kind != "subscribe":
        return [dumps({"id": number, "type": "error", "code": 400, "data": "unknown type"})], ()
    symbols = tuple(topic.partition(":")[2].split(","))
    if not topic.startswith((_TICKER, _SNAPSHOT, _MATCH)) or any(s not in listed for s in symbols):
        return [dumps({"id": number, "type": "error", "code": 404, "data": f"topic {topic} is not found"})], ()
    return [dumps({"id": number, "type": "ack"})], symbols


def _book(state: SymbolState | None) -> dict[str, Any] | None:
    if state is None:
        return None
    sides = {"bids": state.bids[:_LEVELS], "asks": state.asks[:_LEVELS]}
    return {"time": state.ms(), "sequence": str(state.sequence), **sides}


def _statistics(name: str, state: SymbolState | None) -> dict[str, Any]:
    if state is None:
        return {"time": 0, "symbol": name, "buy": None, "sell": None, "vol": None, "last": None}
    return {
        "time": state.ms(), "symbol": state.symbol, "buy": state.bid, "sell": state.ask, "changeRate": "0",
        "changePrice": "0", "high": state.last, "low": state.last, "vol": state.volume, "volValue": "50000",
        "last": state.last, "averagePrice": state.last, "takerFeeRate": "0.001", "makerFeeRate": "0.001",
        "takerCoefficient": "1", "makerCoefficient": "1",
    }  # fmt: skip
