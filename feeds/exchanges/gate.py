"""Gate spot, v4: ``spot.tickers`` and ``spot.trades`` channels, the REST tickers and order book.

Source: gate.io/docs/developers/apiv4 (WebSocket "Tickers Channel", "Public Trades Channel", "Server Response"; REST "Retrieve
ticker information", "Get market depth information"). ``spot.tickers`` carries best bid and ask, last trade and 24 h
volume, once a second where something changed. ``spot.book_ticker`` is faster and has neither of the last two. The time is
the frame's ``time_ms``; captures of 2021 have only whole seconds in ``time``, which are not used. The venue needs no ping
of ours besides that of the transport.

``spot.trades`` reports each trade once, as its taker saw it, in base units (``amount``) and with a time in fractions of
a millisecond; nothing of the past comes on subscribing. The order book has up to 1,000 levels a side: 2 % of most pairs,
well below 1 % of the largest. It names no pair.
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
from feeds.errors import FeedError, Malformed, Refused, WrongSymbol
from feeds.streams.venue import PlainSession, VenueLimits, refused_trades
from feeds.types import Book, Instrument, Listing, Quote, Request, Tick, TradeTick, VenueTrade
from feeds.units import MS

_LIMITS = VenueLimits(symbols_per_connection=50, connect_interval_ms=1_000, message_interval_ms=50, requests_per_s=10)
_TICKERS, _TRADES = "spot.tickers", "spot.trades"
_UNKNOWN = "unknown currency pair"
_BOOK_LEVELS = 1_000
_CONTRACT = re.compile(
    r"(?P<base>[A-Z0-9]{1,20})_(?P<quote>[A-Z0-9]{1,20})(_\d{8}|(?P<option>-\d{8}-\d+(\.\d+)?-[CP]))", re.ASCII
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate(PlainSession):
    """Symbols as the venue writes them: ``ETH_USDT``."""

    name: str = "gate"
    ws_url: str = "wss://api.gateio.ws/ws/v4/"
    rest_url: str = "https://api.gateio.ws"
    limits: VenueLimits = _LIMITS

    def subscribe(self, symbols: Sequence[str], now_ms: int) -> tuple[str, ...]:
        """One message per pair: one unknown pair fails the whole message."""
        return _subscriptions(_TICKERS, symbols, now_ms)

    def parse(self, frame: str | bytes) -> tuple[Tick, ...]:
        """Read one stream message.

        Raises:
            Refused: an error that names no pair.
            Malformed: a message that was not subscribed, or not a message at all.
        """
        message = values.load(frame)
        if (refused := _control(message)) is not None:
            return refused
        symbol, row = _update(message, _TICKERS)
        return (values.tick(symbol, partial(_quote, row, message.get("time_ms"))),)

    def subscribe_trades(self, symbols: Sequence[str], now_ms: int) -> tuple[str, ...]:
        """One message per pair."""
        return _subscriptions(_TRADES, symbols, now_ms)

    def parse_trades(self, frame: str | bytes) -> tuple[TradeTick, ...]:
        """Read one stream message; raises as :meth:`parse`."""
        message = values.load(frame)
        if (refused := _control(message)) is not None:
            return refused_trades(refused)
        symbol, row = _update(message, _TRADES)
        return (values.trade_tick(symbol, partial(_trade, row)),)

    def request(self, symbols: Sequence[str]) -> tuple[Request, ...]:
        """One request per pair."""
        root = f"{self.rest_url}/api/v4/spot/tickers?currency_pair="
        return tuple(Request(url=root + url_quote(s, safe=""), symbols=(s,)) for s in symbols)

    def parse_reply(self, request: Request, body: bytes) -> tuple[Tick, ...]:
        """Read the ticker of the one pair asked. The reply has no time."""
        message = values.load(body)
        return tuple(values.tick(s, partial(_asked, s, message)) for s in request.symbols)

    def listing(self, symbol: str) -> Listing:
        """``ETH_USDT``; ``ETH_USDT_20260327`` and ``ETH_USDT-20260327-4000-C`` are a future and an option."""
        found = _CONTRACT.fullmatch(symbol.upper())
        if found is None:
            return spelling.parted(symbol, "_")
        kind = Instrument.OPTION if found["option"] else Instrument.FUTURE
        return Listing(base=found["base"], quote=found["quote"], instrument=kind)

    def book_request(self, symbol: str) -> Request:
        """As many levels as the venue gives."""
        root = f"{self.rest_url}/api/v4/spot/order_book?currency_pair="
        return Request(url=f"{root}{url_quote(symbol, safe='')}&limit={_BOOK_LEVELS}", symbols=(symbol,))

    def parse_book(self, request: Request, body: bytes) -> Book:
        """``bids`` and ``asks`` of [price, amount]; ``current`` is when the reply was made; captures of April 2021 lack it."""
        del request
        message = order_book.load(body)
        _check(message)
        bids, asks, stated = values.member(message, "bids"), values.member(message, "asks"), message.get("current")
        return order_book.read(bids, asks, stated_at_ms=None if stated is None else values.time_ms(stated))


def _subscriptions(channel: str, symbols: Sequence[str], now_ms: int) -> tuple[str, ...]:
    head = {"time": now_ms // MS, "channel": channel, "event": "subscribe"}
    return tuple(json.dumps({**head, "payload": [s]}) for s in symbols)


def _control(message: Any) -> tuple[Tick, ...] | None:
    """What a refusal refuses, nothing for an acknowledgement; None for data."""
    channel = values.member(message, "channel")
    if message.get("error") is not None:
        return _refused(message["error"])
    return () if channel == "spot.pong" or message.get("event") in ("subscribe", "unsubscribe") else None


def _update(message: Mapping[str, Any], wanted: str) -> tuple[str, Any]:
    """Pair and row of an update of the channel that was subscribed."""
    channel = message["channel"]
    if channel != wanted or message.get("event") != "update":
        raise Malformed("not what was subscribed", channel=values.printable(channel))
    row = values.member(message, "result")
    return values.text(values.member(row, "currency_pair")), row


def _trade(row: Any) -> VenueTrade:
    price, volume, at, number = (values.member(row, k) for k in ("price", "amount", "create_time_ms", "id"))
    at_ms = values.time_ms(int(values.number(at)))
    return values.trade(price, volume, at_ms=at_ms, trade_id=number)


def _quote(row: Any, stated: Any) -> Quote:
    bid, ask = values.member(row, "highest_bid"), values.member(row, "lowest_ask")
    stated_at_ms = None if stated is None else values.time_ms(stated)
    return values.book_quote(bid, ask, last=row.get("last"), volume=row.get("base_volume"), stated_at_ms=stated_at_ms)


def _asked(symbol: str, message: Any) -> Quote:
    _check(message)
    row = values.item(message, 0)
    named = values.member(row, "currency_pair")
    if named != symbol:
        raise WrongSymbol("the reply is about another pair", asked=symbol, got=values.printable(named))
    return _quote(row, None)


def _check(message: Any) -> None:
    """Raise the error that a reply of the REST interface is."""
    if isinstance(message, Mapping) and "label" in message:
        unknown = message["label"] in ("INVALID_CURRENCY_PAIR", "INVALID_CURRENCY")
        text = values.printable(message.get("message", ""))
        raise (WrongSymbol if unknown else Refused)(text, label=values.printable(message["label"]))


def _refused(error: Any) -> tuple[Tick, ...]:
    text = values.printable(error.get("message", "") if isinstance(error, Mapping) else error)
    _, unknown, symbol = text.partition(_UNKNOWN)
    failure: FeedError = WrongSymbol(text) if unknown else Refused(text)
    if not unknown or not symbol.strip(": "):
        raise failure
    return (Tick(symbol=symbol.strip(": "), result=failure),)
