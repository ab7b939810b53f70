"""One symbol of a shared connection costs no other its quotes: refused, unreadable, flooding, or the end of the connection."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from decimal import Decimal

import aiohttp
import pytest

from demo.venues.faults import Misbehaviour
from demo.venues.server import Venue
from feeds.errors import FeedError
from feeds.streams.connection import StreamTimeouts
from feeds.streams.latest import LatestQuotes
from feeds.streams.trade_channel import TradeChannel
from feeds.streams.ws import Stream
from feeds.types import Quote, TradeTick
from feeds.units import WAD, wad_text
from tests.feeds.local_venues import HABITS, SYMBOLS, fetching, other_symbols, quote, until, wall_ms

pytestmark = pytest.mark.loopback
LONG_S = 60.0
PATIENCE = StreamTimeouts(silence_ms=60_000, check_ms=20, backoff_ms=10, backoff_max_ms=40)
F = Misbehaviour


class Listener:
    """A stream with a table of its own."""

    def __init__(self, venue: Venue, symbols: Sequence[str], session: aiohttp.ClientSession) -> None:
        self._name, self._table = venue.name, LatestQuotes()
        limits = replace(venue.adapter().limits, connect_interval_ms=5, message_interval_ms=0)
        self.stream = Stream(
            venue.adapter(limits=limits), symbols, session, self._table.put, wall_ms,
            fetch=fetching(venue, session, timeout_s=LONG_S), timeouts=PATIENCE,
        )  # fmt: skip

    def price(self, symbol: str) -> int | None:
        newest = self._table.get(self._name, symbol).newest
        return newest.price_wad if isinstance(newest, Quote) else None

    def failed(self, symbol: str) -> bool:
        return isinstance(self._table.get(self._name, symbol).error, FeedError)


@asynccontextmanager
async def listening(venue: Venue, symbols: Sequence[str], session: aiohttp.ClientSession) -> AsyncIterator[Listener]:
    listener = Listener(venue, symbols, session)
    task = asyncio.create_task(listener.stream.run())
    try:
        yield listener
        assert not task.done()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def venue_of(name: str, *symbols: str) -> AsyncIterator[Venue]:
    venue = Venue(name, beat_s=0.05)
    await venue.start()
    for symbol in symbols:
        quote(venue, "4000", symbol)
    try:
        yield venue
    finally:
        await venue.stop()


async def all_hear(venue: Venue, listener: Listener, good: Sequence[str], price: int) -> None:
    """Show a new price of the good symbols, which all of them hear."""
    await asyncio.sleep(0.005)
    for symbol in good:
        quote(venue, str(price), symbol)
    await until(lambda: all(listener.price(s) == price * WAD for s in good), within_s=LONG_S)


@pytest.mark.parametrize("name", sorted(SYMBOLS))
async def test_one_symbol_that_the_venue_does_not_list(name: str, session: aiohttp.ClientSession) -> None:
    good, bad = other_symbols(name, 6), HABITS[name].unknown
    async with venue_of(name, *good) as venue, listening(venue, [*good[:3], bad, *good[3:]], session) as listener:
        for price in (4000, 4100):
            await all_hear(venue, listener, good, price)
        assert listener.stream.health().connects == 1, "the connection is kept"


@pytest.mark.parametrize("name", sorted(SYMBOLS))
@pytest.mark.parametrize("fault", [F.HTML, F.HALF_FRAME, F.NAN, F.WRONG_SYMBOL, F.SEQUENCE_GAP, F.FUTURE, F.PRICE_TEXT])
async def test_one_symbol_whose_frames_are_no_quotes(
    name: str, fault: Misbehaviour, session: aiohttp.ClientSession
) -> None:
    good, bad = other_symbols(name, 3), SYMBOLS[name]
    async with venue_of(name, bad, *good) as venue, listening(venue, [bad, *good], session) as listener:
        await all_hear(venue, listener, good, 4050)
        venue.misbehave(fault, [bad])
        for price in (4100, 4200):
            quote(venue, str(price), bad)
            await all_hear(venue, listener, good, price)
        assert listener.stream.health().connects == 1, "the connection is kept"


@pytest.mark.parametrize("name", sorted(SYMBOLS))
async def test_one_symbol_that_floods(name: str, session: aiohttp.ClientSession) -> None:
    good, bad = other_symbols(name, 3), SYMBOLS[name]
    async with venue_of(name, bad, *good) as venue, listening(venue, [bad, *good], session) as listener:
        await all_hear(venue, listener, good, 4050)
        for price in (4100, 4200, 4300):
            for i in range(500):
                quote(venue, str(3000 + i), bad)
            await all_hear(venue, listener, good, price)
        assert listener.stream.health().connects == 1, "the connection is kept"


@pytest.mark.parametrize("name", sorted(SYMBOLS))
async def test_one_symbol_for_which_the_venue_ends_the_connection(name: str, session: aiohttp.ClientSession) -> None:
    """It comes to be alone on a connection, whatever the venue thinks of it; the others keep theirs."""
    good, bad = other_symbols(name, 6), HABITS[name].unknown
    async with venue_of(name, *good) as venue:
        venue.hang_up_on([bad])
        async with listening(venue, [*good[:3], bad, *good[3:]], session) as listener:
            for price in (4000, 4100):
                await all_hear(venue, listener, good, price)
            await until(lambda: listener.stream.health().connections == 4, within_s=LONG_S)  # 7: 3 + 4, 2 + 2, 1 + 1
            await all_hear(venue, listener, good, 4200)
            assert listener.stream.health().connections == 4
            venue.hang_up_on(())
            quote(venue, "4000", bad)
            await until(lambda: listener.price(bad) == 4000 * WAD, within_s=LONG_S)


async def test_a_venue_that_ends_every_connection_is_not_asked_for_ever_more_of_them(
    session: aiohttp.ClientSession,
) -> None:
    symbols = [f"T{i}-USD" for i in range(50)]
    async with venue_of("coinbase", *symbols) as venue:
        venue.hang_up_on(["subscribe"])
        async with listening(venue, symbols, session) as listener:
            await until(lambda: listener.stream.health().connections == 9, within_s=LONG_S)
            before = listener.stream.health().connects
            await until(lambda: listener.stream.health().connects > before + 60, within_s=LONG_S)
            assert listener.stream.health().connections == 9
            venue.hang_up_on(())
            await all_hear(venue, listener, symbols, 4100)


@pytest.mark.parametrize("name", sorted(SYMBOLS))
@pytest.mark.parametrize("ends", [False, True])
async def test_one_symbol_costs_no_other_its_trades(name: str, ends: bool, session: aiohttp.ClientSession) -> None:
    """One that the venue does not list, or for which it ends the connection."""
    good, bad = other_symbols(name, 3), HABITS[name].unknown
    heard: set[tuple[str, str]] = set()

    def on_trade(_: str, trade: TradeTick, __: int) -> FeedError | None:
        if isinstance(trade.result, FeedError):
            return trade.result
        heard.add((trade.symbol, wad_text(trade.result.price_wad, 0)))
        return None

    async with venue_of(name, *good) as venue:
        venue.hang_up_on([bad] if ends else ())
        limits = replace(venue.adapter().limits, connect_interval_ms=5, message_interval_ms=0)
        stream = Stream(
            TradeChannel(venue.adapter(limits=limits)), [*good[:2], bad, *good[2:]], session, lambda *_: False, wall_ms,
            fetch=fetching(venue, session, timeout_s=LONG_S), on_trade=on_trade, timeouts=PATIENCE,
        )  # fmt: skip
        task = asyncio.create_task(stream.run())
        try:
            for price in ("4000", "4100"):

                def all_traded(price: str = price) -> bool:
                    for symbol in good:
                        venue.trade(symbol, Decimal(price), Decimal(1))
                    return {(s, price) for s in good} <= heard

                await until(all_traded, within_s=LONG_S)
            assert not task.done()
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
