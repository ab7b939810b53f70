"""Judge: how far the market may be relied on, held against what the protocol owes.

Each rule is a small pure function from one round to a target status with its reason (:mod:`oracle.judge.rules`); the worst
target wins, and the status moves towards it one level at a time, once suspicion has filled its dwell
(:mod:`oracle.judge.suspicion`). Leaving has lower bands and a longer dwell than entering. A fact that is no price (tokens without
backing, a sequencer that stands still) waits for nothing.
"""

from __future__ import annotations

from dataclasses import replace

from feeds.units import MS
from oracle.judge.rules.evidence import Evidence, Finding, RuleInput
from oracle.judge.rules.registry import blind_findings, findings, remember
from oracle.judge.suspicion import advance, entered
from oracle.model.spec import FeedSpec, Rules
from oracle.model.state import JudgeState, Memory
from oracle.model.status import Reason, Status, Why
from oracle.model.types import Verdict

_WHOLE_PPM = 1_000_000
_LONGEST_STEP_MS = 60_000


def judge(
    spec: FeedSpec, state: JudgeState, memory: Memory, seen: Evidence, now_ms: int
) -> tuple[Verdict, JudgeState, Memory]:
    """Return the verdict of one round, and what to remember: the status with its dwell, and the rules' own memory."""
    case = RuleInput(spec=spec, memory=memory, status=state.status, seen=seen, now_ms=now_ms)
    found = findings(case)
    target = max([f.status for f in found], default=Status.OK)
    after = at_once(advance(spec.bands, state, target, now_ms), found, now_ms)
    verdict = Verdict(
        market_wad=seen.market_wad,
        redemption_wad=seen.redemption_wad,
        deviation_bps=seen.deviation,
        status=after.status,
        reasons=_reasons(spec, found, after.status, target),
        widen_bps=max([max(spec.rules.doubt_bps, f.apart_bps) for f in found if f.doubt], default=0),
        ramp_ppm=ramp_ppm(_as_read(spec.rules, seen), memory, after.status, now_ms),
    )
    ended = RuleInput(spec=spec, memory=memory, status=after.status, seen=seen, now_ms=now_ms)
    return verdict, after, remember(ended, verdict.ramp_ppm)


def judge_blind(
    spec: FeedSpec, state: JudgeState, memory: Memory, seen: Evidence, now_ms: int
) -> tuple[tuple[Finding, ...], JudgeState]:
    """Judge a round without a price: what its evidence says all the same, and the status with its suspicion.

    Evidence that asks for nothing proves nothing: such a round drains no suspicion and leaves no level.
    """
    case = RuleInput(spec=spec, memory=memory, status=state.status, seen=seen, now_ms=now_ms)
    found = blind_findings(case)
    said = max([f.status for f in found], default=None)
    return found, at_once(advance(spec.bands, state, said, now_ms, priced=False), found, now_ms)


def at_once(state: JudgeState, found: tuple[Finding, ...], now_ms: int) -> JudgeState:
    """The state with the facts that wait for nothing."""
    least = max([f.at_once for f in found], default=Status.OK)
    return entered(state, least, now_ms) if least > state.status else state


def _as_read(rules: Rules, seen: Evidence) -> Rules:
    """The rules with redemption closed where a contract says so; what none tells is as configured."""
    return replace(rules, redemption_open=False) if seen.closed_by else rules


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
    dwell_s, depeg_s = spec.bands.leave_dwell_s, spec.bands.depeg_dwell_s
    if status is Status.HALT:
        text = f"halted; leaves after {dwell_s} s with full quorum, after {depeg_s} s of depeg to depeg"
        return (Reason(code=Why.LEAVING, text=text), *reasons)
    if status > target and not any(f.status > Status.OK for f in found):
        text = f"inside the bands again; leaves {status.word} after {dwell_s} s"
        return (Reason(code=Why.LEAVING, text=text), *reasons)
    return reasons
