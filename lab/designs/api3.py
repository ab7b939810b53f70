"""API3's feed: first-party beacons, their median on chain, updated at a deviation or a heartbeat.

Each source of a case stands for a beacon. A beacon set is the middle of its beacons, of an even number the mean of the middle two,
with no least number. 0.5 % and 24 h are assumed: its feeds are offered with several thresholds, and this is the usual one of ratio
feeds elsewhere. A deviation may be measured against a reference instead of the value, which makes a feed near one finer; which feeds have one is not known, so
it is left out. Source: airseeker-v2, ``src/deviation-check``.
"""

from __future__ import annotations

from collections.abc import Sequence

from lab.designs.base import DesignQuote, Trigger, median

_DAY_MS = 86_400_000


class Api3Design:
    """A median of what answered."""

    spread_bps: int | None = None

    def __init__(self) -> None:
        self._trigger = Trigger(deviation_bps=50, heartbeat_ms=_DAY_MS)

    def step(self, t_ms: int, quotes: Sequence[DesignQuote]) -> int | None:
        """Return what was last pushed."""
        return self._trigger.offer(t_ms, median([q.price_wad for q in quotes]) if quotes else None)
