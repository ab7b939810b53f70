"""Gemini's side of the conversation: book ticker and trades of its present stream, and the REST ticker v1."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
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

_NS_PER_MS = 1_000_000
_QUOTES = ("USD", "EUR", "GBP", "BTC", "ETH")
_TICKER, _BOOK = "/v1/pubticker/", "/v1/book/"


@dataclass(frozen=True, slots=True)
class GeminiWire(PlainWire):
    """ws.gemini.com and api.gemini.com."""

    name: str = "gemini"
    ws_path: str = "/"
    beats_with_data: bool = False

    def answer(self, message: Mapping[str, Any], listed: Collection[str]) -> tuple[list[str], tuple[str, ...]]:
        """Acknowledge or refuse the whole message, under the client's own id."""
        return _answered(message, listed)

    def answer_trades(
        self, message: Mapping[str, Any], listed: Collection[str]
    ) -> tuple[list[str], tuple[str, ...]] | None:
        """The same of trades, if the message asks for nothing else."""
        streams = {str(s).partition("@")[2] for s in message.get("params", ())}
        return _answered(message, listed) if message.get("method") == "subscribe" and streams == {"trade"} else None

    def frames(self, state: SymbolState, connection: ConnectionState, *, first: bool) -> list[Frame]:
        """The last trade and the best prices; times are nanoseconds."""
        del connection, first
        at_ms, symbol = state.ms(), state.symbol.lower()
        at_ns = None if at_ms is None else at_ms * _NS_PER_MS
        trade = {"E": at_ns, "s": symbol, "t": state.sequence, "p": state.last, "q": "0.25", "m": True}
        book = {"u": state.sequence, "E": at_ns, "s": symbol, "b": state.bid, "B": "1.5", "a": state.ask, "A": "2.25"}
        return [dumps(trade), dumps(book)]

    def trade(self, trade: TradeState) -> str:
        """A trade; its time is in nanoseconds."""
        row = {
            "E": trade.time_ms * _NS_PER_MS + 117_161,
            "s": trade.symbol.lower(),
            "t": trade.number,
            "p": trade.price,
        }
        return dumps({**row, "q": trade.volume, "m": not trade.buy})

    def rest(self, path: str, query: Mapping[str, str], lookup: StateLookup) -> tuple[int, Any]:
        """GET /v1/pubticker/x or /v1/book/x; an unknown symbol is status 400."""
        del query
        if not path.startswith((_TICKER, _BOOK)):
            return HTTP_MISSING, {
                "result": "error",
                "reason": "EndpointNotFound",
                "message": "API entry point not found",
            }
        name = path.removeprefix(_TICKER).removeprefix(_BOOK)
        state = lookup(name.upper())
        if state is None:
            message_text = f"Supplied value '{name}' is not a valid symbol"
            return HTTP_BAD, {"result": "error", "reason": "InvalidSymbol", "message": message_text}
        if path.startswith(_BOOK):
            return HTTP_OK, {"bids": _levels(state.bids), "asks": _levels(state.asks)}
        quote = next((q for q in _QUOTES if state.symbol.endswith(q)), "")
        volume = {state.symbol.removesuffix(quote): state.volume, quote: "50000", "timestamp": 1_700_000_000_000}
        return HTTP_OK, {"bid": state.bid, "ask": state.ask, "volume": volume, "last": state.last}


def _levels(levels: Iterable[tuple[str, str]]) -> list[dict[str, str]]:
    return [{"price": price, "amount": size, "timestamp": "1700000000"} for price, size in levels]


def _answered(message: Mapping[str, Any], listed: Collection[str]) -> tuple[list[str], tuple[str, ...]]:
    head = {"id": message.get("id", "")}
    if message.get("method") != "subscribe":
        return [dumps({**head, "status": 400, "error": {"code": -1020, "msg": "Unsupported operation"}})], ()
    symbols = tuple(dict.fromkeys(str(s).partition("@")[0].upper() for s in message.get("params", ())))
    if not symbols or any(s not in listed for s in symbols):
        return [dumps({**head, "status": 400, "error": {"code": -1013, "msg": "Invalid parameters"}})], ()
    return [dumps({**head, "status": 200})], symbols
