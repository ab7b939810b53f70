"""Agree: the verified values of several operators become one report for each feed, field by field their lower median. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType

from feeds.units import Bps, Wad
from oracle.model.status import Status, Why
from oracle.model.types import Report
from oracle.report.wire import encode_item
from oracle.sign.messages import SignerSet
from oracle.sign.verified_values import VerifiedValues


def agreed_items(values: Sequence[VerifiedValues], signers: SignerSet) -> Mapping[int, bytes]:
    """The agreed report of each feed (by index) on which the threshold's weight has values of one kind, as it is signed.

    Kept by content: the leader and every member of a process get the same answer without computing it again.
    """
    return _agreed(tuple(sorted(values, key=lambda v: v.address)), signers)


def median_reports(reports: Mapping[bytes, Mapping[int, Report]], signers: SignerSet) -> dict[int, Report]:
    """The agreed report of each feed (by index), of the reports that each signer (by address) has of it."""
    by_feed: dict[int, dict[bytes, Report]] = {}
    for address in sorted(reports):
        for index, own in reports[address].items():
            by_feed.setdefault(index, {})[address] = own
    agreed: dict[int, Report] = {}
    for index, by_signer in sorted(by_feed.items()):
        weights = [signers.weight_of((address,)) for address in by_signer]
        report = median_report(tuple(by_signer.values()), weights, signers.threshold) if sum(weights) else None
        if report is not None:
            agreed[index] = report
    return agreed


@lru_cache(maxsize=64)
def _agreed(values: tuple[VerifiedValues, ...], signers: SignerSet) -> Mapping[int, bytes]:
    reports = median_reports({v.address: v.reports for v in values}, signers)
    return MappingProxyType({index: encode_item(index, report) for index, report in reports.items()})


def median_report(reports: Sequence[Report], weights: Sequence[int] = (), threshold: int = 0) -> Report | None:
    """Lower median of every number; the worst status that a majority reports, with the reason most of those give.

    With less than half of the weight lying, every field lies within the honest operators' range. All reports are of one
    feed and one round_time; at least one. Fresh prices and status-only prices (those of an earlier round) are never mixed: a
    halt has status-only ones, otherwise the kind counts that reaches the threshold by itself, fresh prices first. Of
    status-only ones a lower redemption rate counts once the threshold's weight has read it.

    Args:
        reports: what the operators signed.
        weights: their stakes, in the same order; () counts heads.
        threshold: the weight that a price must have behind it; 0: more than half of all.

    Returns:
        The agreed report; None where neither kind reaches the threshold.
    """
    stakes = tuple(weights) or (1,) * len(reports)
    least = threshold or sum(stakes) // 2 + 1
    status = agreed_status([r.status for r in reports], stakes)
    weighted = tuple(zip(reports, stakes, strict=True))
    fresh = [pair for pair in weighted if not pair[0].repeats_prices]
    no_fresh = status is Status.HALT or sum(w for _, w in fresh) < least
    kind = [pair for pair in weighted if pair[0].repeats_prices] if no_fresh else fresh
    if sum(w for _, w in kind) < least:
        return None
    return _of_one_kind(reports, [r for r, _ in kind], [w for _, w in kind], status, least)


def _of_one_kind(
    everyone: Sequence[Report], reports: Sequence[Report], stakes: Sequence[int], status: Status, least: int
) -> Report:
    whys = sorted(r.why for r in everyone if r.status >= status and r.why is not Why.NONE)
    why = max(whys, key=lambda w: (whys.count(w), -w), default=Why.NONE)
    status_only = reports[0].repeats_prices
    rates = [r.redemption_wad for r in reports]
    redemption = _rate_backed_by(rates, stakes, least) if status_only else lower_median(rates, stakes)
    ages = [
        (r.redemption_age_h, w)
        for r, w in zip(reports, stakes, strict=True)
        if r.redemption_wad <= redemption or not status_only
    ]
    return Report(
        market_wad=Wad(lower_median([r.market_wad for r in reports], stakes)),
        redemption_wad=Wad(redemption),
        spread_bps=Bps(lower_median([r.spread_bps for r in reports], stakes)),
        status=status,
        why=why if status is not Status.OK else Why.NONE,
        round_time_s=reports[0].round_time_s,
        market_age_s=lower_median([r.market_age_s for r in reports], stakes),
        redemption_age_h=lower_median([a for a, _ in ages], [w for _, w in ages]),
        status_only=status_only,
    )


def _rate_backed_by(rates: Sequence[int], stakes: Sequence[int], least: int) -> int:
    """The lowest rate that so much of the weight reports, itself or a lower one."""
    below = 0
    for rate, weight in sorted(zip(rates, stakes, strict=True)):
        below += weight
        if below >= least:
            return rate
    raise AssertionError("less weight than was counted before")


def lower_median(numbers: Sequence[int], weights: Sequence[int] = ()) -> int:
    """Number at half of the weight, where that falls between two the lower one: always one of the numbers."""
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
    weighted = tuple(zip(statuses, stakes, strict=True))
    total = sum(stakes)
    most = next(s for s in sorted(Status, reverse=True) if 2 * sum(w for x, w in weighted if x >= s) > total)
    halves = 2 * sum(w for x, w in weighted if x > Status.OK) == total
    return Status.WATCH if halves and most is Status.OK else most
