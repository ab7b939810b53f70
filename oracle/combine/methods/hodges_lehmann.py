"""Distance from the Hodges-Lehmann centre, measured in Shamos' scale.

Source: J. L. Hodges and E. L. Lehmann, "Estimates of Location Based on Rank Tests" (1963): the median of all pairs' means.
M. I. Shamos, "Geometry and Statistics" (1976): the median of all pairs' distances, 1.0483 of which is the standard
deviation of a normal distribution. Both bear 29 % of liars, less than the MAD, and waste less of the honest data.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

from feeds.units import BPS, mid_down
from oracle.combine.methods.median import middle_of
from oracle.model.spec import PLAIN, Tuning
from oracle.model.types import Input

_FACTOR = 3
_NORMAL_E4 = 10_483


def hodges_lehmann(inputs: Sequence[Input], floor_bps: int, _tuning: Tuning = PLAIN) -> tuple[int, ...]:
    """Places further from the centre than max(3 * 1.0483 * scale, floor). Reorders nothing, never throws out all."""
    prices = [i.price_wad for i in inputs]
    pairs = list(combinations(prices, 2))
    if not pairs:
        return ()
    centre = middle_of(sorted([*prices, *(mid_down(a, b) for a, b in pairs)]))
    scale = middle_of(sorted(abs(a - b) for a, b in pairs))
    limit = max(_FACTOR * _NORMAL_E4 * scale // BPS, centre * floor_bps // BPS)
    out = tuple(place for place, p in enumerate(prices) if abs(p - centre) > limit)
    return () if len(out) == len(prices) else out
