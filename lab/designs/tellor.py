"""Tellor's reporter: the median of what answered, however little that is; reported when the price moved or the report is old.

What a reporter reports at is its own choice (``max_price_change``, ``stale_timeout``): 0.5 % and 24 h are assumed. In its favour a
report counts at once; its documents advise consumers to wait for disputes. Ages are ignored, as in the reporter. That one source's
zero stops a whole feed there is a defect of code, and not copied.
Source: telliot-feeds, ``sources/price_aggregator.py``, ``reporters/customized``.
"""

from __future__ import annotations

from collections.abc import Sequence

from lab.designs.base import DesignQuote, Trigger, median

_DAY_MS = 86_400_000


class Tellor:
    """A median without a quorum."""

    spread_bps: int | None = None

    def __init__(self) -> None:
        self._trigger = Trigger(deviation_bps=50, heartbeat_ms=_DAY_MS)

    def step(self, t_ms: int, quotes: Sequence[DesignQuote]) -> int | None:
        """Return what was last reported."""
        return self._trigger.offer(t_ms, median([q.price_wad for q in quotes]) if quotes else None)
