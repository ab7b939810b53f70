"""Agree: several operators' values to one report, field by field. The same values give the same bytes, whoever leads."""

from __future__ import annotations

from collections.abc import Sequence

from feeds.units import Bps, Wad
from oracle.types import Report, Status, Why


def agree(values: Sequence[Report]) -> Report:
    """Lower median of every number; the worst status that a majority reports, with the reason most of those give.

    With fewer than half of the operators lying, every field lies within the honest operators' range. All reports are
    of one feed and one round_time; at least one.
    """
    status = agreed_status([v.status for v in values])
    whys = sorted(v.why for v in values if v.status >= status and v.why is not Why.NONE)
    why = max(whys, key=lambda w: (whys.count(w), -w), default=Why.NONE)
    return Report(
        market_wad=Wad(lower_median([v.market_wad for v in values])),
        redemption_wad=Wad(lower_median([v.redemption_wad for v in values])),
        spread_bps=Bps(lower_median([v.spread_bps for v in values])),
        status=status,
        why=why if status is not Status.OK else Why.NONE,
        round_time_s=values[0].round_time_s,
        market_age_s=lower_median([v.market_age_s for v in values]),
        redemption_age_h=lower_median([v.redemption_age_h for v in values]),
    )


def lower_median(numbers: Sequence[int]) -> int:
    """Middle number, of an even count the lower of the two: always one that somebody signed."""
    return sorted(numbers)[(len(numbers) - 1) // 2]


def agreed_status(statuses: Sequence[Status]) -> Status:
    """The worst status that more than half report, or worse."""
    return next(s for s in sorted(Status, reverse=True) if 2 * sum(x >= s for x in statuses) > len(statuses))
