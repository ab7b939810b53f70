"""The MAD (Hampel) filter: how far is too far, measured by the inputs' own median deviation.

Source: F. R. Hampel, "The influence curve and its role in robust estimation", JASA 69 (1974). The factor 1.4826 makes
the median absolute deviation of a normal distribution its standard deviation. The floor keeps three tight sources from
throwing out a good fourth.
"""

from __future__ import annotations

from collections.abc import Sequence

from feeds.units import BPS
from oracle.combine.methods.median import median, middle_of
from oracle.model.spec import PLAIN, Tuning
from oracle.model.types import Input

_FACTOR = 3
_NORMAL_E4 = 14_826


def mad(inputs: Sequence[Input], floor_bps: int, _tuning: Tuning = PLAIN) -> tuple[int, ...]:
    """Places of the inputs that lie further from the median than max(3 * 1.4826 * MAD, floor). Reorders nothing."""
    centre = median(inputs)
    gaps = [abs(i.price_wad - centre) for i in inputs]
    limit = max(_FACTOR * _NORMAL_E4 * middle_of(sorted(gaps)) // BPS, centre * floor_bps // BPS)
    if max(gaps) <= limit:
        return ()
    return tuple(place for place, gap in enumerate(gaps) if gap > limit)
