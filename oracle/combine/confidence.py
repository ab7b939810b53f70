"""The confidence that is published with a price: how far the market may be from it, in bps.

Three parts add up, each rounded up:

- disagreement: the largest distance of a used group from the published price. Where that is an average over time, this
  includes its lag behind the market.
- own spreads: the median of the groups' own half spreads (bid to ask, or a pool's slippage both ways), so that one liar with
  a wide book widens nothing. Sources that state none do not count.
- volatility allowance: ``drift_bps_day`` times the square root of (age of the oldest input + ``horizon_ms``) in days: prices wander with
  the square root of time, and the reader reads between two rounds.

Calibration: ``drift_bps_day`` is a quantile of abs(change) / sqrt(days) over a recorded series, which
:func:`calibrated_volatility` computes. Daily spots of the Curve stETH/ETH pool from 2021-09-04 to 2022-06-22, the depeg of 2022
included (321 steps): 45 at 95 %, 109 at 99 %; up to 2022-05-06 alone 14 and 53. The default of 110 is that 99 %. A feed in
another unit needs its own: daily ETH/USD of 2024 to 2026 (eight series of 77 to 84 days) gave 440 to 820 at 95 %. Shorter
horizons than a day are reached by the square root, which is a model and was not calibrated.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import isqrt

from feeds.units import BPS, MS, Bps, Wad, div_up
from oracle.combine.groups import spread_bps
from oracle.combine.methods.median import middle_of
from oracle.model.spec import Tuning
from oracle.model.state import Sample
from oracle.model.types import Input

_DAY_MS = 86_400_000
_E4 = 10_000


def confidence_bps(price: Wad, groups: Sequence[Input], age_ms: int, tuning: Tuning) -> Bps:
    """Half width in bps of what the market may be: disagreement, own spreads, and the volatility allowance over the age."""
    own = sorted([g.own_bps for g in groups if g.own_bps is not None])
    return Bps(
        spread_bps(price, groups) + (_upper_middle(own) if own else 0) + volatility_allowance_bps(age_ms, tuning)
    )


def volatility_allowance_bps(age_ms: int, tuning: Tuning) -> int:
    """How far the market may move between the oldest input and the reader, in bps, rounded up."""
    if not tuning.drift_bps_day:
        return 0
    square = div_up(tuning.drift_bps_day**2 * (max(0, age_ms) + tuning.horizon_s * MS), _DAY_MS)
    return isqrt(square - 1) + 1 if square else 0


def calibrated_volatility(samples: Sequence[Sample], percent: int) -> int:
    """``drift_bps_day`` within which this share of a series' steps lies, rounded up.

    Args:
        samples: ascending; steps of no time are left out. At least two with time between them.
        percent: 1 to 100.

    Raises:
        ValueError: there is no step, or the percentage is out of range.
    """
    if not 1 <= percent <= 100:  # noqa: PLR2004 - percent
        raise ValueError(f"percent = {percent}: write 1 to 100")
    steps = sorted(
        abs(b.price_wad - a.price_wad)
        * BPS
        * _E4
        * isqrt(_DAY_MS * _E4)
        // (a.price_wad * isqrt((b.at_ms - a.at_ms) * _E4))
        for a, b in pairwise(samples)
        if b.at_ms > a.at_ms
    )
    if not steps:
        raise ValueError("a series of at least two times is needed")
    return div_up(steps[min(len(steps) - 1, div_up(len(steps) * percent, 100) - 1)], _E4)


def _upper_middle(ranked: Sequence[int]) -> int:
    """Median, of two middle ones their mean rounded up."""
    return -middle_of([-x for x in reversed(ranked)])
