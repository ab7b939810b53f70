"""How far market and redemption have parted, and what a feed without one of the two is worth."""

from __future__ import annotations

from feeds.units import BPS, deviation_bps_away, mul_div_up, percent_text
from oracle.judge.evidence import AppliesTo, Finding, JudgeRule, RuleInput
from oracle.judge.plausibility import implausibility
from oracle.model.status import Reason, Status, Why

_TWO = 2


def _thresholds(rule_input: RuleInput) -> tuple[int, int]:
    """(watch, depeg) in bps: lower for leaving a status than for entering it. Out of a halt a status is entered anew."""
    bands = rule_input.spec.bands
    status = Status.OK if rule_input.status is Status.HALT else rule_input.status
    watch = bands.watch_leave_bps if status >= Status.WATCH else bands.watch_bps
    return watch, bands.depeg_leave_bps if status >= Status.DEPEG else bands.depeg_bps


def level(rule_input: RuleInput) -> Finding | None:
    """Distance from the normal discount, with lower bands for leaving a status than for entering it.

    A depeg needs two independent groups, each beyond the band against every reading of the rate; otherwise it is a watch.
    Readings that disagree by more than that hide nothing, and one wrong reading makes no depeg.
    """
    evidence, normal_bps = rule_input.evidence, rule_input.normal_bps
    deviation = evidence.deviation
    if deviation is None:
        return None
    size = abs(deviation - normal_bps)
    watch, depeg = _thresholds(rule_input)
    if size < watch:
        return None
    below = deviation < normal_bps
    text = f"market is {percent_text(abs(deviation))} {'below' if deviation < 0 else 'above'} redemption"
    if normal_bps:
        text += f" ({percent_text(abs(normal_bps))} {'below' if normal_bps < 0 else 'above'} is normal)"
    sure = rule_input.status is Status.DEPEG or evidence.groups_beyond(depeg, normal_bps, below=below) >= _TWO
    return Finding(
        status=Status.DEPEG if size >= depeg and sure else Status.WATCH,
        reason=Reason(code=Why.DISCOUNT if below else Why.PREMIUM, text=text),
    )


LEVEL = JudgeRule(
    find=level,
    reasons=(Why.DISCOUNT, Why.PREMIUM),
    watches="level against redemption",
    keys=("watch_bps", "depeg_bps", "normal_bps"),
)


def without_price(rule_input: RuleInput) -> Finding | None:
    """A round without a price in which two groups or more all lie beyond the band, on the same side.

    They disagree about how bad it is, or too few of them are left: that is not a price, and it is not silence either. The
    group nearest to the normal level decides. A level that cannot be the token's price says that something is wrong, not what.
    """
    evidence, normal_bps = rule_input.evidence, rule_input.normal_bps
    rate_wad, prices = evidence.redemption_wad, evidence.group_prices
    if not rate_wad or len(prices) < _TWO:
        return None
    gaps = sorted(deviation_bps_away(p, rate_wad) - normal_bps for p in prices)
    if gaps[0] < 0 < gaps[-1]:
        return None
    below = gaps[0] < 0
    nearest = max(prices) if below else min(prices)
    size = min(abs(gaps[0]), abs(gaps[-1]))
    watch, depeg = _thresholds(rule_input)
    if size < watch:
        return None
    every = evidence.groups_beyond(depeg, normal_bps, below=below) == len(prices)
    sure = every and implausibility(nearest, rate_wad, rule_input.spec, _TWO) is None
    side = "below" if below else "above"
    text = f"no price, and every group lies {percent_text(size)} or more {side} what is normal"
    return Finding(
        status=Status.DEPEG if size >= depeg and sure else Status.WATCH,
        reason=Reason(code=Why.DISCOUNT if below else Why.PREMIUM, text=text),
    )


WITHOUT_PRICE = JudgeRule(
    find=without_price,
    reasons=(Why.DISCOUNT, Why.PREMIUM),
    watches="no price, and every group beyond the band on one side",
    keys=("watch_bps", "depeg_bps", "normal_bps"),
    applies_to=AppliesTo.UNPRICED,
)


def of_leg(rule_input: RuleInput) -> Finding | None:
    """The share token of a rebasing one has no price either, and its evidence asks for a status all the same."""
    return rule_input.evidence.of_leg


OF_LEG = JudgeRule(
    find=of_leg,
    reasons=(),
    watches="no price, and the evidence of the share token asks for a status",
    applies_to=AppliesTo.UNPRICED,
)


def no_market(rule_input: RuleInput) -> Finding | None:
    """A token without a market is at best watched."""
    if rule_input.evidence.market_wad or rule_input.spec.has_market:
        return None
    return Finding(status=Status.WATCH, reason=Reason(code=Why.NO_MARKET, text="no market price: redemption only"))


NO_MARKET = JudgeRule(find=no_market, reasons=(Why.NO_MARKET,), watches="no market source is configured")


def single_group(rule_input: RuleInput) -> Finding | None:
    """One group is no second opinion: the spread says how far it may be wrong, down to what the protocol owes."""
    evidence = rule_input.evidence
    if not evidence.market_wad or not rule_input.spec.accept_single_group or evidence.groups > 1:
        return None
    reason = Reason(code=Why.SINGLE_GROUP, text="one group of sources only")
    market, rate = evidence.market_wad, evidence.redemption_wad
    apart_bps = mul_div_up(abs(market - rate), BPS, market) if rate else 0  # of the price, as the spread is
    return Finding(status=Status.WATCH, reason=reason, doubt=True, apart_bps=apart_bps)


SINGLE_GROUP = JudgeRule(
    find=single_group, reasons=(Why.SINGLE_GROUP,), watches="one group of sources only", note="`accept_single_group`"
)
