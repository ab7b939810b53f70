"""Combine: many observations to one price, by independent groups, or a typed abstention."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from feeds.types import Kind, Outcome
from feeds.units import BPS, MS, Bps, wad_text
from oracle.combine.confidence import confidence_bps
from oracle.combine.groups import merge, spread_bps, vote, weigh
from oracle.combine.inputs import EligibleInputs, checked, source_index
from oracle.combine.manipulation_cost import price_cost
from oracle.combine.methods.median import median
from oracle.combine.methods.over_time import MethodView, RoundPrice
from oracle.combine.methods.registry import METHODS, OUTLIERS, Method
from oracle.model.spec import FeedSpec
from oracle.model.state import Window
from oracle.model.status import Cheap, Diverged, NoQuorum, NoRedemption, TooOld
from oracle.model.types import Aggregate, Input, Rejected, Used

_GATE_BPS = 100
_SEVERAL = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Combined:
    """A market price, and the window of the feed's method after this round."""

    aggregate: Aggregate
    window: Window


def combine_market(spec: FeedSpec, sifted: EligibleInputs, window: Window, now_ms: int) -> Combined:
    """Aggregate the market inputs of one feed.

    Raises:
        NoQuorum: fewer groups than ``min_groups``, before or after outliers are thrown out.
        Diverged: the groups that are left lie further apart than ``max_spread_bps``.
        TooOld: the oldest input used is older than ``max_age_s``.
        Cheap: moving the price by 1 % would take less than ``min_cost_100bps``.
    """
    method = METHODS[spec.method]
    kept, rejected = _kept(spec, method, sifted)
    point = method.point(kept)
    disagree = spread_bps(point, kept)
    if disagree > spec.max_spread_bps:
        shown = ", ".join(f"{g.group} {wad_text(g.price_wad, 6)}" for g in kept)
        text = f"groups lie {disagree} bps apart, the limit is {spec.max_spread_bps}: {shown}"
        raise Diverged(text, spread_bps=disagree, limit_bps=spec.max_spread_bps)
    as_of = min(g.at_ms for g in kept if g.weight)
    if now_ms - as_of > spec.max_age_s * MS:
        text = f"the oldest input is {now_ms - as_of} ms old, the limit is {spec.max_age_s * MS} ms"
        raise TooOld(text, age_ms=now_ms - as_of, max_age_ms=spec.max_age_s * MS)
    price, spread = point, confidence_bps(point, kept, now_ms - as_of, spec.tuning)
    after = Window()
    if method.over_time is not None:
        look = MethodView(window_s=spec.window_s, gap_ms=spec.max_age_s * MS, tuning=spec.tuning)
        made_by = f"{spec.method}/{spec.window_s * MS}/{spec.max_age_s * MS}"
        before = window if window.made_by == made_by else Window()
        step = RoundPrice(at_ms=now_ms, price_wad=point, doubt_bps=spread, groups=kept)
        after = replace(method.over_time.fold(before, step, look), made_by=made_by)
        price = method.over_time.read(after, now_ms, look)
        spread = confidence_bps(price, kept, now_ms - as_of, spec.tuning)
    found = Aggregate(
        pair=spec.pair,
        kind=Kind.MARKET,
        price_wad=price,
        point_wad=point,
        spread_bps=spread,
        as_of_ms=min(as_of, now_ms),
        used=_used(sifted.inputs, kept, now_ms),
        rejected=rejected,
        disagree_bps=Bps(disagree),
    )
    _gate(spec, method, found, sifted.outcomes)
    return Combined(aggregate=found, window=after)


def _kept(spec: FeedSpec, method: Method, sifted: EligibleInputs) -> tuple[tuple[Input, ...], tuple[Rejected, ...]]:
    """The groups that count, with the method's weights; and all that was refused."""
    groups = merge(weigh(sifted.inputs))
    _quorum(spec, groups, sifted.rejected)
    out = OUTLIERS[spec.outliers](groups, spec.outlier_floor_bps, spec.tuning) if spec.outliers else ()
    if not out:
        return vote(method, groups, spec.tuning), sifted.rejected
    thrown = tuple(_outlier(i, groups[p]) for p in out for i in sifted.inputs if i.group == groups[p].group)
    rejected = tuple(sorted((*sifted.rejected, *thrown), key=lambda r: r.source))
    left = [g for place, g in enumerate(groups) if place not in out]
    _quorum(spec, left, rejected)
    return vote(method, left, spec.tuning), rejected


