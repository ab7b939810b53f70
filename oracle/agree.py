"""Agree: several operators' values to one report, field by field. The same values give the same bytes, whoever leads."""

from __future__ import annotations

from collections.abc import Sequence

from feeds.units import Bps, Wad
from oracle.status import Status, Why
from oracle.types import Report


def agree(values: Sequence[Report], weights: Sequence[int] = ()) -> Report:
    """Lower median of every number; the worst status that a majority reports, with the reason most of those give.

    With less than half of the weight lying, every field lies within the honest operators' range. All reports are of one
    feed and one round_time; at least one.

    Args:
        values: what the operators signed.
        weights: their stakes, in the same order; none counts heads.
    """
    stakes = tuple(weights) or (1,) * len(values)
    status = agreed_status([v.status for v in values], stakes)
    whys = sorted(v.why for v in values if v.status >= status and v.why is not Why.NONE)
    why = max(whys, key=lambda w: (whys.count(w), -w), default=Why.NONE)
    return Report(
        market_wad=Wad(lower_median([v.market_wad for v in values], stakes)),
        redemption_wad=Wad(lower_median([v.redemption_wad for v in values], stakes)),
        spread_bps=Bps(lower_median([v.spread_bps for v in values], stakes)),
        status=status,
        why=why if status is not Status.OK else Why.NONE,
        round_time_s=values[0].round_time_s,
        market_age_s=lower_median([v.market_age_s for v in values], stakes),
        redemption_age_h=lower_median([v.redemption_age_h for v in values], stakes),
    )


def lower_median(numbers: Sequence[int], weights: Sequence[int] = ()) -> int:
    """Number at half of the weight, where that falls between two the lower one: always one that somebody signed."""
    stakes = tuple(weights) or (1,) * len(numbers)
    ranked = sorted(zip(numbers, stakes, strict=True))
    total, below = sum(stakes), 0
    for number, weight in ranked:
        below += weight
        if 2 * below >= total:
            return number
    raise AssertionError("half of the weight is reached before the end")


def agreed_status(statuses: Sequence[Status], weights: Sequence[int] = ()) -> Status:
    """The worst status that more than half of the weight reports, or worse."""
    stakes = tuple(weights) or (1,) * len(statuses)
    heard = tuple(zip(statuses, stakes, strict=True))
    total = sum(stakes)
    return next(s for s in sorted(Status, reverse=True) if 2 * sum(w for x, w in heard if x >= s) > total)
