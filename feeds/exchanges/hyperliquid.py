"""Hyperliquid: ``l2Book`` with ``trades`` and ``activeAssetCtx``, and the REST ``l2Book``.

Source: hyperliquid.gitbook.io/hyperliquid-docs (API "Websocket": Subscriptions, Timeouts and heartbeats; "Info endpoint":
L2 book snapshot; "Rate limits"). ``l2Book`` sends its best 20 levels with each message, with the time: no book to
keep, no gap to fall into. ``trades`` has the last trade, ``activeAssetCtx`` the 24 h volume in base units (``dayBaseVlm``,
which the documents' types leave out and the messages hold; spot coins answer on ``activeSpotAssetCtx``). The venue closes a
connection that was silent for 60 s. What REST answers has neither last trade nor volume.

A bare coin (``ETH``) is a perpetual, whose price parts from spot by its funding; a spot pair is ``PURR/USDC`` or ``@107``.

A message of ``trades`` holds trades in base units, each with a ``tid`` that is unique together with its time; a
subscription begins with the last ones. REST has 20 levels a side, so it is asked for levels of three significant figures: a
step is 0.1 to 1 % of the price, 20 of them reach beyond 2 %, and a depth is right to half a step.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from feeds.decode import order_book, spelling, values
from feeds.errors import FeedError, Malformed, Refused, WrongSymbol
from feeds.streams.two_channels import BookTop, LastTrade, Part, TwoChannels
from feeds.streams.venue import PlainSession, Session, VenueLimits, refused_trades
from feeds.types import Book, Instrument, Listing, Quote, Request, Tick, TradeTick, VenueTrade

_LIMITS = VenueLimits(
    symbols_per_connection=50, connect_interval_ms=2_500, message_interval_ms=35, ping_ms=30_000, requests_per_s=5
)
_TRADES = "trades"
_CHANNELS = (_TRADES, "activeAssetCtx", "l2Book")
_CONTEXTS = ("activeAssetCtx", "activeSpotAssetCtx")
_QUIET = ("subscriptionResponse", "pong")
_INVALID = "Invalid subscription "
_MOST_COINS = 1_000
_BOOK_FIGURES = 3
_PERPETUAL = re.compile(r"([a-z0-9]+:)?(?P<coin>[A-Za-z0-9]{1,20})", re.ASCII)
_PAIR_NUMBER = re.compile(r"@\d{1,6}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hyperliquid(PlainSession):
    """Symbols as the venue writes them: ``ETH`` (a perpetual), ``@107`` (a spot pair). All are quoted in USDC."""

    name: str = "hyperliquid"
    ws_url: str = "wss://api.hyperliquid.xyz/ws"
    rest_url: str = "https://api.hyperliquid.xyz"
    limits: VenueLimits = _LIMITS
    ping_text = '{"method":"ping"}'

    def subscribe(self, symbols: Sequence[str], now_ms: int) -> tuple[str, ...]:
        """Three messages per symbol, the book last: a message carries one subscription."""
        del now_ms
        return tuple(_subscription(channel, s) for s in symbols for channel in _CHANNELS)

    def session(self) -> Session:
        """Return a reader that remembers last trade and volume."""
        return TwoChannels(partial(_parts, {}), self.ping_text)

    def subscribe_trades(self, symbols: Sequence[str], now_ms: int) -> tuple[str, ...]:
        """One message per symbol."""
        del now_ms
        return tuple(_subscription(_TRADES, s) for s in symbols)

    def parse_trades(self, frame: str | bytes) -> tuple[TradeTick, ...]:
        """Read one stream message.

        Raises:
            Refused: an error that names no symbol.
            Malformed: a message that was not subscribed, or not a message at all.
        """
        message = values.load(frame)
        channel, data = values.text(values.member(message, "channel")), message.get("data")
        if channel in _QUIET:
            return ()
        if channel == "error":
            return refused_trades((_refused(values.text(data)),))
        if channel != _TRADES:
            raise Malformed("unknown channel", channel=values.printable(channel))
        return tuple(values.trade_tick(_coin(row), partial(_trade, row)) for row in values.array(data))

    def request(self, symbols: Sequence[str]) -> tuple[Request, ...]:
        """One request per symbol, a POST."""
        url = f"{self.rest_url}/info"
        bodies = ((s, json.dumps({"type": "l2Book", "coin": s}).encode()) for s in symbols)
        return tuple(Request(url=url, symbols=(s,), body=body) for s, body in bodies)

    def parse_reply(self, request: Request, body: bytes) -> tuple[Tick, ...]:
        """Read the book of the one symbol asked; null says that there is no such market."""
        message = values.load(body)
        return tuple(values.tick(s, partial(_asked, s, message)) for s in request.symbols)

    def listing(self, symbol: str) -> Listing:
        """``PURR/USDC``, and ``@107`` of a pair that only the venue's own list tells; ``ETH`` and ``dex:ETH`` are perpetuals."""
        if "/" in symbol:
            return spelling.parted(symbol, "/")
        if _PAIR_NUMBER.fullmatch(symbol):
            return Listing(base=None, quote=None)
        found = _PERPETUAL.fullmatch(symbol)
        if found is None:
            raise ValueError(
                f"{symbol!r} is none of this venue: it writes BASE/QUOTE or @N, and a bare COIN for a perpetual"
            )
        return Listing(base=found["coin"].upper(), quote="USD", instrument=Instrument.PERPETUAL)

    def book_request(self, symbol: str) -> Request:
        """20 levels of three significant figures."""
        body = json.dumps({"type": "l2Book", "coin": symbol, "nSigFigs": _BOOK_FIGURES}).encode()
        return Request(url=f"{self.rest_url}/info", symbols=(symbol,), body=body)

    def parse_book(self, request: Request, body: bytes) -> Book:
        """``levels`` of bids and of asks, each {px, sz}."""
        book = order_book.load(body)
        _check(request.symbols[0], book)
        sides, stated = values.member(book, "levels"), values.member(book, "time")
        level = order_book.keyed("px", "sz")
        bids, asks = values.item(sides, 0), values.item(sides, 1)
        return order_book.read(bids, asks, level=level, stated_at_ms=values.time_ms(stated))


