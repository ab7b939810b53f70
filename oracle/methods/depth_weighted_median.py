"""The weighted median: the price at which half of the weight lies below."""

from __future__ import annotations

from collections.abc import Sequence

from feeds.units import Wad, mid_down
from oracle.types import Input


def depth_weighted_median(inputs: Sequence[Input]) -> Wad:
    """Price at half of the total weight; where it falls exactly between two prices their mean, rounded down.

    The weight is the depth, as capped by the aggregation. Prices and weights are sorted together, never apart.
    """
    ranked = sorted((i.price_wad, i.weight) for i in inputs)
    total = sum(weight for _, weight in ranked)
    below = 0
    for place, (price, weight) in enumerate(ranked):
        below += weight
        if 2 * below > total:
            return price
        if 2 * below == total:
            return Wad(mid_down(price, ranked[place + 1][0]))
    raise AssertionError("half of the weight is passed before the end")
