"""Who stands still while the others move.

A source is stuck that has said one price for ``stuck_ms`` while the others moved by ``stuck_bps`` and lie as far from it.
It is measured in the source's own unit, from where the others lay when its price was new, so a lasting offset is no fault
and the price of a leg moves nothing. Most of the other groups must agree: of two the nearer one counts.

It stays named until it says something else, also where the others come back to it. What lasted no longer than the dwell of a
watch was a spike of theirs, and is forgotten. A source that is named speaks about nobody: when it wakes, the ones that it
then agrees or disagrees with are measured from that moment on.

Over a gap in the rounds the others count as away for as long as they were at both of its ends, at most ``stuck_ms``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from operator import attrgetter

from feeds.units import MS, deviation_bps_away
from oracle.judge.rules.evidence import Finding, RuleInput
from oracle.model.spec import FeedSpec
from oracle.model.state import Unchanged
from oracle.model.status import Reason, Status, Why
from oracle.model.types import Statement

Levels = Sequence[tuple[int, str]]
"""The level of each group with its name, ascending."""


def stuck(case: RuleInput) -> Finding | None:
    """A source has said the same for long while the others moved."""
    limit_ms, said = case.spec.rules.stuck_s * MS, {s.source: s.price_wad for s in case.seen.said}
    old = [
        u for u in case.memory.unchanged if case.now_ms - u.since_ms >= limit_ms and said.get(u.source) == u.price_wad
    ]
    if not old or not limit_ms:
        return None
    frozen = [u.source for u in watched(case) if u.source in said and is_stuck(case.spec, u, case.now_ms)]
    if not frozen:
        return None
    text = f"{', '.join(frozen)}: the same value for over {limit_ms // 1_000} s while the others moved"
    return Finding(status=Status.WATCH, reason=Reason(code=Why.STUCK, text=text), doubt=True)


def is_stuck(spec: FeedSpec, one: Unchanged, now_ms: int) -> bool:
    """Whether a source is named, by what is known of it."""
    if now_ms - one.since_ms < spec.rules.stuck_s * MS:
        return False
    return one.away or one.away_ms >= max(1, spec.bands.watch_dwell_s * MS)


def watched(case: RuleInput) -> tuple[Unchanged, ...]:
    """What is known of each source after this round; of one that is silent, what was known before."""
    if not case.spec.rules.stuck_s * MS:
        return ()
    known = {u.source: u for u in case.memory.unchanged}
    said = {s.source: s for s in case.seen.said}
    levels, awake = _levels(case, known)
    found = [_after(case, s, known.get(s.source), levels, awake) for s in case.seen.said]
    if len(said) < len(known):
        names = {s.name for s in case.spec.sources}
        found += [replace(u, away=False) for n, u in known.items() if n not in said and n in names]
    return tuple(sorted(found, key=_name))


_name = attrgetter("source")


def _levels(case: RuleInput, known: Mapping[str, Unchanged]) -> tuple[Levels, Levels]:
    """By all who may speak about others, and by those who are not stuck themselves."""
    speak = [s for s in case.seen.said if s.heard and s.level_wad]
    awake = [s for s in speak if not _still_stuck(case, s, known.get(s.source))]
    levels = _by_group(speak)
    return levels, levels if len(awake) == len(speak) else _by_group(awake)


def _still_stuck(case: RuleInput, said: Statement, old: Unchanged | None) -> bool:
    return old is not None and old.price_wad == said.price_wad and is_stuck(case.spec, old, case.memory.at_ms)


def _by_group(said: Sequence[Statement]) -> Levels:
    levels: dict[str, list[int]] = {}
    for one in said:
        levels.setdefault(one.group, []).append(one.level_wad)
    return sorted((sorted(found)[(len(found) - 1) // 2], group) for group, found in levels.items())


def _after(case: RuleInput, said: Statement, old: Unchanged | None, levels: Levels, awake: Levels) -> Unchanged:
    """One source after this round."""
    apart = _apart_bps(said, awake)
    if old is None or old.price_wad != said.price_wad:
        return Unchanged(source=said.source, price_wad=said.price_wad, since_ms=case.now_ms, apart_bps=apart)
    if apart is None:
        asleep = _apart_bps(said, levels) is not None  # whoever could speak about it is stuck
        return replace(old, apart_bps=None if asleep else old.apart_bps, away=False)
    away = old.apart_bps is not None and _gone(case.spec.rules.stuck_bps, old.apart_bps, apart)
    more = min(case.spec.rules.stuck_s * MS, max(0, case.now_ms - case.memory.at_ms)) if away and old.away else 0
    begun = apart if old.apart_bps is None else old.apart_bps
    return replace(old, apart_bps=begun, away=away, away_ms=old.away_ms + more)


def _gone(limit_bps: int, then_bps: int, now_bps: int) -> bool:
    """Whether the others moved by so much, and away."""
    return abs(now_bps) >= limit_bps and abs(now_bps - then_bps) >= limit_bps


def _apart_bps(said: Statement, levels: Levels) -> int | None:
    """How far most other groups lie from a source, in bps of its level: the middle one, of two the nearer, 0 between them."""
    own, group = said.level_wad, said.group
    others = [level for level, name in levels if name != group]
    if not own or not others:
        return None
    low, high = others[(len(others) - 1) // 2], others[len(others) // 2]
    if low < own < high:
        return 0
    return deviation_bps_away(high if high <= own else low, own)
