"""Compose: the signed record, its 30-byte item and its place in the slot. The mirror of PriceStore.sol.

Item, big endian: index 2 | market 11 | redemption 11 | spread_bps 2 | status 1 | market_age_s 2 | redemption_age_h 1.
The status byte is reason class 4 | status only 1 | state 3.
Slot: the item's 28 bytes after the index, then round_time in the low 32 bits. There the bit of "status only" is the one of a
pause, and the two above the spread's 14 say whose prices are held (docs/adr/0004).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from feeds.units import BPS, MS, Bps, Wad, div_up, mul_div_up, wad_mul_down
from oracle.model.publication import Record
from oracle.model.spec import Mode
from oracle.model.state import RateState
from oracle.model.status import Status, Unencodable, Why
from oracle.model.types import Aggregate, Published, Report, Verdict

ITEM_BYTES = 30
MAX_PRICE = (1 << 88) - 1
MAX_U16 = (1 << 16) - 1
MAX_SPREAD_BPS = (1 << 14) - 1
MAX_U8 = (1 << 8) - 1
_HOUR_MS = 3_600_000
_LOW = 0x0F
_STATE = 0x07
_STATUS_ONLY = 0x08
_WHOLE_PPM = 1_000_000


def compose(
    verdict: Verdict, market: Aggregate | None, rate: RateState | None, *, now_ms: int, round_time_s: int
) -> Report:
    """Build the report of a round. Ages are rounded up and saturate.

    Raises:
        Unencodable: a price that does not fit 88 bits, or is 0 where there is one.
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


def kept(
    published: Published, status: Status, why: Why, *, round_time_s: int, rate: tuple[Wad, int] | None = None
) -> Report:
    """Status-only report: the prices that were last published, to the bit, with their ages of now.

    Whoever was there in which round, all operators come to the same. The one exception is a lower redemption rate than the
    published one: a slash must not hide behind a halt. Never a rise.

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


def keeps(report: Report, published: Published) -> bool:
    """Whether a status-only report repeats what was published: all but a lower redemption rate is the same, to the bit."""
    fair = kept(published, report.status, report.why, round_time_s=report.round_time_s)
    lower = 0 < report.redemption_wad < fair.redemption_wad
    if lower:
        fair = replace(fair, redemption_wad=report.redemption_wad, redemption_age_h=report.redemption_age_h)
    return fair == report


def follow(
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


def encode_item(index: int, report: Report) -> bytes:
    """The 30 bytes of one token in a batch."""
    return b"".join(
        (
            index.to_bytes(2, "big"),
            report.market_wad.to_bytes(11, "big"),
            report.redemption_wad.to_bytes(11, "big"),
            report.spread_bps.to_bytes(2, "big"),
            (report.why.klass << 4 | report.status_only << 3 | report.status).to_bytes(1, "big"),
            report.market_age_s.to_bytes(2, "big"),
            report.redemption_age_h.to_bytes(1, "big"),
        )
    )


def decode_item(item: bytes, round_time_s: int) -> tuple[int, Report]:
    """Read 30 bytes back into (index, report); ValueError if they are no item."""
    if len(item) != ITEM_BYTES:
        raise ValueError(f"an item has {ITEM_BYTES} bytes, not {len(item)}")
    report = decode_slot(int.from_bytes(item[2:], "big") << 32 | round_time_s)
    return int.from_bytes(item[:2], "big"), replace(report, status_only=bool(item[26] & _STATUS_ONLY))


def encode_slot(report: Report) -> int:
    """The 256-bit word that the store keeps of a report whose prices it takes."""
    return int.from_bytes(encode_item(0, replace(report, status_only=False))[2:], "big") << 32 | report.round_time_s


def decode_slot(word: int) -> Report:
    """Read the store's word; ValueError for a state that does not exist."""
    return Report(
        market_wad=Wad(word >> 168),
        redemption_wad=Wad(word >> 80 & MAX_PRICE),
        spread_bps=Bps(word >> 64 & MAX_SPREAD_BPS),
        status=Status(word >> 56 & _STATE),
        why=Why(word >> 60 & _LOW),
        round_time_s=word & 0xFFFFFFFF,
        market_age_s=word >> 40 & MAX_U16,
        redemption_age_h=word >> 32 & MAX_U8,
    )


def followed(before: Published | None, record: Record | None, round_time_s: int) -> Published | None:
    """What is published of a feed after a round that brought this record, or none."""
    return follow(before, record.report if record else None, round_time_s, record.ramp_ppm if record else 0)
