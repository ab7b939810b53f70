"""What a pool's last blocks say about its newest one. Pure.

Depth can be rented for a block, and the value of a unit of the pool's own token (its virtual price) can be bent inside
one: so a pool counts with no more depth than it usually has, and a value that leaps is not believed until it has stood.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from feeds.errors import FeedError, Unsteady
from feeds.types import Quote
from feeds.units import BPS, mul_div_up

BLOCKS = 128
"""Blocks remembered; the median depth is taken over all of them."""
SAMPLE_BLOCKS = 16
"""Blocks that one of the earlier reads at the start stands for: eight of them are a whole past."""
KNOWN_BLOCKS = 64
"""Below so many blocks the past of a pool is not known: it counts with `UNKNOWN_SHARE` of its depth."""
UNKNOWN_SHARE = 2
"""One part in so many: half, since less would look as if the depth had left (see the judge's SHALLOW)."""
FALL_BPS = 200
RISE_BPS = 20
"""How far the virtual price may fall (a slash of the tokens inside lowers it) and rise (fees of a busy block) between two
reads. What is drained, donated to or bent goes further."""
SETTLED_BLOCKS = 50
"""Reads after which another level of the virtual price is the new truth: a slash that the pool has really taken."""


@dataclass(slots=True)
class _Past:
    depths: deque[tuple[int, int]] = field(default_factory=lambda: deque(maxlen=BLOCKS))
    virtual: int | None = None
    unsettled: int = 0
    owed: bool = False


class PoolHistory:
    """The past of every pool, by name.

    A process that starts has none. On a chain that is older than a past, earlier blocks are read once (``recall``); what
    they do not tell, the pool has to show: until it has, it counts with a part of its depth, for what it has now may be rented.
    """

    def __init__(self) -> None:
        self._pools: dict[str, _Past] = {}

    def recall(self, names: Iterable[str], samples: Iterable[tuple[int, Mapping[str, Quote | FeedError]]]) -> None:
        """Take over what earlier blocks say, before the first read of a new one.

        Args:
            names: pools that owe a past.
            samples: blocks, ascending, each with what was read there; one stands for the `SAMPLE_BLOCKS` from it on.
        """
        for name in names:
            self._pools.setdefault(name, _Past()).owed = True
        for block, results in samples:
            for name, result in results.items():
                if not isinstance(result, FeedError):
                    for later in range(block, block + SAMPLE_BLOCKS):
                        self.held(name, result, later)

    def held(self, name: str, result: Quote | FeedError, block: int) -> Quote | FeedError:
        """Return a read as it counts: its depth no more than usual, or Unsteady if its value leapt.

        Args:
            name: the pool's place.
            result: what was read; a failure stays one.
            block: at which block. Blocks at or above it that were read before were replaced, and are forgotten.
        """
        if isinstance(result, FeedError) or (result.depth_wad is None and result.virtual_wad is None):
            return result
        past = self._pools.setdefault(name, _Past())
        leap = _leap(past, result.virtual_wad)
        if leap is not None:
            return leap
        if result.depth_wad is None:
            return result
        while past.depths and past.depths[-1][0] >= block:
            past.depths.pop()
        past.depths.append((block, result.depth_wad))
        depths = sorted(d for _, d in past.depths)
        usual = depths[(len(depths) - 1) // 2]
        return _capped(result, usual // UNKNOWN_SHARE if past.owed and len(depths) < KNOWN_BLOCKS else usual)


def _capped(quote: Quote, usual: int) -> Quote:
    """The depths, held to the (lower) median of what the pool had at 1 %."""
    now = quote.depth_wad or 0
    if now <= usual:
        return quote
    half, two = quote.depth_half_wad, quote.depth_two_wad
    return replace(
        quote,
        depth_half_wad=None if half is None else half * usual // now,
        depth_wad=usual,
        depth_two_wad=None if two is None else two * usual // now,
    )


def _leap(past: _Past, virtual: int | None) -> Unsteady | None:
    if virtual is None:
        return None
    known = past.virtual
    if known is None or known * (BPS - FALL_BPS) <= virtual * BPS <= known * (BPS + RISE_BPS):
        past.virtual, past.unsettled = virtual, 0
        return None
    past.unsettled += 1
    if past.unsettled >= SETTLED_BLOCKS:
        past.virtual, past.unsettled = virtual, 0
        return None
    apart = mul_div_up(abs(virtual - known), BPS, known)
    word = "fell" if virtual < known else "leapt"
    return Unsteady(f"the value of the pool's own token {word}", apart_bps=apart, reads=past.unsettled)
