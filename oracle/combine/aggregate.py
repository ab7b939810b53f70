"""Combine: many observations to one price by independent groups, or an abstention with its reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from feeds.types import Kind, Observation, Outcome
from feeds.units import BPS, MS, Bps, Wad, wad_text
from oracle.combine.confidence import confidence_bps
from oracle.combine.groups import fill_unknown_depth, merge_groups, spread_bps, weigh_groups
from oracle.combine.inputs import EligibleInputs, fresh_observation
from oracle.combine.manipulation_cost import Cost, gate_cost
from oracle.combine.method_window import view_of, window_after
from oracle.combine.methods.median import median
from oracle.combine.methods.over_time import RoundPrice
from oracle.combine.methods.registry import METHODS, OUTLIERS, Method
from oracle.combine.methods.trade_window import TradeBlock
from oracle.combine.trades import traded_price
from oracle.model.spec import FeedSpec, SourceSpec
from oracle.model.state import Window
from oracle.model.status import Cheap, Diverged, NoQuorum, NoRedemption, Rejection, TooOld
from oracle.model.types import Aggregate, Input, Rejected, Used

_COST_BPS = 100
_SEVERAL = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Combined:
    """A market price, and the window of the feed's method after this round."""

    aggregate: Aggregate
    window: Window


def combine_market(spec: FeedSpec, eligible: EligibleInputs, window: Window, now_ms: int) -> Combined:
    """Aggregate the market inputs of one feed.

    Raises:
        NoQuorum: fewer groups than ``min_groups``, before or after outliers are rejected, or with trades in the window.
        Diverged: the groups used lie further apart than ``max_spread_bps``.
        TooOld: the oldest input used is older than ``max_age_s``.
        Cheap: moving the price by 1 % would take less than ``min_cost_100bps``.
    """
    method = METHODS[spec.method]
    groups, rejected = _weighted_groups(spec, method, eligible)
    point = method.point(groups)
    disagree_bps, as_of_ms = _checked_spread(spec, point, groups), _checked_time(spec, groups, now_ms)
    price, spread = point, confidence_bps(point, groups, now_ms - as_of_ms, spec.tuning)
    after, trades = Window(), None
    if method.over_time is not None:
        round_price = RoundPrice(at_ms=now_ms, price_wad=point, confidence_bps=spread, groups=groups)
        after = window_after(spec, method.over_time, window, eligible, round_price)
        if isinstance(method.over_time, TradeBlock):
            traded = traded_price(spec, method.over_time, after, groups, view_of(spec), now_ms)
            price, trades, groups = traded.price_wad, traded.trades, traded.groups
        else:
            price = method.over_time.read(after, now_ms, view_of(spec))
        spread = confidence_bps(price, groups, now_ms - as_of_ms, spec.tuning)
    aggregate = Aggregate(
        pair=spec.pair,
        kind=Kind.MARKET,
        price_wad=price,
        point_wad=point,
        spread_bps=spread,
        as_of_ms=min(as_of_ms, now_ms),
        used=_used(eligible.inputs, groups, now_ms),
        rejected=rejected,
        disagree_bps=disagree_bps,
        trades=trades,
    )
    _check_cost(spec, method, aggregate, eligible.outcomes)
    return Combined(aggregate=aggregate, window=after)


def _checked_spread(spec: FeedSpec, point: Wad, groups: Sequence[Input]) -> Bps:
    distance = spread_bps(point, groups)
    if distance > spec.max_spread_bps:
        prices = ", ".join(f"{g.group} {wad_text(g.price_wad, 6)}" for g in groups)
        text = f"groups lie {distance} bps apart, the limit is {spec.max_spread_bps}: {prices}"
        raise Diverged(text, spread_bps=distance, limit_bps=spec.max_spread_bps)
    return Bps(distance)


def _checked_time(spec: FeedSpec, groups: Sequence[Input], now_ms: int) -> int:
    as_of_ms = min(g.at_ms for g in groups if g.weight)
    if now_ms - as_of_ms > spec.max_age_s * MS:
        text = f"the oldest input is {now_ms - as_of_ms} ms old, the limit is {spec.max_age_s * MS} ms"
        raise TooOld(text, age_ms=now_ms - as_of_ms, max_age_ms=spec.max_age_s * MS)
    return as_of_ms


