"""Bybit spot, v5: ``orderbook.1`` with ``tickers``, ``publicTrade``, the REST tickers and order book.

Source: bybit-exchange.github.io/docs/v5 (WebSocket public "Orderbook", "Ticker", "Trade", "Connect"; REST "Get Tickers",
"Get Orderbook"). The spot
ticker stream has no bid and ask. Of the book's depths ``orderbook.1`` is taken: it sends snapshots only, and sends an
unchanged one again after 3 s, so there is no book to keep, no gap to fall into, and silence is silence. Last trade and
24 h volume come from ``tickers``. The REST ticker has all four. A block trade (``BT``) was agreed on outside of the book and
is left out; a trade with a retail price improvement order (``RPI``) is one of the book. The REST book has 200 levels: 2 % of
a staking token, less of ETHUSDT.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import quote as url_quote

from feeds.decode import order_book, spelling, values
from feeds.errors import FeedError, Malformed, RateLimited, Refused, WrongSymbol
from feeds.streams.two_channels import BookTop, LastTrade, Part, TwoChannels
from feeds.streams.venue import PlainSession, Session, VenueLimits
from feeds.types import Book, Instrument, Listing, Quote, Request, Tick, TradeTick, VenueTrade

_LIMITS = VenueLimits(symbols_per_connection=50, connect_interval_ms=1_000, ping_ms=20_000, requests_per_s=10)
_BOOK, _TICKER, _TRADES = "orderbook.1.", "tickers.", "publicTrade."
_LEVELS = 200
_QUOTES = ("USDT", "USDC", "USDE", "USD1", "DAI", "EUR", "BRZ", "BRL", "TRY", "PLN", "BTC", "ETH", "SOL", "MNT")
_DATED = re.compile(r"([A-Z0-9]{2,12}?)(USDT)?-\d{1,2}[A-Z]{3}\d\d(-\d+-[CP](?:-USDT)?)?", re.ASCII)
"""ETH-27MAR26 and ETHUSDT-27MAR26, and an option with strike and side behind it."""
_UNKNOWN = "Invalid symbol :["
_TOO_FAST = 10_006


@dataclass(frozen=True, slots=True, kw_only=True)
class Bybit(PlainSession):
    """Symbols in upper case: ``STETHUSDT``."""

    name: str = "bybit"
    ws_url: str = "wss://stream.bybit.com/v5/public/spot"
    rest_url: str = "https://api.bybit.com"
    limits: VenueLimits = _LIMITS
    ping_text = '{"op":"ping"}'

    def subscribe(self, symbols: Sequence[str], now_ms: int) -> tuple[str, ...]:
        """One message per symbol, the ticker first: one unknown symbol fails the whole message."""
        del now_ms
        return tuple(json.dumps({"op": "subscribe", "args": [_TICKER + s, _BOOK + s]}) for s in symbols)

    def session(self) -> Session:
        """Return a reader that remembers last trade and volume."""
        return TwoChannels(_parts, self.ping_text)

    def subscribe_trades(self, symbols: Sequence[str], now_ms: int) -> tuple[str, ...]:
        """One message per symbol, as for quotes."""
        del now_ms
        return tuple(json.dumps({"op": "subscribe", "args": [_TRADES + s]}) for s in symbols)

    def parse_trades(self, frame: str | bytes) -> tuple[TradeTick, ...]:
        """Read one stream message.

        Raises:
            Refused: an error that names no symbol.
            Malformed: a message that was not subscribed, or not a message at all.
        """
        message = values.load(frame)
        if isinstance(message, Mapping) and "op" in message:
            refused = _control(message)
            return () if refused is None else (TradeTick(symbol=refused[0], result=refused[1]),)
        topic = values.text(values.member(message, "topic"))
        rows, symbol = values.member(message, "data"), topic.removeprefix(_TRADES)
        if symbol == topic or not isinstance(rows, list):
            raise Malformed("not what was subscribed", topic=values.printable(topic), data=type(rows).__name__)
        return tuple(values.trade_tick(symbol, partial(_trade, symbol, row)) for row in rows if not _is_block(row))

    def request(self, symbols: Sequence[str]) -> tuple[Request, ...]:
        """One request per symbol."""
        root = f"{self.rest_url}/v5/market/tickers?category=spot&symbol="
        return tuple(Request(url=root + url_quote(s, safe=""), symbols=(s,)) for s in symbols)

    def parse_reply(self, request: Request, body: bytes) -> tuple[Tick, ...]:
        """Read the ticker of the one symbol asked; errors come with status 200. The time is that of the reply."""
        message = values.load(body)
        return tuple(values.tick(s, partial(_asked, s, message)) for s in request.symbols)

    def listing(self, symbol: str) -> Listing:
        """``ETHUSDT``; ``ETHPERP``, ``ETHUSD``, ``ETHUSDH26`` and ``ETH-27MAR26`` are contracts."""
        dated = _DATED.fullmatch(symbol.upper())
        if dated is None:
            return spelling.joined_or_margined(symbol, quotes=_QUOTES)
        coin, tether, option = dated.groups()
        kind = Instrument.OPTION if option else Instrument.FUTURE
        return Listing(
            base=coin, quote="USDT" if tether or (option or "").endswith("USDT") else "USDC", instrument=kind
        )

    def book_request(self, symbol: str) -> Request:
        """As many levels as the venue gives of a spot book."""
        path = f"/v5/market/orderbook?category=spot&symbol={url_quote(symbol, safe='')}&limit={_LEVELS}"
        return Request(url=self.rest_url + path, symbols=(symbol,))

    def parse_book(self, request: Request, body: bytes) -> Book:
        """``b`` and ``a`` of [price, size]; errors come with status 200. The time is that of the matching engine."""
        message = values.load(body)
        if values.member(message, "retCode") != 0:
            raise _refusal(message)
        row = values.member(message, "result")
        _check_symbol(request.symbols[0], values.member(row, "s"))
        stated = row.get("cts", row.get("ts"))
        stated_at_ms = None if stated is None else values.time_ms(stated)
        return order_book.read(values.member(row, "b"), values.member(row, "a"), stated_at_ms=stated_at_ms)


def _parts(frame: str | bytes) -> tuple[Part, ...]:
    """Read one stream message.

    Raises:
        Refused: an error that names no symbol.
        WrongSymbol: topic and data differ.
        Malformed: a message that was not subscribed, or not a message at all.
    """
    message = values.load(frame)
    if isinstance(message, Mapping) and "op" in message:
        refused = _control(message)
        return () if refused is None else (Tick(symbol=refused[0], result=refused[1]),)
    topic = values.text(values.member(message, "topic"))
    channel = next((c for c in (_BOOK, _TICKER) if topic.startswith(c)), None)
    if channel is None or message.get("type") != "snapshot":
        raise Malformed(
            "not what was subscribed", topic=values.printable(topic), type=values.printable(message.get("type"))
        )
    symbol, data = topic.removeprefix(channel), values.member(message, "data")
    named = values.member(data, "s" if channel == _BOOK else "symbol")
    if named != symbol:
        raise WrongSymbol("topic and symbol differ", topic=values.printable(topic), symbol=values.printable(named))
    return (_part(channel, symbol, data, message.get("ts")),)


def _part(channel: str, symbol: str, data: Any, ts: Any) -> Part:
    """Return half a quote, or what is wrong with it: the symbol's, not the whole stream's."""
    try:
        at_ms = None if ts is None else values.time_ms(ts)
        if channel == _TICKER:
            last, volume = values.member(data, "lastPrice"), values.member(data, "volume24h")
            return LastTrade(symbol=symbol, last=last, volume=volume, stated_at_ms=at_ms)
        bid, ask = (values.item(values.item(values.member(data, side), 0), 0) for side in "ba")
    except FeedError as e:
        return Tick(symbol=symbol, result=e)
    return BookTop(symbol=symbol, bid=bid, ask=ask, stated_at_ms=at_ms)


def _is_block(row: Any) -> bool:
    return isinstance(row, Mapping) and row.get("BT") is True


def _trade(symbol: str, row: Any) -> VenueTrade:
    _check_symbol(symbol, values.member(row, "s"))
    price, size, at, number = (values.member(row, k) for k in ("p", "v", "T", "i"))
    return values.trade(price, size, at_ms=values.time_ms(at), trade_id=number)


def _check_symbol(symbol: str, named: Any) -> None:
    if named != symbol:
        raise WrongSymbol("the answer is about another symbol", asked=symbol, got=values.printable(named))


def _asked(symbol: str, message: Any) -> Quote:
    if values.member(message, "retCode") != 0:
        raise _refusal(message)
    row = values.item(values.member(values.member(message, "result"), "list"), 0)
    _check_symbol(symbol, values.member(row, "symbol"))
    bid, ask = values.member(row, "bid1Price"), values.member(row, "ask1Price")
    stated = message.get("time")
    stated_at_ms = None if stated is None else values.time_ms(stated)
    last, volume = row.get("lastPrice"), row.get("volume24h")
    return values.book_quote(bid, ask, last=last, volume=volume, stated_at_ms=stated_at_ms)


def _refusal(message: Any) -> FeedError:
    code, text = message["retCode"], values.printable(message.get("retMsg", ""))
    unknown = "symbol" in text.lower()
    return (WrongSymbol if unknown else RateLimited if code == _TOO_FAST else Refused)(
        text, code=values.printable(code)
    )


def _control(message: Mapping[str, Any]) -> tuple[str, FeedError] | None:
    """Symbol and error of a refused subscription; None for an acknowledgement."""
    if message["op"] == "pong" or (message["op"] in ("subscribe", "ping") and message.get("success") is True):
        return None
    text = values.printable(message.get("ret_msg", ""))
    _, unknown, topic = text.partition(_UNKNOWN)
    symbol = topic.rstrip("]").rpartition(".")[2]
    if not unknown or not symbol:
        raise Refused(text)
    return symbol, WrongSymbol(text)