def combine_redemption(spec: FeedSpec, outcomes: Sequence[Outcome], now_ms: int) -> Aggregate:
    """What the protocol owes: the median of three readings or more, else the first one that answers.

    A second reading checks the first (a rule of the judge); the mean of two would be a rate that neither states.

    Raises:
        NoRedemption: no reading is left.
    """
    known = source_index(spec)
    inputs: list[Input] = []
    rejected: list[Rejected] = []
    for outcome in outcomes:
        source = known.sources.get(outcome.source)
        if source is None or source.kind is not Kind.REDEMPTION:
            continue
        seen = checked(source, outcome, now_ms)
        if isinstance(seen, Rejected):
            rejected.append(seen)
            continue
        inputs.append(
            Input(source=source.name, group=source.group, price_wad=seen.price_wad, weight=1, at_ms=seen.observed_at_ms)
        )
    if not inputs:
        why = "; ".join(f"{r.source}: {r.text}" for r in rejected) or "no source answered"
        raise NoRedemption(f"no redemption rate: {why}")
    inputs.sort(key=lambda i: known.ranks[i.source])
    price = median(inputs) if len(inputs) >= _SEVERAL else inputs[0].price_wad
    apart = Bps(spread_bps(price, inputs))
    return Aggregate(
        pair=spec.pair,
        kind=Kind.REDEMPTION,
        price_wad=price,
        point_wad=price,
        spread_bps=apart,
        as_of_ms=inputs[0].at_ms if len(inputs) < _SEVERAL else _middle_time(inputs, price),
        used=_used(inputs, inputs, now_ms),
        rejected=tuple(rejected),
        disagree_bps=apart,
    )


def _middle_time(inputs: Sequence[Input], price: int) -> int:
    """When the reading that was chosen was made: the older one of the two nearest to the median."""
    nearest = sorted(inputs, key=lambda i: abs(i.price_wad - price))[: 2 - len(inputs) % 2]
    return min(i.at_ms for i in nearest)


def _gate(spec: FeedSpec, method: Method, found: Aggregate, outcomes: Sequence[Outcome]) -> None:
    least = spec.tuning.min_cost_100bps
    if not least:
        return
    cost = price_cost(found, outcomes, method.breakdown_bps, _GATE_BPS)
    if cost.base_wad < least:
        unknown = f"; the depth of {', '.join(cost.unknown)} is unknown and counts as nothing" if cost.unknown else ""
        text = f"1 % costs {wad_text(cost.base_wad, 3)} base units, the gate is {wad_text(least, 3)}{unknown}"
        raise Cheap(text, cost=wad_text(cost.base_wad, 3), gate=wad_text(least, 3))


def _quorum(spec: FeedSpec, groups: Sequence[Input], rejected: Sequence[Rejected]) -> None:
    if len(groups) < spec.min_groups or not groups:
        names = ", ".join(g.group for g in groups) or "none"
        out = "; ".join(f"{r.source} {r.code}" for r in rejected) or "nothing was rejected"
        text = f"{len(groups)} of {spec.min_groups} groups ({names}); {out}"
        raise NoQuorum(text, groups=len(groups), min_groups=spec.min_groups)


def _outlier(entry: Input, group: Input) -> Rejected:
    text = f"group {group.group} at {wad_text(group.price_wad, 6)} lies too far from the others, or from its own past"
    return Rejected(source=entry.source, code="OUTLIER", text=text, price_wad=entry.price_wad)


def _used(inputs: Sequence[Input], groups: Sequence[Input], now_ms: int) -> tuple[Used, ...]:
    total = sum(g.weight for g in groups)
    share = {g.group: Bps(g.weight * BPS // total) for g in groups}
    used = [
        Used(
            source=i.source,
            group=i.group,
            price_wad=i.price_wad,
            weight_bps=share[i.group],
            age_ms=now_ms - i.at_ms if now_ms > i.at_ms else 0,
        )
        for i in inputs
        if i.group in share
    ]
    return tuple(used)
