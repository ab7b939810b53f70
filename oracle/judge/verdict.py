"""Judge: how far the market price may be relied on, compared with what the protocol owes.

Each rule is a small pure function from one round to a finding (:mod:`oracle.judge.rules`). The worst status that one asks for is
the target, and the feed's status moves towards it one level at a time, once suspicion has filled its dwell
(:mod:`oracle.judge.suspicion`). Leaving a status has lower bands and a longer dwell than entering it. A fact that is not a price
(tokens without backing, a sequencer that stands still) waits for no dwell.
"""

from __future__ import annotations

from dataclasses import replace

from feeds.units import MS
from oracle.judge.evidence import Evidence, Finding, RuleInput
from oracle.judge.memory import next_memory
from oracle.judge.registry import findings, findings_without_price
from oracle.judge.rules.rails import next_rails
from oracle.judge.suspicion import advance, entered
from oracle.model.spec import FeedSpec, Rules
from oracle.model.state import JudgeState, Memory
from oracle.model.status import Reason, Status, Why
from oracle.model.types import Verdict

_WHOLE_PPM = 1_000_000
_LONGEST_STEP_MS = 60_000


def judge(
    spec: FeedSpec, state: JudgeState, memory: Memory, evidence: Evidence, now_ms: int
) -> tuple[Verdict, JudgeState, Memory]:
    """Judge a round with a price: its verdict, the status with its suspicion, and what the rules remember."""
    rule_input = RuleInput(spec=spec, memory=memory, status=state.status, evidence=evidence, now_ms=now_ms)
    found = findings(rule_input)
    target = max([f.status for f in found], default=Status.OK)
    after = with_immediate_status(advance(spec.bands, state, target, now_ms), found, now_ms)
    verdict = Verdict(
        market_wad=evidence.market_wad,
        redemption_wad=evidence.redemption_wad,
        deviation_bps=evidence.deviation,
        status=after.status,
        reasons=_reasons(spec, found, after.status, target),
        widen_bps=max([max(spec.rules.doubt_bps, f.apart_bps) for f in found if f.doubt], default=0),
        ramp_ppm=ramp_ppm(_rules_as_read(spec.rules, evidence), memory, after.status, now_ms),
    )
    ended = RuleInput(spec=spec, memory=memory, status=after.status, evidence=evidence, now_ms=now_ms)
    return verdict, after, next_memory(ended, verdict.ramp_ppm)


def judge_without_price(
    spec: FeedSpec, state: JudgeState, memory: Memory, evidence: Evidence, now_ms: int
) -> tuple[tuple[Finding, ...], JudgeState, Memory]:
    """Judge a round without a price: what the rules find all the same, the status with its suspicion, and what is remembered.

    Without a finding nothing is proved: such a round drains no suspicion and leaves no level. Of the memory only facts that
    need no price move on.
    """
    rule_input = RuleInput(spec=spec, memory=memory, status=state.status, evidence=evidence, now_ms=now_ms)
    found = findings_without_price(rule_input)
    target = max([f.status for f in found], default=None)
    after = with_immediate_status(advance(spec.bands, state, target, now_ms, priced=False), found, now_ms)
    return found, after, replace(memory, rails=next_rails(rule_input))


def with_immediate_status(state: JudgeState, found: tuple[Finding, ...], now_ms: int) -> JudgeState:
    """The state once the findings that wait for no dwell have been applied."""
    least = max([f.at_once for f in found], default=Status.OK)
    return entered(state, least, now_ms) if least > state.status else state


def _rules_as_read(rules: Rules, evidence: Evidence) -> Rules:
    """The rules with redemption closed where a contract says so; where no source says anything, as configured."""
    return replace(rules, redemption_open=False) if evidence.closed_by else rules


def ramp_ppm(rules: Rules, memory: Memory, status: Status, now_ms: int) -> int:
    """How much of the market is in ``redemption_unless_depeg``: linearly up in depeg or while nobody can redeem, then down.

    A halt holds it where it is, and a gap in the rounds counts for a minute: nothing jumps after an outage.
    """
    if not memory.at_ms:
        return 0 if rules.redemption_open else _WHOLE_PPM
    if status is Status.HALT:
        return memory.ramp_ppm
    elapsed_ms = min(_LONGEST_STEP_MS, max(0, now_ms - memory.at_ms))
    step = elapsed_ms * _WHOLE_PPM // max(1, rules.ramp_s * MS)
    up = status is Status.DEPEG or not rules.redemption_open
    return min(_WHOLE_PPM, memory.ramp_ppm + step) if up else max(0, memory.ramp_ppm - step)


def _reasons(spec: FeedSpec, found: tuple[Finding, ...], status: Status, target: Status) -> tuple[Reason, ...]:
    reasons = tuple(f.reason for f in found)
    leave_s, depeg_s = spec.bands.leave_dwell_s, spec.bands.depeg_dwell_s
    if status is Status.HALT:
        text = f"halted; leaves after {leave_s} s with full quorum, after {depeg_s} s of depeg to depeg"
        return (Reason(code=Why.LEAVING, text=text), *reasons)
    if status > target and not any(f.status > Status.OK for f in found):
        text = f"inside the bands again; leaves {status.word} after {leave_s} s"
        return (Reason(code=Why.LEAVING, text=text), *reasons)
    return reasons
