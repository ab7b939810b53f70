"""Hyperliquid: ``l2Book`` with ``trades`` and ``activeAssetCtx``, and the REST ``l2Book``.

Source: hyperliquid.gitbook.io/hyperliquid-docs (API "Websocket": Subscriptions, Timeouts and heartbeats; "Info endpoint":
L2 book snapshot; "Rate limits"). ``l2Book`` sends its best 20 levels with each message, with the time: no book to
keep, no gap to fall into. ``trades`` has the last trade, ``activeAssetCtx`` the 24 h volume in base units (``dayBaseVlm``,
which the documents' types leave out and the messages hold; spot coins answer on ``activeSpotAssetCtx``). The venue closes a
connection that was silent for 60 s. What REST answers has neither last trade nor volume.

A bare coin (``ETH``) is a perpetual, whose price parts from spot by its funding; a spot pair is ``PURR/USDC`` or ``@107``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from feeds.decode import values
from feeds.errors import FeedError, Malformed, Refused, WrongSymbol
from feeds.streams.two_channels import BookTop, LastTrade, Part, TwoChannels
from feeds.streams.venue import PlainSession, Session, VenueLimits
from feeds.types import Quote, Request, Tick

_LIMITS = VenueLimits(
    symbols_per_connection=50, connect_interval_ms=2_500, message_interval_ms=35, ping_ms=30_000, requests_per_s=5
)
_CHANNELS = ("trades", "activeAssetCtx", "l2Book")
_CONTEXTS = ("activeAssetCtx", "activeSpotAssetCtx")
_QUIET = ("subscriptionResponse", "pong")
_INVALID = "Invalid subscription "
_MOST_COINS = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Hyperliquid(PlainSession):
    """Symbols as the venue writes them: ``ETH`` (a perpetual), ``@107`` (a spot pair). All are quoted in USDC."""

    name: str = "hyperliquid"
    ws_url: str = "wss://api.hyperliquid.xyz/ws"
    rest_url: str = "https://api.hyperliquid.xyz"
    limits: VenueLimits = _LIMITS

    def subscribe(self, symbols: Sequence[str], now_ms: int) -> tuple[str, ...]:
        """Three messages per symbol, the book last: a message carries one subscription."""
        del now_ms
        wanted = ({"type": channel, "coin": s} for s in symbols for channel in _CHANNELS)
        return tuple(json.dumps({"method": "subscribe", "subscription": each}) for each in wanted)

    def session(self) -> Session:
        """Return a reader that remembers last trade and volume."""
        return TwoChannels(partial(_parts, {}), '{"method":"ping"}')

    def request(self, symbols: Sequence[str]) -> tuple[Request, ...]:
        """One request per symbol, a POST."""
        url = f"{self.rest_url}/info"
        bodies = ((s, json.dumps({"type": "l2Book", "coin": s}).encode()) for s in symbols)
        return tuple(Request(url=url, symbols=(s,), body=body) for s, body in bodies)

    def parse_reply(self, request: Request, body: bytes) -> tuple[Tick, ...]:
        """Read the book of the one symbol asked; null says that there is no such market."""
        message = values.load(body)
        return tuple(values.tick(s, partial(_asked, s, message)) for s in request.symbols)


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
    if channel not in ("trades", "l2Book", *_CONTEXTS):
        raise Malformed("unknown channel", channel=values.printable(channel))
    symbol = values.text(values.member(values.item(data, 0) if channel == "trades" else data, "coin"))
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


def _asked(symbol: str, book: Any) -> Quote:
    if book is None:
        raise WrongSymbol("the venue has no such market", asked=symbol)
    named = values.member(book, "coin")
    if named != symbol:
        raise WrongSymbol("the reply is about another coin", asked=symbol, got=values.printable(named))
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
