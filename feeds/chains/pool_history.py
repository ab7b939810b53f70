"""What a pool's last blocks say about its newest one. Pure.

Depth can be rented for a block, and the value of a unit of the pool's own token (its virtual price) can be bent inside
one: so a pool counts with no more depth than it usually has, and a value that jumps is not believed until it has stood.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Container, Hashable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from feeds.errors import FeedError, Unsteady
from feeds.types import Quote
from feeds.units import BPS, mul_div_up

BLOCKS = 128
"""Blocks remembered; the median depth is taken over all of them."""
SAMPLE_BLOCKS = 16
"""Blocks that one of the earlier reads at the start stands for: eight of them cover all of them."""
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
class _PoolPast:
    """Depths by block, the settled virtual price and the reads since it jumped, and whether earlier blocks are missing."""

    depths: deque[tuple[int, int]] = field(default_factory=lambda: deque(maxlen=BLOCKS))
    virtual_wad: int | None = None
    reads_since_jump: int = 0
    owes_blocks: bool = False


class PoolHistory:
    """The past of every pool, by its key.

    A process that starts has none. On a chain that is older than a past, earlier blocks are read once (``preload``). A pool
    whose earlier blocks could not be read counts with a part of its depth until it has shown enough of them: what it has now
    may be rented.
    """

    def __init__(self) -> None:
        self._pools: dict[Hashable, _PoolPast] = {}

    def of(self, pools: Container[Hashable]) -> PoolHistory:
        """The past of these alone."""
        history = PoolHistory()
        history._pools = {k: p for k, p in self._pools.items() if k in pools}
        return history

    def preload(
        self, pools: Iterable[Hashable], samples: Iterable[tuple[int, Mapping[Any, Quote | FeedError]]]
    ) -> None:
        """Take over what earlier blocks say, before the first read of a new one.

        Args:
            pools: those whose earlier blocks were asked for.
            samples: blocks, ascending, each with what was read there; one stands for the `SAMPLE_BLOCKS` from it on.
        """
        for pool in pools:
            self._pools.setdefault(pool, _PoolPast()).owes_blocks = True
        for block, results in samples:
            for pool, result in results.items():
                if not isinstance(result, FeedError):
                    for later in range(block, block + SAMPLE_BLOCKS):
                        self.screened(pool, result, later)

    def screened(self, pool: Hashable, result: Quote | FeedError, block: int) -> Quote | FeedError:
        """Return a read as it counts: its depth no more than usual, or Unsteady if its value jumped.

        Args:
            pool: its key, the same in every read.
            result: what was read; a failure stays one.
            block: at which block. Blocks at or above it that were read before were replaced, and are forgotten.
        """
        if isinstance(result, FeedError) or (result.depth_wad is None and result.virtual_wad is None):
            return result
        past = self._pools.setdefault(pool, _PoolPast())
        jump = _jump(past, result.virtual_wad)
        if jump is not None:
            return jump
        if result.depth_wad is None:
            return result
        while past.depths and past.depths[-1][0] >= block:
            past.depths.pop()
        past.depths.append((block, result.depth_wad))
        depths = sorted(d for _, d in past.depths)
        usual = depths[(len(depths) - 1) // 2]
        return _capped(result, usual // UNKNOWN_SHARE if past.owes_blocks and len(depths) < KNOWN_BLOCKS else usual)


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


def _jump(past: _PoolPast, virtual_wad: int | None) -> Unsteady | None:
    """The error of a virtual price that moved too far since the last read; None if it did not, or has settled."""
    if virtual_wad is None:
        return None
    settled = past.virtual_wad
    if settled is None or settled * (BPS - FALL_BPS) <= virtual_wad * BPS <= settled * (BPS + RISE_BPS):
        past.virtual_wad, past.reads_since_jump = virtual_wad, 0
        return None
    past.reads_since_jump += 1
    if past.reads_since_jump >= SETTLED_BLOCKS:
        past.virtual_wad, past.reads_since_jump = virtual_wad, 0
        return None
    apart = mul_div_up(abs(virtual_wad - settled), BPS, settled)
    word = "fell" if virtual_wad < settled else "leapt"
    return Unsteady(f"the value of the pool's own token {word}", apart_bps=apart, reads=past.reads_since_jump)
