"""MEXC's side of the conversation: JSON requests, protobuf data, and REST."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from demo.venues.protocols import (
    HTTP_BAD,
    HTTP_MISSING,
    HTTP_OK,
    ConnectionState,
    Frame,
    PlainWire,
    StateLookup,
    SymbolState,
    TradeState,
    dumps,
)

_BOOK, _MINI = "spot@public.aggre.bookTicker.v3.api.pb@100ms@", "spot@public.miniTicker.v3.api.pb@"
_DEALS = "spot@public.aggre.deals.v3.api.pb@100ms"
_WINDOW = "@24H"
_SEVEN_BITS = 0x7F


@dataclass(frozen=True, slots=True)
class MexcWire(PlainWire):
    """wbs-api.mexc.com/ws and api.mexc.com."""

    name: str = "mexc"
    ws_path: str = "/ws"
    beats_with_data: bool = False

    def answer(self, message: Mapping[str, Any], listed: Collection[str]) -> tuple[list[str], tuple[str, ...]]:
        """Acknowledge what is known and refuse the rest, both with code 0."""
        if message.get("method") == "PING":
            return [_status_text("PONG")], ()
        if message.get("method") != "SUBSCRIPTION":
            return [_status_text("msg format invalid")], ()
        return _acknowledged(message, listed)

    def answer_trades(
        self, message: Mapping[str, Any], listed: Collection[str]
    ) -> tuple[list[str], tuple[str, ...]] | None:
        """The same of trades."""
        params = message.get("params", ())
        return _acknowledged(message, listed) if params and all(p.startswith(_DEALS) for p in params) else None

    def trade_frames(self, trade: TradeState, connection: ConnectionState) -> list[Frame]:
        """One deal in the same wrapper."""
        del connection
        deal = {1: trade.price, 2: trade.volume, 3: 1 if trade.buy else 2, 4: trade.time_ms, 5: str(trade.number)}
        head = {1: f"{_DEALS}@{trade.symbol}", 3: trade.symbol, 6: trade.time_ms + 1}
        return [_message({**head, 314: {1: deal, 2: _DEALS}})]

    def frames(self, state: SymbolState, connection: ConnectionState, *, first: bool) -> list[Frame]:
        """The mini ticker and the top of the book, each in the same wrapper."""
        del connection, first
        mini = {1: state.symbol, 2: state.last, 3: "0", 5: state.last, 6: state.last, 7: "50000", 8: state.volume}
        book = {1: state.bid, 2: "1.5", 3: state.ask, 4: "2.25"}
        tail = {3: state.symbol} | ({} if state.ms() is None else {6: state.ms()})
        return [
            _message({1: f"{_MINI}{state.symbol}{_WINDOW}", **tail, 309: mini}),
            _message({1: f"{_BOOK}{state.symbol}", **tail, 315: book}),
        ]

    def rest(self, path: str, query: Mapping[str, str], lookup: StateLookup) -> tuple[int, Any]:
        """GET /api/v3/ticker/24hr or /api/v3/depth?symbol=X; an unknown symbol is status 400."""
        if path not in ("/api/v3/ticker/24hr", "/api/v3/depth"):
            return HTTP_MISSING, {"code": 404, "msg": "Not Found"}
        state = lookup(query.get("symbol", ""))
        if state is None:
            return HTTP_BAD, {"code": -1121, "msg": "Invalid symbol.", "_extend": None}
        if path.endswith("depth"):
            book = {"lastUpdateId": state.sequence, "bids": state.bids, "asks": state.asks, "timestamp": state.ms()}
            return HTTP_OK, book
        return HTTP_OK, {
            "symbol": state.symbol, "priceChange": "0", "priceChangePercent": "0", "prevClosePrice": state.last,
            "lastPrice": state.last, "bidPrice": state.bid, "bidQty": "1.5", "askPrice": state.ask, "askQty": "2.25",
            "openPrice": state.last, "highPrice": state.last, "lowPrice": state.last, "volume": state.volume,
            "quoteVolume": "50000", "openTime": 0, "closeTime": state.ms(), "count": None,
        }  # fmt: skip


def _acknowledged(message: Mapping[str, Any], listed: Collection[str]) -> tuple[list[str], tuple[str, ...]]:
    channels = {channel: _symbol(channel) for channel in message.get("params", ())}
    bad = [channel for channel, symbol in channels.items() if symbol not in listed]
    good = [channel for channel in channels if channel not in bad]
    frames = [_status_text(",".join(good))] if good else []
    if bad:
        frames.append(_status_text(f"Not Subscribed successfully! [{','.join(bad)}].  Reason: Blocked! "))
    return frames, tuple(dict.fromkeys(channels[channel] for channel in good))


def _status_text(text: str) -> str:
    return dumps({"id": 0, "code": 0, "msg": text})


def _symbol(channel: str) -> str:
    return channel.removesuffix(_WINDOW).rpartition("@")[2]


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > _SEVEN_BITS:
        out.append(value & _SEVEN_BITS | 0x80)
        value >>= 7
    return bytes((*out, value))


def _message(fields: Mapping[int, Any]) -> bytes:
    """Encode texts, integers and nested messages by field number."""
    out = b""
    for number, value in fields.items():
        if isinstance(value, int):
            out += _varint(number << 3) + _varint(value)
            continue
        body = value.encode() if isinstance(value, str) else _message(value)
        out += _varint(number << 3 | 2) + _varint(len(body)) + body
    return out
