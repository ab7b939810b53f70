"""Stored rounds with their inputs, folded by the spec of a question: a bounded part at a time, away from the event loop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from time import thread_time_ns

from feeds.types import Failure, Kind, Outcome
from feeds.units import MS, Wad
from oracle.model.canonical_json import digest
from oracle.model.spec import RULES_VERSION, FeedSpec
from oracle.model.state import FeedState
from oracle.model.status import Reason, Status
from oracle.model.types import Abstained, Aggregate, Leg, Published, Rejected, Report, Result
from oracle.query.sources import depths_of
from oracle.report.compose import price_of, published_after
from oracle.round.live import LiveInputs
from oracle.round.step import Judged, evaluate, step
from oracle.storage.round_rows import RoundRows

_NS_PER_MS = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredSpan:
    """What is kept of a feed of one operator."""

    operator: str
    first_s: int
    newest_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldStart:
    """Where a fold begins. ``is_own``: at a checkpoint of the same spec, so that it comes to what was published.

    ``rounds``: that are folded; ``asked``: those of them that are not the warm-up.
    """

    first_s: int
    rounds: int
    asked: int
    state: FeedState
    is_own: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldProgress:
    """How far a fold has come. ``next_s``: the first round that was not looked at. ``other_specs``: rounds made by another spec of the feed. ``gap_s`` and ``gap_from_s``: the longest time without a round in between, and after which."""

    next_s: int
    state: FeedState
    is_own: bool
    published: Published | None = None
    folded: int = 0
    other_specs: int = 0
    judged_since_s: int | None = None
    newest_s: int | None = None
    gap_s: int = 0
    gap_from_s: int = 0
    cpu_ms: int = 0
    is_done: bool = False

    def at(self, moment_s: int) -> FoldProgress:
        """With the time between the round before and this moment, if that is the longest."""
        gap_s = moment_s - self.newest_s if self.newest_s is not None else 0
        return self if gap_s <= self.gap_s else replace(self, gap_s=gap_s, gap_from_s=self.newest_s or 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryInput:
    """What a source said. ``age_ms``: of its observation; None where there is none, for ``fault``."""

    source: str
    kind: Kind
    age_ms: int | None
    fault: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryPoint:
    """The newest round of one step, or a moment (``round_s`` None). ``price_wad``: 0 where it brought none; ``why`` then says why not.

    ``inputs``: of all its sources. ``legs``: the feeds that they were converted by.
    """

    round_s: int | None
    at_ms: int
    price_wad: Wad
    report: Report | None
    status: Status
    deviation_bps: int | None
    reasons: tuple[Reason, ...]
    market: Aggregate | None
    redemption: Aggregate | None
    rejected: tuple[Rejected, ...]
    inputs: tuple[QueryInput, ...]
    legs: tuple[Leg, ...]
    why: Reason | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldPart:
    """One part of a fold: prices by the time that they are of, and how far it has come."""

    points: Mapping[int, QueryPoint]
    progress: FoldProgress


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldTimes:
    """What prices are wanted for: ``step_s`` None: one, at ``to_s``."""

    from_s: int
    to_s: int
    step_s: int | None = None

    def of(self, round_s: int) -> int | None:
        """The time whose newest round this one may be; None for the warm-up."""
        if self.step_s is None:
            return self.to_s
        number = -((self.from_s - round_s) // self.step_s)
        at_s = self.from_s + number * self.step_s
        return at_s if number >= 0 and at_s <= self.to_s else None


def survey(stored: RoundRows, *, feed: str, operators: Sequence[str] = ()) -> tuple[StoredSpan, ...]:
    """What is kept of a feed, of each operator that has rounds here.

    Args:
        stored: the rounds.
        feed: its id.
        operators: in the order of the config. Those with the newest round come first, of several in this order: one that
            makes no rounds any more is not asked for the price of now.
    """
    place = {name: number for number, name in enumerate(operators)}
    spans = [
        StoredSpan(operator=name, first_s=span[0], newest_s=span[1])
        for name in stored.operators(feed)
        if (span := stored.round_span(name, feed)) is not None
    ]
    return tuple(sorted(spans, key=lambda s: (-s.newest_s, place.get(s.operator, len(place)), s.operator)))


def depths_at(stored: RoundRows, *, feed: str, at_s: int) -> dict[str, int]:
    """Depths of the market sources in the newest round at a time: what was known then, and nothing later."""
    newest = stored.newest(feed, at_s + 1)
    return depths_of(newest.outcomes) if newest is not None else {}


def start_of(
    stored: RoundRows, *, operator: str, spec: FeedSpec, is_own: bool, times: FoldTimes, warm_up_s: int
) -> FoldStart:
    """Where to begin, and how many rounds that makes; nothing but the first one is decoded."""
    feed, since_s, state, at_checkpoint = spec.feed, times.from_s - warm_up_s, FeedState(), False
    if is_own and (known := stored.checkpoint(operator, feed, times.from_s)) is not None:
        first = stored.result(operator, feed, known[0])
        if first is not None and _made_by(first, digest(spec)):
            (since_s, state), at_checkpoint = known, True
    rounds = stored.rounds_between(operator, feed, since_s, times.to_s)
    asked = stored.rounds_between(operator, feed, max(since_s, times.from_s), times.to_s)
    return FoldStart(first_s=since_s, rounds=rounds, asked=asked, state=state, is_own=at_checkpoint)


def fold(
    stored: RoundRows, *, operator: str, spec: FeedSpec, times: FoldTimes, progress: FoldProgress, at_once: int
) -> FoldPart:
    """Fold the next rounds, so many at once."""
    began, own = thread_time_ns(), digest(spec)
    rows = stored.results_since(operator, spec.feed, progress.next_s, times.to_s, at_once)
    points: dict[int, QueryPoint] = {}
    for _, result in rows:
        round_s, is_same = result.round_time_s, _made_by(result, own)
        published = result.published if progress.is_own and is_same else progress.published
        legs = {leg.feed: leg for leg in result.legs}
        done, state = _judged(spec, progress.state, result.outcomes, legs, round_s * MS, published)
        point = _point(spec, done, result.outcomes, legs, round_s * MS, round_s)
        ramp = done.verdict.ramp_ppm if not isinstance(done, Abstained) else 0
        after = published_after(published, point.report, round_s, ramp)
        progress = replace(
            progress.at(round_s),
            next_s=round_s + 1,
            state=state,
            published=after,
            is_own=progress.is_own and is_same,
            folded=progress.folded + 1,
            other_specs=progress.other_specs + (result.spec_hash != own),
            judged_since_s=progress.judged_since_s or round_s,
            newest_s=round_s,
        )
        if (at_s := times.of(round_s)) is not None:
            points[at_s] = point
    cpu_ms = progress.cpu_ms + (thread_time_ns() - began) // _NS_PER_MS
    progress = replace(progress, cpu_ms=cpu_ms, is_done=len(rows) < at_once)
    return FoldPart(points=points, progress=progress)


def fold_moment(_: RoundRows, *, spec: FeedSpec, progress: FoldProgress, now: LiveInputs) -> FoldPart:
    """The moment after the last round: judged as the live lane judges it, by the memory that the rounds have left."""
    published = now.published if progress.is_own else progress.published
    done, _state = _judged(spec, progress.state, now.outcomes, now.legs, now.now_ms, published)
    point = _point(spec, done, now.outcomes, now.legs, now.now_ms, None)
    at_s = now.now_ms // MS
    return FoldPart(points={at_s: point}, progress=progress.at(at_s))


def _made_by(result: Result, spec_hash: str) -> bool:
    """Whether a stored round was made by this spec and the present rules."""
    return result.spec_hash == spec_hash and result.rules_version == RULES_VERSION


def _judged(
    spec: FeedSpec,
    state: FeedState,
    said: Sequence[Outcome],
    known: Mapping[str, Leg],
    now_ms: int,
    published: Published | None,
) -> tuple[Judged | Result, FeedState]:
    """What :func:`oracle.round.step.step` makes of the inputs that are left, less the hashes of its record."""
    names = {s.name for s in spec.sources}
    outcomes: Sequence[Outcome] = [o for o in said if o.source in names]
    legs = _legs(spec, known)
    try:
        judged = evaluate(spec, state, outcomes, legs, now_ms, published)
    except Exception:  # noqa: BLE001 - the step that is called then makes the same of it as in production
        return step(spec, state, outcomes, legs, now_ms, published)
    return judged, judged.state


def _legs(spec: FeedSpec, known: Mapping[str, Leg]) -> dict[str, Leg]:
    """The feeds that the sources are converted by."""
    wanted = {s.convert for s in spec.sources}
    return {feed: leg for feed, leg in known.items() if feed in wanted}


def _point(
    spec: FeedSpec, done: Judged | Result, said: Sequence[Outcome], known: Mapping[str, Leg], at_ms: int,
    round_s: int | None,
) -> QueryPoint:  # fmt: skip
    outcomes = {o.source: o for o in said}
    inputs = tuple(_input(outcomes[s.name], s.kind, at_ms) for s in spec.sources if s.name in outcomes)
    legs = tuple(_legs(spec, known).values())
    if isinstance(done, Abstained):
        return QueryPoint(
            round_s=round_s, at_ms=at_ms, price_wad=Wad(0), report=done.kept, status=done.status, deviation_bps=None,
            reasons=done.reasons, market=None, redemption=None, rejected=done.rejected, inputs=inputs, legs=legs,
            why=Reason(code=done.why, text=done.text),
        )  # fmt: skip
    is_fresh = not done.report.repeats_prices
    price = price_of(done.report, spec.mode, done.verdict.ramp_ppm) if is_fresh else Wad(0)
    parts = [a for a in (done.market, done.redemption) if a is not None]
    return QueryPoint(
        round_s=round_s, at_ms=at_ms, price_wad=price, report=done.report, status=done.verdict.status,
        deviation_bps=done.verdict.deviation_bps, reasons=done.verdict.reasons, market=done.market,
        redemption=done.redemption, rejected=tuple(r for a in parts for r in a.rejected), inputs=inputs, legs=legs,
    )  # fmt: skip


def _input(outcome: Outcome, kind: Kind, at_ms: int) -> QueryInput:
    if isinstance(outcome, Failure):
        return QueryInput(source=outcome.source, kind=kind, age_ms=None, fault=str(outcome.error))
    return QueryInput(source=outcome.source, kind=kind, age_ms=max(0, at_ms - outcome.observed_at_ms), fault=None)
