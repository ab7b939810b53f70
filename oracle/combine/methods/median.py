"""The median: half of the inputs may lie and the result stays within the honest range."""

from __future__ import annotations

from collections.abc import Sequence

from feeds.units import Wad, mid_down
from oracle.model.types import Input


def median(inputs: Sequence[Input]) -> Wad:
    """Middle price; for an even count the mean of the middle two, rounded down. At least one input."""
    return Wad(middle_of(sorted([i.price_wad for i in inputs])))


def middle_of(ranked: Sequence[int]) -> int:
    """The median of ascending numbers, at least one."""
    half = len(ranked) // 2
    return ranked[half] if len(ranked) % 2 else mid_down(ranked[half - 1], ranked[half])
