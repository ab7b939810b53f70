"""The deviation moves slowly and always to the same side: a cumulative sum (CUSUM).

It runs against the configured normal level, never the learned one: a slow drift must not teach the band.
Source: E. S. Page, "Continuous inspection schemes", Biometrika 41 (1954).

Rounds may be sparse. The sum counts a gap by the smaller excess of its two ends, and a gap of more than ``MOST_GAP_MS`` as one
of that length. So a deviation that only grows sums to no more than it does in dense rounds, and to less by at most the longest
gap times its growth.
"""

from __future__ import annotations

from oracle.judge.elapsed import HOUR_MS, gap_ms
from oracle.judge.evidence import Finding, JudgeRule, RuleInput
from oracle.model.spec import FeedSpec
from oracle.model.state import Memory
from oracle.model.status import Reason, Status, Why

_MOST_LIMITS = 2
"""The sum is capped at so many times the threshold, so that it can end."""


def slow_drift(rule_input: RuleInput) -> Finding | None:
    """A small discount (or premium) that lasts for days and weeks: the sum of its excess reached the threshold."""
    rules, memory, deviation = rule_input.spec.rules, rule_input.memory, rule_input.evidence.deviation
    limit = rules.drift_bps_hours
    if not limit:
        return None
    low, high = memory.drift_low, memory.drift_high
    if deviation is not None:
        low, high = next_sums(rule_input.spec, memory, deviation, rule_input.now_ms)
    low, high = low // HOUR_MS, high // HOUR_MS
    if max(low, high) < limit:
        return None
    below = low >= high
    word = "below" if below else "above"
    slack = rules.drift_slack_bps
    text = (
        f"{max(low, high)} bps hours more than {slack} bps {word} the normal level; the limit is {limit}, no more than"
        f" {_MOST_LIMITS * limit} are counted"
    )
    return Finding(status=Status.WATCH, reason=Reason(code=Why.DRIFT_DOWN if below else Why.DRIFT_UP, text=text))


SLOW_DRIFT = JudgeRule(
    find=slow_drift,
    reasons=(Why.DRIFT_DOWN, Why.DRIFT_UP),
    watches="slow drift to one side (CUSUM)",
    keys=("drift_slack_bps", "drift_bps_hours"),
)


def next_sums(spec: FeedSpec, memory: Memory, deviation: int, now_ms: int) -> tuple[int, int]:
    """Both one-sided sums in bps milliseconds after a round, capped so that they can end."""
    if memory.deviation_bps is None:
        return memory.drift_low, memory.drift_high
    elapsed_ms, slack = gap_ms(memory, now_ms), spec.rules.drift_slack_bps
    ends = [d - spec.bands.normal_bps for d in (memory.deviation_bps, deviation)]
    most = _MOST_LIMITS * spec.rules.drift_bps_hours * HOUR_MS
    low = min(most, max(0, memory.drift_low + (-max(ends) - slack) * elapsed_ms))
    high = min(most, max(0, memory.drift_high + (min(ends) - slack) * elapsed_ms))
    return low, high
