"""Every misbehaviour of a venue on its stream: noticed, typed, survived, and over when the venue behaves again."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest

from demo.venues.faults import Misbehaviour
from demo.venues.server import Venue
from demo.venues.wires import WIRES
from feeds.errors import FeedError
from feeds.registry import EXCHANGES
from feeds.streams.connection import StreamTimeouts
from feeds.streams.latest import DropReason, LatestQuote, LatestQuotes
from feeds.streams.venue import VenueLimits
from feeds.streams.ws import Stream
from feeds.types import Quote
from feeds.units import WAD
from tests.feeds.local_venues import HABITS, SYMBOLS, fetching, quote, until, wall_ms

pytestmark = pytest.mark.loopback
F = Misbehaviour
PATIENCE = StreamTimeouts(silence_ms=250, check_ms=20, backoff_ms=10, backoff_max_ms=40, max_frame_bytes=1 << 20)
LIMITS = VenueLimits(connect_interval_ms=5)


@dataclass
class Run:
    """A stream of one symbol from a local exchange into a table."""

    venue: Venue
    stream: Stream
    table: LatestQuotes
    silent: list[str] = field(default_factory=list)

    @property
    def seen(self) -> LatestQuote:
        return self.table.get(self.venue.name, SYMBOLS[self.venue.name])

    @property
    def price(self) -> int:
        return self.seen.quote.price_wad if self.seen.quote else 0

    @property
    def timed(self) -> bool:
        """The venue states a time."""
        return HABITS[self.venue.name].timed

    def bad(self, *codes: str) -> int:
        return sum(self.stream.health().bad_frames.get(code, 0) for code in codes)

    def last_error_is(self, *codes: str) -> bool:
        error = self.stream.health().last_error
        return error is not None and error.code in codes


@contextlib.asynccontextmanager
async def running(venue: Venue, session: aiohttp.ClientSession, **patience: Any) -> AsyncIterator[Run]:
    table, silent = LatestQuotes(), list[str]()
    stream = Stream(
        venue.adapter(limits=LIMITS), [SYMBOLS[venue.name]], session, table.put, wall_ms, fetch=fetching(venue, session),
        on_silent=lambda _, symbol, __: silent.append(symbol),
        timeouts=StreamTimeouts(**{**{k: getattr(PATIENCE, k) for k in PATIENCE.__slots__}, **patience}),
    )  # fmt: skip
    task = asyncio.create_task(stream.run())
    run = Run(venue, stream, table, silent)
    try:
        await until(lambda: run.price == 4000 * WAD)
        yield run
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_change_arrives_and_carries_what_the_venue_says(venue: Venue, session: aiohttp.ClientSession) -> None:
    async with running(venue, session) as run:
        before_ms = wall_ms()
        quote(venue, "4100.5")
        await until(lambda: run.price == 4100 * WAD + WAD // 2)
        assert run.seen.quote is not None
        assert run.seen.quote.volume_wad == (12 * WAD + WAD // 2 if HABITS[venue.name].volume else None)
        assert (run.seen.quote.stated_at_ms is not None) == run.timed
        if run.seen.quote.stated_at_ms is not None:
            assert before_ms - 1 <= run.seen.quote.stated_at_ms <= wall_ms()
        assert run.stream.health().connected
        assert venue.subscribers == 1


async def test_an_unknown_symbol_does_not_disturb_the_others(venue: Venue, session: aiohttp.ClientSession) -> None:
    habits = HABITS[venue.name]
    table, silent = LatestQuotes(), list[str]()
    stream = Stream(
        venue.adapter(limits=LIMITS), [habits.unknown, habits.symbol], session, table.put, wall_ms,
        fetch=fetching(venue, session), on_silent=lambda _, symbol, __: silent.append(symbol), timeouts=PATIENCE,
    )  # fmt: skip
    task = asyncio.create_task(stream.run())
    await until(lambda: table.get(venue.name, habits.symbol).quote is not None)
    code = habits.unknown_is
    if code.startswith("*"):
        await until(lambda: stream.health().bad_frames.get(code[1:], 0))
    elif not code:  # it acknowledges what it does not know: only silence tells
        await until(lambda: habits.unknown in silent)
    else:
        await until(lambda: isinstance(table.get(venue.name, habits.unknown).newest, FeedError))
        newest = table.get(venue.name, habits.unknown).newest
        assert isinstance(newest, FeedError)
        await until(lambda: getattr(table.get(venue.name, habits.unknown).newest, "code", "") == code)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def newest_is(code: str) -> Callable[[Run], bool]:
    return lambda run: isinstance(run.seen.newest, FeedError) and run.seen.newest.code == code


def dropped(why: str) -> Callable[[Run], bool]:
    return lambda run: run.table.dropped(run.venue.name).get(DropReason(why), 0) > 0


def renewed(run: Run) -> bool:
    """The silent connection was given up; where each connect needs a token, and the venue gives none, it was tried."""
    return bool(run.silent) and (run.stream.health().connects > 1 or run.last_error_is("TIMED_OUT"))


def repeated(run: Run) -> bool:
    """The same again and again: without a time only the quote that never changes tells."""
    if run.timed:
        return renewed(run) and dropped("duplicate")(run)
    return run.stream.health().frames > 10 and run.seen.changed_at_ms != run.seen.received_at_ms


def untimed_price(code: str) -> Callable[[Run], bool]:
    """An error of this kind, or, from a venue that states no time, the right price."""
    return lambda run: newest_is(code)(run) if run.timed else run.price == 4100 * WAD


NOTICED: dict[Misbehaviour, Callable[[Run], object]] = {
    F.SILENT: renewed,
    F.SLOW_BODY: renewed,
    F.STUCK: repeated,
    F.STALE: lambda run: dropped("out_of_order")(run) if run.timed else run.price == 4100 * WAD,
    F.FUTURE: untimed_price("FROM_FUTURE"),
    F.ZERO: newest_is("NOT_POSITIVE"),
    F.NEGATIVE: newest_is("NOT_POSITIVE"),
    F.NAN: newest_is("MALFORMED"),
    F.PRICE_TEXT: newest_is("MALFORMED"),
    F.SWAPPED_DECIMALS: newest_is("OUT_OF_RANGE"),
    F.INVERTED: lambda run: 0 < run.price < WAD // 3_000,
    F.HTML: lambda run: run.bad("MALFORMED"),
    F.HALF_FRAME: lambda run: run.bad("MALFORMED"),
    F.GZIP_BOMB: lambda run: run.bad("MALFORMED", "TOO_LARGE"),
    F.HUGE_BODY: lambda run: run.last_error_is("TOO_LARGE"),
    F.WRONG_SYMBOL: lambda run: run.bad("WRONG_SYMBOL"),
    F.OUT_OF_ORDER: lambda run: dropped("out_of_order")(run) and run.price == 4100 * WAD if run.timed else run.price,
    F.DUPLICATE: lambda run: (dropped("duplicate")(run) or not run.timed) and run.price == 4100 * WAD,
    F.SEQUENCE_GAP: lambda run: run.price == 4100 * WAD or isinstance(run.seen.newest, FeedError),
    F.NULL_TIME: lambda run: run.price == 4100 * WAD and run.seen.observed_at_ms == run.seen.received_at_ms,
    F.SECONDS_FOR_MS: untimed_price("MALFORMED"),
    F.HTTP_429: lambda run: run.last_error_is("RATE_LIMITED"),
    F.REDIRECT: lambda run: run.last_error_is("REFUSED", "UNREACHABLE") and not run.stream.health().connected,
}
ONE_CONNECTION = {F.SEQUENCE_GAP, F.DUPLICATE, F.OUT_OF_ORDER, F.ZERO, F.NAN, F.HTML}
"""Misbehaviours that cost no connection."""
PRICE_STANDS = set(F) - {
    F.INVERTED, F.OUT_OF_ORDER, F.DUPLICATE, F.NULL_TIME, F.HTTP_429, F.REDIRECT, F.SEQUENCE_GAP,
}  # fmt: skip
"""Misbehaviours under which the last good quote and its time stay as they were."""
UNTIMED = {F.STALE, F.FUTURE, F.SECONDS_FOR_MS, F.STUCK}
"""Of these, those that a venue without a time cannot act out."""


@pytest.mark.parametrize("name", sorted(EXCHANGES))
def test_every_venue_has_a_stand_in(name: str) -> None:
    assert name in WIRES, f"write demo/venues/{name}.py and add it to demo/venues/wires.py"
    assert name in HABITS, "say in tests/feeds/local_venues.py how it differs"


def test_every_misbehaviour_is_acted_out() -> None:
    assert set(NOTICED) == set(F)


@pytest.mark.parametrize("fault", list(F))
async def test_every_misbehaviour_is_noticed_and_survived(
    venue: Venue, session: aiohttp.ClientSession, fault: Misbehaviour
) -> None:
    async with running(venue, session, **({"silence_ms": 20_000} if fault in ONE_CONNECTION else {})) as run:
        venue.misbehave(fault)
        since_ms = wall_ms()
        quote(venue, "4100")
        if fault in (F.HTTP_429, F.REDIRECT):
            venue.cut()
        await until(lambda: NOTICED[fault](run))
        if fault in ONE_CONNECTION:
            assert run.stream.health().connects == 1
        if fault in PRICE_STANDS and (run.timed or fault not in UNTIMED):
            assert run.price == 4000 * WAD
            assert run.seen.observed_at_ms is not None
            assert run.seen.observed_at_ms <= since_ms
        venue.misbehave(None)
        await asyncio.sleep(0.01)
        quote(venue, "4200")
        await until(lambda: run.price == 4200 * WAD)
        assert isinstance(run.seen.newest, Quote)


async def test_a_cut_and_a_longer_outage_are_survived(venue: Venue, session: aiohttp.ClientSession) -> None:
    async with running(venue, session) as run:
        venue.cut()
        await until(lambda: run.stream.health().connects == 2)
        await venue.down()
        await until(lambda: not run.stream.health().connected)
        error = run.stream.health().last_error
        assert error is not None
        assert error.code == "UNREACHABLE"
        assert run.price == 4000 * WAD, "the last quote stays, with its age"
        await asyncio.sleep(0.05)
        await venue.up()
        await asyncio.sleep(0.01)
        quote(venue, "4300")
        await until(lambda: run.price == 4300 * WAD)


async def test_a_mute_symbol_is_noticed_although_heartbeats_go_on(venue: Venue, session: aiohttp.ClientSession) -> None:
    async with running(venue, session, silence_ms=100) as run:
        venue.mute([SYMBOLS[venue.name]])
        await until(lambda: run.silent)
        assert run.stream.health().silent == (SYMBOLS[venue.name],)
        venue.unmute()
        quote(venue, "4400")
        await until(lambda: run.price == 4400 * WAD)
        assert run.stream.health().silent == ()
