"""The steps of what anybody can do for the contracts of stake now: the same that a keeper finds at its first look."""

from __future__ import annotations

from collections.abc import Collection

from oracle.model.duty_kind import DutyKind
from oracle.stake.discover import StakeSystem
from oracle.stake.due.reads import DutyReads
from oracle.stake.hand import StakeStep
from oracle.stake.moments import moment
from oracle.stake.plans import NothingToDo
from oracle.stake.reads import StakeReads

REFRESH_S = 86_400
"""From one record of a rate to the next."""
_NEVER_S = 1 << 40


async def duty_steps(reads: StakeReads, system: StakeSystem, kinds: Collection[DutyKind]) -> list[StakeStep]:
    """All that is due of these kinds, in the order in which it is done.

    Whose stake is below the least at this very block may have it again in the next one: who wants such an operator cut asks for
    removals alone.

    Raises:
        NothingToDo: nothing is, or all of it would fail now.
        ChainError: endpoints do not answer or agree.
    """
    poor_for_s = 0 if set(kinds) == {DutyKind.REMOVE} else _NEVER_S
    due = await DutyReads(system, poor_for_s=poor_for_s, refresh_s=REFRESH_S).duties(reads, frozenset(kinds))
    steps = [d.step for d in due if not d.hindered]
    if not steps:
        raise NothingToDo("; ".join(f"{d.text}: it would fail: {d.hindered}" for d in due) or "nothing is due")
    return steps


async def freeze_steps(reads: StakeReads, system: StakeSystem) -> list[StakeStep]:
    """Freeze stakes and make the next set of them.

    Raises:
        NothingToDo: it is not due, or would fail.
        ChainError: endpoints do not answer or agree.
    """
    (due_s,) = await reads.call(system.set, "StakedSet", "nextRotateAt")
    if due_s > reads.head.time_s:
        raise NothingToDo(f"rotate is due at {moment(due_s)}")
    return await duty_steps(reads, system, {DutyKind.OBSERVE, DutyKind.ROTATE})
