"""How far market and redemption have parted, and what a feed without one of the two is worth."""

from __future__ import annotations

from feeds.units import BPS, deviation_bps_away, mul_div_up, percent_text
from oracle.judge.rules.evidence import Finding, RuleInput
from oracle.judge.rules.market import dimension
from oracle.model.status import Reason, Status, Why

_TWO = 2


def level(case: RuleInput) -> Finding | None:
    """Distance from the normal discount, with lower bands for leaving a state than for entering it.

    A depeg needs two independent groups that each say so against every reading of the rate: else it is a watch. Readings that
    disagree by more than that hide nothing, and one that is wrong makes no depeg.
    """
    bands, signed = case.spec.bands, case.seen.deviation
    if signed is None:
        return None
    size = abs(signed - case.normal_bps)
    status = Status.OK if case.status is Status.HALT else case.status  # what comes out of a halt enters anew
    depeg = bands.depeg_leave_bps if status >= Status.DEPEG else bands.depeg_bps
    watch = bands.watch_leave_bps if status >= Status.WATCH else bands.watch_bps
    if size < watch:
        return None
    below = signed < case.normal_bps
    word = "below" if signed < 0 else "above"
    text = f"market is {percent_text(abs(signed))} {word} redemption"
    if case.normal_bps:
        text += f" ({percent_text(abs(case.normal_bps))} {'below' if case.normal_bps < 0 else 'above'} is normal)"
    sure = status is Status.DEPEG or case.seen.beyond(depeg, case.normal_bps, below=below) >= _TWO
    return Finding(
        status=Status.DEPEG if size >= depeg and sure else Status.WATCH,
        reason=Reason(code=Why.DISCOUNT if below else Why.PREMIUM, text=text),
    )


def without_price(case: RuleInput) -> Finding | None:
    """A round without a price in which two groups or more lie beyond the band, every one, to the same side.

    They disagree about how bad it is, or too few of them are left: that is no price, and no silence either. The one nearest
    to the normal level decides. What cannot be the token's price at all says that something is wrong, not what.
    """
    bands, owed = case.spec.bands, case.seen.redemption_wad
    if not owed or len(case.seen.voices) < _TWO:
        return None
    gaps = sorted(deviation_bps_away(v, owed) - case.normal_bps for v in case.seen.voices)
    if gaps[0] < 0 < gaps[-1]:
        return None
    below = gaps[0] < 0
    nearest = max(case.seen.voices) if below else min(case.seen.voices)
    size = min(abs(gaps[0]), abs(gaps[-1]))
    status = Status.OK if case.status is Status.HALT else case.status
    depeg = bands.depeg_leave_bps if status >= Status.DEPEG else bands.depeg_bps
    watch = bands.watch_leave_bps if status >= Status.WATCH else bands.watch_bps
    if size < watch:
        return None
    every = case.seen.beyond(depeg, case.normal_bps, below=below) == len(case.seen.voices)
    sure = every and dimension(nearest, owed, case.spec, _TWO) is None
    text = f"no price, and every group lies {percent_text(size)} or more {'below' if below else 'above'} what is normal"
    return Finding(
        status=Status.DEPEG if size >= depeg and sure else Status.WATCH,
        reason=Reason(code=Why.DISCOUNT if below else Why.PREMIUM, text=text),
    )


def of_leg(case: RuleInput) -> Finding | None:
    """The share token of a rebasing one has no price either, and its evidence says something all the same."""
    return case.seen.of_leg


def no_market(case: RuleInput) -> Finding | None:
    """A token without a market is at best watched."""
    if case.seen.market_wad or case.spec.has_market:
        return None
    return Finding(status=Status.WATCH, reason=Reason(code=Why.NO_MARKET, text="no market price: redemption only"))


def single_group(case: RuleInput) -> Finding | None:
    """One group is no second opinion: the spread says how far it may be wrong, down to what the protocol owes."""
    if not case.seen.market_wad or not case.spec.accept_single_group or case.seen.groups > 1:
        return None
    reason = Reason(code=Why.SINGLE_GROUP, text="one group of sources only")
    market, owed = case.seen.market_wad, case.seen.redemption_wad
    apart = mul_div_up(abs(market - owed), BPS, market) if owed else 0  # of the price, as the spread is
    return Finding(status=Status.WATCH, reason=reason, doubt=True, apart_bps=apart)
