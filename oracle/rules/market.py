"""What the market is made of: pools out of balance, depth that left, groups that part, venues and values gone wrong."""

from __future__ import annotations

from feeds.units import BPS, WAD, deviation_bps_away, percent_text, wad_text
from oracle.rules.evidence import Case, Evidence, Finding
from oracle.spec import FeedSpec
from oracle.status import Reason, Status, Why
from oracle.types import Memory, Unchanged

MOST_DEPTHS = 48
MOST_UNCHANGED = 32


def imbalance(case: Case) -> Finding | None:
    """The stable pools, weighted by depth, hold more of the token than ``share_bps``: everybody wants out."""
    limit = case.spec.rules.share_bps
    known = [(p.share_bps, p.depth_wad) for p in case.seen.pools if p.share_bps is not None]
    weight = sum(d for _, d in known)
    if not limit or not weight:
        return None
    share = sum(s * d for s, d in known) // weight
    if share < limit:
        return None
    text = f"stable pools hold {percent_text(share)} of their value in the token, the limit is {percent_text(limit)}"
    return Finding(status=Status.WATCH, reason=Reason(code=Why.IMBALANCE, text=text), doubt=True)


def shallow(case: Case) -> Finding | None:
    """The depth fell below a part of what was usual in the window."""
    rules = case.spec.rules
    if not rules.depth_percent:
        return None
    since_ms = case.now_ms - rules.depth_ms
    past = [d for at, d in case.memory.depths if at > since_ms]
    now = case.seen.depth_wad
    if len(past) < MOST_DEPTHS // 4 or now * 100 >= max(past) * rules.depth_percent:
        return None
    usual = sorted(past)[(len(past) - 1) // 2]
    if now * 100 >= usual * rules.depth_percent:
        return None
    text = f"depth is {wad_text(now, 2)}, {now * 100 // max(1, usual)} % of the usual {wad_text(usual, 2)}"
    return Finding(status=Status.WATCH, reason=Reason(code=Why.SHALLOW, text=text), doubt=True)


def disagree(case: Case) -> Finding | None:
    """Groups lie far apart, though not yet too far for a price."""
    limit = case.spec.rules.disagree_bps
    if not limit or case.seen.disagree_bps < limit:
        return None
    text = f"groups lie {percent_text(case.seen.disagree_bps)} from the price, the limit is {percent_text(limit)}"
    return Finding(status=Status.WATCH, reason=Reason(code=Why.DISAGREE, text=text), doubt=True)


def stuck(case: Case) -> Finding | None:
    """A source has said the same for long while the market moved."""
    rules, now = case.spec.rules, case.seen.market_wad
    if not rules.stuck_ms or not now:
        return None
    said = dict(case.seen.prices)
    frozen = [
        u.source
        for u in case.memory.unchanged
        if said.get(u.source) == u.price_wad
        and case.now_ms - u.since_ms >= rules.stuck_ms
        and abs(deviation_bps_away(now, u.market_wad)) >= rules.stuck_bps
    ]
    if not frozen:
        return None
    text = f"{', '.join(frozen)}: the same value for over {rules.stuck_ms // 1_000} s while the market moved"
    return Finding(status=Status.WATCH, reason=Reason(code=Why.STUCK, text=text), doubt=True)


def venue(case: Case) -> Finding | None:
    """A venue is wrong about another pair of this feed's units, so it was not asked about this one."""
    if not case.seen.suspects:
        return None
    text = f"{', '.join(case.seen.suspects)}: wrong about another pair, so not believed about this one"
    return Finding(status=Status.OK, reason=Reason(code=Why.VENUE, text=text), doubt=True)


def sequencer(case: Case) -> Finding | None:
    """A rollup that sources are read on stands still; what is left of the sources may still form a quorum."""
    if not case.seen.sequencer_down:
        return None
    text = "a rollup's sequencer is down, or up again for too short: its sources do not count"
    return Finding(status=Status.WATCH, reason=Reason(code=Why.SEQUENCER, text=text), at_once=Status.WATCH)


def depths(spec: FeedSpec, memory: Memory, seen: Evidence, now_ms: int) -> tuple[tuple[int, int], ...]:
    """Depths kept for :func:`shallow`: one each 1/48 of the window."""
    if not seen.pools:
        return tuple(d for d in memory.depths if d[0] > now_ms - spec.rules.depth_ms)
    step = max(1, spec.rules.depth_ms // MOST_DEPTHS)
    if memory.depths and now_ms - memory.depths[-1][0] < step:
        return memory.depths
    kept = tuple(d for d in memory.depths if d[0] > now_ms - spec.rules.depth_ms)
    return (*kept, (now_ms, seen.depth_wad))[-MOST_DEPTHS:]


def unchanged(memory: Memory, seen: Evidence, now_ms: int) -> tuple[Unchanged, ...]:
    """Since when each source has said what it says, and where the market stood then."""
    known = {u.source: u for u in memory.unchanged}
    market = seen.market_wad
    if not market:
        return memory.unchanged
    out = []
    for source, price in seen.prices[:MOST_UNCHANGED]:
        old = known.get(source)
        if old is None or old.price_wad != price:
            old = Unchanged(source=source, price_wad=price, since_ms=now_ms, market_wad=market)
        out.append(old)
    return tuple(out)


def dimension(market_wad: int, redemption_wad: int, spec: FeedSpec, groups: int) -> str | None:
    """Why a market price can not be one of this token at all, or None.

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
