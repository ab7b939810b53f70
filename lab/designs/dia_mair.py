"""DIA's MAIR120 as it is documented: trades of 120 s, the interquartile filter, then the average weighted by volume.

Per source first, then over the sources; [Q1 - 1.5 IQR, Q3 + 1.5 IQR], quartiles as medians of the halves. A trade of each
source at every moment, as large as its depth (1 where that is unknown). The defects of its code (prices sorted apart from
their volumes) are not copied: this is the design at its best. Published every 120 s or at 1 %.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from lab.designs.base import DesignQuote, Trigger, median

_WINDOW_MS = 120_000
_FENCE = 3  # halves of the interquartile range
_FEW = 4


class DiaMair:
    """No minimum of sources."""

    spread_bps: int | None = None

    def __init__(self) -> None:
        self._trades: deque[tuple[int, str, int, int]] = deque()
        self._trigger = Trigger(deviation_bps=100, heartbeat_ms=_WINDOW_MS)

    def step(self, t_ms: int, quotes: Sequence[DesignQuote]) -> int | None:
        """Return what was last published."""
        self._trades.extend((t_ms, q.source, q.price_wad, max(1, q.depth_wad)) for q in quotes)
        while self._trades and self._trades[0][0] <= t_ms - _WINDOW_MS:
            self._trades.popleft()
        by_source: dict[str, list[tuple[int, int]]] = {}
        for _, source, price, volume in self._trades:
            by_source.setdefault(source, []).append((price, volume))
        each = [(_mair(trades), sum(v for _, v in trades)) for trades in by_source.values()]
        return self._trigger.offer(t_ms, _mair(each) if each else None)


def _mair(trades: list[tuple[int, int]]) -> int:
    inside = _inside(trades)
    weight = sum(v for _, v in inside)
    return sum(p * v for p, v in inside) // weight


def _inside(trades: list[tuple[int, int]]) -> list[tuple[int, int]]:
    if len(trades) < _FEW:
        return trades
    ranked = sorted(p for p, _ in trades)
    half = len(ranked) // 2
    low, high = median(ranked[:half]), median(ranked[-half:])
    reach = (high - low) * _FENCE // 2
    return [t for t in trades if low - reach <= t[0] <= high + reach] or trades
