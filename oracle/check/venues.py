"""What the check asks of exchanges, JSON interfaces and ccxt: one price of every source, by the request that a fallback would send."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

import aiohttp

from feeds.chain_follower import IngestHooks
from feeds.errors import FeedError, NoData, RateLimited, Refused, Stale, TimedOut, WrongSymbol
from feeds.ingest import Ingest
from feeds.observe import Observer
from feeds.types import Failure, Observation
from feeds.units import MS
from oracle.check.contracts import where_of
from oracle.check.values import SourceValue
from oracle.config.feed_sources import sources_of, venues_of
from oracle.config.resolve import ResolvedConfig
from oracle.config.source_plans import SourcePlan
from oracle.config.tables.schema import Problem
from oracle.runtime.clock import now_ms

VENUES_S = 20
"""All venues are asked at once, and no longer than this."""
_CLOCK_MS = 2_000
_SECOND_MS = 1_000
_BLOCKED = frozenset({401, 403, 451})


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueAnswers:
    """What each source of a venue said, by feed and name; ``clocks``: ms by which a venue's clock is ahead of ours."""

    said: Mapping[tuple[str, str], Observation | FeedError]
    clocks: Mapping[str, int]

    def clock_notes(self) -> list[str]:
        """The venues whose clock is further from ours than what their whole seconds explain."""
        far = {v: ms for v, ms in sorted(self.clocks.items()) if abs(ms) > _CLOCK_MS}
        return [
            f"venue {v}: by its answer its clock is {abs(ms) / MS:.1f} s {'ahead of' if ms > 0 else 'behind'} this "
            f"machine's: {'set this one' if len(far) > 1 else 'compare this one with others'}"
            for v, ms in far.items()
        ]


@dataclass(slots=True)
class _Clocks:
    """The least distance that any answer of a venue showed: most of it is the way here."""

    ahead_ms: dict[str, int] = field(default_factory=dict)

    def note(self, venue: str, date_ms: int, received_ms: int) -> None:
        """A Date header says whole seconds, so the venue's time lies within the second after it."""
        early, late = date_ms - received_ms, date_ms + _SECOND_MS - received_ms
        ahead_ms = 0 if early <= 0 <= late else min(early, late, key=abs)
        self.ahead_ms[venue] = min(ahead_ms, self.ahead_ms.get(venue, ahead_ms), key=abs)


async def ask_venues(resolved: ResolvedConfig) -> VenueAnswers:
    """Ask every venue of the config for each of its symbols, all venues at once, within VENUES_S."""
    sources = [s for s in sources_of(resolved) if s.venue is not None]
    observer, clocks = Observer(sources), _Clocks()
    hooks = IngestHooks(
        on_news=lambda _: None,
        on_stated=lambda *_: None,
        on_date=clocks.note,
        on_head=lambda *_: None,
        on_reorg=lambda *_: None,
    )
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
        ingest = Ingest(
            observer,
            sources,
            venues=venues_of(resolved.config),
            chains={},
            session=session,
            now_ms=now_ms,
            hooks=hooks,
        )
        try:
            async with asyncio.timeout(VENUES_S):
                await ingest.ask_once()
        except TimeoutError:
            pass  # what came by then is there
    at_ms = now_ms()
    outcomes = {(f, o.source): o for f in {s.feed for s in sources} for o in observer.observe(f, at_ms)}
    said = {place: _said(o.error) if isinstance(o, Failure) else o for place, o in outcomes.items()}
    return VenueAnswers(said=said, clocks=clocks.ahead_ms)


def _said(error: FeedError) -> FeedError:
    return TimedOut("no answer", within_s=VENUES_S) if isinstance(error, NoData) else error


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueValues:
    """What venues' sources state, and why the others, by feed and name, do not."""

    values: tuple[SourceValue, ...]
    errors: Mapping[tuple[str, str], str]
    problems: tuple[Problem, ...]
    notes: tuple[str, ...]


def venue_values(resolved: ResolvedConfig, answers: VenueAnswers) -> VenueValues:
    """The answers as values and problems. Pure."""
    values: list[SourceValue] = []
    errors: dict[tuple[str, str], str] = {}
    problems: list[Problem] = []
    notes: list[str] = []
    for source in resolved.sources:
        place = source.feed, source.spec.name
        said = answers.said.get(place)
        if isinstance(said, FeedError):
            errors[place] = str(said)
            text = f"{said}; {advice_of(source, said)}"
            if isinstance(said, Stale):  # the source is right, the market was quiet
                notes.append(f"{where_of(source)}: {text}")
            else:
                problems.append(Problem(where_of(source), text))
        elif said is not None:
            values.append(SourceValue(source=source, price_wad=said.price_wad, block_ms=said.observed_at_ms))
    return VenueValues(values=tuple(values), errors=errors, problems=tuple(problems), notes=tuple(notes))


def advice_of(source: SourcePlan, error: FeedError) -> str:
    """What to do about a source that gave no price."""
    venue, symbol = source.spec.name if source.pull else source.venue, source.symbol
    if isinstance(error, WrongSymbol):
        return (
            f"{venue} knows no {symbol}: write its own spelling of the pair, or leave the source out if it was delisted"
        )
    if isinstance(error, Refused) and error.facts.get("status") in _BLOCKED:
        where = "url" if source.pull else f"venues.{venue}.rest_url"
        return (
            f"{venue} does not serve this address: run where it does, name a proxy in {where}, or leave the source out"
        )
    if isinstance(error, RateLimited):
        return "wait, then check again; another process may ask from the same address"
    if isinstance(error, Stale):
        return "trades there are rare: raise max_age_s if such an age is acceptable, or leave the source out"
    return error.advice
