"""The interquartile fence. J. W. Tukey, "Exploratory Data Analysis" (1977): 1.5 interquartile ranges beyond a quartile."""

from __future__ import annotations

from collections.abc import Sequence

from feeds.units import BPS, Wad
from oracle.combine.methods.median import median, middle_of
from oracle.model.spec import PLAIN, Tuning
from oracle.model.types import Input


def iqr(inputs: Sequence[Input], floor_bps: int, _tuning: Tuning = PLAIN) -> tuple[int, ...]:
    """Places of the inputs outside of the fence, and further than the floor from the median. Reorders nothing.

    Below six inputs a single far one is part of its own quartile and stays: choose another filter for few groups.
    """
    low, high = fence(sorted(i.price_wad for i in inputs))
    centre = median(inputs)
    floor = centre * floor_bps // BPS
    return tuple(
        place for place, i in enumerate(inputs) if not low <= i.price_wad <= high and abs(i.price_wad - centre) > floor
    )


def fence(ranked: Sequence[Wad]) -> tuple[int, int]:
    """(lowest, highest) that stays: 1.5 interquartile ranges beyond the quartiles, which are the medians of the halves.

    The middle element of an odd count is in neither half. Widths rounded up.
    """
    half = max(1, len(ranked) // 2)
    first, third = middle_of(ranked[:half]), middle_of(ranked[-half:])
    width = (3 * (third - first) + 1) // 2
    return first - width, third + width
