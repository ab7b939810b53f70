"""KuCoin's side of the conversation: the token by REST, the stream that opens with it, and the statistics."""

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
    raw,
)

_TICKER, _SNAPSHOT = "/market/ticker:", "/market/snapshot:"
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

    def answer(self, message: Mapping[str, Any], listed: Collection[str]) -> tuple[list[Frame], tuple[str, ...]]:
        """Acknowledge or refuse the whole topic."""
        number, kind, topic = message.get("id", ""), message.get("type"), str(message.get("topic", ""))
        if kind == "ping":
            return [dumps({"id": number, "type": "pong", "timestamp": 0})], ()
        if kind != "subscribe":
            return [dumps({"id": number, "type": "error", "code": 400, "data": "unknown type"})], ()
        symbols = tuple(topic.partition(":")[2].split(","))
        if not topic.startswith((_TICKER, _SNAPSHOT)) or any(s not in listed for s in symbols):
            return [dumps({"id": number, "type": "error", "code": 404, "data": f"topic {topic} is not found"})], ()
        return [dumps({"id": number, "type": "ack"})], symbols

    def frames(self, shown: Shown, caller: Caller, *, first: bool) -> list[Frame]:
        """The snapshot, whose numbers are bare, and the ticker, whose numbers are texts."""
        del caller, first
        row = {
            "symbol": shown.symbol, "symbolCode": shown.symbol, "trading": True, "buy": raw(shown.bid),
            "sell": raw(shown.ask), "lastTradedPrice": raw(shown.last), "vol": raw(shown.volume),
            "volValue": raw("50000"), "datetime": shown.ms(), "board": 0, "mark": 0, "sort": 100,
        }  # fmt: skip
        ticker = {
            "bestAsk": shown.ask, "bestAskSize": "2.25", "bestBid": shown.bid, "bestBidSize": "1.5",
            "price": shown.last, "sequence": str(shown.sequence), "size": "0.25", "time": shown.ms(),
        }  # fmt: skip
        snapshot = {"sequence": str(shown.sequence), "data": row}
        return [
            dumps({"topic": topic + shown.symbol, "type": "message", "subject": subject, "data": data})
            for topic, subject, data in (
                (_SNAPSHOT, "trade.snapshot", snapshot),
                (_TICKER, "trade.ticker", ticker),
            )
        ]

    def reply(self, asked: RestRequest, show: Show) -> tuple[int, Any]:
        """POST /api/v1/bullet-public, and GET /api/v1/market/stats?symbol=X."""
        if asked.post and asked.path == "/api/v1/bullet-public":
            server = {
                "endpoint": asked.home, "encrypt": False, "protocol": "websocket", "pingInterval": 18_000,
                "pingTimeout": 10_000,
            }  # fmt: skip
            return HTTP_OK, {"code": _OK, "data": {"token": asked.token, "instanceServers": [server]}}
        if asked.post or asked.path != "/api/v1/market/stats":
            return HTTP_MISSING, {"code": "404", "msg": "Not Found"}
        name = asked.query.get("symbol", "")
        return HTTP_OK, {"code": _OK, "data": _statistics(name, show(name))}


def _statistics(name: str, shown: Shown | None) -> dict[str, Any]:
    if shown is None:
        return {"time": 0, "symbol": name, "buy": None, "sell": None, "vol": None, "last": None}
    return {
        "time": shown.ms(), "symbol": shown.symbol, "buy": shown.bid, "sell": shown.ask, "changeRate": "0",
        "changePrice": "0", "high": shown.last, "low": shown.last, "vol": shown.volume, "volValue": "50000",
        "last": shown.last, "averagePrice": shown.last, "takerFeeRate": "0.001", "makerFeeRate": "0.001",
        "takerCoefficient": "1", "makerCoefficient": "1",
    }  # fmt: skip
