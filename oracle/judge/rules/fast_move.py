"""The deviation moves fast."""

from __future__ import annotations

from feeds.units import MS, percent_text
from oracle.judge.evidence import Finding, JudgeRule, RuleInput
from oracle.model.spec import FeedSpec
from oracle.model.state import Memory
from oracle.model.status import Reason, Status, Why

MOST_DEVIATIONS = 32
KEPT_A_WINDOW = 16
STANDS_WINDOWS = 6
"""A deviation from before the window stands at its beginning for so many windows: an hour by default."""


def fast_move(rule_input: RuleInput) -> Finding | None:
    """The deviation changed by ``moved_bps`` or more within ``moved_s``, or within a gap that reaches into that time."""
    now, limit = rule_input.evidence.deviation, rule_input.spec.rules.moved_bps
    if now is None or not limit:
        return None
    window_ms = rule_input.spec.rules.moved_s * MS
    past = [bps for _, bps in _in_window(rule_input.memory.deviations, rule_input.now_ms, window_ms)]
    if not past:
        return None
    fall, rise = max(past) - now, now - min(past)
    size = max(fall, rise)
    if size < limit or abs(now - rule_input.normal_bps) < rule_input.spec.bands.watch_leave_bps:
        return None  # a return to the peg is not an alarm
    word, code = ("fell", Why.FELL) if fall >= rise else ("rose", Why.ROSE)
    text = f"market {word} by {percent_text(size)} against redemption within {rule_input.spec.rules.moved_s} s"
    return Finding(status=Status.WATCH, reason=Reason(code=code, text=text))


FAST_MOVE = JudgeRule(
    find=fast_move, reasons=(Why.FELL, Why.ROSE), watches="fast move of the deviation", keys=("moved_bps", "moved_s")
)


def next_deviations(spec: FeedSpec, memory: Memory, deviation: int, now_ms: int) -> tuple[tuple[int, int], ...]:
    """Deviations kept for :func:`fast_move`: one each 1/16 of the window, at most 32, and the one that stood when it began."""
    kept = _in_window(memory.deviations, now_ms, spec.rules.moved_s * MS)
    if kept and now_ms - kept[-1][0] < spec.rules.moved_s * MS // KEPT_A_WINDOW:
        return kept
    return (*kept, (now_ms, deviation))[-MOST_DEVIATIONS:]


def _in_window(deviations: tuple[tuple[int, int], ...], now_ms: int, window_ms: int) -> tuple[tuple[int, int], ...]:
    """Those of the window, and the newest before it while that stands."""
    inside = tuple(d for d in deviations if d[0] >= now_ms - window_ms)
    before = [d for d in deviations if now_ms - STANDS_WINDOWS * window_ms <= d[0] < now_ms - window_ms]
    return (*before[-1:], *inside)
