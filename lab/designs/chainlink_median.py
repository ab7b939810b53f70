"""A median of nodes, published on deviation or heartbeat.

Each node takes the median of the sources that it sees, the report the middle of the nodes (libocr: sorted[n/2]). All nodes
of a case see the same sources, so their median is the sources' median. 0.5 % and 24 h, as most LST and LRT ratio feeds have.
"""

from __future__ import annotations

from collections.abc import Sequence

from lab.designs.base import DesignQuote, Trigger

_DAY_MS = 86_400_000


class ChainlinkMedian:
    """The upper middle of the sources; no quorum of independent groups, no redemption price."""

    spread_bps: int | None = None

    def __init__(self) -> None:
        self._trigger = Trigger(deviation_bps=50, heartbeat_ms=_DAY_MS)

    def step(self, t_ms: int, quotes: Sequence[DesignQuote]) -> int | None:
        """Return what was last published."""
        ranked = sorted(q.price_wad for q in quotes)
        return self._trigger.offer(t_ms, ranked[len(ranked) // 2] if ranked else None)
