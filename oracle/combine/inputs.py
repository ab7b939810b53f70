"""Sift: this round's outcomes to inputs that may count. Each is aged, converted, averaged and put in its group."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter

from feeds.decode.values import MAX_PRICE_WAD, MIN_PRICE_WAD
from feeds.types import Failure, Kind, Observation, Outcome
from feeds.units import BPS, MS, Wad, wad_div_down, wad_mul_down, wad_text
from oracle.combine.methods.registry import METHODS
from oracle.combine.methods.twap import mean_since
from oracle.model.spec import FeedSpec, SourceSpec
from oracle.model.state import Sample
from oracle.model.types import Input, Leg, Rejected, Statement

FUTURE_MS = 2_000
"""How far ahead of us a source's own time may lie."""
MAX_SAMPLES = 512
_MAX_RECENT = 32
_WIDE_BPS = 1_000
"""Half of a book's own bid and ask beyond this (or the feed's ``max_spread_bps``) is no price."""
_COVERED, _WHOLE = 3, 4  # an average must know three quarters of its time
_at = attrgetter("at_ms")
"""Samples of a source's own past, for the filter that asks for it: at most so many, evenly apart."""

Pools = tuple[tuple[str, tuple[Sample, ...]], ...]


@dataclass(frozen=True, slots=True)
class EligibleInputs:
    """Inputs that may count, what was refused with its reason, the windows after this round, and what it was made from."""

    inputs: tuple[Input, ...]
    rejected: tuple[Rejected, ...]
    pools: Pools
    outcomes: Sequence[Outcome] = ()


class SourceIndex:
    """What follows from a spec alone, worked out once: its sources by name and kind, and how they are taken."""

    __slots__ = ("averages", "bounds", "by_kind", "plain", "ranks", "recent", "sources", "spec", "widest_bps")

    def __init__(self, spec: FeedSpec) -> None:
        self.spec = spec
        self.sources = {s.name: s for s in spec.sources}
        self.ranks = {s.name: place for place, s in enumerate(spec.sources)}
        self.by_kind = {kind: tuple(s.name for s in spec.sources if s.kind is kind) for kind in Kind}
        self.averages = any(s.average_s * MS for s in spec.sources)
        self.recent = spec.outliers == "recent"
        self.bounds = spec.tuning.least, spec.tuning.most
        self.widest_bps = max(spec.max_spread_bps, _WIDE_BPS)
        self.plain = set() if METHODS[spec.method].weighted else _alone(s.group for s in spec.sources)


_INDEXES: dict[int, SourceIndex] = {}
_MOST_INDEXES = 4_096


def source_index(spec: FeedSpec) -> SourceIndex:
    """The index of a spec, built once. A feed's spec is one object for as long as it runs, so its identity is the key.

    An entry holds its spec, so an identity cannot come to mean another one. It is asked for five times in an evaluation, in
    0.1 us; building it takes 7 us, a cache that hashes the spec 5 us, of 260 us for the whole (``tricks.source_index`` in
    `bench aggregate`).
    """
    known = _INDEXES.get(id(spec))
    if known is None or known.spec is not spec:
        if len(_INDEXES) >= _MOST_INDEXES:
            _INDEXES.clear()
        known = _INDEXES[id(spec)] = SourceIndex(spec)
    return known


def remember(pools: Pools, spec: FeedSpec, outcomes: Iterable[Outcome]) -> Pools:
    """Add this round's reads to the windows, bounded by time and by count.

    A pool that is averaged keeps every block once, and what a reorganised or restarted chain took back (blocks at or above
    the new one) is dropped. Other sources have a window only where the feed's filter asks for their past.
    """
    known = source_index(spec)
    recent = known.recent
    if not recent and not known.averages:
        return pools
    windows = dict(pools)
    for seen in outcomes:
        source = known.sources.get(seen.source)
        if source is None or isinstance(seen, Failure):
            continue
        before = windows.get(seen.source, ())
        if source.average_s * MS:
            windows[seen.source] = _averaged(before, seen, source.average_s * MS)
        elif recent and source.kind is Kind.MARKET:
            windows[seen.source] = _recent(before, seen, spec.tuning.recent_s * MS)
    return tuple(sorted(windows.items()))


