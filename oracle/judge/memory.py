"""What the rules remember from one round with a price to the next."""

from __future__ import annotations

from oracle.judge.evidence import RuleInput
from oracle.judge.normal_level import next_learn_rest, next_normal_level
from oracle.judge.rules import backing, cusum, fast_move, market, rails, stuck
from oracle.model.state import Memory


def next_memory(rule_input: RuleInput, ramp_ppm: int = 0) -> Memory:
    """What the rules must know in the next round.

    Args:
        rule_input: the round; its ``status`` is the one that the round ended with.
        ramp_ppm: where ``redemption_unless_depeg`` stands.
    """
    spec, evidence, memory, now_ms = rule_input.spec, rule_input.evidence, rule_input.memory, rule_input.now_ms
    low, high, deviations = memory.drift_low, memory.drift_high, memory.deviations
    normal_mbps, learn_rest_ms = memory.normal_mbps, memory.learn_rest_ms
    deviation = evidence.deviation
    if deviation is not None:
        low, high = cusum.next_sums(spec, memory, deviation, now_ms)
        deviations = fast_move.next_deviations(spec, memory, deviation, now_ms)
        normal_mbps, learn_rest_ms = next_normal_level(rule_input), next_learn_rest(rule_input)
    return Memory(
        at_ms=now_ms,
        deviation_bps=deviation,
        deviations=deviations,
        drift_low=low,
        drift_high=high,
        normal_mbps=normal_mbps,
        learn_rest_ms=learn_rest_ms,
        depths=market.next_depths(spec, memory, evidence, now_ms),
        unchanged=stuck.next_unchanged(rule_input),
        supply_wad=backing.next_supply(memory, evidence, spec.rules.supply_bps, now_ms),
        rails=rails.next_rails(rule_input),
        ramp_ppm=ramp_ppm,
    )
