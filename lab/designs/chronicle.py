"""Chronicle's model: the median of two sources or more, pushed at 1 % or after 24 h.

Two is what its models of staking tokens ask for (larger assets: three to five). The circuit breaker against a reference is in its
schema and in none of its shipped models, so it is left out; so is the mixing of exchange rates into a median of market prices.
Freshness and expiry are set node by node; no age is too old here.
Source: oracle-suite, ``config.hcl``, ``pkg/datapoint/graph``, ``config/relays.json``.
"""

from __future__ import annotations

from collections.abc import Sequence

from lab.designs.base import DesignQuote, Trigger, median

_MIN_VALUES = 2
_DAY_MS = 86_400_000


class ChronicleDesign:
    """A median with a quorum of sources, not of independent groups."""

    spread_bps: int | None = None

    def __init__(self) -> None:
        self._trigger = Trigger(deviation_bps=100, heartbeat_ms=_DAY_MS)

    def step(self, t_ms: int, quotes: Sequence[DesignQuote]) -> int | None:
        """Return what was last pushed."""
        value = median([q.price_wad for q in quotes]) if len(quotes) >= _MIN_VALUES else None
        return self._trigger.offer(t_ms, value)
