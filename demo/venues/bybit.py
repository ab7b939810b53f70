"""Bybit's side of the conversation: the public spot stream of v5, and REST."""

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
    StateLookup,
    SymbolState,
    TradeState,
    dumps,
)

_CONNECTION = "2324d924-aa4d-45b0-a858-7b8be29ab52b"
_MOST_ARGS = 10


@dataclass(frozen=True, slots=True)
class BybitWire(PlainWire):
    """stream.bybit.com/v5/public/spot and api.bybit.com."""

    name: str = "bybit"
    ws_path: str = "/v5/public/spot"
    beats_with_data: bool = False

    def answer(self, message: Mapping[str, Any], listed: Collection[str]) -> tuple[list[Frame], tuple[str, ...]]:
        """Acknowledge or refuse the whole message; a spot subscription has at most ten arguments."""
        op, args = message.get("op"), message.get("args", ())
        if op == "ping":
            return [_status_text(ok=True, op="ping", text="pong")], ()
        unknown = next((a for a in args if a.rpartition(".")[2] not in listed), None)
        if op != "subscribe" or len(args) > _MOST_ARGS:
            return [_status_text(ok=False, op=str(op), text="args size >10" if args else "error:unknown op")], ()
        if unknown is not None:
            return [_status_text(ok=False, op="subscribe", text=f"Invalid symbol :[{unknown}]")], ()
        symbols = tuple(dict.fromkeys(a.rpartition(".")[2] for a in args))
        return [_status_text(ok=True, op="subscribe", text="subscribe")], symbols

    def answer_trades(
        self, message: Mapping[str, Any], listed: Collection[str]
    ) -> tuple[list[str], tuple[str, ...]] | None:
        """The same of topics of trades."""
        args = message.get("args") or ()
        if message.get("op") != "subscribe" or not all(str(a).startswith("publicTrade.") for a in args):
            return None
        frames, symbols = self.answer(message, listed)
        return [str(f) for f in frames], symbols

    def trade(self, trade: TradeState) -> str:
        """A snapshot, as always, of one trade."""
        row = {
            "i": str(2_290_000_000_000_000_000 + trade.number), "T": trade.time_ms, "p": trade.price, "v": trade.volume,
            "S": "Buy" if trade.buy else "Sell", "s": trade.symbol, "BT": False, "RPI": False, "seq": trade.number,
        }  # fmt: skip
        head = {"topic": f"publicTrade.{trade.symbol}", "type": "snapshot", "ts": trade.time_ms + 1}
        return dumps({**head, "data": [row]})

    def frames(self, state: SymbolState, connection: ConnectionState, *, first: bool) -> list[Frame]:
        """The ticker, which has no bid and ask, and the top of the book: both are always snapshots."""
        del connection, first
        ticker = {
            "symbol": state.symbol, "lastPrice": state.last, "highPrice24h": state.last, "lowPrice24h": state.last,
            "prevPrice24h": state.last, "volume24h": state.volume, "turnover24h": "50000", "price24hPcnt": "0",
            "usdIndexPrice": "",
        }  # fmt: skip
        book = {
            "s": state.symbol, "b": [[state.bid, "1.5"]], "a": [[state.ask, "2.25"]], "u": state.sequence,
            "seq": state.sequence * 3,
        }  # fmt: skip
        head = {"ts": state.ms(), "type": "snapshot"}
        return [
            dumps({"topic": f"tickers.{state.symbol}", **head, "cs": state.sequence, "data": ticker}),
            dumps({"topic": f"orderbook.1.{state.symbol}", **head, "data": book, "cts": state.ms()}),
        ]

    def rest(self, path: str, query: Mapping[str, str], lookup: StateLookup) -> tuple[int, Any]:
        """GET /v5/market/tickers or orderbook?category=spot&symbol=X; errors come with status 200."""
        if path not in ("/v5/market/tickers", "/v5/market/orderbook") or query.get("category") != "spot":
            return HTTP_MISSING, "404 page not found"
        state = lookup(query.get("symbol", ""))
        tail: dict[str, Any] = {"retExtInfo": {}, "time": state.ms() if state else 0}
        if state is None:
            return HTTP_OK, {"retCode": 10001, "retMsg": "Not supported symbols", "result": {}, **tail}
        if path.endswith("orderbook"):
            most = int(query.get("limit", "1"))
            book = {
                "s": state.symbol, "a": state.asks[:most], "b": state.bids[:most], "ts": state.ms(), "u": state.sequence,
                "seq": state.sequence * 3, "cts": state.ms(),
            }  # fmt: skip
            return HTTP_OK, {"retCode": 0, "retMsg": "OK", "result": book, **tail}
        row = {
            "symbol": state.symbol, "bid1Price": state.bid, "bid1Size": "1.5", "ask1Price": state.ask,
            "ask1Size": "2.25", "lastPrice": state.last, "prevPrice24h": state.last, "price24hPcnt": "0",
            "highPrice24h": state.last, "lowPrice24h": state.last, "turnover24h": "50000", "volume24h": state.volume,
        }  # fmt: skip
        return HTTP_OK, {"retCode": 0, "retMsg": "OK", "result": {"category": "spot", "list": [row]}, **tail}


def _status_text(*, ok: bool, op: str, text: str) -> str:
    return dumps({"success": ok, "ret_msg": text, "conn_id": _CONNECTION, "op": op})
