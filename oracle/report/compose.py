"""Compose: what is said of a feed in a round, and what stays published of it after the round. No bytes here: see wire."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from feeds.units import BPS, MS, Bps, Wad, div_up, mul_div_up, wad_mul_down
from oracle.model.publication import Record
from oracle.model.spec import Mode
from oracle.model.state import RateState
from oracle.model.status import Status, Unencodable, Why
from oracle.model.types import Aggregate, Published, Report, Verdict
from oracle.report.wire import MAX_PRICE, MAX_SPREAD_BPS, MAX_U8, MAX_U16

_HOUR_MS = 3_600_000
_WHOLE_PPM = 1_000_000


def compose(
    verdict: Verdict, market: Aggregate | None, rate: RateState | None, *, now_ms: int, round_time_s: int
) -> Report:
    """Build the report of a round. Ages are rounded up and saturate.

    Raises:
        Unencodable: a price that does not fit 88 bits.
    """
    for name, price in (("market", verdict.market_wad), ("redemption", verdict.redemption_wad)):
        if not 0 <= price <= MAX_PRICE:
            raise Unencodable(f"{name} price {price} does not fit the 88 bits of the chain's field", price=str(price))
    return Report(
        market_wad=verdict.market_wad,
        redemption_wad=verdict.redemption_wad,
        spread_bps=Bps(min(MAX_SPREAD_BPS, (market.spread_bps if market else 0) + verdict.widen_bps)),
        status=verdict.status,
        why=main_reason(verdict),
        round_time_s=round_time_s,
        market_age_s=age_up(now_ms, market.as_of_ms, MS, MAX_U16) if market else 0,
        redemption_age_h=age_up(now_ms, rate.changed_at_ms, _HOUR_MS, MAX_U8) if rate else 0,
    )


def main_reason(verdict: Verdict) -> Why:
    """Reason class of the status byte: the first (worst) reason, NONE where the status is ok."""
    return verdict.reasons[0].code.klass if verdict.reasons and verdict.status is not Status.OK else Why.NONE


def status_only_report(
    published: Published, status: Status, why: Why, *, round_time_s: int, rate: tuple[Wad, int] | None = None
) -> Report:
    """Build a status-only report: the prices that were last published, to the bit, with their ages of now.

    All operators come to the same report, whichever rounds each of them missed. The one exception is a redemption rate that
    is lower than the published one: a slash must not hide behind a halt. Never a rise.

    Args:
        published: what the operators last agreed on.
        status: of now.
        why: its reason.
        round_time_s: of now.
        rate: the redemption rate that the operator reads itself, and when it last changed (Unix ms).
    """
    old = published.report
    market_age_s = min(MAX_U16, old.market_age_s + round_time_s - old.round_time_s) if old.market_wad else 0
    hours = div_up(round_time_s - published.redemption_s, _HOUR_MS // MS)
    redemption, age_h = old.redemption_wad, min(MAX_U8, old.redemption_age_h + hours) if old.redemption_wad else 0
    if rate is not None and 0 < rate[0] < redemption:
        redemption, age_h = rate[0], age_up(round_time_s * MS, rate[1], _HOUR_MS, MAX_U8)
    return Report(
        market_wad=old.market_wad,
        redemption_wad=redemption,
        spread_bps=old.spread_bps,
        status=status,
        why=why.klass,
        round_time_s=round_time_s,
        market_age_s=market_age_s,
        redemption_age_h=age_h,
        status_only=True,
    )


def repeats_published(report: Report, published: Published) -> bool:
    """Whether a status-only report repeats what was published: all but a lower redemption rate is the same, to the bit."""
    fair = status_only_report(published, report.status, report.why, round_time_s=report.round_time_s)
    lower = 0 < report.redemption_wad < fair.redemption_wad
    if lower:
        fair = replace(fair, redemption_wad=report.redemption_wad, redemption_age_h=report.redemption_age_h)
    return fair == report


def published_after(
    published: Published | None, report: Report | None, round_time_s: int, ramp_ppm: int = 0
) -> Published | None:
    """What is published after a round.

    Args:
        published: before it; None before the first price.
        report: what the round brought, None if nothing.
        round_time_s: of the round.
        ramp_ppm: how far ``redemption_unless_depeg`` had gone in it.
    """
    if report is None or published is None:
        if report is not None and not report.status_only:
            return Published(report=report, status=report.status, redemption_s=round_time_s, ramp_ppm=ramp_ppm)
        return None if published is None else replace(published, silent_since_s=_silent(published, round_time_s))
    if not report.status_only:
        return Published(report=report, status=report.status, redemption_s=round_time_s, ramp_ppm=ramp_ppm)
    since = None if report.status is Status.HALT else _silent(published, round_time_s)
    after = replace(published, status=report.status, silent_since_s=since)
    if report.redemption_wad >= published.report.redemption_wad:
        return after
    lower = replace(published.report, redemption_wad=report.redemption_wad, redemption_age_h=report.redemption_age_h)
    return replace(after, report=lower, redemption_s=round_time_s)


def _silent(published: Published, round_time_s: int) -> int:
    return round_time_s if published.silent_since_s is None else published.silent_since_s


def age_up(now_ms: int, at_ms: int, unit_ms: int, most: int) -> int:
    """Age in whole units, rounded up, saturating at `most`."""
    return min(most, div_up(max(0, now_ms - at_ms), unit_ms))


def price_of(report: Report, mode: Mode, ramp_ppm: int = 0) -> Wad:
    """The price that a reader in this mode gets, rounded down; 0 where the report has none.

    Args:
        report: what was published.
        mode: which of the two prices.
        ramp_ppm: how much of the market is in ``redemption_unless_depeg``, in millionths.
    """
    present = [p for p in (report.market_wad, report.redemption_wad) if p]
    match mode:
        case Mode.MARKET:
            return report.market_wad
        case Mode.REDEMPTION | Mode.CAPPED:
            return report.redemption_wad
        case Mode.REDEMPTION_UNLESS_DEPEG:
            if len(present) < 2:  # noqa: PLR2004 - both prices
                return next(iter(present), Wad(0))
            mixed = report.market_wad * ramp_ppm + report.redemption_wad * (_WHOLE_PPM - ramp_ppm)
            return Wad(mixed // _WHOLE_PPM)
        case Mode.MIN:
            return min(present, default=Wad(0))
        case Mode.MAX:
            return max(present, default=Wad(0))


def cross(legs: Sequence[Report]) -> Report:
    """Product of two feeds: both prices of the first times the market price of the second, rounded down.

    Status is the worst, round time and age are the older, spreads add up (rounded up). As CrossView.sol.
    """
    first, second = legs
    worst = max(legs, key=lambda r: r.status)
    joined = first.spread_bps + second.spread_bps + mul_div_up(first.spread_bps, second.spread_bps, BPS)
    return Report(
        market_wad=wad_mul_down(first.market_wad, second.market_wad),
        redemption_wad=wad_mul_down(first.redemption_wad, second.market_wad),
        spread_bps=Bps(min(MAX_SPREAD_BPS, joined)),
        status=worst.status,
        why=worst.why,
        round_time_s=min(r.round_time_s for r in legs),
        market_age_s=max(r.market_age_s for r in legs),
        redemption_age_h=first.redemption_age_h,
        status_only=any(r.status_only for r in legs),
    )


def cross_price(first_wad: Wad, second: Report) -> Wad:
    """Price of a cross: its first leg's in that one's mode, times the second's market, rounded down. As CrossView.sol.

    Args:
        first_wad: the first leg's price, with its ramp.
        second: the second leg.
    """
    return wad_mul_down(first_wad, second.market_wad)


def published_after_record(before: Published | None, record: Record | None, round_time_s: int) -> Published | None:
    """What is published of a feed after a round that brought this record, or none."""
    return published_after(before, record.report if record else None, round_time_s, record.ramp_ppm if record else 0)
