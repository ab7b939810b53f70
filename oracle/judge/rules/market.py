"""What the market is made of: pools out of balance, depth that left, groups that part, venues and values gone wrong.

Pools are looked at whether or not their price counted: one that is drained is thrown out for its price.
"""

from __future__ import annotations

from feeds.units import BPS, MS, WAD, percent_text, wad_text
from oracle.judge.rules.evidence import Evidence, Finding, RuleInput
from oracle.model.spec import FeedSpec
from oracle.model.state import Memory
from oracle.model.status import Reason, Status, Why

MOST_DEPTHS = 48
LEAST_DEPTHS = MOST_DEPTHS // 4
"""So many make a usual depth; after a gap longer than the window the last ones from before it do."""


def imbalance(case: RuleInput) -> Finding | None:
    """The stable pools, weighted by depth, hold more of the token than ``share_percent``: everybody wants out."""
    limit = case.spec.rules.share_percent * BPS // 100
    known = [(p.share_bps, p.depth_wad) for p in case.seen.pools if p.share_bps is not None]
    weight = sum(d for _, d in known)
    if not limit or not weight:
        return None
    share = sum(s * d for s, d in known) // weight
    if share < limit:
        return None
    text = f"stable pools hold {percent_text(share)} of their value in the token, the limit is {percent_text(limit)}"
    return Finding(status=Status.WATCH, reason=Reason(code=Why.IMBALANCE, text=text), doubt=True)


def shallow(case: RuleInput) -> Finding | None:
    """The depth fell below a part of what was usual in the window."""
    rules = case.spec.rules
    if not rules.depth_percent:
        return None
    past = [d for _, d in _usual(case.memory.depths, case.now_ms - rules.depth_s * MS)]
    now = case.seen.depth_wad
    if len(past) < LEAST_DEPTHS or now * 100 >= max(past) * rules.depth_percent:
        return None
    usual = sorted(past)[(len(past) - 1) // 2]
    if now * 100 >= usual * rules.depth_percent:
        return None
    text = f"depth is {wad_text(now, 2)}, {now * 100 // max(1, usual)} % of the usual {wad_text(usual, 2)}"
    return Finding(status=Status.WATCH, reason=Reason(code=Why.SHALLOW, text=text), doubt=True)


def disagree(case: RuleInput) -> Finding | None:
    """Groups lie far apart, though not yet too far for a price."""
    limit = case.spec.rules.disagree_bps
    if not limit or case.seen.disagree_bps < limit:
        return None
    text = f"groups lie {percent_text(case.seen.disagree_bps)} from the price, the limit is {percent_text(limit)}"
    return Finding(status=Status.WATCH, reason=Reason(code=Why.DISAGREE, text=text), doubt=True)


def venue(case: RuleInput) -> Finding | None:
    """A venue is wrong about another pair of this feed's units, so it was not asked about this one."""
    if not case.seen.suspects:
        return None
    text = f"{', '.join(case.seen.suspects)}: wrong about another pair, so not believed about this one"
    return Finding(status=Status.OK, reason=Reason(code=Why.VENUE, text=text), doubt=True)


def sequencer(case: RuleInput) -> Finding | None:
    """A rollup that sources are read on stands still; what is left of the sources may still form a quorum."""
    if not case.seen.sequencer_down:
        return None
    text = "a rollup's sequencer is down, or up again for too short: its sources do not count"
    return Finding(status=Status.WATCH, reason=Reason(code=Why.SEQUENCER, text=text), at_once=Status.WATCH)


def depths(spec: FeedSpec, memory: Memory, seen: Evidence, now_ms: int) -> tuple[tuple[int, int], ...]:
    """Depths kept for :func:`shallow`: one each 1/48 of the window, and never fewer than make a usual depth."""
    kept = _usual(memory.depths, now_ms - spec.rules.depth_s * MS)
    step = max(1, spec.rules.depth_s * MS // MOST_DEPTHS)
    if not seen.pools or (kept and now_ms - kept[-1][0] < step):
        return kept
    return (*kept, (now_ms, seen.depth_wad))[-MOST_DEPTHS:]


def _usual(depths: tuple[tuple[int, int], ...], since_ms: int) -> tuple[tuple[int, int], ...]:
    """Those of the window, or the newest from before it where it holds too few: what left in a gap left all the same."""
    inside = tuple(d for d in depths if d[0] > since_ms)
    return inside if len(inside) >= LEAST_DEPTHS else depths[-LEAST_DEPTHS:]


def dimension(market_wad: int, redemption_wad: int, spec: FeedSpec, groups: int) -> str | None:
    """Why a market price cannot be one of this token at all, or None.

    A premium has a ceiling, for anybody may make the token at its rate; a discount has none, but one group alone is not
    believed beyond ``lone_bps``, and a thousandth is an error of decimals.
    """
    if not market_wad or not redemption_wad:
        return None
    rules, ratio = spec.rules, market_wad * BPS // redemption_wad
    if ratio > BPS + rules.premium_bps:
        times = wad_text(market_wad * WAD // redemption_wad, 3)
        return f"market is {times} times what the protocol owes; more than {percent_text(rules.premium_bps)} above is no price"
    if ratio * rules.least_part < BPS:
        return f"market is less than 1/{rules.least_part} of what the protocol owes: wrong decimals or a wrong unit"
    if groups <= 1 and ratio < BPS - rules.lone_bps:
        off = percent_text(BPS - ratio)
        return f"one group alone says {off} below redemption; more than {percent_text(rules.lone_bps)} is not believed"
    return None
