"""A source stands still while the others move.

A source is stuck if it has stated one price for ``stuck_s`` while the others moved by ``stuck_bps`` and lie that far from it.
The distance is measured in the source's own unit, from where the others lay when its price was new, so a lasting offset is not
a fault, and the price of a leg moves nothing. Most of the other groups must agree: of two the nearer one counts.

It stays named until it states something else, also where the others come back to it. A move of theirs that lasted no longer
than the dwell of a watch was a spike, and is forgotten. A stuck source is no reference for others: once it wakes, the sources
that it then agrees or disagrees with are measured from that moment on.

Over a gap in the rounds the others count as away if they were away at both of its ends, for at most ``stuck_s``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from operator import attrgetter

from feeds.units import MS, deviation_bps_away
from oracle.judge.evidence import Finding, JudgeRule, RuleInput
from oracle.model.spec import FeedSpec
from oracle.model.state import Unchanged
from oracle.model.status import Reason, Status, Why
from oracle.model.types import Statement

Levels = Sequence[tuple[int, str]]
"""(level, group) of each group, ascending."""


def stuck(rule_input: RuleInput) -> Finding | None:
    """A source has stated the same price for long while the others moved."""
    limit_ms, now_ms = rule_input.spec.rules.stuck_s * MS, rule_input.now_ms
    prices = {s.source: s.price_wad for s in rule_input.evidence.statements}
    old = [
        u
        for u in rule_input.memory.unchanged
        if now_ms - u.since_ms >= limit_ms and prices.get(u.source) == u.price_wad
    ]
    if not old or not limit_ms:
        return None
    frozen = [
        u.source for u in next_unchanged(rule_input) if u.source in prices and is_stuck(rule_input.spec, u, now_ms)
    ]
    if not frozen:
        return None
    text = f"{', '.join(frozen)}: the same value for over {limit_ms // MS} s while the others moved"
    return Finding(status=Status.WATCH, reason=Reason(code=Why.STUCK, text=text), doubt=True)


STUCK = JudgeRule(
    find=stuck,
    reasons=(Why.STUCK,),
    watches="a source stands still while the others move",
    keys=("stuck_s", "stuck_bps"),
)


def is_stuck(spec: FeedSpec, unchanged: Unchanged, now_ms: int) -> bool:
    """Whether a source is named as stuck, by what is known of it."""
    if now_ms - unchanged.since_ms < spec.rules.stuck_s * MS:
        return False
    return unchanged.away or unchanged.away_ms >= max(1, spec.bands.watch_dwell_s * MS)


def next_unchanged(rule_input: RuleInput) -> tuple[Unchanged, ...]:
    """What is known of each source after this round; of a silent source what was known before."""
    if not rule_input.spec.rules.stuck_s * MS:
        return ()
    known = {u.source: u for u in rule_input.memory.unchanged}
    statements = rule_input.evidence.statements
    levels, awake = _levels(rule_input, known)
    after = [_after(rule_input, s, known.get(s.source), levels, awake) for s in statements]
    spoke = {s.source for s in statements}
    if len(spoke) < len(known):
        configured = {s.name for s in rule_input.spec.sources}
        after += [replace(u, away=False) for name, u in known.items() if name not in spoke and name in configured]
    return tuple(sorted(after, key=_source))


_source = attrgetter("source")


def _levels(rule_input: RuleInput, known: Mapping[str, Unchanged]) -> tuple[Levels, Levels]:
    """By all sources that may be a reference for others, and by those of them that are not stuck themselves."""
    references = [s for s in rule_input.evidence.statements if s.credible and s.level_wad]
    awake = [s for s in references if not _still_stuck(rule_input, s, known.get(s.source))]
    levels = _by_group(references)
    return levels, levels if len(awake) == len(references) else _by_group(awake)


def _still_stuck(rule_input: RuleInput, statement: Statement, known: Unchanged | None) -> bool:
    if known is None or known.price_wad != statement.price_wad:
        return False
    return is_stuck(rule_input.spec, known, rule_input.memory.at_ms)


def _by_group(statements: Sequence[Statement]) -> Levels:
    levels: dict[str, list[int]] = {}
    for statement in statements:
        levels.setdefault(statement.group, []).append(statement.level_wad)
    return sorted((sorted(members)[(len(members) - 1) // 2], group) for group, members in levels.items())


def _after(
    rule_input: RuleInput, statement: Statement, known: Unchanged | None, levels: Levels, awake: Levels
) -> Unchanged:
    """One source after this round."""
    apart_bps = _apart_bps(statement, awake)
    if known is None or known.price_wad != statement.price_wad:
        return Unchanged(
            source=statement.source, price_wad=statement.price_wad, since_ms=rule_input.now_ms, apart_bps=apart_bps
        )
    if apart_bps is None:
        asleep = _apart_bps(statement, levels) is not None  # every reference for it is stuck
        return replace(known, apart_bps=None if asleep else known.apart_bps, away=False)
    rules = rule_input.spec.rules
    away = known.apart_bps is not None and _moved_away(rules.stuck_bps, known.apart_bps, apart_bps)
    gap_ms = max(0, rule_input.now_ms - rule_input.memory.at_ms)
    more_ms = min(rules.stuck_s * MS, gap_ms) if away and known.away else 0
    began_bps = apart_bps if known.apart_bps is None else known.apart_bps
    return replace(known, apart_bps=began_bps, away=away, away_ms=known.away_ms + more_ms)


def _moved_away(limit_bps: int, then_bps: int, now_bps: int) -> bool:
    """Whether the others moved by the limit or more, and lie that far away."""
    return abs(now_bps) >= limit_bps and abs(now_bps - then_bps) >= limit_bps


def _apart_bps(statement: Statement, levels: Levels) -> int | None:
    """How far most other groups lie from a source, in bps of its level: the middle one, of two the nearer, 0 between them."""
    own, group = statement.level_wad, statement.group
    others = [level for level, name in levels if name != group]
    if not own or not others:
        return None
    low, high = others[(len(others) - 1) // 2], others[len(others) // 2]
    if low < own < high:
        return 0
    return deviation_bps_away(high if high <= own else low, own)
