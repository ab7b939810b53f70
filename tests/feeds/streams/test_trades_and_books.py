"""Trades and order books of every local exchange, over its real wire protocol: streamed, read once, and never lost to a neighbour."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from decimal import Decimal

import aiohttp
import pytest

from demo.venues.server import Venue
from demo.venues.wires import WIRES
from feeds.decode import order_book
from feeds.errors import FeedError
from feeds.registry import EXCHANGES
from feeds.streams.http import HttpClient
from feeds.streams.tape import TradeTape
from feeds.streams.trade_channel import TRADE_TIMEOUTS, TradeChannel
from feeds.streams.venue import StreamAddress
from feeds.streams.ws import Stream
from feeds.types import Depth, Instrument
from feeds.units import WAD
from tests.feeds.local_venues import HABITS, fetching, quote, until, wall_ms

pytestmark = pytest.mark.loopback
_LIVELY = sorted(n for n, e in EXCHANGES.items() if HABITS[n].pings or e.session().ping(1_700_000_000_000) is not None)
"""Venues that want pings, or answers to theirs."""


@asynccontextmanager
async def trading(venue: Venue, session: aiohttp.ClientSession, symbols: tuple[str, ...]) -> AsyncIterator[TradeTape]:
    """A tape that a stream of the venue's trades fills; the venue knows of the subscriptions."""
    tape = TradeTape()
    limits = replace(venue.adapter().limits, connect_interval_ms=0, message_interval_ms=0)
    stream = Stream(
        TradeChannel(venue.adapter(limits=limits)), symbols, session, lambda *_: False, wall_ms, fetch=fetching(venue, session),
        on_trade=tape.put, timeouts=TRADE_TIMEOUTS,
    )  # fmt: skip
    task = asyncio.create_task(stream.run())
    try:
        await until(lambda: venue.traders)
        yield tape
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_trade_arrives_with_its_own_price_volume_and_time(venue: Venue, session: aiohttp.ClientSession) -> None:
    symbol = HABITS[venue.name].symbol
    async with trading(venue, session, (symbol,)) as tape:
        begun_ms = wall_ms()
        for price, volume in (("4000.25", "1.5"), ("4001", "0.25")):
            venue.trade(symbol, Decimal(price), Decimal(volume))
        await until(lambda: len(tape.prints(venue.name, symbol, 0, wall_ms()).prints) == 2)
        first, second = sorted(tape.prints(venue.name, symbol, 0, wall_ms()).prints, key=lambda p: p.price_wad)
    assert (first.price_wad, first.volume_wad) == (4_000_25 * WAD // 100, 15 * WAD // 10)
    assert (second.price_wad, second.volume_wad) == (4_001 * WAD, 25 * WAD // 100)
    assert all(begun_ms - 1_000 <= p.at_ms <= wall_ms() for p in (first, second))


async def test_an_unknown_symbol_costs_no_other_its_trades(venue: Venue, session: aiohttp.ClientSession) -> None:
    habits = HABITS[venue.name]
    async with trading(venue, session, (habits.unknown, habits.symbol)) as tape:
        venue.trade(habits.symbol, Decimal(4000), Decimal(1))
        await until(lambda: tape.prints(venue.name, habits.symbol, 0, wall_ms()).prints)


async def test_a_trade_that_a_venue_repeats_after_a_reconnect_counts_once(
    venue: Venue, session: aiohttp.ClientSession
) -> None:
    """Some begin each subscription with their last trades; the ids are those that the trades had."""
    symbol = HABITS[venue.name].symbol

    def counted(tape: TradeTape) -> int:
        return sum(p.count for p in tape.prints(venue.name, symbol, 0, wall_ms()).prints)

    async with trading(venue, session, (symbol,)) as tape:
        venue.trade(symbol, Decimal(4000), Decimal(1))
        await until(lambda: counted(tape) == 1)
        await venue.down()
        await until(lambda: not venue.traders)
        await venue.up()
        await until(lambda: venue.traders)
        venue.trade(symbol, Decimal(4001), Decimal(2))
        await until(lambda: counted(tape) > 1)
        volumes = [p.volume_wad for p in tape.prints(venue.name, symbol, 0, wall_ms()).prints]
    assert sorted(volumes) == [WAD, 2 * WAD]
    assert tape.dropped[venue.name] == min(WIRES[venue.name].repeats_trades, 1)


class Eager(TradeChannel):
    """Trades of a venue that is pinged often."""

    def stream_address(self, body: bytes | None) -> StreamAddress:
        return replace(super().stream_address(body), ping_ms=20)


@pytest.mark.parametrize("name", _LIVELY)
async def test_a_connection_of_trades_gives_the_signs_of_life_that_its_venue_wants(
    name: str, session: aiohttp.ClientSession
) -> None:
    """The stand-in cuts off who gives none for ten heartbeats; nobody trades meanwhile."""
    venue = Venue(name, beat_s=0.03, max_missed_beats=10)
    await venue.start()
    try:
        quote(venue, "4000")
        tape = TradeTape()
        stream = Stream(
            Eager(venue.adapter()), (HABITS[name].symbol,), session, lambda *_: False, wall_ms,
            fetch=fetching(venue, session), on_trade=tape.put, timeouts=TRADE_TIMEOUTS,
        )  # fmt: skip
        task = asyncio.create_task(stream.run())
        await until(lambda: venue.traders)
        beats = venue.beats
        await until(lambda: venue.beats > beats + 25)
        assert stream.health().connects == 1
        assert not stream.health().bad_frames, "pings and pongs are understood"
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    finally:
        await venue.stop()


async def test_a_book_states_the_depth_of_its_thinner_side(venue: Venue, session: aiohttp.ClientSession) -> None:
    symbol, adapter = HABITS[venue.name].symbol, venue.adapter()
    # three significant figures: Hyperliquid is asked for no more
    bids = tuple((Decimal(price), Decimal(size)) for price, size in ((3990, 3), (3980, 4), (3960, 5), (3900, 9)))
    asks = tuple((Decimal(price), Decimal(size)) for price, size in ((4010, 2), (4020, 6), (4040, 7), (4070, 1)))
    venue.set_book(symbol, bids, asks)
    request = adapter.book_request(symbol)
    client = HttpClient(session, wall_ms)
    body = (await client.fetch(venue.name, request, timeout_s=5, max_bytes=1 << 20)).body
    book = adapter.parse_book(request, body)
    assert [(p, s) for p, s in book.bids] == [(int(p * WAD), int(s * WAD)) for p, s in bids]
    assert [(p, s) for p, s in book.asks] == [(int(p * WAD), int(s * WAD)) for p, s in asks]
    assert order_book.depth(book) == Depth(half_wad=7 * WAD, one_wad=12 * WAD, two_wad=12 * WAD)


async def test_the_book_of_an_unknown_symbol_is_a_typed_error(venue: Venue, session: aiohttp.ClientSession) -> None:
    adapter, client = venue.adapter(), HttpClient(session, wall_ms)
    request = adapter.book_request(HABITS[venue.name].unknown)
    with pytest.raises(FeedError) as refused:
        adapter.parse_book(request, (await client.fetch(venue.name, request, timeout_s=5, max_bytes=1 << 20)).body)
    assert refused.value.code in ("WRONG_SYMBOL", "REFUSED")


def test_each_venue_s_own_spelling_is_taken_apart(venue: Venue) -> None:
    listing = venue.adapter().listing(HABITS[venue.name].symbol)
    assert listing.base == "ETH"
    if venue.name == "hyperliquid":
        assert (listing.quote, listing.instrument) == ("USD", Instrument.PERPETUAL)
    else:
        assert listing.quote in ("USD", "USDT")
        assert listing.instrument is Instrument.SPOT
