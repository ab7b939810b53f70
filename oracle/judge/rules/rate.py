"""What the protocol owes: a rate that fell, grew too fast, stands still, is closed, or differs between two readings."""

from __future__ import annotations

from feeds.units import MS, deviation_bps_away, percent_text, wad_text
from oracle.judge.evidence import AppliesTo, Finding, JudgeRule, RuleInput
from oracle.judge.redemption_rate import PPB_PER_BPS, slash_ppb
from oracle.model.status import Reason, Status, Why

_HOUR_MS = 3_600_000


def slash(rule_input: RuleInput) -> Finding | None:
    """The ether behind one share fell: a slash, or a mistake in the protocol's own accounting.

    One reading holds it against the token for ``slash_hold_s``, so a dwell would add nothing: it would only delay it, or
    where rounds are sparse outlast the hold.
    """
    evidence = rule_input.evidence
    ppb = max(slash_ppb(rule_input.spec.bands, evidence.rate, rule_input.now_ms), evidence.leg_slash_ppb)
    if not ppb:
        return None
    text = f"ether per share fell by {percent_text(ppb // PPB_PER_BPS)} ({ppb} parts per billion)"
    return Finding(status=Status.WATCH, reason=Reason(code=Why.SLASH, text=text), at_once=Status.WATCH)


SLASH = JudgeRule(
    find=slash,
    reasons=(Why.SLASH,),
    watches="the rate fell",
    keys=("slash_ppb", "slash_hold_s"),
    note="at once",
    applies_to=AppliesTo.ALL,
)


def growth(rule_input: RuleInput) -> Finding | None:
    """The rate rose beyond what the token may earn: a donation, a wrong fee, a wrong decimal. The cap is published."""
    rate, cap_wad = rule_input.evidence.rate, rule_input.evidence.redemption_wad
    if rate is None or not cap_wad or rate.rate_wad <= cap_wad:
        return None
    excess = percent_text(deviation_bps_away(rate.rate_wad, cap_wad))
    read, cap = wad_text(rate.rate_wad, 6), wad_text(cap_wad, 6)
    text = f"the rate reads {read}, {excess} above its growth cap of {cap}; the cap is published"
    return Finding(status=Status.WATCH, reason=Reason(code=Why.GROWTH, text=text), doubt=True, at_once=Status.WATCH)


GROWTH = JudgeRule(
    find=growth,
    reasons=(Why.GROWTH,),
    watches="the rate grew too fast; the cap is published",
    keys=("growth_bps_year", "growth_slack_bps", "snapshot_days"),
    note="at once",
)


def stale(rule_input: RuleInput) -> Finding | None:
    """The rate has stood for longer than its own cadence allows."""
    cadence_ms, rate = rule_input.spec.rules.cadence_s * MS, rule_input.evidence.rate
    if not cadence_ms or rate is None or rule_input.now_ms - rate.changed_at_ms <= cadence_ms:
        return None
    hours, limit = (rule_input.now_ms - rate.changed_at_ms) // _HOUR_MS, cadence_ms // _HOUR_MS
    text = f"the rate has not changed for {hours} h; its protocol moves it at least every {limit} h"
    return Finding(status=Status.WATCH, reason=Reason(code=Why.RATE_STALE, text=text))


STALE = JudgeRule(
    find=stale, reasons=(Why.RATE_STALE,), watches="the rate stands still for too long", keys=("cadence_s",)
)


def closed(rule_input: RuleInput) -> Finding | None:
    """A contract of the protocol says that holders cannot redeem: the market alone pays what is owed."""
    closed_by = rule_input.evidence.closed_by
    if not closed_by:
        return None
    text = f"holders cannot redeem now: {', '.join(closed_by)}"
    return Finding(status=Status.WATCH, reason=Reason(code=Why.CLOSED, text=text))


CLOSED = JudgeRule(
    find=closed,
    reasons=(Why.CLOSED,),
    watches="a contract says that holders cannot redeem now",
    note="`redemption_unless_depeg` goes to the market",
)


def derivation(rule_input: RuleInput) -> Finding | None:
    """A second, independent reading of the rate differs from the first."""
    limit, readings = rule_input.spec.rules.derivation_bps, rule_input.evidence.readings
    if not limit or len(readings) < 2:  # noqa: PLR2004 - two readings
        return None
    (first, rate), *others = readings
    distances = [(name, abs(deviation_bps_away(other, rate))) for name, other in others]
    name, apart = max(distances, key=lambda d: d[1])
    if apart <= limit:
        return None
    text = f"{name} differs by {percent_text(apart)} from {first}, the limit is {percent_text(limit)}"
    return Finding(status=Status.WATCH, reason=Reason(code=Why.DERIVATION, text=text), doubt=True, apart_bps=apart)


DERIVATION = JudgeRule(
    find=derivation, reasons=(Why.DERIVATION,), watches="two readings of the rate differ", keys=("derivation_bps",)
)