def _subscription(channel: str, coin: str) -> str:
    return json.dumps({"method": "subscribe", "subscription": {"type": channel, "coin": coin}})


def _coin(row: Any) -> str:
    """Return the coin of a trade, "" where there is none: the trade fails, the others do not."""
    coin = row.get("coin") if isinstance(row, Mapping) else None
    return coin if isinstance(coin, str) else ""


def _trade(row: Any) -> VenueTrade:
    values.text(values.member(row, "coin"))
    price, volume, at, number = (values.member(row, k) for k in ("px", "sz", "time", "tid"))
    if not isinstance(number, int) or isinstance(number, bool):
        raise Malformed("a trade's id is a number", got=values.printable(number))
    at_ms = values.time_ms(at)
    return values.trade(price, volume, at_ms=at_ms, trade_id=f"{at_ms}/{number}")


def _parts(known: dict[str, LastTrade], frame: str | bytes) -> tuple[Part, ...]:
    """Read one stream message; `known` is the newest trade and volume of each coin.

    Raises:
        Refused: an error that names no symbol.
        Malformed: a message that was not subscribed, or not a message at all.
    """
    message = values.load(frame)
    channel, data = values.text(values.member(message, "channel")), message.get("data")
    if channel in _QUIET:
        return ()
    if channel == "error":
        return (_refused(values.text(data)),)
    if channel not in (_TRADES, "l2Book", *_CONTEXTS):
        raise Malformed("unknown channel", channel=values.printable(channel))
    symbol = values.text(values.member(values.item(data, 0) if channel == _TRADES else data, "coin"))
    try:
        if channel == "l2Book":
            return (_top(symbol, data),)
        update = _update(known.get(symbol, LastTrade(symbol=symbol)), channel, data)
    except FeedError as e:
        return (Tick(symbol=symbol, result=e),)
    if symbol in known or len(known) < _MOST_COINS:
        known[symbol] = update
    return (update,)


def _update(known: LastTrade, channel: str, data: Any) -> LastTrade:
    """Return what is known with the newest of these trades, or with this volume; the time is that of the trade."""
    if channel in _CONTEXTS:
        return replace(known, volume=values.member(values.member(data, "ctx"), "dayBaseVlm"))
    timed = [(values.time_ms(values.member(trade, "time")), trade) for trade in data]
    at_ms, newest = max(timed, key=lambda each: each[0])
    coin = values.member(newest, "coin")
    if coin != known.symbol:
        raise WrongSymbol("trades of two coins in one message", got=values.printable(coin))
    return replace(known, last=values.member(newest, "px"), stated_at_ms=at_ms)


def _top(symbol: str, book: Any) -> BookTop:
    sides = values.member(book, "levels")
    bid, ask = (values.member(values.item(values.item(sides, i), 0), "px") for i in (0, 1))
    stated = book.get("time")
    return BookTop(symbol=symbol, bid=bid, ask=ask, stated_at_ms=None if stated is None else values.time_ms(stated))


def _check(symbol: str, book: Any) -> None:
    if book is None:
        raise WrongSymbol("the venue has no such market", asked=symbol)
    named = values.member(book, "coin")
    if named != symbol:
        raise WrongSymbol("the reply is about another coin", asked=symbol, got=values.printable(named))


def _asked(symbol: str, book: Any) -> Quote:
    _check(symbol, book)
    top = _top(symbol, book)
    return values.book_quote(top.bid, top.ask, stated_at_ms=top.stated_at_ms)


def _refused(text: str) -> Tick:
    """Return an invalid subscription as its coin's error: the text ends with what was asked, as JSON."""
    error = Refused(values.printable(text))
    if not text.startswith(_INVALID):
        raise error
    try:
        request = values.load(text.removeprefix(_INVALID))
    except FeedError:
        raise error from None
    symbol = request.get("coin") if isinstance(request, Mapping) else None
    if not isinstance(symbol, str) or not symbol:
        raise error
    return Tick(symbol=symbol, result=WrongSymbol(values.printable(text)))
