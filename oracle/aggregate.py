"""Combine: many observations to one price, by independent groups, or a typed abstention."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from feeds.types import Failure, Kind, Observation, Outcome
from feeds.units import BPS, Bps, mul_div_down, wad_mul_down, wad_text
from oracle.groups import cap, merge, spread_bps, weigh
from oracle.methods.registry import METHODS, OUTLIERS
from oracle.methods.twap import twap_arithmetic
from oracle.types import (
    Aggregate,
    Diverged,
    FeedSpec,
    Input,
    Leg,
    NoQuorum,
    NoRedemption,
    Rejected,
    Sample,
    SourceSpec,
    TooOld,
    Used,
)

FUTURE_MS = 2_000
"""How far ahead of us a source's own time may lie."""
MAX_SAMPLES = 512

Pools = tuple[tuple[str, tuple[Sample, ...]], ...]


@dataclass(frozen=True, slots=True)
class Sifted:
    """Inputs that may count, what was refused with its reason, and the pools' windows after this round."""

    inputs: tuple[Input, ...]
    rejected: tuple[Rejected, ...]
    pools: Pools


def remember(pools: Pools, spec: FeedSpec, outcomes: Iterable[Outcome]) -> Pools:
    """Add this round's pool reads to the windows, bounded by time and by count.

    A block counts once, and what a reorganised or restarted chain took back (blocks at or above the new one) is dropped.
    """
    windows = dict(pools)
    for seen in outcomes:
        source = _source(spec, seen.source)
        if isinstance(seen, Failure) or source is None or not source.average_ms:
            continue
        block = seen.block or 0
        earlier = (s for s in windows.get(seen.source, ()) if s.block < block and s.at_ms < seen.observed_at_ms)
        fresh = (*earlier, Sample(at_ms=seen.observed_at_ms, price_wad=seen.price_wad, block=block))
        windows[seen.source] = _trim(fresh, seen.observed_at_ms - source.average_ms)
    return tuple(sorted(windows.items()))


def _trim(samples: tuple[Sample, ...], since_ms: int) -> tuple[Sample, ...]:
    """Keep the last sample at or before `since_ms` (it stood at that moment) and all later ones."""
    first = max((i for i, s in enumerate(samples) if s.at_ms <= since_ms), default=0)
    return samples[max(first, len(samples) - MAX_SAMPLES) :]


def sift(spec: FeedSpec, pools: Pools, outcomes: Sequence[Outcome], legs: Mapping[str, Leg], now_ms: int) -> Sifted:
    """Turn this round's market outcomes into inputs: aged, converted, averaged, each in its group."""
    windows = remember(pools, spec, outcomes)
    held = dict(windows)
    suspects = {group for leg in legs.values() for group in leg.suspects}
    inputs: list[Input] = []
    rejected: list[Rejected] = []
    for seen in outcomes:
        source = _source(spec, seen.source)
        if source is None or source.kind is not Kind.MARKET:
            continue
        if source.group in suspects:
            text = f"{source.group} is wrong about another pair at this moment, so it is not believed about this one"
            rejected.append(Rejected(source=source.name, code="VENUE", text=text))
            continue
        checked = _check(source, seen, now_ms)
        if isinstance(checked, Rejected):
            rejected.append(checked)
            continue
        entry = _convert(source, _average(source, checked, held.get(source.name, ())), legs)
        (rejected if isinstance(entry, Rejected) else inputs).append(entry)  # type: ignore[arg-type]
    inputs.sort(key=lambda i: i.source)
    return Sifted(tuple(inputs), tuple(sorted(rejected, key=lambda r: r.source)), windows)


def _source(spec: FeedSpec, name: str) -> SourceSpec | None:
    return next((s for s in spec.sources if s.name == name), None)


def _check(source: SourceSpec, seen: Outcome, now_ms: int) -> Observation | Rejected:
    if isinstance(seen, Failure):
        return Rejected(source=source.name, code=seen.error.code, text=f"{seen.error}; {seen.error.advice}")
    age = now_ms - seen.observed_at_ms
    if age > source.max_age_ms:
        text = f"is {age} ms old, its limit is {source.max_age_ms} ms"
        return Rejected(source=source.name, code="STALE", text=text, price_wad=seen.price_wad)
    if age < -FUTURE_MS:
        text = f"states a time {-age} ms ahead of ours: check both clocks"
        return Rejected(source=source.name, code="FROM_FUTURE", text=text, price_wad=seen.price_wad)
    return seen


def _average(source: SourceSpec, seen: Observation, window: tuple[Sample, ...]) -> Input:
    """A pool's mean over the window makes it a group of its own; its point price stays in its chain's group."""
    point = Input(
        source=source.name,
        group=source.group,
        price_wad=seen.price_wad,
        weight=seen.depth_wad or 0,
        at_ms=seen.observed_at_ms,
    )
    if not source.average_ms:
        return point
    if source.own_oracle and seen.mean_wad is not None and (seen.mean_span_ms or 0) >= source.average_ms:
        return replace(point, group=source.name, price_wad=seen.mean_wad)
    span = window[-1].at_ms - window[0].at_ms if window else 0
    if len(window) < source.average_blocks or span < source.average_ms:
        return point
    clipped = (replace(window[0], at_ms=max(window[0].at_ms, window[-1].at_ms - source.average_ms)), *window[1:])
    mean = twap_arithmetic(clipped, window[-1].at_ms, source.average_ms)
    return replace(point, group=source.name, price_wad=mean)


