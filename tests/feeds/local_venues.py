"""What the tests of feeds share beside fixtures: the venues' habits, clocks, and waiting for something to happen."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

import aiohttp

from demo.venues.server import Venue
from feeds.registry import EXCHANGES
from feeds.streams.connection import Fetch
from feeds.streams.http import HttpClient
from feeds.types import Request

_HASTE = 30


@dataclass(frozen=True, kw_only=True)
class Habits:
    """What a venue does differently from others.

    ``symbol``, ``unknown``: one that is listed, and one that is not. ``unknown_is``: the code that a subscription to the
    unknown one comes back with; "" if it is acknowledged and silent; with a "*" in front where the error names no
    symbol. ``rest_unknown_is``: the same in a REST reply, where a "*" says that the whole reply is refused.
    ``timed``, ``rest_timed``: quotes carry the venue's own time. ``rest_named``: the reply names its symbol.
    ``token``: each connect needs a fresh one, by REST. ``pings``: the venue pings and wants to be answered.
    ``volume``: the stream has the 24 h volume. ``nonsense``: a message that the venue answers with an error; "" for one
    that says nothing to nonsense.
    """

    symbol: str
    unknown: str
    unknown_is: str = "WRONG_SYMBOL"
    rest_unknown_is: str = "WRONG_SYMBOL"
    timed: bool = True
    rest_timed: bool = True
    rest_named: bool = True
    token: bool = False
    pings: bool = False
    volume: bool = True
    nonsense: str = '{"type":"nonsense","method":"NONSENSE"}'


_HABITS = {
    "binance": Habits(symbol="ETHUSDT", unknown="NOPE", unknown_is="", rest_unknown_is="*REFUSED"),
    "bitfinex": Habits(symbol="tETHUSD", unknown="tNOPEUSD", timed=False, rest_timed=False),
    "bitget": Habits(symbol="ETHUSDT", unknown="NOPEUSDT", rest_unknown_is="*REFUSED"),
    "bitstamp": Habits(
        symbol="ethusd", unknown="nopeusd", unknown_is="", rest_unknown_is="*REFUSED", rest_named=False, volume=False
    ),
    "bybit": Habits(symbol="ETHUSDT", unknown="NOPEUSDT"),
    "coinbase": Habits(symbol="ETH-USD", unknown="NO-PE", rest_unknown_is="*REFUSED", rest_named=False),
    "cryptocom": Habits(symbol="ETH_USD", unknown="NOPE_USD", rest_unknown_is="*REFUSED", pings=True),
    "gate": Habits(symbol="ETH_USDT", unknown="NOPE_USDT", rest_unknown_is="*REFUSED", rest_timed=False),
    "gemini": Habits(symbol="ETHUSD", unknown="NOPEUSD", rest_unknown_is="*REFUSED", rest_timed=False, volume=False),
    "htx": Habits(symbol="ethusdt", unknown="nopeusdt", pings=True),
    "hyperliquid": Habits(symbol="ETH", unknown="NOPE"),
    "kraken": Habits(symbol="ETH/USD", unknown="NO/PE", rest_timed=False, nonsense=""),
    "kucoin": Habits(symbol="ETH-USDT", unknown="NOPE-USDT", token=True),
    "mexc": Habits(symbol="ETHUSDT", unknown="NOPEUSDT", unknown_is="REFUSED", rest_unknown_is="*REFUSED"),
    "okx": Habits(symbol="ETH-USDT", unknown="NOPE-USDT"),
}
HABITS = {name: habits for name, habits in _HABITS.items() if name in EXCHANGES}
SYMBOLS = {name: habits.symbol for name, habits in HABITS.items()}


def other_symbols(name: str, count: int) -> tuple[str, ...]:
    """More symbols of a venue, in its own spelling."""
    symbol = SYMBOLS[name]
    bases = ("SOL", "LINK", "AAVE", "UNI", "LDO", "CRV", "BAL", "RPL", "ENA", "PEPE", "ARB")[:count]
    return tuple(symbol.replace("ETH", b).replace("eth", b.lower()) for b in bases)


def wall_ms() -> int:
    return time.time_ns() // 1_000_000


def quote(venue: Venue, price: str, symbol: str | None = None) -> None:
    """Show a book of one tick around the price."""
    mid = Decimal(price)
    venue.set_quote(symbol or SYMBOLS[venue.name], mid - Decimal("0.01"), mid + Decimal("0.01"), mid, Decimal("12.5"))


def fetching(venue: Venue, session: aiohttp.ClientSession, *, timeout_s: float = 0.3) -> Fetch:
    """Sends handshakes; the pauses that a venue asks for pass 30 times as fast."""

    async def sleep(seconds: float) -> None:
        await asyncio.sleep(seconds / _HASTE)

    client = HttpClient(session, wall_ms, monotonic=lambda: time.monotonic() * _HASTE, sleep=sleep)

    async def fetch(request: Request) -> bytes:
        return (await client.fetch(venue.name, request, timeout_s=timeout_s, max_bytes=100_000)).body

    return fetch


async def until(condition: Callable[[], object], *, within_s: float = 60.0) -> None:
    """Wait until the condition holds; fails the test if it does not."""
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        await asyncio.sleep(0.002)
