"""The poller of order books: one at a time, evenly, and a book that fails costs nothing but itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import aiohttp
import pytest
import pytest_asyncio

from demo.venues.server import Venue
from feeds.errors import FeedError
from feeds.streams.depth_poller import DepthPoller
from feeds.streams.http import HttpClient
from feeds.types import Depth
from tests.feeds.local_venues import quote, until, wall_ms

pytestmark = pytest.mark.loopback


@pytest_asyncio.fixture
async def binance() -> AsyncIterator[Venue]:
    venue = Venue("binance")
    await venue.start()
    quote(venue, "4000")
    yield venue
    await venue.stop()


class Polled:
    """What a poller reported, and the pauses that it made; it is stopped after some of them."""

    def __init__(self, venue: Venue, session: aiohttp.ClientSession, symbols: tuple[str, ...], every_ms: int) -> None:
        self.read: list[tuple[str, str, Depth | FeedError, int]] = []
        self.pauses: list[float] = []
        self.stop_after = 0
        self.poller = DepthPoller(
            exchange=venue.adapter(), symbols=symbols, http=HttpClient(session, wall_ms), on_depth=self._on_depth,
            now_ms=wall_ms, every_ms=every_ms, sleep=self._sleep,
        )  # fmt: skip

    def _on_depth(self, venue: str, symbol: str, depth: Depth | FeedError, at_ms: int) -> None:
        self.read.append((venue, symbol, depth, at_ms))

    async def _sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        if len(self.pauses) >= self.stop_after:
            raise asyncio.CancelledError

    async def run(self, pauses: int) -> None:
        self.stop_after = pauses
        with pytest.raises(asyncio.CancelledError):
            await self.poller.run()


async def test_each_symbol_in_turn_with_even_pauses(binance: Venue, session: aiohttp.ClientSession) -> None:
    polled = Polled(binance, session, ("ETHUSDT", "NOPE"), every_ms=60_000)
    begun_ms = wall_ms()
    await polled.run(pauses=4)
    assert [symbol for _, symbol, _, _ in polled.read] == ["ETHUSDT", "NOPE"] * 2
    assert polled.pauses == [30.0] * 4
    assert all(venue == "binance" and begun_ms <= at_ms <= wall_ms() for venue, _, _, at_ms in polled.read)


async def test_a_book_that_fails_costs_no_other_and_is_asked_again(
    binance: Venue, session: aiohttp.ClientSession
) -> None:
    polled = Polled(binance, session, ("NOPE", "ETHUSDT"), every_ms=60_000)
    await polled.run(pauses=2)
    unknown, known = (depth for _, _, depth, _ in polled.read)
    assert isinstance(unknown, FeedError)
    assert isinstance(known, Depth)
    assert 0 < known.half_wad <= known.one_wad <= known.two_wad
    binance.misbehave("http_429")
    await polled.poller.ask("ETHUSDT")
    lost = polled.read[-1][2]
    assert isinstance(lost, FeedError)
    assert lost.code == "RATE_LIMITED"
    binance.misbehave(None)
    recovered = Polled(binance, session, ("ETHUSDT",), every_ms=60_000)
    await recovered.run(pauses=1)
    assert recovered.read[0][2] == known


async def test_an_interval_that_is_too_short_for_so_many_symbols_is_not_kept(
    binance: Venue, session: aiohttp.ClientSession
) -> None:
    polled = Polled(binance, session, ("ETHUSDT",) * 4, every_ms=1_000)
    await polled.run(pauses=2)
    assert polled.pauses == [1.0, 1.0], "never faster than one a second"


async def test_a_book_that_hangs_is_not_waited_for(binance: Venue, session: aiohttp.ClientSession) -> None:
    quote(binance, "4000", "LDOUSDT")
    binance.misbehave("silent", ["ETHUSDT"])
    read: list[str] = []
    poller = DepthPoller(
        exchange=binance.adapter(), symbols=("ETHUSDT", "LDOUSDT"), http=HttpClient(session, wall_ms),
        on_depth=lambda _, symbol, __, ___: read.append(symbol), now_ms=wall_ms, every_ms=0,
        sleep=lambda _: asyncio.sleep(0.01),
    )  # fmt: skip
    task = asyncio.create_task(poller.run())
    try:
        await until(lambda: len(read) > 2, within_s=60)
        assert set(read) == {"LDOUSDT"}
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
