"""The weighted median: the price at which half of the weight lies below. The weights come from :mod:`.weights`."""

from __future__ import annotations

from collections.abc import Sequence

from feeds.units import Wad, mid_down
from oracle.model.types import Input


def weighted_median(inputs: Sequence[Input]) -> Wad:
    """Price at half of the total weight; where it falls exactly between two prices their mean, rounded down.

    Prices and weights are sorted together, never apart. An input of weight 0 does not count; at least one has more.
    """
    return weighted_middle([(i.price_wad, i.weight) for i in inputs])


def weighted_middle(pairs: Sequence[tuple[Wad, int]]) -> Wad:
    """The weighted median of (price, weight) pairs."""
    ranked = sorted([pair for pair in pairs if pair[1]])
    total = sum(weight for _, weight in ranked)
    below = 0
    for place, (price, weight) in enumerate(ranked):
        below += weight
        if 2 * below > total:
            return price
        if 2 * below == total:
            return Wad(mid_down(price, ranked[place + 1][0]))
    raise AssertionError("half of the weight is passed before the end")
