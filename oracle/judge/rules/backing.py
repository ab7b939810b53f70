"""Is there something behind every unit? Tokens minted or released without it are worth what the market still pays.

The supply is the sum of what exists on all chains that are read (also of a wrapped form on the other side of a bridge), the
backing what the protocol or the bridge's escrow holds; both in units of the token.
"""

from __future__ import annotations

from feeds.units import BPS, MS, deviation_bps_away, mul_div_down, percent_text
from oracle.judge.rules.cusum import gap_ms
from oracle.judge.rules.evidence import Evidence, Finding, RuleInput
from oracle.model.state import Memory
from oracle.model.status import Reason, Status, Why

_DAY_MS = 86_400 * MS
_FAST = 5


def unbacked(case: RuleInput) -> Finding | None:
    """There is more of the token than what stands behind it; or, where that is unknown, much more than shortly before."""
    limit, supply, backing = case.spec.rules.supply_bps, case.seen.supply_wad, case.seen.backing_wad
    if not limit or not supply:
        return None
    known = backing or case.memory.supply_wad
    if not known or (over := deviation_bps_away(supply, known)) <= limit:
        return None
    if backing:
        text = f"{percent_text(over)} more of the token exists than is backed, the limit is {percent_text(limit)}"
        return Finding(
            status=Status.DEPEG, reason=Reason(code=Why.UNBACKED, text=text), doubt=True, at_once=Status.WATCH
        )
    text = f"the supply grew by {percent_text(over)} in short, and nothing says what backs it"
    return Finding(status=Status.WATCH, reason=Reason(code=Why.UNBACKED, text=text), doubt=True, at_once=Status.WATCH)


def supply(memory: Memory, seen: Evidence, limit_bps: int, now_ms: int) -> int | None:
    """The supply that counts as known: it follows what is read, by no more than five times the limit a day either way.

    A gap in the rounds counts for a day at most: what leapt while nobody looked is looked at for as long as any leap.
    """
    now, old = seen.supply_wad, memory.supply_wad
    if not now or not old:
        return now or old
    step = mul_div_down(old, _FAST * limit_bps * gap_ms(memory, now_ms), BPS * _DAY_MS)
    return max(old - step, min(now, old + step))
