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

from feeds.units import deviation_bps_away
from oracle.rules.evidence import Case, Finding, Said
from oracle.spec import FeedSpec
from oracle.status import Reason, Status, Why
from oracle.types import Unchanged

Levels = Mapping[str, int]


def stuck(case: Case) -> Finding | None:
    """A source has said the same for long while the others moved."""
    names = {s.source for s in case.seen.said}
    frozen = [u.source for u in watched(case) if u.source in names and is_stuck(case.spec, u, case.now_ms)]
    if not frozen:
        return None
    text = f"{', '.join(frozen)}: the same value for over {case.spec.rules.stuck_ms // 1_000} s while the others moved"
    return Finding(status=Status.WATCH, reason=Reason(code=Why.STUCK, text=text), doubt=True)


def is_stuck(spec: FeedSpec, one: Unchanged, now_ms: int) -> bool:
    """Whether a source is named, by what is known of it."""
    lasted = one.away_ms >= max(1, spec.bands.watch_dwell_ms)
    return now_ms - one.since_ms >= spec.rules.stuck_ms and (one.away or lasted)


def watched(case: Case) -> tuple[Unchanged, ...]:
    """What is known of each source after this round; of one that is silent, what was known before."""
    if not case.spec.rules.stuck_ms:
        return ()
    known = {u.source: u for u in case.memory.unchanged}
    levels, awake = _levels(case, known)
    said = {s.source: s for s in case.seen.said}
    held = {s.name: known[s.name] for s in case.spec.sources if s.name in known}
    silent = {name: replace(u, away=False) for name, u in held.items() if name not in said}
    found = {s.source: _after(case, s, known.get(s.source), levels, awake) for s in said.values()}
    return tuple(u for _, u in sorted((silent | found).items()))


def _levels(case: Case, known: Mapping[str, Unchanged]) -> tuple[Levels, Levels]:
    """The level of each group, by all who may speak about others and by those who are not stuck themselves."""
    speak = [s for s in case.seen.said if s.heard and s.level_wad]
    awake = [s for s in speak if not _still_stuck(case, s, known.get(s.source))]
    return _by_group(speak), _by_group(awake)


def _still_stuck(case: Case, said: Said, old: Unchanged | None) -> bool:
    return old is not None and old.price_wad == said.price_wad and is_stuck(case.spec, old, case.memory.at_ms)


def _by_group(said: Sequence[Said]) -> Levels:
    levels: dict[str, list[int]] = {}
    for one in said:
        levels.setdefault(one.group, []).append(one.level_wad)
    return {group: sorted(found)[(len(found) - 1) // 2] for group, found in levels.items()}


def _after(case: Case, said: Said, old: Unchanged | None, levels: Levels, awake: Levels) -> Unchanged:
    """One source after this round."""
    apart = _apart_bps(said, awake)
    if old is None or old.price_wad != said.price_wad:
        return Unchanged(source=said.source, price_wad=said.price_wad, since_ms=case.now_ms, apart_bps=apart)
    if apart is None:
        asleep = _apart_bps(said, levels) is not None  # whoever could speak about it is stuck
        return replace(old, apart_bps=None if asleep else old.apart_bps, away=False)
    away = old.apart_bps is not None and _gone(case.spec.rules.stuck_bps, old.apart_bps, apart)
    more = min(case.spec.rules.stuck_ms, max(0, case.now_ms - case.memory.at_ms)) if away and old.away else 0
    begun = apart if old.apart_bps is None else old.apart_bps
    return replace(old, apart_bps=begun, away=away, away_ms=old.away_ms + more)


def _gone(limit_bps: int, then_bps: int, now_bps: int) -> bool:
    """Whether the others moved by so much, and away."""
    return abs(now_bps) >= limit_bps and abs(now_bps - then_bps) >= limit_bps


def _apart_bps(said: Said, levels: Levels) -> int | None:
    """How far most other groups lie from a source, in bps of its level: the middle one, of two the nearer, 0 between them."""
    if not said.level_wad:
        return None
    gaps = sorted(deviation_bps_away(w, said.level_wad) for group, w in levels.items() if group != said.group)
    if not gaps:
        return None
    low, high = gaps[(len(gaps) - 1) // 2], gaps[len(gaps) // 2]
    return 0 if low < 0 < high else min(low, high, key=abs)
