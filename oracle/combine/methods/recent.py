"""Deviation from a source's own recent prices: a source that jumps while the others do not is an outlier.

RedStone's node refuses every value that lies too far from the average of its last ones, so a real fast move is refused by
all until the average has caught up. Here a jump that half of the sources make is the market's.
"""

from __future__ import annotations

from collections.abc import Sequence

from feeds.units import BPS
from oracle.model.spec import PLAIN, Tuning
from oracle.model.types import Input


def recent(inputs: Sequence[Input], floor_bps: int, tuning: Tuning = PLAIN) -> tuple[int, ...]:
    """Places further than max(``recent_bps``, floor) from their own recent mean, while most others are not.

    An input without a past is neither judged nor counted among the others. Reorders nothing.
    """
    limit = max(tuning.recent_bps, floor_bps)
    known = sum(1 for i in inputs if i.recent_wad)
    out = tuple(
        place
        for place, i in enumerate(inputs)
        if i.recent_wad and abs(i.price_wad - i.recent_wad) * BPS > i.recent_wad * limit
    )
    return out if 2 * len(out) < known else ()