def _convert(source: SourceSpec, entry: Input, legs: Mapping[str, Leg]) -> Input | Rejected:
    if source.convert is None:
        return entry
    leg = legs.get(source.convert)
    if leg is None:
        text = f"needs {source.convert}, which has no price this round"
        return Rejected(source=source.name, code="NO_LEG", text=text, price_wad=entry.price_wad)
    price = wad_mul_down(entry.price_wad, leg.report.market_wad)
    return replace(entry, price_wad=price, at_ms=min(entry.at_ms, leg.market_as_of_ms))


def combine_market(spec: FeedSpec, sifted: Sifted, history: tuple[Sample, ...], now_ms: int) -> Aggregate:
    """Aggregate the market inputs of one feed.

    Raises:
        NoQuorum: fewer groups than ``min_groups``, before or after outliers are thrown out.
        Diverged: the groups that are left lie further apart than ``max_spread_bps``.
        TooOld: the oldest input used is older than ``max_age_ms``.
    """
    groups = merge(weigh(sifted.inputs))
    _quorum(spec, groups, sifted.rejected)
    out = OUTLIERS[spec.outliers](groups, spec.outlier_floor_bps) if spec.outliers else ()
    method = METHODS[spec.method]
    kept = cap([g for place, g in enumerate(groups) if place not in out], weighted=method.weighted)
    thrown = tuple(_outlier(i, groups[p]) for p in out for i in sifted.inputs if i.group == groups[p].group)
    rejected = tuple(sorted((*sifted.rejected, *thrown), key=lambda r: r.source))
    _quorum(spec, kept, rejected)
    point = method.point(kept)
    spread = spread_bps(point, kept)
    if spread > spec.max_spread_bps:
        shown = ", ".join(f"{g.group} {wad_text(g.price_wad, 6)}" for g in kept)
        text = f"groups lie {spread} bps apart, the limit is {spec.max_spread_bps}: {shown}"
        raise Diverged(text, spread_bps=spread, limit_bps=spec.max_spread_bps)
    as_of = min(g.at_ms for g in kept)
    if now_ms - as_of > spec.max_age_ms:
        text = f"the oldest input is {now_ms - as_of} ms old, the limit is {spec.max_age_ms} ms"
        raise TooOld(text, age_ms=now_ms - as_of, max_age_ms=spec.max_age_ms)
    price = point
    if method.over_time:
        window = [*(s for s in history if s.at_ms > now_ms - spec.window_ms), Sample(at_ms=now_ms, price_wad=point)]
        price = method.over_time(window, now_ms, spec.max_age_ms)
    return Aggregate(
        pair=spec.pair,
        kind=Kind.MARKET,
        price_wad=price,
        point_wad=point,
        spread_bps=Bps(spread),
        as_of_ms=min(as_of, now_ms),
        used=_used(sifted.inputs, kept, now_ms),
        rejected=rejected,
    )


def combine_redemption(spec: FeedSpec, outcomes: Sequence[Outcome], now_ms: int) -> Aggregate:
    """Aggregate what the protocol owes: the median of its readings, which are all of one group.

    Raises:
        NoRedemption: no reading is left.
    """
    inputs: list[Input] = []
    rejected: list[Rejected] = []
    for seen in outcomes:
        source = _source(spec, seen.source)
        if source is None or source.kind is not Kind.REDEMPTION:
            continue
        checked = _check(source, seen, now_ms)
        if isinstance(checked, Rejected):
            rejected.append(checked)
        else:
            inputs.append(_average(source, checked, ()))
    if not inputs:
        why = "; ".join(f"{r.source}: {r.text}" for r in rejected) or "no source answered"
        raise NoRedemption(f"no redemption rate: {why}")
    inputs = sorted(weigh(inputs), key=lambda i: i.source)
    price = METHODS["median"].point(inputs)
    return Aggregate(
        pair=spec.pair,
        kind=Kind.REDEMPTION,
        price_wad=price,
        point_wad=price,
        spread_bps=Bps(spread_bps(price, inputs)),
        as_of_ms=min(i.at_ms for i in inputs),
        used=_used(inputs, inputs, now_ms),
        rejected=tuple(rejected),
    )


def _quorum(spec: FeedSpec, groups: Sequence[Input], rejected: Sequence[Rejected]) -> None:
    if len(groups) < spec.min_groups:
        names = ", ".join(g.group for g in groups) or "none"
        out = "; ".join(f"{r.source} {r.code}" for r in rejected) or "nothing was rejected"
        text = f"{len(groups)} of {spec.min_groups} groups ({names}); {out}"
        raise NoQuorum(text, groups=len(groups), min_groups=spec.min_groups)


def _outlier(entry: Input, group: Input) -> Rejected:
    text = f"group {group.group} at {wad_text(group.price_wad, 6)} lies too far from the median of the groups"
    return Rejected(source=entry.source, code="OUTLIER", text=text, price_wad=entry.price_wad)


def _used(inputs: Sequence[Input], groups: Sequence[Input], now_ms: int) -> tuple[Used, ...]:
    total = sum(g.weight for g in groups)
    share = {g.group: mul_div_down(g.weight, BPS, total) for g in groups}
    return tuple(
        Used(
            source=i.source,
            group=i.group,
            price_wad=i.price_wad,
            weight_bps=Bps(share[i.group]),
            age_ms=max(0, now_ms - i.at_ms),
        )
        for i in inputs
        if i.group in share
    )
