"""What a venue wants of whoever connects: a token first, pings in time, answers to its own; and its errors are heard."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import Any, cast

import aiohttp
import pytest

from demo.venues.faults import Misbehaviour
from demo.venues.server import Venue
from feeds.errors import FeedError
from feeds.registry import EXCHANGES
from feeds.streams.connection import StreamTimeouts
from feeds.streams.latest import LatestQuotes
from feeds.streams.venue import Exchange, Frame, ParsedFrame, Session, StreamAddress, VenueLimits
from feeds.streams.ws import Stream
from feeds.units import WAD
from tests.feeds.local_venues import HABITS, SYMBOLS, fetching, quote, until, wall_ms

pytestmark = pytest.mark.loopback
F = Misbehaviour
PATIENCE = StreamTimeouts(silence_ms=250, check_ms=20, backoff_ms=10, backoff_max_ms=40)
LIMITS = VenueLimits(connect_interval_ms=5)
PATIENT_S = 60.0
"""Longer than a busy machine takes for anything here."""


@pytest.mark.parametrize("name", sorted(n for n, h in HABITS.items() if h.nonsense))
async def test_an_error_frame_of_the_venue_is_never_ignored(name: str, session: aiohttp.ClientSession) -> None:
    venue = Venue(name)
    await venue.start()
    try:
        exchange = venue.adapter()
        asked = exchange.handshake()
        place = exchange.stream_address(None if asked is None else await fetching(venue, session)(asked))
        errors: list[FeedError] = []
        async with session.ws_connect(place.url) as socket:
            await socket.send_str(HABITS[name].nonsense)
            while not errors:
                frame = (await socket.receive(timeout=PATIENT_S)).data
                try:
                    ticks = exchange.session().read_frame(frame).ticks
                    errors += [t.result for t in ticks if isinstance(t.result, FeedError)]
                except FeedError as e:
                    errors.append(e)
        assert errors[0].code in ("REFUSED", "WRONG_SYMBOL")
    finally:
        await venue.stop()


@pytest.mark.parametrize("name", sorted(n for n, h in HABITS.items() if h.token))
@pytest.mark.parametrize("fault", list(F))
async def test_a_handshake_that_fails_is_typed_and_tried_again(
    name: str, fault: Misbehaviour, session: aiohttp.ClientSession
) -> None:
    """The venue misbehaves from the start: where the token's own reply is spoilt, there is no connection yet.

    Only where the limit of time is what is tried is it short: a busy machine takes longer than that to make a bomb.
    """
    timeout_s = 0.3 if HANDSHAKE_CODES.get(fault) == "TIMED_OUT" else PATIENT_S
    venue = Venue(name, beat_s=0.02)
    await venue.start()
    table = LatestQuotes()
    stream = Stream(
        venue.adapter(limits=LIMITS), [SYMBOLS[name]], session, table.put, wall_ms,
        fetch=fetching(venue, session, timeout_s=timeout_s), timeouts=PATIENCE,
    )  # fmt: skip
    quote(venue, "4000")
    venue.misbehave(fault)
    task = asyncio.create_task(stream.run())
    try:
        await until(lambda: stream.health().last_error is not None or stream.health().connects, within_s=PATIENT_S)
        if fault in HANDSHAKE_CODES:
            error = stream.health().last_error
            assert error is not None
            assert error.code == HANDSHAKE_CODES[fault]
            assert stream.health().connects == 0
        venue.misbehave(None)
        quote(venue, "4200")
        await until(
            lambda: (seen := table.get(name, SYMBOLS[name]).quote) is not None and seen.price_wad == 4200 * WAD,
            within_s=PATIENT_S,
        )
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await venue.stop()


HANDSHAKE_CODES = {
    F.SILENT: "TIMED_OUT", F.SLOW_BODY: "TIMED_OUT", F.HTTP_429: "RATE_LIMITED", F.REDIRECT: "REFUSED",
    F.HALF_FRAME: "UNREACHABLE", F.GZIP_BOMB: "TOO_LARGE", F.HUGE_BODY: "TOO_LARGE", F.HTML: "MALFORMED",
}  # fmt: skip


PINGING = sorted(n for n, e in EXCHANGES.items() if e.session().ping(1_700_000_000_000) is not None)


@pytest.mark.parametrize("name", PINGING)
@pytest.mark.parametrize("pings", [True, False])
async def test_a_venue_that_wants_pings_keeps_who_sends_them(
    name: str, session: aiohttp.ClientSession, *, pings: bool
) -> None:
    """Our pings come more often than the stand-in's patience lasts, or never."""
    await assert_kept(name, session, Mannered(EXCHANGES[name], ping_ms=20 if pings else 0), kept=pings)


@pytest.mark.parametrize("name", sorted(n for n, h in HABITS.items() if h.pings))
@pytest.mark.parametrize("answers", [True, False])
async def test_a_venue_that_pings_keeps_who_answers(
    name: str, session: aiohttp.ClientSession, *, answers: bool
) -> None:
    await assert_kept(name, session, Mannered(EXCHANGES[name], answers=answers), kept=answers)


async def assert_kept(name: str, session: aiohttp.ClientSession, exchange: Mannered, *, kept: bool) -> None:
    """The stand-in cuts off who gives no sign of life for ten heartbeats."""
    venue = Venue(name, beat_s=0.03, max_missed_beats=10)
    await venue.start()
    try:
        quote(venue, "4000")
        exchange.theirs = venue.adapter(limits=LIMITS)
        table = LatestQuotes()
        stream = Stream(
            cast("Exchange", exchange), [SYMBOLS[name]], session, table.put, wall_ms,
            fetch=fetching(venue, session), timeouts=StreamTimeouts(check_ms=20, backoff_ms=10, backoff_max_ms=40),
        )  # fmt: skip
        task = asyncio.create_task(stream.run())
        await until(lambda: table.get(name, SYMBOLS[name]).quote is not None)
        if kept:
            await until(lambda: venue.beats > 25)
            assert stream.health().connects == 1
            assert not stream.health().bad_frames, "pings and pongs are understood"
        else:
            await until(lambda: stream.health().connects > 1)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    finally:
        await venue.stop()


@dataclass
class Mannered:
    """An exchange that pings as often as we say, and answers the venue's pings or does not."""

    theirs: Exchange
    ping_ms: int | None = None
    answers: bool = True

    def __getattr__(self, name: str) -> Any:
        return getattr(self.theirs, name)

    def stream_address(self, body: bytes | None) -> StreamAddress:
        place = self.theirs.stream_address(body)
        return place if self.ping_ms is None else replace(place, ping_ms=self.ping_ms)

    def session(self) -> Session:
        session = self.theirs.session()
        return session if self.answers else Mute(session)


@dataclass
class Mute:
    """A session that hears and never answers."""

    session: Session

    def read_frame(self, frame: Frame) -> ParsedFrame:
        return replace(self.session.read_frame(frame), replies=())

    def ping(self, now_ms: int) -> Frame | None:
        del now_ms
        return None
