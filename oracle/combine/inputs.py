"""Which of this round's outcomes may count. Each is checked for age, averaged, converted, bounded and put in its group."""

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
from oracle.model.status import Rejection
from oracle.model.types import Input, Leg, Rejected, Statement

FUTURE_MS = 2_000
"""How far ahead of our clock a source's own time may lie."""
MAX_SAMPLES = 512
_MAX_RECENT = 32
"""Samples of a source's own past, for the filter that asks for it: at most so many, evenly apart."""
_WIDE_BPS = 1_000
"""A half spread beyond this (or beyond the feed's ``max_spread_bps``, if that is larger) is not a price."""
_COVERED, _WHOLE = 3, 4  # an average must know three quarters of its time
_at = attrgetter("at_ms")

Pools = tuple[tuple[str, tuple[Sample, ...]], ...]


class SourceIndex:
    """A feed's sources by name and by kind, and how they are read; made once for each round."""

    __slots__ = ("averages", "bounds", "by_kind", "ranks", "recent", "sources", "spec", "unweighted", "widest_bps")

    def __init__(self, spec: FeedSpec) -> None:
        self.spec = spec
        self.sources: dict[str, SourceSpec] = {}
        self.ranks: dict[str, int] = {}
        self.by_kind: dict[Kind, list[str]] = {kind: [] for kind in Kind}
        self.averages = False
        for rank, source in enumerate(spec.sources):
            self.sources[source.name] = source
            self.ranks[source.name] = rank
            self.by_kind[source.kind].append(source.name)
            self.averages = self.averages or source.average_s > 0
        self.recent = spec.outliers == "recent"
        self.bounds = spec.tuning.least, spec.tuning.most
        self.widest_bps = max(spec.max_spread_bps, _WIDE_BPS)
        self.unweighted = (
            set() if METHODS[spec.method].weighted else _single_source_groups(s.group for s in spec.sources)
        )


@dataclass(frozen=True, slots=True)
class EligibleInputs:
    """The inputs that may count, the rejected with their reasons, the windows after this round, and what is behind them.

    ``legs``: of this round, by feed.
    """

    inputs: tuple[Input, ...]
    rejected: tuple[Rejected, ...]
    pools: Pools
    outcomes: Sequence[Outcome]
    index: SourceIndex
    legs: Mapping[str, Leg]


def next_windows(pools: Pools, index: SourceIndex, outcomes: Iterable[Outcome]) -> Pools:
    """The windows with this round's reads, bounded by time and by count.

    An averaged pool keeps every block once; blocks at or above the new one, which a reorganised or restarted chain took back,
    are dropped. Other sources have a window only where the feed's filter asks for their past.
    """
    recent = index.recent
    if not recent and not index.averages:
        return pools
    windows = dict(pools)
    for outcome in outcomes:
        source = index.sources.get(outcome.source)
        if source is None or isinstance(outcome, Failure):
            continue
        before = windows.get(outcome.source, ())
        if source.average_s:
            windows[outcome.source] = _pool_window(before, outcome, source.average_s * MS)
        elif recent and source.kind is Kind.MARKET:
            windows[outcome.source] = _recent_window(before, outcome, index.spec.tuning.recent_s * MS)
    return tuple(sorted(windows.items()))


def _pool_window(before: tuple[Sample, ...], observation: Observation, average_ms: int) -> tuple[Sample, ...]:
    block, at_ms = observation.block or 0, observation.observed_at_ms
    if before and not (before[-1].block < block and before[-1].at_ms < at_ms):
        before = tuple(s for s in before if s.block < block and s.at_ms < at_ms)
    fresh = (*before, Sample(at_ms=at_ms, price_wad=observation.price_wad, block=block))
    return _trim(fresh, at_ms - average_ms)


def _recent_window(before: tuple[Sample, ...], observation: Observation, recent_ms: int) -> tuple[Sample, ...]:
    at_ms = observation.observed_at_ms
    kept = tuple(s for s in before if at_ms - recent_ms < s.at_ms < at_ms)
    if kept and at_ms - kept[-1].at_ms < recent_ms // _MAX_RECENT:
        return kept
    return (*kept[-_MAX_RECENT + 1 :], Sample(at_ms=at_ms, price_wad=observation.price_wad))


