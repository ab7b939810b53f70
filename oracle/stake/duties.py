"""What must be done for the contracts of stake, by anybody: which calls are due, by what was read at one block. Pure.

Nobody is paid for these calls. Left undone, a set expires, a guilty operator stays in it, a penalty lapses, or stake stops counting.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import IntEnum

from eth_hash.auto import keccak

from oracle.chain.store_abi import call_of
from oracle.model.duty_kind import DutyKind
from oracle.stake.hand import StakeStep
from oracle.stake.moments import moment, percent

WHOLE = 10**18
LATEST_RECORD_S = 42 * 3_600
"""A rate that has fallen is recorded this long after the last one: what is two days old counts no more."""


class CaseOutcome(IntEnum):
    """Of a case or a step, as the penalties number it."""

    NONE = 0
    DISPUTED = 1
    TAKEN = 2
    RETURNED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Duty:
    """One call that is due.

    Attributes:
        kind: what for.
        subject: of whom or what; with the kind it names the duty, for everybody alike.
        since_s: when it became due, Unix s; None where the chain does not say.
        step: the call.
        hindered: why it would fail now; "" where it would not.
    """

    kind: DutyKind
    subject: str
    since_s: int | None
    step: StakeStep
    hindered: str = ""

    @property
    def name(self) -> str:
        """Of this duty and no other."""
        return f"{self.kind.value} {self.subject}"

    def place(self, chain_id: int, penalised_set: str) -> bytes:
        """32 bytes for the draw of who does it first."""
        return keccak(f"{chain_id} {penalised_set} {self.name}".encode())


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemAt:
    """Addresses of the contracts, hex, and the time of the block (Unix s) at which they were read."""

    set: str
    penalties: str
    now_s: int


# --- the set -----------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class FreezeFacts:
    """Of the next freeze.

    Attributes:
        epoch: in force.
        due_s: when stakes can be frozen, not before.
        members: that the next set would have; None where nobody can say it now.
        least_members: with fewer no set is made.
        would_work: whether a transaction could do it in this block.
        windows: the contract that observes; "" where a set has none.
        batch: operators that have to be observed before it, as many as one transaction can.
    """

    epoch: int
    due_s: int
    members: int | None
    least_members: int
    would_work: bool
    windows: str = ""
    batch: tuple[str, ...] = ()


def freeze_duty(at: SystemAt, facts: FreezeFacts) -> Duty | None:
    """Freeze stakes and make the next set, as soon as that can be done; again where a set was not armed in time.

    Where sources need more gas than a transaction has, operators are observed in parts before it: what was said of them within the
    hour counts for the freeze.
    """
    if at.now_s < facts.due_s:
        return None
    if facts.batch and not facts.would_work and (facts.members is None or facts.members >= facts.least_members):
        step = _step(
            facts.windows, "StakeWindows", "observe", (list(facts.batch),),
            f"asks the sources what {len(facts.batch)} operators have, so that a freeze within the hour need not", "never",
        )  # fmt: skip
        named = f"{len(facts.batch)} operators from {facts.batch[0]} for the freeze after epoch {facts.epoch}"
        return Duty(kind=DutyKind.OBSERVE, subject=named, since_s=facts.due_s or None, step=step)
    hindered = ""
    if facts.members is None:
        hindered = "what would be frozen cannot be read now"
    elif facts.members < facts.least_members:
        hindered = (
            f"{facts.members} operators could be members, {facts.least_members} are needed: more must join or bond"
        )
    elif not facts.would_work:
        hindered = "the set refuses it now"
    step = _step(
        at.set, "StakedSet", "rotate", (), "freezes stakes and makes the next signer set of them; its members have to arm it",
        "never; a set that is not armed in time is replaced by the next one",
    )  # fmt: skip
    subject = f"after epoch {facts.epoch}, due {facts.due_s}"
    return Duty(kind=DutyKind.ROTATE, subject=subject, since_s=facts.due_s or None, step=step, hindered=hindered)


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberFacts:
    """An operator with weight in a set that is, was or will be in force.

    Attributes:
        operator: address, hex.
        epoch: the newest of these sets.
        jailed_at_s: when it was last jailed; 0: never.
        captured_s: when the oldest of these sets was frozen.
        poor_since_s: since when all that was read of its stake was below the least; None: it is not.
        removable: whether the set would cut it now.
    """

    operator: str
    epoch: int
    jailed_at_s: int
    captured_s: int
    poor_since_s: int | None
    removable: bool


def removal_duties(at: SystemAt, members: Sequence[MemberFacts], poor_for_s: int) -> Iterator[Duty]:
    """Cut who is in jail, and whose stake has been below the least for long.

    A token's rate may dip for a call, and some stake that cannot be read counts nothing: an honest operator is not cut for a block.
    """
    for one in members:
        jailed = one.jailed_at_s >= one.captured_s and one.jailed_at_s > 0
        poor = one.poor_since_s is not None and at.now_s >= one.poor_since_s + poor_for_s
        if not one.removable or not (jailed or poor):
            continue
        since_s = one.jailed_at_s if jailed else (one.poor_since_s or 0) + poor_for_s
        why = "it is in jail" if jailed else "its stake is below the least"
        step = _step(
            at.set, "StakedSet", "remove", (one.operator,), f"cuts {one.operator} from the sets that it is in: {why}",
            "the operator can join again, for a later set",
        )  # fmt: skip
        yield Duty(kind=DutyKind.REMOVE, subject=f"{one.operator} of epoch {one.epoch}", since_s=since_s, step=step)


# --- penalties ----------------------------------------------------------------------------------------------------------------


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
    step = _step(at.penalties, "Penalties", *call, text, undo)
    return Duty(kind=kind, subject=subject, since_s=since_s, step=step)


# --- values --------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class RateFacts:
    """A token's rate in a contract of values.

    Attributes:
        values: the contract, hex.
        token: hex.
        recorded_s: when the rate was recorded last.
        recorded: that rate.
        live: what counts now; None where it cannot be read.
    """

    values: str
    token: str
    recorded_s: int
    recorded: int
    live: int | None


def refresh_duties(at: SystemAt, rates: Sequence[RateFacts], pace_s: int) -> Iterator[Duty]:
    """Record rates at a pace: what was recorded stands for a token that cannot be read, for two days.

    A rate that is lower than what is recorded may have dipped for a moment, and its growth would count from there: it is recorded as late as
    it may be. It counts at once, recorded or not.
    """
    for one in rates:
        if one.live is None:
            continue
        since_s = one.recorded_s + (pace_s if one.live >= one.recorded else max(pace_s, LATEST_RECORD_S))
        if at.now_s < since_s:
            continue
        step = _step(
            one.values, "CollateralValues", "refresh", (one.token,), f"records what {one.token} is worth now", "never"
        )
        yield Duty(
            kind=DutyKind.REFRESH,
            subject=f"{one.token} at {one.values} recorded {one.recorded_s}",
            since_s=since_s,
            step=step,
        )


def _step(to: str, contract: str, name: str, args: tuple[object, ...], text: str, undo: str) -> StakeStep:
    data, _ = call_of(contract, name, args)
    return StakeStep(name=name, text=text, undo=undo, to=to, data=data)


# --- what is told --------------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class DutiesDue:
    """What is due, since when, and what was done about it: for people and metrics.

    Attributes:
        since_s: by duty, the Unix s since when it is due as far as is known here, or since when it can be done.
        duties: as last read.
        counts: of calls, by kind and what became of them.
    """

    since_s: dict[str, int] = field(default_factory=dict)
    duties: tuple[Duty, ...] = ()
    counts: dict[tuple[DutyKind, str], int] = field(default_factory=dict)

    def note(self, duties: Sequence[Duty], now_s: int) -> None:
        """What is due now; what is not any more is forgotten."""
        known, before = self.since_s, {d.name: bool(d.hindered) for d in self.duties}
        self.since_s = {
            d.name: d.since_s if d.since_s is not None
            else known[d.name] if before.get(d.name) is bool(d.hindered) else now_s
            for d in duties
        }  # fmt: skip
        self.duties = tuple(sorted(duties, key=lambda d: (list(DutyKind).index(d.kind), self.since_s[d.name], d.name)))

    def oldest_s(self, kind: DutyKind) -> int | None:
        """Since when the oldest of a kind is due; None where none is."""
        return min((self.since_s[d.name] for d in self.duties if d.kind is kind), default=None)

    def count(self, kind: DutyKind, outcome: str) -> None:
        """A call was sent, or something became of it."""
        self.counts[kind, outcome] = self.counts.get((kind, outcome), 0) + 1
