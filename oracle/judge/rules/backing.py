"""Does something stand behind every unit? Tokens minted or released without it are worth what the market still pays.

The supply is the sum of what exists on all chains that are read (also of a wrapped form on the other side of a bridge), the
backing what the protocol or the bridge's escrow holds; both in units of the token.
"""

from __future__ import annotations

from feeds.units import BPS, MS, deviation_bps_away, mul_div_down, percent_text
from oracle.judge.elapsed import gap_ms
from oracle.judge.evidence import AppliesTo, Evidence, Finding, JudgeRule, RuleInput
from oracle.model.state import Memory
from oracle.model.status import Reason, Status, Why

_DAY_MS = 86_400 * MS
_LIMITS_A_DAY = 5


def unbacked(rule_input: RuleInput) -> Finding | None:
    """There is more of the token than stands behind it; or, where that is unknown, much more than shortly before."""
    evidence, limit = rule_input.evidence, rule_input.spec.rules.supply_bps
    supply, backing = evidence.supply_wad, evidence.backing_wad
    known = rule_input.memory.supply_wad if backing is None else backing
    if not limit or not supply or known is None:
        return None
    excess = deviation_bps_away(supply, known) if known else None
    if excess is not None and excess <= limit:
        return None
    if backing is None:
        text = f"the supply grew by {percent_text(excess or 0)} within a short time, and no source says what backs it"
        return Finding(
            status=Status.WATCH, reason=Reason(code=Why.UNBACKED, text=text), doubt=True, at_once=Status.WATCH
        )
    text = (
        "nothing stands behind the token"
        if excess is None
        else f"{percent_text(excess)} more of the token exists than is backed, the limit is {percent_text(limit)}"
    )
    return Finding(status=Status.DEPEG, reason=Reason(code=Why.UNBACKED, text=text), doubt=True, at_once=Status.WATCH)


UNBACKED = JudgeRule(
    find=unbacked,
    reasons=(Why.UNBACKED,),
    watches="more tokens than backing",
    keys=("supply_bps",),
    note="watch at once",
    applies_to=AppliesTo.ALL,
)


def next_supply(memory: Memory, evidence: Evidence, limit_bps: int, now_ms: int) -> int | None:
    """The supply that counts as known: it follows what is read, by no more than five times the limit a day either way.

    A gap in the rounds counts for a day at most: a leap during a gap is held against the token as long as any other.
    """
    supply, known = evidence.supply_wad, memory.supply_wad
    if not supply or not known:
        return supply or known
    step = mul_div_down(known, _LIMITS_A_DAY * limit_bps * gap_ms(memory, now_ms), BPS * _DAY_MS)
    return max(known - step, min(supply, known + step))
