"""Every rule, one line each, in the order in which reasons of equal weight are told."""

from __future__ import annotations

from collections.abc import Callable

from oracle.judge.rules import backing, cusum, level, market, rate, stuck
from oracle.judge.rules.evidence import Finding, RuleInput
from oracle.model.state import Memory

Rule = Callable[[RuleInput], Finding | None]

RULES: tuple[Rule, ...] = (
    level.level,
    backing.unbacked,
    rate.slash,
    rate.growth,
    rate.derivation,
    rate.stale,
    rate.closed,
    cusum.moved,
    cusum.drift,
    market.disagree,
    market.imbalance,
    market.shallow,
    stuck.stuck,
    market.venue,
    market.sequencer,
    level.no_market,
    level.single_group,
)


def findings(case: RuleInput) -> tuple[Finding, ...]:
    """What all rules say, the worst first."""
    found = [f for rule in RULES if (f := rule(case)) is not None]
    return tuple(sorted(found, key=lambda f: -f.status) if len(found) > 1 else found)


BLIND_RULES: tuple[Rule, ...] = (level.without_price, level.of_leg, backing.unbacked, rate.slash)
"""What is evidence where the groups give no price: where all of them lie, and facts of the token itself."""


def blind_findings(case: RuleInput) -> tuple[Finding, ...]:
    """What a round without a price says all the same, the worst first."""
    found = [f for rule in BLIND_RULES if (f := rule(case)) is not None]
    return tuple(sorted(found, key=lambda f: -f.status))


def remember(case: RuleInput, ramp_ppm: int = 0) -> Memory:
    """What the rules must know in the next round.

    Args:
        case: the round; ``case.status`` is the status that it ended with.
        ramp_ppm: where ``redemption_unless_depeg`` stands.
    """
    spec, seen, memory, now_ms = case.spec, case.seen, case.memory, case.now_ms
    low, high, deviations = memory.drift_low, memory.drift_high, memory.deviations
    normal, rest = memory.normal_mbps, memory.learn_rest_ms
    deviation = seen.deviation
    if deviation is not None:
        low, high = cusum.summed(spec, memory, deviation, now_ms)
        deviations = cusum.thinned(spec, memory, deviation, now_ms)
        normal, rest = cusum.learned(case, seen), cusum.learn_rest(case)
    return Memory(
        at_ms=now_ms,
        deviation_bps=deviation,
        deviations=deviations,
        drift_low=low,
        drift_high=high,
        normal_mbps=normal,
        learn_rest_ms=rest,
        depths=market.depths(spec, memory, seen, now_ms),
        unchanged=stuck.watched(case),
        supply_wad=backing.supply(memory, seen, spec.rules.supply_bps, now_ms),
        ramp_ppm=ramp_ppm,
    )
