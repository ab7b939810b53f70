"""How the deviation moves: fast, or slowly and always to the same side.

The CUSUM runs against the configured normal level, never the learned one: what drifts slowly must not teach the band.
Source: E. S. Page, "Continuous inspection schemes", Biometrika 41 (1954).

Rounds may be sparse. A sum over time counts a gap by the smaller excess of its two ends, and a gap of more than
``MOST_GAP_MS`` as one of that. So a deviation that only grows sums to no more than it does in dense rounds, and to less by at
most the longest gap times its growth. The learned level goes over a gap towards the nearer of its two ends.
"""

from __future__ import annotations

from feeds.units import MS, percent_text
from oracle.judge.rules.evidence import Evidence, Finding, RuleInput
from oracle.model.spec import FeedSpec
from oracle.model.state import Memory
from oracle.model.status import Reason, Status, Why

HOUR_MS = 3_600_000
MOST_DEVIATIONS = 32
MOST_GAP_MS = 24 * HOUR_MS
"""A gap in the rounds counts for no longer than this in what sums over time."""
_STANDS = 6
"""A deviation from before the window of a fast move stands at its beginning for so many windows: an hour by default."""


def gap_ms(memory: Memory, now_ms: int) -> int:
    """How long the time since the last round counts in a sum."""
    return min(MOST_GAP_MS, max(0, now_ms - memory.at_ms)) if memory.at_ms else 0


def moved(case: RuleInput) -> Finding | None:
    """The deviation changed by more than ``moved_bps`` within ``moved_ms``, or within a gap that reaches into that time."""
    now, limit = case.seen.deviation, case.spec.rules.moved_bps
    if now is None or not limit:
        return None
    past = [bps for _, bps in _since(case.memory.deviations, case.now_ms, case.spec.rules.moved_s * MS)]
    if not past:
        return None
    fall, rise = max(past) - now, now - min(past)
    size = max(fall, rise)
    if size < limit or abs(now - case.normal_bps) < case.spec.bands.watch_leave_bps:
        return None  # what comes back to the peg is no alarm
    word, code = ("fell", Why.FELL) if fall >= rise else ("rose", Why.ROSE)
    text = f"market {word} by {percent_text(size)} against redemption within {case.spec.rules.moved_s} s"
    return Finding(status=Status.WATCH, reason=Reason(code=code, text=text))


def drift(case: RuleInput) -> Finding | None:
    """A small discount (or premium) that lasts for days and weeks: the sum of its excess passed the threshold."""
    rules, memory = case.spec.rules, case.memory
    limit = rules.drift_bps_hours
    if not limit:
        return None
    low, high = memory.drift_low, memory.drift_high
    if case.seen.deviation is not None:
        low, high = summed(case.spec, memory, case.seen.deviation, case.now_ms)
    low, high = low // HOUR_MS, high // HOUR_MS
    if max(low, high) < limit:
        return None
    below = low >= high
    word = "below" if below else "above"
    slack = rules.drift_slack_bps
    text = f"{max(low, high)} bps hours more than {slack} bps {word} the normal level; the limit is {limit}"
    return Finding(status=Status.WATCH, reason=Reason(code=Why.DRIFT_DOWN if below else Why.DRIFT_UP, text=text))


def summed(spec: FeedSpec, memory: Memory, deviation: int, now_ms: int) -> tuple[int, int]:
    """Both one-sided sums in bps milliseconds after a round, capped at twice the threshold so that they can end."""
    if memory.deviation_bps is None:
        return memory.drift_low, memory.drift_high
    elapsed, slack = gap_ms(memory, now_ms), spec.rules.drift_slack_bps
    ends = [d - spec.bands.normal_bps for d in (memory.deviation_bps, deviation)]
    most = 2 * spec.rules.drift_bps_hours * HOUR_MS
    low = min(most, max(0, memory.drift_low + (-max(ends) - slack) * elapsed))
    high = min(most, max(0, memory.drift_high + (min(ends) - slack) * elapsed))
    return low, high


def thinned(spec: FeedSpec, memory: Memory, deviation: int, now_ms: int) -> tuple[tuple[int, int], ...]:
    """Deviations kept for :func:`moved`: one each 1/16 of the window, at most 32, and the one that stood when it began."""
    kept = _since(memory.deviations, now_ms, spec.rules.moved_s * MS)
    if kept and now_ms - kept[-1][0] < spec.rules.moved_s * MS // 16:
        return kept
    return (*kept, (now_ms, deviation))[-MOST_DEVIATIONS:]


def _since(deviations: tuple[tuple[int, int], ...], now_ms: int, window_ms: int) -> tuple[tuple[int, int], ...]:
    """Those of the window, and the newest before it while that stands."""
    inside = tuple(d for d in deviations if d[0] >= now_ms - window_ms)
    before = [d for d in deviations if now_ms - _STANDS * window_ms <= d[0] < now_ms - window_ms]
    return (*before[-1:], *inside)


def learned(case: RuleInput, seen: Evidence) -> int | None:
    """The normal level in thousandths of a bps after a round: a step towards the market, at most so much a day.

    Only in state ok, and never further than ``learn_cap_bps`` from what is configured.
    """
    rules, memory = case.spec.rules, case.memory
    if not rules.learn_bps_day or seen.deviation is None:
        return None
    base = case.spec.bands.normal_bps * 1_000
    now = base if memory.normal_mbps is None else memory.normal_mbps
    if case.status is not Status.OK or not memory.at_ms:
        return now
    step = rules.learn_bps_day * 1_000 * (gap_ms(memory, case.now_ms) + memory.learn_rest_ms) // (24 * HOUR_MS)
    ends = [seen.deviation * 1_000, now if memory.deviation_bps is None else memory.deviation_bps * 1_000]
    nearer = max(min(now, max(ends)), min(ends))  # the level itself where it lies between them
    target = max(base - rules.learn_cap_bps * 1_000, min(base + rules.learn_cap_bps * 1_000, nearer))
    return max(now - step, min(now + step, target))


def learn_rest(case: RuleInput) -> int:
    """Milliseconds that were too short for a whole step of learning, carried on."""
    rules, memory = case.spec.rules, case.memory
    if not rules.learn_bps_day or case.status is not Status.OK or not memory.at_ms:
        return 0
    a_step_ms = 24 * HOUR_MS // (rules.learn_bps_day * 1_000)
    return (gap_ms(memory, case.now_ms) + memory.learn_rest_ms) % max(1, a_step_ms)
