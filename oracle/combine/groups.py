"""Independent groups: sources that depend on one thing count once, and no group may dominate."""

from __future__ import annotations

from collections.abc import Sequence

from feeds.units import BPS, Wad, mul_div_up
from oracle.combine.methods.median import middle_of
from oracle.combine.methods.registry import OUTLIERS, Method
from oracle.combine.methods.weighted_median import weighted_median
from oracle.model.spec import FeedSpec, Tuning
from oracle.model.types import Input

_MANY = 3
WEIGHT_CAP_BPS = BPS // _MANY
"""No group has more of the weight in a weighted method, where there are three or more; half of it where there are two."""


def fill_unknown_depth(inputs: Sequence[Input]) -> tuple[Input, ...]:
    """Give a source of unknown depth the smallest depth that another source states: unknown is neither deep nor nothing."""
    if all(i.weight for i in inputs):
        return tuple(inputs)
    least = min((i.weight for i in inputs if i.weight), default=1)
    return tuple(i if i.weight else i.with_weight(least) for i in inputs)


def merge_groups(inputs: Sequence[Input]) -> tuple[Input, ...]:
    """One input per group: the depth-weighted median of its sources, their summed depth, their oldest time.

    The group's own spread is the widest that one of them states, its rank the first.
    """
    by_group: dict[str, list[Input]] = {}
    for entry in inputs:
        by_group.setdefault(entry.group, []).append(entry)
    return tuple(_merged(group, by_group[group]) for group in sorted(by_group))


def believed_groups(spec: FeedSpec, inputs: Sequence[Input]) -> list[Input]:
    """The groups without those that the feed's filter finds to be outliers; none of no inputs."""
    groups = merge_groups(fill_unknown_depth(inputs))
    out = OUTLIERS[spec.outliers](groups, spec.outlier_floor_bps, spec.tuning) if spec.outliers and groups else ()
    return [g for place, g in enumerate(groups) if place not in out]


def _merged(group: str, members: Sequence[Input]) -> Input:
    if len(members) == 1:
        return members[0]
    recent = sorted(m.recent_wad for m in members if m.recent_wad)
    return Input(
        source=group,
        group=group,
        price_wad=weighted_median(members),
        weight=sum(m.weight for m in members),
        at_ms=min(m.at_ms for m in members),
        rank=min(m.rank for m in members),
        own_bps=max((m.own_bps for m in members if m.own_bps is not None), default=None),
        recent_wad=middle_of(recent) if recent else 0,
    )


def weigh_groups(method: Method, groups: Sequence[Input], tuning: Tuning) -> tuple[Input, ...]:
    """The groups with the weights that the method gives them, each held to its share where the method is capped."""
    if method.weigh is None:
        return cap_weights(groups, weighted=False)
    raw = method.weigh(groups, tuning)
    weighted = [g if g.weight == w else g.with_weight(w) for g, w in zip(groups, raw, strict=True)]
    return cap_weights(weighted, weighted=True) if method.capped else tuple(weighted)


def cap_weights(groups: Sequence[Input], *, weighted: bool) -> tuple[Input, ...]:
    """Weights in which no group passes 1/3 of the total where there are three or more, 1/2 where there are two.

    Integer water-filling: every weight is held to the largest ceiling at which that is true. ``weighted`` False: each weighs 1.
    """
    if not weighted:
        return tuple(g if g.weight == 1 else g.with_weight(1) for g in groups)
    share = min(len(groups), _MANY)
    ranked = sorted([g.weight for g in groups], reverse=True)
    ceiling = ranked[0]
    for at_ceiling in range(1, share):
        rest = sum(ranked[at_ceiling:])
        if share * ceiling <= at_ceiling * ceiling + rest:
            break
        ceiling = max(ranked[at_ceiling], rest // (share - at_ceiling))
    if ceiling == ranked[0] and ranked[-1]:
        return tuple(groups)
    return tuple([g if 0 < g.weight <= ceiling else g.with_weight(max(1, min(g.weight, ceiling))) for g in groups])


def spread_bps(price: Wad, inputs: Sequence[Input]) -> int:
    """Largest distance of an input from the price in bps, rounded up."""
    prices = [i.price_wad for i in inputs]
    return mul_div_up(max(max(prices) - price, price - min(prices)), BPS, price)