def _trim(samples: tuple[Sample, ...], since_ms: int) -> tuple[Sample, ...]:
    """Keep the last sample at or before ``since_ms`` (it was the price at that moment) and all later ones."""
    first = bisect_right(samples, since_ms, key=_at) - 1
    return samples[max(0, first, len(samples) - MAX_SAMPLES) :]


def eligible_inputs(
    spec: FeedSpec, pools: Pools, outcomes: Sequence[Outcome], legs: Mapping[str, Leg], now_ms: int
) -> EligibleInputs:
    """The market outcomes of this round as inputs, or rejected with a reason; both sorted by source."""
    index = SourceIndex(spec)
    windows = next_windows(pools, index, outcomes)
    intake = _Intake(index, dict(windows), dict(pools) if index.recent else {}, legs, now_ms)
    inputs: list[Input] = []
    rejected: list[Rejected] = []
    for outcome in outcomes:
        source = index.sources.get(outcome.source)
        if source is None or source.kind is not Kind.MARKET:
            continue
        entry = intake.entry(source, outcome)
        (rejected if isinstance(entry, Rejected) else inputs).append(entry)  # type: ignore[arg-type]
    inputs.sort(key=lambda i: i.source)
    rejected.sort(key=lambda r: r.source)
    return EligibleInputs(tuple(inputs), tuple(rejected), windows, outcomes, index, legs)


def fresh_observation(source: SourceSpec, outcome: Outcome, now_ms: int) -> Observation | Rejected:
    """The observation, or why it is rejected: the source failed, or its time is too old or in the future."""
    if isinstance(outcome, Failure):
        return Rejected(source=source.name, code=outcome.error.code, text=f"{outcome.error}; {outcome.error.advice}")
    age = now_ms - outcome.observed_at_ms
    if age > source.max_age_s * MS:
        text = f"is {age} ms old, its limit is {source.max_age_s * MS} ms"
        return Rejected(source=source.name, code=Rejection.STALE, text=text, price_wad=outcome.price_wad)
    if age < -FUTURE_MS:
        text = f"states a time {-age} ms ahead of our clock: check both clocks"
        return Rejected(source=source.name, code=Rejection.FROM_FUTURE, text=text, price_wad=outcome.price_wad)
    return outcome


class _Intake:
    """Turns outcomes into inputs; holds what all sources of one round share."""

    __slots__ = ("index", "legs", "now_ms", "past", "suspects", "windows")

    def __init__(
        self,
        index: SourceIndex,
        windows: Mapping[str, tuple[Sample, ...]],
        past: Mapping[str, tuple[Sample, ...]],
        legs: Mapping[str, Leg],
        now_ms: int,
    ) -> None:
        self.index, self.windows, self.past, self.legs, self.now_ms = index, windows, past, legs, now_ms
        self.suspects = {group for leg in legs.values() for group in leg.suspects}

    def entry(self, source: SourceSpec, outcome: Outcome) -> Input | Rejected:
        """The source's input, or why it is rejected."""
        index = self.index
        if self.suspects and source.group in self.suspects:
            text = f"{source.group} is wrong about another pair now, so it is not believed about this one"
            return Rejected(source=source.name, code=Rejection.VENUE, text=text)
        observation = outcome
        if (
            type(observation) is not Observation
            or not 0 <= self.now_ms - observation.observed_at_ms <= source.max_age_s * MS
        ):
            checked = fresh_observation(source, outcome, self.now_ms)
            if isinstance(checked, Rejected):
                return checked
            observation = checked
        price, group = observation.price_wad, source.group
        if source.average_s:
            price, group = averaged_price(source, observation, self.windows.get(source.name, ()))
        at_ms = observation.observed_at_ms
        recent_wad = _mean(self.past.get(source.name, ()), at_ms) if self.past else 0
        if source.convert is not None:
            leg = self.legs.get(source.convert)
            if leg is None or not leg.report.market_wad:
                text = f"needs {source.convert}, which has no price this round"
                return Rejected(source=source.name, code=Rejection.NO_LEG, text=text, price_wad=price)
            price, recent_wad = converted(source, price, leg), converted(source, Wad(recent_wad), leg)
            at_ms = min(at_ms, leg.market_as_of_ms)
        if not MIN_PRICE_WAD <= price <= MAX_PRICE_WAD:
            text = f"{price} wad is not a plausible price once converted: check the unit and the leg {source.convert}"
            return Rejected(source=source.name, code=Rejection.OUT_OF_RANGE, text=text)
        own = half_spread_bps(observation)
        if own is not None and own > index.widest_bps:
            text = f"its own bid and ask lie {own} bps from their middle, the feed's limit is {index.widest_bps}"
            return Rejected(source=source.name, code=Rejection.WIDE, text=text, price_wad=price)
        least, most = index.bounds
        if most and not least <= price <= most:
            text = f"{wad_text(price, 6)} lies outside the feed's bounds {wad_text(least, 6)} to {wad_text(most, 6)}"
            return Rejected(source=source.name, code=Rejection.BOUNDS, text=text, price_wad=price)
        return Input(
            source=source.name,
            group=group,
            price_wad=price,
            weight=1 if group in index.unweighted else 0 if observation.depth_modelled else observation.depth_wad or 0,
            at_ms=at_ms,
            rank=index.ranks[source.name],
            own_bps=own,
            recent_wad=recent_wad,
        )


