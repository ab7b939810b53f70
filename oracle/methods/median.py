"""The median: half of the inputs may lie and the result stays within the honest range."""

from __future__ import annotations

from collections.abc import Sequence

from feeds.units import Wad, mid_down
from oracle.types import Input


def median(inputs: Sequence[Input]) -> Wad:
    """Middle price; for an even count the mean of the middle two, rounded down. At least one input."""
    prices = sorted(i.price_wad for i in inputs)
    half = len(prices) // 2
    return prices[half] if len(prices) % 2 else Wad(mid_down(prices[half - 1], prices[half]))
