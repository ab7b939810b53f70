"""Stored rounds with their inputs, folded by the spec of a question: a bounded part at a time, away from the event loop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from time import thread_time_ns

from feeds.types import Outcome
from feeds.units import MS, Wad
from oracle.model.canonical_json import digest
from oracle.model.spec import RULES_VERSION, FeedSpec
from oracle.model.state import FeedState
from oracle.model.status import Reason, Status
from oracle.model.types import Abstained, Aggregate, Leg, Published, Rejected, Report, Result
from oracle.query.sources import depths_of
from oracle.report.compose import price_of, published_after
from oracle.round.step import Judged, evaluate, step
from oracle.storage.round_rows import RoundRows

_NS_PER_MS = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredSpan:
    """What is kept of a feed. ``operators``: those that have rounds here; the first one's are read."""

    operators: tuple[str, ...]
    first_s: int
    newest_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldStart:
    """Where a fold begins. ``is_own``: at a checkpoint of the same spec, so that it comes to what was published."""

    first_s: int
    rounds: int
    state: FeedState
    is_own: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldProgress:
    """How far a fold has come. ``next_s``: the first round that was not looked at. ``other_specs``: rounds made by another spec of the feed."""

    next_s: int
    state: FeedState
    is_own: bool
    published: Published | None = None
    folded: int = 0
    other_specs: int = 0
    judged_since_s: int | None = None
    cpu_ms: int = 0
    is_done: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryPoint:
    """The newest round of one step. ``price_wad``: 0 where it brought none; ``why`` then says why not."""

    round_s: int
    price_wad: Wad
    report: Report | None
    status: Status
    deviation_bps: int | None
    reasons: tuple[Reason, ...]
    market: Aggregate | None
    redemption: Aggregate | None
    rejected: tuple[Rejected, ...]
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


def survey(stored: RoundRows, *, feed: str) -> StoredSpan | None:
    """What is kept of a feed; None where nothing is."""
    operators = stored.operators(feed)
    span = stored.round_span(operators[0], feed) if operators else None
    return None if span is None else StoredSpan(operators=operators, first_s=span[0], newest_s=span[1])


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
    return FoldStart(first_s=since_s, rounds=rounds, state=state, is_own=at_checkpoint)


def fold(
    stored: RoundRows, *, operator: str, spec: FeedSpec, times: FoldTimes, progress: FoldProgress, at_once: int
) -> FoldPart:
    """Fold the next rounds, so many at once."""
    began, own = thread_time_ns(), digest(spec)
    rows = stored.results_since(operator, spec.feed, progress.next_s, times.to_s, at_once)
    points: dict[int, QueryPoint] = {}
    for _, result in rows:
        is_same = _made_by(result, own)
        published = result.published if progress.is_own and is_same else progress.published
        done, state = _round(spec, progress.state, result, published)
        point = _point(spec, done, result.round_time_s)
        ramp = done.verdict.ramp_ppm if not isinstance(done, Abstained) else 0
        after = published_after(published, point.report, result.round_time_s, ramp)
        progress = replace(
            progress,
            next_s=result.round_time_s + 1,
            state=state,
            published=after,
            is_own=progress.is_own and is_same,
            folded=progress.folded + 1,
            other_specs=progress.other_specs + (result.spec_hash != own),
            judged_since_s=progress.judged_since_s or result.round_time_s,
        )
        if (at_s := times.of(result.round_time_s)) is not None:
            points[at_s] = point
    cpu_ms = progress.cpu_ms + (thread_time_ns() - began) // _NS_PER_MS
    progress = replace(progress, cpu_ms=cpu_ms, is_done=len(rows) < at_once)
    return FoldPart(points=points, progress=progress)


def _made_by(result: Result, spec_hash: str) -> bool:
    """Whether a stored round was made by this spec and the present rules."""
    return result.spec_hash == spec_hash and result.rules_version == RULES_VERSION


def _round(
    spec: FeedSpec, state: FeedState, stored: Result, published: Published | None
) -> tuple[Judged | Result, FeedState]:
    """The round as :func:`oracle.round.step.step` makes it of the inputs that are left, less the hashes of its record."""
    names = {s.name for s in spec.sources}
    outcomes: Sequence[Outcome] = [o for o in stored.outcomes if o.source in names]
    wanted = {s.convert for s in spec.sources}
    legs: dict[str, Leg] = {leg.feed: leg for leg in stored.legs if leg.feed in wanted}
    now_ms = stored.round_time_s * MS
    try:
        judged = evaluate(spec, state, outcomes, legs, now_ms, published)
    except Exception:  # noqa: BLE001 - the step that is called then makes the same of it as in production
        return step(spec, state, outcomes, legs, now_ms, published)
    return judged, judged.state


def _point(spec: FeedSpec, done: Judged | Result, round_s: int) -> QueryPoint:
    if isinstance(done, Abstained):
        return QueryPoint(
            round_s=round_s, price_wad=Wad(0), report=done.kept, status=done.status, deviation_bps=None,
            reasons=done.reasons, market=None, redemption=None, rejected=done.rejected,
            why=Reason(code=done.why, text=done.text),
        )  # fmt: skip
    is_fresh = not done.report.repeats_prices
    price = price_of(done.report, spec.mode, done.verdict.ramp_ppm) if is_fresh else Wad(0)
    parts = [a for a in (done.market, done.redemption) if a is not None]
    return QueryPoint(
        round_s=round_s, price_wad=price, report=done.report, status=done.verdict.status,
        deviation_bps=done.verdict.deviation_bps, reasons=done.verdict.reasons, market=done.market,
        redemption=done.redemption, rejected=tuple(r for a in parts for r in a.rejected),
    )  # fmt: skip
