"""What the market is made of: pools out of balance, depth that left, groups that part, venues that are wrong.

Pools are looked at whether or not their price counted: a drained pool is rejected for its price.
"""

from __future__ import annotations

from feeds.units import BPS, MS, percent_text, wad_text
from oracle.judge.evidence import Evidence, Finding, JudgeRule, RuleInput
from oracle.model.spec import FeedSpec
from oracle.model.state import Memory
from oracle.model.status import Reason, Status, Why

MOST_DEPTHS = 48
LEAST_DEPTHS = MOST_DEPTHS // 4
"""So many make a usual depth; after a gap longer than the window the last ones from before it do."""


def imbalance(rule_input: RuleInput) -> Finding | None:
    """The stable pools, weighted by depth, hold more of the token than ``share_percent``: everybody wants out."""
    limit = rule_input.spec.rules.share_percent * BPS // 100
    known = [(p.share_bps, p.depth_wad) for p in rule_input.evidence.pools if p.share_bps is not None]
    weight = sum(depth for _, depth in known)
    if not limit or not weight:
        return None
    share = sum(share * depth for share, depth in known) // weight
    if share < limit:
        return None
    text = f"stable pools hold {percent_text(share)} of their value in the token, the limit is {percent_text(limit)}"
    return Finding(status=Status.WATCH, reason=Reason(code=Why.IMBALANCE, text=text), doubt=True)


IMBALANCE = JudgeRule(
    find=imbalance, reasons=(Why.IMBALANCE,), watches="stable pools out of balance", keys=("share_percent",)
)


def shallow(rule_input: RuleInput) -> Finding | None:
    """The depth fell below a part of what was usual in the window."""
    rules = rule_input.spec.rules
    if not rules.depth_percent:
        return None
    past = [depth for _, depth in _usual(rule_input.memory.depths, rule_input.now_ms - rules.depth_s * MS)]
    now = rule_input.evidence.depth_wad
    if len(past) < LEAST_DEPTHS or now * 100 >= max(past) * rules.depth_percent:
        return None
    usual = sorted(past)[(len(past) - 1) // 2]
    if now * 100 >= usual * rules.depth_percent:
        return None
    text = f"depth is {wad_text(now, 2)}, {now * 100 // max(1, usual)} % of the usual {wad_text(usual, 2)}"
    return Finding(status=Status.WATCH, reason=Reason(code=Why.SHALLOW, text=text), doubt=True)


SHALLOW = JudgeRule(
    find=shallow,
    reasons=(Why.SHALLOW,),
    watches="depth below a part of the usual",
    keys=("depth_percent", "depth_s"),
)


def disagree(rule_input: RuleInput) -> Finding | None:
    """Groups lie far apart, though not yet too far for a price."""
    limit, distance = rule_input.spec.rules.disagree_bps, rule_input.evidence.disagree_bps
    if not limit or distance < limit:
        return None
    text = f"groups lie {percent_text(distance)} from the price, the limit is {percent_text(limit)}"
    return Finding(status=Status.WATCH, reason=Reason(code=Why.DISAGREE, text=text), doubt=True)


DISAGREE = JudgeRule(find=disagree, reasons=(Why.DISAGREE,), watches="groups far apart", keys=("disagree_bps",))


def venue(rule_input: RuleInput) -> Finding | None:
    """A venue is wrong about another pair of this feed's units, so its price of this one was not used."""
    suspects = rule_input.evidence.suspects
    if not suspects:
        return None
    text = f"{', '.join(suspects)}: wrong about another pair, so not believed about this one"
    return Finding(status=Status.OK, reason=Reason(code=Why.VENUE, text=text), doubt=True)


VENUE = JudgeRule(find=venue, reasons=(Why.VENUE,), watches="a venue is wrong about another pair", note="doubt alone")


def sequencer(rule_input: RuleInput) -> Finding | None:
    """A rollup that sources are read on stands still; the other sources may still form a quorum."""
    if not rule_input.evidence.sequencer_down:
        return None
    text = "a rollup's sequencer is down, or was down a short time ago: its sources do not count"
    return Finding(status=Status.WATCH, reason=Reason(code=Why.SEQUENCER, text=text), at_once=Status.WATCH)


SEQUENCER = JudgeRule(
    find=sequencer, reasons=(Why.SEQUENCER,), watches="a rollup stands still", note="at once, and an hour after"
)


def next_depths(spec: FeedSpec, memory: Memory, evidence: Evidence, now_ms: int) -> tuple[tuple[int, int], ...]:
    """Depths kept for :func:`shallow`: one each 1/48 of the window, and never fewer than make a usual depth."""
    kept = _usual(memory.depths, now_ms - spec.rules.depth_s * MS)
    step = max(1, spec.rules.depth_s * MS // MOST_DEPTHS)
    if not evidence.pools or (kept and now_ms - kept[-1][0] < step):
        return kept
    return (*kept, (now_ms, evidence.depth_wad))[-MOST_DEPTHS:]


def _usual(depths: tuple[tuple[int, int], ...], since_ms: int) -> tuple[tuple[int, int], ...]:
    """Those of the window, or the newest from before it where it holds too few: depth that left during a gap has left."""
    inside = tuple(d for d in depths if d[0] > since_ms)
    return inside if len(inside) >= LEAST_DEPTHS else depths[-LEAST_DEPTHS:]
