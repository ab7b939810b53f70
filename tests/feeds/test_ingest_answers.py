"""Streams and their fallback together: what the observer states while a request fails, and once the quote is too old."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import aiohttp
import pytest
from structlog.testing import capture_logs

from demo.venues.faults import Misbehaviour
from demo.venues.server import Venue
from feeds.chain_follower import IngestHooks
from feeds.errors import FeedError, Stale
from feeds.ingest import Ingest, VenuePlan
from feeds.observe import Observer, Source
from feeds.streams.ws import StreamHealth
from feeds.types import Failure, Kind, Observation, Pair
from feeds.units import WAD
from tests.feeds.local_venues import HABITS, SYMBOLS, other_symbols, quote, until, wall_ms

pytestmark = pytest.mark.loopback
LONG_S = 60.0


def hooks(dates: list[int]) -> IngestHooks:
    return IngestHooks(
        on_news=lambda _: None, on_stated=lambda *_: None, on_date=lambda _, date_ms, __: dates.append(date_ms),
        on_head=lambda *_: None, on_reorg=lambda *_: None,
    )  # fmt: skip


def source(venue: str, symbol: str) -> Source:
    return Source(
        feed=symbol, name=venue, pair=Pair.parse("ETH/USD"), group=venue, kind=Kind.MARKET, max_age_s=90, venue=venue,
        symbol=symbol,
    )  # fmt: skip


@asynccontextmanager
async def watching(
    venue: Venue, symbols: Sequence[str], session: aiohttp.ClientSession, dates: list[int], **plan: Any
) -> AsyncIterator[Observer]:
    sources = [source(venue.name, s) for s in symbols]
    observer = Observer(sources)
    addresses = VenuePlan(ws_url=venue.ws_url, rest_url=venue.rest_url, **plan)
    ingest = Ingest(
        observer, sources, venues={venue.name: addresses}, chains={}, session=session, now_ms=wall_ms, hooks=hooks(dates)
    )  # fmt: skip
    tasks = [asyncio.create_task(t()) for t in ingest.tasks().values()]
    try:
        yield observer
        assert not any(t.done() for t in tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@pytest.mark.parametrize("name", sorted(SYMBOLS))
async def test_a_quiet_symbol_outlives_a_fallback_that_fails(name: str, session: aiohttp.ClientSession) -> None:
    """The venue refuses every request while its stream says nothing new of one symbol: the quote counts until it is old."""
    quiet, busy = SYMBOLS[name], other_symbols(name, 1)[0]
    venue = Venue(name, beat_s=0.05)
    await venue.start()
    try:
        for symbol in (quiet, busy):
            quote(venue, "4000", symbol)
        async with watching(venue, (quiet, busy), session, [], silence_ms=400, rest_ms=50) as observer:
            await until(lambda: isinstance(observer.observe(quiet, wall_ms())[0], Observation), within_s=LONG_S)
            venue.mute((quiet,))
            venue.misbehave(Misbehaviour.HTML, (quiet,))

            def failed() -> bool:
                quote(venue, "4100", busy)
                return observer.latest.get(name, quiet).missed is not None

            await until(failed, within_s=LONG_S)
            (seen,) = observer.observe(quiet, wall_ms())
            assert isinstance(seen, Observation)
            assert seen.price_wad == 4000 * WAD
            (late,) = observer.observe(quiet, seen.observed_at_ms + 90_001)
            assert isinstance(late, Failure)
            assert isinstance(late.error, Stale)
            assert "MALFORMED" in str(late.error), "the reason says both"
    finally:
        await venue.stop()


async def test_the_venues_clock_is_seen_although_its_first_symbol_is_unknown(session: aiohttp.ClientSession) -> None:
    venue, dates = Venue("coinbase", beat_s=0.05), [0]
    await venue.start()
    dates.clear()
    quote(venue, "4000")
    try:
        async with watching(venue, ("AAA-NONE", "ETH-USD"), session, dates, silence_ms=60_000, rest_ms=50):
            await until(lambda: dates, within_s=LONG_S)
            assert dates
    finally:
        await venue.stop()


def health_of(ingest: Ingest, name: str) -> StreamHealth:
    return next(h for h in ingest.health() if h.venue == name)


@pytest.mark.parametrize("name", sorted(SYMBOLS))
async def test_a_stream_of_trades_that_refuses_a_symbol_fails_no_quote(
    name: str, session: aiohttp.ClientSession
) -> None:
    """Its refusal is counted there; the quote comes on a channel of its own."""
    venue, symbol = Venue(name), SYMBOLS[name]
    await venue.start()
    quote(venue, "4000")
    traded = replace(source(name, symbol), trades=True)
    observer = Observer([traded])
    plan = VenuePlan(ws_url=venue.ws_url, rest_url=venue.rest_url)
    ingest = Ingest(
        observer, [traded], venues={name: plan}, chains={}, session=session, now_ms=wall_ms, hooks=hooks([])
    )  # fmt: skip
    running = [asyncio.create_task(ingest.tasks()[f"stream {name}"]())]
    try:
        await until(lambda: isinstance(observer.observe(symbol, wall_ms())[0], Observation), within_s=LONG_S)
        venue.delist(symbol)
        running.append(asyncio.create_task(ingest.tasks()[f"trades {name}"]()))
        if HABITS[name].unknown_is:
            await until(lambda: health_of(ingest, f"{name}:trades").bad_frames, within_s=LONG_S)
        assert isinstance(observer.observe(symbol, wall_ms())[0], Observation)
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        await venue.stop()


async def test_a_book_that_cannot_be_read_is_said_once_until_it_is_read(session: aiohttp.ClientSession) -> None:
    """Quotes go on meanwhile, so nothing else would tell why a cost is unknown."""
    venue = Venue("coinbase")
    await venue.start()
    quote(venue, "4000")
    venue.misbehave(Misbehaviour.HTML)
    sources, place = [source("coinbase", "ETH-USD")], ("coinbase", "ETH-USD")
    observer = Observer(sources)
    plan = VenuePlan(ws_url=venue.ws_url, rest_url=venue.rest_url, depth_ms=1_000)
    ingest = Ingest(
        observer, sources, venues={"coinbase": plan}, chains={}, session=session, now_ms=wall_ms, hooks=hooks([])
    )  # fmt: skip
    seen: list[FeedError] = []

    def failed_again() -> bool:
        newest = ingest.depth_errors[place]
        if not any(newest is error for error in seen):
            seen.append(newest)
        return len(seen) > 2

    with capture_logs() as said:
        task = asyncio.create_task(ingest.tasks()["depth coinbase"]())
        try:
            await until(lambda: place in ingest.depth_errors, within_s=LONG_S)
            await until(failed_again, within_s=LONG_S)
            venue.misbehave(None)
            await until(lambda: observer.has_depth(*place), within_s=LONG_S)
            assert not ingest.depth_errors, "it was read again"
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await venue.stop()
    (line,) = [row for row in said if row["event"] == "book not read"]
    assert (line["venue"], line["symbol"]) == place
    assert "MALFORMED" in line["error"]
    assert line["advice"]
