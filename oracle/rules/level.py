"""How far market and redemption have parted, and what a feed without one of the two is worth."""

from __future__ import annotations

from feeds.units import percent_text
from oracle.rules.evidence import Case, Finding
from oracle.types import Reason, Status, Why

_TWO = 2


def level(case: Case) -> Finding | None:
    """Distance from the normal discount, with lower bands for leaving a state than for entering it.

    A depeg needs two independent groups behind the market price: one alone is never more than a watch.
    """
    bands, signed = case.spec.bands, case.seen.deviation
    if signed is None:
        return None
    size = abs(signed - case.normal_bps)
    depeg = bands.depeg_leave_bps if case.status >= Status.DEPEG else bands.depeg_enter_bps
    watch = bands.watch_leave_bps if case.status >= Status.WATCH else bands.watch_enter_bps
    if size < watch:
        return None
    below = signed < case.normal_bps
    word = "below" if signed < 0 else "above"
    text = f"market is {percent_text(abs(signed))} {word} redemption"
    if case.normal_bps:
        text += f" ({percent_text(abs(case.normal_bps))} {'below' if case.normal_bps < 0 else 'above'} is normal)"
    alone = case.seen.groups < _TWO and case.status < Status.DEPEG
    return Finding(
        status=Status.DEPEG if size >= depeg and not alone else Status.WATCH,
        reason=Reason(code=Why.DISCOUNT if below else Why.PREMIUM, text=text),
    )


def no_market(case: Case) -> Finding | None:
    """A token without a market is at best watched."""
    if case.seen.market_wad or case.spec.has_market:
        return None
    return Finding(status=Status.WATCH, reason=Reason(code=Why.NO_MARKET, text="no market price: redemption only"))


def single_group(case: Case) -> Finding | None:
    """One group is no second opinion."""
    if not case.seen.market_wad or not case.spec.accept_single_group or case.seen.groups > 1:
        return None
    return Finding(status=Status.WATCH, reason=Reason(code=Why.SINGLE_GROUP, text="one group of sources only"))
