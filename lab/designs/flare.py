"""Flare's value provider: a median weighted by age, exp(-0.00005 * age in ms), which halves a weight in 13.9 s.

Read anew in every voting round, so it has no trigger. Where all weights have vanished it answers any price: here the newest. That
providers are many and their answers are combined by another weighted median changes nothing where all see the same sources.
Source: the FTSO v2 example value provider, ``ccxt-provider-service.ts``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from lab.designs.base import DesignQuote

_LAMBDA_MS = 0.00005
_VANISHED = 1e-300


class Flare:
    """A weighted median of all that was ever heard."""

    spread_bps: int | None = None

    def __init__(self) -> None:
        self._value: int | None = None

    def step(self, t_ms: int, quotes: Sequence[DesignQuote]) -> int | None:
        """Return the newest value."""
        del t_ms
        ranked = sorted((q.price_wad, math.exp(-_LAMBDA_MS * q.age_ms)) for q in quotes)
        total = sum(weight for _, weight in ranked)
        if not ranked:
            return self._value
        if total <= _VANISHED:
            self._value = min(quotes, key=lambda q: q.age_ms).price_wad
            return self._value
        reached = 0.0
        for price, weight in ranked:
            reached += weight
            if 2 * reached >= total:
                self._value = price
                break
        return self._value
