"""A book that stands while nobody trades is not old: where the stream is silent about it, the book itself is asked."""

from __future__ import annotations

import asyncio
import time

import aiohttp
import pytest

from demo.venues.server import Venue
from feeds.streams.fallback import AnswerTable, Fallback, FallbackPlan
from feeds.streams.http import HttpClient
from feeds.streams.latest import LatestQuotes
from feeds.types import Quote, Tick
from feeds.units import WAD, Wad
from tests.feeds.local_venues import SYMBOLS, quote, until, wall_ms

pytestmark = pytest.mark.loopback
HOUR_MS = 3_600_000
MINUTE_MS = 60_000


@pytest.mark.parametrize("name", sorted(SYMBOLS))
async def test_a_quote_that_came_old_is_asked_for_at_once_and_is_young(
    name: str, session: aiohttp.ClientSession
) -> None:
    """As Coinbase's first ticker after a subscription: it is of the last match, an hour ago."""
    venue, symbol, table = Venue(name), SYMBOLS[name], LatestQuotes()
    await venue.start()
    quote(venue, "4000", symbol)
    old = Quote(price_wad=Wad(3_900 * WAD), stated_at_ms=wall_ms() - HOUR_MS)
    assert table.put(name, Tick(symbol=symbol, result=old), wall_ms())
    answers = AnswerTable(
        latest=lambda s: table.get(name, s),
        put=lambda tick, asked_ms, at_ms: table.put_answer(name, tick, at_ms, asked_at_ms=asked_ms),
        note_date=lambda *_: None,
    )
    client = HttpClient(session, wall_ms, limits={name: venue.adapter().limits}, monotonic=time.monotonic)
    plan = FallbackPlan(silence_ms=30_000, rest_ms=100)
    task = asyncio.create_task(Fallback(venue.adapter(), [symbol], plan, client, answers, wall_ms).run())
    try:
        await until(lambda: (table.get(name, symbol).observed_at_ms or 0) > wall_ms() - MINUTE_MS)
        seen = table.get(name, symbol).newest
        assert isinstance(seen, Quote)
        assert seen.price_wad == 4000 * WAD
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await venue.stop()
