"""Duties at the penalties: what is left to do for a case, by what was read at one block. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

from oracle.model.duty_kind import DutyKind
from oracle.stake.due.duties import Duty, SystemAt, duty_step
from oracle.stake.moments import moment, percent

WHOLE = 10**18


class CaseOutcome(IntEnum):
    """Of a case or a step, as the penalties number it."""

    NONE = 0
    DISPUTED = 1
    TAKEN = 2
    RETURNED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class SeizedStep:
    """One time that stake was put aside. ``seized``, ``settled``: a bit for each source."""

    seized: int
    settled: int
    outcome: CaseOutcome


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseFacts:
    """A case of the penalties.

    Attributes:
        case_id: 32 bytes.
        operator: address, hex.
        dispute_until_s: end of the dispute.
        provable_until_s: words of its epoch can be proven until then, and the case topped up.
        fraction: put aside so far, 1e18 for all.
        due: that should be.
        settled: steps that are over.
        outcome: of the case.
        steps: all of it.
        sources: how many there are.
        retries: (step, source) that would succeed if they were tried again now.
    """

    case_id: bytes
    operator: str
    dispute_until_s: int
    provable_until_s: int
    fraction: int
    due: int
    settled: int
    outcome: CaseOutcome
    steps: tuple[SeizedStep, ...]
    sources: int
    retries: frozenset[tuple[int, int]] = frozenset()

    @property
    def in_dispute(self) -> bool:
        """Whether it is not decided."""
        return self.outcome is CaseOutcome.DISPUTED


def is_over(case: CaseFacts, now_s: int) -> bool:
    """Whether nothing can be left to do for a case, ever."""
    if case.in_dispute or case.settled < len(case.steps):
        return False
    owed = any(s.seized & ~s.settled for s in case.steps)
    return not owed and (now_s > case.provable_until_s or case.outcome is CaseOutcome.RETURNED)


def open_retries(case: CaseFacts, now_s: int) -> Iterator[tuple[int, int]]:
    """(step, source) of what a source could not do and may be tried again."""
    disputed = case.in_dispute and now_s < case.dispute_until_s
    may_seize = case.outcome is not CaseOutcome.RETURNED and (disputed or now_s <= case.provable_until_s)
    for number, step in enumerate(case.steps):
        for source in range(case.sources):
            bit = 1 << source
            missing = not step.seized & bit and not step.settled & bit and may_seize
            owed = (
                step.seized & bit
                and not step.settled & bit
                and step.outcome in (CaseOutcome.TAKEN, CaseOutcome.RETURNED)
            )
            if missing or owed:
                yield number, source


def case_duties(at: SystemAt, case: CaseFacts) -> Iterator[Duty]:
    """What is due for a case: topped up, carried out, and tried again where a source failed."""
    name, disputed = "0x" + case.case_id.hex(), case.in_dispute and at.now_s < case.dispute_until_s
    all_taken = case.outcome is CaseOutcome.TAKEN and case.settled == len(case.steps)
    if case.due > case.fraction and at.now_s <= case.provable_until_s and (disputed or all_taken):
        text = f"case {name} of {case.operator}: {percent(case.due, WHOLE)} of its stake are due, {percent(case.fraction, WHOLE)}"
        yield _case_duty(
            at, DutyKind.TOP_UP, f"{name} to {case.due}", call=("topUp", (case.case_id,)),
            text=f"{text} are put aside: the rest is", undo="the arbiter can give it back until the dispute ends",
        )  # fmt: skip
    elif (case.in_dispute and not disputed) or (not case.in_dispute and case.settled < len(case.steps)):
        yield _case_duty(
            at, DutyKind.CARRY_OUT, f"{name} from step {case.settled}", case.dispute_until_s,
            call=("carryOut", (case.case_id,)), undo="never",
            text=f"case {name} of {case.operator}: the dispute ended at {moment(case.dispute_until_s)}; what was put aside is"
            " taken or given back",
        )  # fmt: skip
    for step, source in open_retries(case, at.now_s):
        if (step, source) in case.retries:
            yield _case_duty(
                at, DutyKind.RETRY, f"{name} step {step} source {source} of state {case.steps[step].seized}",
                call=("retry", (case.case_id, step, source)), undo="as the step itself",
                text=f"case {name} of {case.operator}: tries source {source} again, which failed in step {step}",
            )  # fmt: skip


def _case_duty(
    at: SystemAt,
    kind: DutyKind,
    subject: str,
    since_s: int | None = None,
    *,
    call: tuple[str, tuple[object, ...]],
    text: str,
    undo: str,
) -> Duty:
    step = duty_step(at.penalties, "Penalties", *call, text, undo)
    return Duty(kind=kind, subject=subject, since_s=since_s, step=step)
