"""Agree: several operators' values to one report, field by field. The same values give the same bytes, whoever leads."""

from __future__ import annotations

from collections.abc import Sequence

from feeds.units import Bps, Wad
from oracle.model.status import Status, Why
from oracle.model.types import Report


def median_report(values: Sequence[Report], weights: Sequence[int] = (), threshold: int = 0) -> Report | None:
    """Lower median of every number; the worst status that a majority reports, with the reason most of those give.

    With less than half of the weight lying, every field lies within the honest operators' range. All reports are of one
    feed and one round_time; at least one. Prices that were looked at and prices that are only kept (status-only) are never
    mixed: a halt has the kept ones, else those count that reach the threshold by themselves, the fresh ones first. Of
    kept ones a lower redemption rate counts once the threshold's weight has read it.

    Args:
        values: what the operators signed.
        weights: their stakes, in the same order; none counts heads.
        threshold: the weight that a price must have behind it; 0: more than half of what is heard.

    Returns:
        The agreed report; None where neither kind reaches the threshold.
    """
    stakes = tuple(weights) or (1,) * len(values)
    least = threshold or sum(stakes) // 2 + 1
    status = agreed_status([v.status for v in values], stakes)
    heard = tuple(zip(values, stakes, strict=True))
    fresh = [h for h in heard if not _keeps(h[0])]
    only_kept = status is Status.HALT or sum(w for _, w in fresh) < least
    side = [h for h in heard if _keeps(h[0])] if only_kept else fresh
    if sum(w for _, w in side) < least:
        return None
    return _of_one_kind(values, [v for v, _ in side], [w for _, w in side], status, least)


def _of_one_kind(
    heard: Sequence[Report], values: Sequence[Report], stakes: Sequence[int], status: Status, least: int
) -> Report:
    whys = sorted(v.why for v in heard if v.status >= status and v.why is not Why.NONE)
    why = max(whys, key=lambda w: (whys.count(w), -w), default=Why.NONE)
    status_only = _keeps(values[0])
    rates = [v.redemption_wad for v in values]
    redemption = _backed(rates, stakes, least) if status_only else lower_median(rates, stakes)
    ages = [
        (v.redemption_age_h, w)
        for v, w in zip(values, stakes, strict=True)
        if v.redemption_wad <= redemption or not status_only
    ]
    return Report(
        market_wad=Wad(lower_median([v.market_wad for v in values], stakes)),
        redemption_wad=Wad(redemption),
        spread_bps=Bps(lower_median([v.spread_bps for v in values], stakes)),
        status=status,
        why=why if status is not Status.OK else Why.NONE,
        round_time_s=values[0].round_time_s,
        market_age_s=lower_median([v.market_age_s for v in values], stakes),
        redemption_age_h=lower_median([a for a, _ in ages], [w for _, w in ages]),
        status_only=status_only,
    )


def _keeps(report: Report) -> bool:
    """Whether its prices are those of before; a halt's always are."""
    return report.status_only or report.status is Status.HALT


def _backed(rates: Sequence[int], stakes: Sequence[int], least: int) -> int:
    """The lowest rate that so much weight says, or a lower one."""
    below = 0
    for rate, weight in sorted(zip(rates, stakes, strict=True)):
        below += weight
        if below >= least:
            return rate
    raise AssertionError("the weight was counted before")


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
    """The worst status that more than half of the weight reports, or worse; at least watch where half of it does.

    A price is the lower median: of two halves it is that of the lower one, and must not look better than it.
    """
    stakes = tuple(weights) or (1,) * len(statuses)
    heard = tuple(zip(statuses, stakes, strict=True))
    total = sum(stakes)
    most = next(s for s in sorted(Status, reverse=True) if 2 * sum(w for x, w in heard if x >= s) > total)
    halves = 2 * sum(w for x, w in heard if x > Status.OK) == total
    return Status.WATCH if halves and most is Status.OK else most
