"""The discount or premium that is normal for a token, learned slowly while the status is ok.

Over a gap in the rounds the level goes towards the nearer of the gap's two ends.
"""

from __future__ import annotations

from oracle.judge.elapsed import HOUR_MS, gap_ms
from oracle.judge.evidence import RuleInput
from oracle.model.status import Status


def next_normal_level(rule_input: RuleInput) -> int | None:
    """The normal level in thousandths of a bps after a round: one step towards the market, limited per day.

    It moves in status ok only, and never further than ``learn_cap_bps`` from the configured level. None: learning is off.
    """
    rules, memory, deviation = rule_input.spec.rules, rule_input.memory, rule_input.evidence.deviation
    if not rules.learn_bps_day or deviation is None:
        return None
    base = rule_input.spec.bands.normal_bps * 1_000
    level = base if memory.normal_mbps is None else memory.normal_mbps
    if rule_input.status is not Status.OK or not memory.at_ms:
        return level
    step = rules.learn_bps_day * 1_000 * (gap_ms(memory, rule_input.now_ms) + memory.learn_rest_ms) // (24 * HOUR_MS)
    ends = [deviation * 1_000, level if memory.deviation_bps is None else memory.deviation_bps * 1_000]
    nearer = max(min(level, max(ends)), min(ends))  # the level itself where it lies between them
    target = max(base - rules.learn_cap_bps * 1_000, min(base + rules.learn_cap_bps * 1_000, nearer))
    return max(level - step, min(level + step, target))


def next_learn_rest(rule_input: RuleInput) -> int:
    """Milliseconds that were too short for a whole step of learning, carried over to the next round."""
    rules, memory = rule_input.spec.rules, rule_input.memory
    if not rules.learn_bps_day or rule_input.status is not Status.OK or not memory.at_ms:
        return 0
    step_ms = 24 * HOUR_MS // (rules.learn_bps_day * 1_000)
    return (gap_ms(memory, rule_input.now_ms) + memory.learn_rest_ms) % max(1, step_ms)