def _weighted_groups(
    spec: FeedSpec, method: Method, eligible: EligibleInputs
) -> tuple[tuple[Input, ...], tuple[Rejected, ...]]:
    """The groups that are used, with the method's weights; and everything rejected."""
    groups = merge_groups(fill_unknown_depth(eligible.inputs))
    _check_quorum(spec, groups, eligible.rejected)
    out = OUTLIERS[spec.outliers](groups, spec.outlier_floor_bps, spec.tuning) if spec.outliers else ()
    if not out:
        return weigh_groups(method, groups, spec.tuning), eligible.rejected
    outliers = tuple(_outlier(i, groups[p]) for p in out for i in eligible.inputs if i.group == groups[p].group)
    rejected = tuple(sorted((*eligible.rejected, *outliers), key=lambda r: r.source))
    left = [g for place, g in enumerate(groups) if place not in out]
    _check_quorum(spec, left, rejected)
    return weigh_groups(method, left, spec.tuning), rejected


def combine_redemption(spec: FeedSpec, outcomes: Sequence[Outcome], now_ms: int) -> Aggregate:
    """What the protocol owes: the median of three readings or more, else the first configured one that answers.

    A second reading checks the first (a rule of the judge); the mean of two would be a rate that neither states.

    Raises:
        NoRedemption: no reading is left.
    """
    ranks = {s.name: (rank, s) for rank, s in enumerate(spec.sources) if s.kind is Kind.REDEMPTION}
    readings: list[tuple[int, Input]] = []
    rejected: list[Rejected] = []
    for outcome in outcomes:
        if outcome.source not in ranks:
            continue
        rank, source = ranks[outcome.source]
        checked = fresh_observation(source, outcome, now_ms)
        if isinstance(checked, Rejected):
            rejected.append(checked)
        else:
            readings.append((rank, _reading(source, checked)))
    inputs = [reading for _, reading in sorted(readings, key=lambda r: r[0])]
    if not inputs:
        why = "; ".join(f"{r.source}: {r.text}" for r in rejected) or "no source answered"
        raise NoRedemption(f"no redemption rate: {why}")
    price = median(inputs) if len(inputs) >= _SEVERAL else inputs[0].price_wad
    distance = Bps(spread_bps(price, inputs))
    return Aggregate(
        pair=spec.pair,
        kind=Kind.REDEMPTION,
        price_wad=price,
        point_wad=price,
        spread_bps=distance,
        as_of_ms=inputs[0].at_ms if len(inputs) < _SEVERAL else _median_time(inputs, price),
        used=_used(inputs, inputs, now_ms),
        rejected=tuple(rejected),
        disagree_bps=distance,
    )


def _reading(source: SourceSpec, observation: Observation) -> Input:
    return Input(
        source=source.name,
        group=source.group,
        price_wad=observation.price_wad,
        weight=1,
        at_ms=observation.observed_at_ms,
    )


def _median_time(inputs: Sequence[Input], price: int) -> int:
    """The time of the reading that is the median; of two in the middle the older one."""
    nearest = sorted(inputs, key=lambda i: abs(i.price_wad - price))[: 2 - len(inputs) % 2]
    return min(i.at_ms for i in nearest)


def _check_cost(spec: FeedSpec, method: Method, aggregate: Aggregate, outcomes: Sequence[Outcome]) -> None:
    least = spec.tuning.min_cost_100bps
    if not least:
        return
    cost = gate_cost(aggregate, outcomes, method.breakdown_bps, _COST_BPS)
    if cost.base_wad < least:
        text = f"1 % costs {wad_text(cost.base_wad, 3)} base units, the gate is {wad_text(least, 3)}{_uncounted(cost)}"
        raise Cheap(text, cost=wad_text(cost.base_wad, 3), gate=wad_text(least, 3))


def _uncounted(cost: Cost) -> str:
    """Whose depth counts as nothing, and why."""
    text = ""
    if cost.unknown:
        text += (
            f"; nothing is known of the depth of {', '.join(cost.unknown)}, so it counts as free: its order book or pool was"
            " not read yet (books take a minute after a start), or cannot be read"
        )
    if cost.modelled:
        text += f"; the depth of {', '.join(cost.modelled)} is only modelled from its volume, so it counts as free"
    return text


def _check_quorum(spec: FeedSpec, groups: Sequence[Input], rejected: Sequence[Rejected]) -> None:
    if len(groups) < spec.min_groups or not groups:
        names = ", ".join(g.group for g in groups) or "none"
        out = "; ".join(f"{r.source} {r.code}" for r in rejected) or "nothing was rejected"
        text = f"{len(groups)} of {spec.min_groups} groups ({names}); {out}"
        raise NoQuorum(text, groups=len(groups), min_groups=spec.min_groups)


def _outlier(entry: Input, group: Input) -> Rejected:
    text = f"group {group.group} at {wad_text(group.price_wad, 6)} is an outlier: too far from the others, or from its own recent mean"
    return Rejected(source=entry.source, code=Rejection.OUTLIER, text=text, price_wad=entry.price_wad)


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