def _single_source_groups(groups: Iterable[str]) -> set[str]:
    """Groups of one source: where a method gives equal weights, their depth does not matter."""
    any_: set[str] = set()
    shared: set[str] = set()
    for group in groups:
        (shared if group in any_ else any_).add(group)
    return any_ - shared


def converted(source: SourceSpec, price: Wad, leg: Leg) -> Wad:
    """A price in the source's unit as one in the feed's unit; rounded down."""
    return (wad_div_down if source.divide else wad_mul_down)(price, leg.report.market_wad)


def statements(
    eligible: EligibleInputs, legs: Mapping[str, Leg], now_ms: int
) -> tuple[tuple[Observation, Statement], ...]:
    """What each market source stated in time, with its observation, whether or not it became an input."""
    sources, accepted = eligible.index.sources, {i.source for i in eligible.inputs}
    out = []
    for outcome in eligible.outcomes:
        source = sources.get(outcome.source)
        if source is None or source.kind is not Kind.MARKET:
            continue
        credible = source.name in accepted
        if isinstance(outcome, Failure):
            continue
        if not credible and isinstance(fresh_observation(source, outcome, now_ms), Rejected):
            continue
        price = level = outcome.price_wad
        if source.convert:
            leg = legs.get(source.convert)
            level = converted(source, price, leg) if leg is not None and leg.report.market_wad else Wad(0)
        statement = Statement(
            source=source.name, group=source.group, price_wad=price, level_wad=level, credible=credible
        )
        out.append((outcome, statement))
    return tuple(out)


def half_spread_bps(observation: Observation) -> int | None:
    """Half of the distance from bid to ask in bps of the price, rounded up; None where either is unknown."""
    if observation.bid_wad is None or observation.ask_wad is None:
        return None
    apart = observation.ask_wad - observation.bid_wad
    return -(-(apart * BPS) // (2 * observation.price_wad)) if apart > 0 else 0


def averaged_price(source: SourceSpec, observation: Observation, window: tuple[Sample, ...]) -> tuple[Wad, str]:
    """(price, group) of a pool: its mean over the window is a group of its own; its point price belongs to its chain's group."""
    point = observation.price_wad, source.group
    if (
        source.own_oracle
        and observation.mean_wad is not None
        and (observation.mean_span_ms or 0) >= source.average_s * MS
    ):
        return observation.mean_wad, source.name
    span = window[-1].at_ms - window[0].at_ms if window else 0
    if len(window) < source.average_blocks or span < source.average_s * MS:
        return point
    last_ms, gap_ms = window[-1].at_ms, max(source.average_s * MS // source.average_blocks, 1)
    mean, covered_ms = mean_since(window, last_ms - source.average_s * MS, last_ms, gap_ms)
    if covered_ms * _WHOLE < source.average_s * MS * _COVERED:
        return point  # reads were missed: the price in between is not known
    return mean, source.name


def _mean(samples: Sequence[Sample], at_ms: int) -> int:
    """Plain mean of the samples before ``at_ms``, rounded down; 0 without any."""
    kept = [s.price_wad for s in samples if s.at_ms < at_ms]
    return sum(kept) // len(kept) if kept else 0
