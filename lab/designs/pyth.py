"""Pyth's aggregate: each publisher votes its price, and its price less and plus its confidence; the price is the median vote.

The confidence of a publisher is its own half spread, at least 1 bp; the aggregate's is the larger distance from the price to
the votes a quarter from either end. Fewer than three publishers: the status is unknown and the last price is kept (min_pub is
set per feed; three is a usual one). Pull oracle: a consumer submits the newest price itself. Source: pyth-client,
``upd_aggregate.h`` and ``price_model.c``.
"""

from __future__ import annotations

from collections.abc import Sequence

from feeds.units import BPS
from lab.designs.base import DesignQuote, median

_MIN_PUBLISHERS = 3


class PythDesign:
    """The median of three votes each."""

    def __init__(self) -> None:
        self._value: int | None = None
        self.spread_bps: int | None = None

    def step(self, t_ms: int, quotes: Sequence[DesignQuote]) -> int | None:
        """Return the newest aggregate."""
        del t_ms
        if len(quotes) < _MIN_PUBLISHERS:
            return self._value
        votes: list[int] = []
        for q in quotes:
            c = q.price_wad * max(1, q.half_spread_bps) // BPS
            votes += [q.price_wad - c, q.price_wad, q.price_wad + c]
        votes.sort()
        quarter = len(votes) // 4
        price = median(votes)
        reach = max(price - votes[quarter], votes[-1 - quarter] - price)
        self._value, self.spread_bps = price, -(-reach * BPS // price)
        return price
