"""The spot price of the deepest pool (or the first venue), read at this moment: no oracle at all."""

from __future__ import annotations

from collections.abc import Sequence

from lab.designs.base import DesignQuote


class NaiveSpot:
    """No memory, no second opinion."""

    spread_bps: int | None = None

    def step(self, t_ms: int, quotes: Sequence[DesignQuote]) -> int | None:
        """Return the price of the source with the most depth; of equals the first."""
        del t_ms
        return max(quotes, key=lambda q: q.depth_wad).price_wad if quotes else None
