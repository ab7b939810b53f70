"""Independent groups: what depends on one thing counts once, and none may dominate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from feeds.units import BPS, Wad, mul_div_up
from oracle.methods.depth_weighted_median import depth_weighted_median
from oracle.types import Input

_MANY = 3


def weigh(inputs: Sequence[Input]) -> tuple[Input, ...]:
    """Give a source that states no depth the smallest that another one states: unknown is not deep, and not nothing."""
    least = min((i.weight for i in inputs if i.weight), default=1)
    return tuple(replace(i, weight=i.weight or least) for i in inputs)


def merge(inputs: Sequence[Input]) -> tuple[Input, ...]:
    """One input per group: the depth-weighted median of its sources, their summed depth, their oldest time."""
    by_group: dict[str, list[Input]] = {}
    for entry in inputs:
        by_group.setdefault(entry.group, []).append(entry)
    return tuple(
        Input(
            source=group,
            group=group,
            price_wad=depth_weighted_median(members),
            weight=sum(m.weight for m in members),
            at_ms=min(m.at_ms for m in members),
        )
        for group, members in sorted(by_group.items())
    )


def cap(groups: Sequence[Input], *, weighted: bool) -> tuple[Input, ...]:
    """Weights in which no group passes 1/3 of the total where there are three or more, 1/2 where there are two.

    Integer water-filling: every weight is held to the largest ceiling at which the rule is true.
    """
    if not weighted:
        return tuple(replace(g, weight=1) for g in groups)
    share = min(len(groups), _MANY)
    ranked = sorted((g.weight for g in groups), reverse=True)
    ceiling = ranked[0]
    for at_ceiling in range(1, share):
        rest = sum(ranked[at_ceiling:])
        if share * ceiling <= at_ceiling * ceiling + rest:
            break
        ceiling = max(ranked[at_ceiling], rest // (share - at_ceiling))
    return tuple(replace(g, weight=max(1, min(g.weight, ceiling))) for g in groups)


def spread_bps(price: Wad, inputs: Sequence[Input]) -> int:
    """Largest distance of an input from the price in bps, rounded up."""
    return max(mul_div_up(abs(i.price_wad - price), BPS, price) for i in inputs)
