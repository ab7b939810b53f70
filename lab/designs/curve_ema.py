"""Curve's own oracle of the deepest pool: an exponential average of the last spot with an averaging time of 866 s.

``price_oracle`` of a StableSwap-NG pool: each block, ema = last_spot * (1 - alpha) + ema * alpha with alpha = exp(-dt / ma_exp_time);
spot is capped at twice the peg by the pool. Floats: nothing here is signed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from lab.designs.base import Quote

_MA_EXP_S = 866.0


class CurveEma:
    """One pool, averaged."""

    def __init__(self) -> None:
        self._ema: float | None = None
        self._spot = 0.0
        self._at_ms = 0

    def step(self, t_ms: int, quotes: Sequence[Quote]) -> int | None:
        """Return the average as of now, which knows the spot of the last block and not yet this one's."""
        pools = [q for q in quotes if q.depth_wad] or list(quotes)
        if not pools:
            return None if self._ema is None else int(self._ema)
        spot = min(float(max(pools, key=lambda q: q.depth_wad).price_wad), 2e18)
        if self._ema is None:
            self._ema = spot
        else:
            alpha = math.exp(-(t_ms - self._at_ms) / 1_000 / _MA_EXP_S)
            self._ema = self._spot * (1 - alpha) + self._ema * alpha
        self._spot, self._at_ms = spot, t_ms
        return int(self._ema)
