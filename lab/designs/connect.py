"""Connect (formerly Slinky): the median of providers whose price is at most 120 s old, three at least, in every block.

Below ``min_provider_count`` nothing is written and the last price stays. Three is assumed: markets set it one by one.
Source: connect, ``pkg/math/oracle``, ``docs/validators/configuration.mdx``.
"""

from __future__ import annotations

from collections.abc import Sequence

from lab.designs.base import DesignQuote, median

_MIN_PROVIDERS = 3
_MOST_AGE_MS = 120_000


class Connect:
    """A median with a quorum of providers."""

    spread_bps: int | None = None

    def __init__(self) -> None:
        self._value: int | None = None

    def step(self, t_ms: int, quotes: Sequence[DesignQuote]) -> int | None:
        """Return what the newest block has."""
        del t_ms
        fresh = [q.price_wad for q in quotes if q.age_ms <= _MOST_AGE_MS]
        if len(fresh) >= _MIN_PROVIDERS:
            self._value = median(fresh)
        return self._value
