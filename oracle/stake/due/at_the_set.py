"""Duties at the set and at the contracts of values, by what was read at one block. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from oracle.model.duty_kind import DutyKind
from oracle.stake.due.duties import Duty, SystemAt, duty_step
from oracle.stake.moments import moment

LATEST_RECORD_S = 42 * 3_600
"""A rate that has fallen is recorded this long after the last one: what is two days old counts no more."""
FORGET_WITHIN_S = 2_700
"""After a first look a second one cuts nobody for an hour; a call may take a while to land."""


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
        again: operators that the transaction of the freeze can observe itself.
    """

    epoch: int
    due_s: int
    members: int | None
    least_members: int
    would_work: bool
    windows: str = ""
    batch: tuple[str, ...] = ()
    again: tuple[str, ...] = ()


def freeze_duty(at: SystemAt, facts: FreezeFacts) -> Duty | None:
    """Freeze stakes and make the next set, as soon as that can be done; again where a set was not armed in time.

    Where sources need more gas than a transaction has, operators are observed in parts before it: what was said of them within the
    hour counts for the freeze. A moment at which somebody made a stake small, and had it observed, would count for the next window too;
    so the freeze itself observes whom it can.
    """
    if at.now_s < facts.due_s:
        return None
    if facts.batch and not facts.would_work and (facts.members is None or facts.members >= facts.least_members):
        step = duty_step(
            facts.windows, "StakeWindows", "observe", (list(facts.batch),),
            f"asks the sources what {len(facts.batch)} operators have, so that a freeze within the hour need not", "never",
        )  # fmt: skip
        named = f"{len(facts.batch)} operators from {facts.batch[0]} for the freeze after epoch {facts.epoch}"
        return Duty(kind=DutyKind.OBSERVE, subject=named, since_s=facts.due_s or None, step=step)
    hindered = ""
    if facts.members is None:
        hindered = "what would be frozen cannot be read now"
    elif facts.members < facts.least_members:
        hindered = f"{facts.members} operators could be members, {facts.least_members} are needed: more must join or bond, or wait out the delay of joining"
    elif not facts.would_work:
        hindered = "the set refuses it now"
    function, arguments = ("observeAndRotate", (list(facts.again),)) if facts.again else ("rotate", ())
    step = duty_step(
        at.set, "StakedSet", function, arguments, "freezes stakes and makes the next signer set of them; its members have to arm it",
        "never; a set that is not armed in time is replaced by the next one",
    )  # fmt: skip
    subject = f"after epoch {facts.epoch}, due {facts.due_s}"
    told = f"after epoch {facts.epoch}, due {'since ' + moment(facts.due_s) if facts.due_s else 'now'}"
    return Duty(
        kind=DutyKind.ROTATE, subject=subject, since_s=facts.due_s or None, step=step, hindered=hindered, told=told
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberFacts:
    """An operator with weight in a set that is, was or will be in force.

    Attributes:
        operator: address, hex.
        epoch: the newest of these sets.
        jailed_at_s: when it was last jailed; 0: never.
        captured_s: when the oldest of these sets was frozen.
        poor_since_s: since when all that was read of its stake was below the least; None: it is not.
        removable: whether the set would cut it now, or forget that it was seen with too little.
        emptied_s: when the set last saw too little of it, and nobody more since; 0: it did not.
    """

    operator: str
    epoch: int
    jailed_at_s: int
    captured_s: int
    poor_since_s: int | None
    removable: bool
    emptied_s: int = 0


def removal_duties(at: SystemAt, members: Sequence[MemberFacts], poor_for_s: int) -> Iterator[Duty]:
    """Cut who is in jail, and whose stake has been below the least for long.

    A token's rate may dip for a call, and some stake that cannot be read counts nothing: an honest operator is not cut for a block.
    Two such moments an hour apart would do at the set: it is made to forget the first, well within that hour, as such a call can cut nobody.
    """
    for one in members:
        if one.removable and at.now_s < one.emptied_s + FORGET_WITHIN_S:
            step = duty_step(
                at.set,
                "StakedSet",
                "remove",
                (one.operator,),
                f"has the set see that {one.operator} has its stake",
                "never",
            )
            subject = f"{one.operator} seen with too little {one.emptied_s}"
            yield Duty(kind=DutyKind.REMOVE, subject=subject, since_s=one.emptied_s, step=step)
            continue
        jailed = one.jailed_at_s >= one.captured_s and one.jailed_at_s > 0
        poor = one.poor_since_s is not None and at.now_s >= one.poor_since_s + poor_for_s
        if not one.removable or not (jailed or poor):
            continue
        since_s = one.jailed_at_s if jailed else (one.poor_since_s or 0) + poor_for_s
        why = "it is in jail" if jailed else "its stake is below the least"
        step = duty_step(
            at.set, "StakedSet", "remove", (one.operator,), f"cuts {one.operator} from the sets that it is in: {why}",
            "the operator can join again, for a later set",
        )  # fmt: skip
        yield Duty(kind=DutyKind.REMOVE, subject=f"{one.operator} of epoch {one.epoch}", since_s=since_s, step=step)


@dataclass(frozen=True, slots=True, kw_only=True)
class RateFacts:
    """A token's rate in a contract of values.

    Attributes:
        values: the contract, hex.
        token: hex.
        recorded_s: when the rate was recorded last.
        recorded: that rate.
        live: what counts now; None where it cannot be read.
        fallen_s: when less than the record was noted; 0: it was not.
        confirm_s: so much later it is recorded; None where a record falls at once.
    """

    values: str
    token: str
    recorded_s: int
    recorded: int
    live: int | None
    fallen_s: int = 0
    confirm_s: int | None = None


def refresh_duties(at: SystemAt, rates: Sequence[RateFacts], pace_s: int) -> Iterator[Duty]:
    """Record rates at a pace: what was recorded stands for a token that cannot be read, for two days.

    A rate that is lower than what is recorded may have dipped for a moment. Where the contract notes that first and records it when it is
    seen again, it is noted at once. Where it would be recorded at once, and its growth count from there, that waits as long as
    it may; such a contract counts it in any case.
    """
    for one in rates:
        if one.live is None:
            continue
        since_s = _refresh_from_s(one, pace_s, at.now_s)
        if at.now_s < since_s:
            continue
        step = duty_step(
            one.values, "CollateralValues", "refresh", (one.token,), f"records what {one.token} is worth now", "never"
        )
        yield Duty(
            kind=DutyKind.REFRESH,
            subject=f"{one.token} at {one.values} recorded {one.recorded_s}"
            + (f" fallen {one.fallen_s}" if one.fallen_s else ""),
            since_s=since_s,
            step=step,
        )


def _refresh_from_s(rate: RateFacts, pace_s: int, now_s: int) -> int:
    """From when on a rate is to be recorded, or its fall noted, Unix s."""
    has_fallen = rate.live is not None and rate.live < rate.recorded
    if rate.confirm_s is None:
        return rate.recorded_s + (max(pace_s, LATEST_RECORD_S) if has_fallen else pace_s)
    if rate.fallen_s:
        return rate.fallen_s + rate.confirm_s
    return now_s if has_fallen else rate.recorded_s + pace_s