def _averaged(before: tuple[Sample, ...], seen: Observation, average_ms: int) -> tuple[Sample, ...]:
    block, at_ms = seen.block or 0, seen.observed_at_ms
    if before and not (before[-1].block < block and before[-1].at_ms < at_ms):
        before = tuple(s for s in before if s.block < block and s.at_ms < at_ms)
    fresh = (*before, Sample(at_ms=at_ms, price_wad=seen.price_wad, block=block))
    return _trim(fresh, at_ms - average_ms)


def _recent(before: tuple[Sample, ...], seen: Observation, recent_ms: int) -> tuple[Sample, ...]:
    at_ms = seen.observed_at_ms
    kept = tuple(s for s in before if at_ms - recent_ms < s.at_ms < at_ms)
    if kept and at_ms - kept[-1].at_ms < recent_ms // _MAX_RECENT:
        return kept
    return (*kept[-_MAX_RECENT + 1 :], Sample(at_ms=at_ms, price_wad=seen.price_wad))


def _trim(samples: tuple[Sample, ...], since_ms: int) -> tuple[Sample, ...]:
    """Keep the last sample at or before `since_ms` (it stood at that moment) and all later ones."""
    first = bisect_right(samples, since_ms, key=_at) - 1
    return samples[max(0, first, len(samples) - MAX_SAMPLES) :]


def eligible_inputs(
    spec: FeedSpec, pools: Pools, outcomes: Sequence[Outcome], legs: Mapping[str, Leg], now_ms: int
) -> EligibleInputs:
    """Turn this round's market outcomes into inputs."""
    known = source_index(spec)
    windows = remember(pools, spec, outcomes)
    round_ = _Round(known, dict(windows), dict(pools) if known.recent else {}, legs, now_ms)
    inputs: list[Input] = []
    rejected: list[Rejected] = []
    for seen in outcomes:
        source = known.sources.get(seen.source)
        if source is None or source.kind is not Kind.MARKET:
            continue
        entry = round_.entry(source, seen)
        (rejected if isinstance(entry, Rejected) else inputs).append(entry)  # type: ignore[arg-type]
    inputs.sort(key=lambda i: i.source)
    rejected.sort(key=lambda r: r.source)
    return EligibleInputs(tuple(inputs), tuple(rejected), windows, outcomes)


def checked(source: SourceSpec, seen: Outcome, now_ms: int) -> Observation | Rejected:
    """The observation, or why its time or the lack of it rules it out."""
    if isinstance(seen, Failure):
        return Rejected(source=source.name, code=seen.error.code, text=f"{seen.error}; {seen.error.advice}")
    age = now_ms - seen.observed_at_ms
    if age > source.max_age_s * MS:
        text = f"is {age} ms old, its limit is {source.max_age_s * MS} ms"
        return Rejected(source=source.name, code="STALE", text=text, price_wad=seen.price_wad)
    if age < -FUTURE_MS:
        text = f"states a time {-age} ms ahead of ours: check both clocks"
        return Rejected(source=source.name, code="FROM_FUTURE", text=text, price_wad=seen.price_wad)
    return seen


class _Round:
    """What all sources of one round share."""

    __slots__ = ("known", "legs", "now_ms", "past", "suspects", "windows")

    def __init__(
        self,
        known: SourceIndex,
        windows: Mapping[str, tuple[Sample, ...]],
        past: Mapping[str, tuple[Sample, ...]],
        legs: Mapping[str, Leg],
        now_ms: int,
    ) -> None:
        self.known, self.windows, self.past, self.legs, self.now_ms = known, windows, past, legs, now_ms
        self.suspects = {group for leg in legs.values() for group in leg.suspects}

    def entry(self, source: SourceSpec, outcome: Outcome) -> Input | Rejected:
        """The source's input, or why it has none."""
        known = self.known
        if self.suspects and source.group in self.suspects:
            text = f"{source.group} is wrong about another pair at this moment, so it is not believed about this one"
            return Rejected(source=source.name, code="VENUE", text=text)
        seen = outcome
        if type(seen) is not Observation or not 0 <= self.now_ms - seen.observed_at_ms <= source.max_age_s * MS:
            looked = checked(source, outcome, self.now_ms)
            if isinstance(looked, Rejected):
                return looked
            seen = looked
        price, group = seen.price_wad, source.group
        if source.average_s * MS:
            price, group = averaged(source, seen, self.windows.get(source.name, ()))
        at_ms = seen.observed_at_ms
        recent_wad = _mean(self.past.get(source.name, ()), at_ms) if self.past else 0
        if source.convert is not None:
            leg = self.legs.get(source.convert)
            if leg is None or not leg.report.market_wad:
                text = f"needs {source.convert}, which has no price this round"
                return Rejected(source=source.name, code="NO_LEG", text=text, price_wad=price)
            price, recent_wad = converted(source, price, leg), converted(source, Wad(recent_wad), leg)
            at_ms = min(at_ms, leg.market_as_of_ms)
        if not MIN_PRICE_WAD <= price <= MAX_PRICE_WAD:
            text = f"{price} wad is no sane price once converted: check the unit and the leg {source.convert}"
            return Rejected(source=source.name, code="OUT_OF_RANGE", text=text)
        own = own_bps(seen)
        if own is not None and own > known.widest_bps:
            text = f"its own bid and ask lie {own} bps from their middle, the feed's limit is {known.widest_bps}"
            return Rejected(source=source.name, code="WIDE", text=text, price_wad=price)
        least, most = known.bounds
        if most and not least <= price <= most:
            text = f"{wad_text(price, 6)} lies outside of the feed's bounds {wad_text(least, 6)} to {wad_text(most, 6)}"
            return Rejected(source=source.name, code="BOUNDS", text=text, price_wad=price)
        return Input(
            source=source.name,
            group=group,
            price_wad=price,
            weight=1 if group in known.plain else seen.depth_wad or 0,
            at_ms=at_ms,
            rank=known.ranks[source.name],
            volume_wad=seen.volume_wad or 0,
            own_bps=own,
            recent_wad=recent_wad,
        )


