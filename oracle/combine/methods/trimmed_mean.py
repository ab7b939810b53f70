"""The interquartile mean: a quarter of the inputs is cut off at each end. J. W. Tukey, "The Future of Data Analysis" (1962)."""

from __future__ import annotations

from collections.abc import Sequence

from feeds.units import Wad
from oracle.model.types import Input


def trimmed_mean(inputs: Sequence[Input]) -> Wad:
    """Mean of the prices without the lowest and the highest quarter (whole inputs, rounded down), rounded down.

    Fewer liars than were cut at an end leave a liar only between two honest prices: hence the breakdown of a quarter.
    Below four inputs nothing is cut.
    """
    prices = sorted(i.price_wad for i in inputs)
    cut = len(prices) // 4
    kept = prices[cut : len(prices) - cut]
    return Wad(sum(kept) // len(kept))
