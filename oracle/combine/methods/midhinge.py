"""The midhinge: the middle of the two quartiles. J. W. Tukey, "Exploratory Data Analysis" (1977)."""

from __future__ import annotations

from collections.abc import Sequence

from feeds.units import Wad, mid_down
from oracle.model.types import Input


def midhinge(inputs: Sequence[Input]) -> Wad:
    """Mean of the lower and the upper quartile, rounded down. Below four inputs they are the least and the greatest."""
    low, high = hinges(sorted(i.price_wad for i in inputs))
    return Wad(mid_down(low, high))


def hinges(ranked: Sequence[Wad]) -> tuple[Wad, Wad]:
    """The elements a quarter (rounded down) from each end: fewer liars than a quarter cannot push either past an honest one."""
    cut = len(ranked) // 4
    return ranked[cut], ranked[-1 - cut]
