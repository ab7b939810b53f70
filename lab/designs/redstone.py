"""RedStone's node: the median of the sources, refused where it is too far from the average of its own recent values.

The manifest of August 2026: a loop of 10 s, 30 % within 120 s by default; the relayer publishes at 0.5 % or 24 h. Liquidity
weights, where a manifest has them, are left out: most LST and LRT entries have none.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from feeds.units import BPS
from lab.designs.base import DesignQuote, Trigger, median

_WINDOW_MS = 120_000
_MOST_BPS = 3_000
_DAY_MS = 86_400_000


class RedStone:
    """One valid source is enough (minValidSourcesPercentage is 1 %)."""

    spread_bps: int | None = None

    def __init__(self) -> None:
        self._recent: deque[tuple[int, int]] = deque()
        self._trigger = Trigger(deviation_bps=50, heartbeat_ms=_DAY_MS)

    def step(self, t_ms: int, quotes: Sequence[DesignQuote]) -> int | None:
        """Return what was last published."""
        while self._recent and self._recent[0][0] < t_ms - _WINDOW_MS:
            self._recent.popleft()
        if not quotes:
            return self._trigger.offer(t_ms, None)
        value = median([q.price_wad for q in quotes])
        if self._recent:
            mean = sum(v for _, v in self._recent) // len(self._recent)
            if abs(value - mean) * BPS > mean * _MOST_BPS:
                return self._trigger.offer(t_ms, None)
        self._recent.append((t_ms, value))
        return self._trigger.offer(t_ms, value)
