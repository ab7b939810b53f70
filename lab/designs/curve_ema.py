"""Curve's own oracle of the deepest pool: an exponential average of the last spot with an averaging time of 866 s.

``price_oracle`` of a StableSwap-NG pool: each block, ema = last_spot * (1 - alpha) + ema * alpha with alpha = exp(-dt / ma_exp_time);
a spot counts for at most twice the peg, which is here the first spot of the case. Where no source shows a depth the first one
is taken as the pool; where rounds are further apart than a block, the newest spot is taken to hold since the last round.
Floats: nothing here is signed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from lab.designs.base import DesignQuote

_MA_EXP_S = 866.0
_BLOCK_MS = 12_000
_MOST_PEGS = 2.0


class CurveEmaDesign:
    """One pool, averaged."""

    spread_bps: int | None = None

    def __init__(self) -> None:
        self._ema: float | None = None
        self._peg = self._spot = 0.0
        self._at_ms = 0

    def step(self, t_ms: int, quotes: Sequence[DesignQuote]) -> int | None:
        """Return the average as of now, which knows the spot of the last block and not yet this one's."""
        if not quotes:
            return None if self._ema is None else int(self._ema)
        spot = float(max(quotes, key=lambda q: q.depth_wad).price_wad)
        self._peg = self._peg or spot
        spot = min(spot, _MOST_PEGS * self._peg)
        if self._ema is None:
            self._ema = spot
        else:
            gap_ms = t_ms - self._at_ms
            alpha = math.exp(-gap_ms / 1_000 / _MA_EXP_S)
            held_spot = self._spot if gap_ms <= _BLOCK_MS else spot
            self._ema = held_spot * (1 - alpha) + self._ema * alpha
        self._spot, self._at_ms = spot, t_ms
        return int(self._ema)
