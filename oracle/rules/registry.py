"""Every rule, one line each, in the order in which reasons of equal weight are told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from oracle.rules import backing, drift, level, market, rate
from oracle.rules.evidence import Case, Finding
from oracle.types import Memory

Rule = Callable[[Case], Finding | None]

RULES: tuple[Rule, ...] = (
    level.level,
    backing.unbacked,
    rate.slash,
    rate.growth,
    rate.derivation,
    rate.stale,
    drift.moved,
    drift.drift,
    market.disagree,
    market.imbalance,
    market.shallow,
    market.stuck,
    market.venue,
    market.sequencer,
    level.no_market,
    level.single_group,
)


def findings(case: Case) -> tuple[Finding, ...]:
    """What all rules say, the worst first."""
    found = [f for f in (rule(case) for rule in RULES) if f is not None]
    return tuple(sorted(found, key=lambda f: -f.status))


def remember(case: Case) -> Memory:
    """What the rules must know in the next round. ``case.status`` is the status that this one ended with."""
    spec, seen, memory, now_ms = case.spec, case.seen, case.memory, case.now_ms
    kept = replace(
        memory,
        at_ms=now_ms,
        depths=market.depths(spec, memory, seen, now_ms),
        unchanged=market.unchanged(memory, seen, now_ms),
        supply_wad=backing.supply(memory, seen, spec.rules.supply_bps, now_ms),
    )
    if seen.deviation is None:
        return kept
    low, high = drift.summed(spec, memory, seen.deviation, now_ms)
    return replace(
        kept,
        deviations=drift.thinned(spec, memory, seen.deviation, now_ms),
        drift_low=low,
        drift_high=high,
        normal_mbps=drift.learned(case, seen),
        learn_rest_ms=drift.learn_rest(case),
    )