def _alone(groups: Iterable[str]) -> set[str]:
    """Groups of a single source: where a method does not weigh, their depth does not matter."""
    once: set[str] = set()
    more: set[str] = set()
    for group in groups:
        (more if group in once else once).add(group)
    return once - more


def converted(source: SourceSpec, price: Wad, leg: Leg) -> Wad:
    """A price in the source's unit, in the feed's; rounded down."""
    return (wad_div_down if source.divide else wad_mul_down)(price, leg.report.market_wad)


def statements(
    spec: FeedSpec, sifted: EligibleInputs, legs: Mapping[str, Leg], now_ms: int
) -> tuple[tuple[Observation, Statement], ...]:
    """What each market source said in time, whatever became of it."""
    sources, counted = source_index(spec).sources, {i.source for i in sifted.inputs}
    out = []
    for seen in sifted.outcomes:
        source = sources.get(seen.source)
        if source is None or source.kind is not Kind.MARKET:
            continue
        heard = source.name in counted
        if isinstance(seen, Failure) or (not heard and isinstance(checked(source, seen, now_ms), Rejected)):
            continue
        price = level = seen.price_wad
        if source.convert:
            leg = legs.get(source.convert)
            level = converted(source, price, leg) if leg is not None and leg.report.market_wad else Wad(0)
        told = Statement(source=source.name, group=source.group, price_wad=price, level_wad=level, heard=heard)
        out.append((seen, told))
    return tuple(out)


def own_bps(seen: Observation) -> int | None:
    """Half of what lies between selling and buying, in bps of the price, rounded up; None where not both are known."""
    if seen.bid_wad is None or seen.ask_wad is None:
        return None
    apart = seen.ask_wad - seen.bid_wad
    return -(-(apart * BPS) // (2 * seen.price_wad)) if apart > 0 else 0


def averaged(source: SourceSpec, seen: Observation, window: tuple[Sample, ...]) -> tuple[Wad, str]:
    """A pool's mean over the window makes it a group of its own; its point price stays in its chain's group."""
    point = seen.price_wad, source.group
    if source.own_oracle and seen.mean_wad is not None and (seen.mean_span_ms or 0) >= source.average_s * MS:
        return seen.mean_wad, source.name
    span = window[-1].at_ms - window[0].at_ms if window else 0
    if len(window) < source.average_blocks or span < source.average_s * MS:
        return point
    last_ms, gap_ms = window[-1].at_ms, max(source.average_s * MS // source.average_blocks, 1)
    mean, covered_ms = mean_since(window, last_ms - source.average_s * MS, last_ms, gap_ms)
    if covered_ms * _WHOLE < source.average_s * MS * _COVERED:
        return point  # reads were missed: what stood in between is not known
    return mean, source.name


def _mean(samples: Sequence[Sample], at_ms: int) -> int:
    """Plain mean of the samples before ``at_ms``, rounded down; 0 without any."""
    kept = [s.price_wad for s in samples if s.at_ms < at_ms]
    return sum(kept) // len(kept) if kept else 0
