"""The state of a feed that other rules have left behind: what of it still means the same is carried over, and the rest is said.

A state decides how soon a depeg is seen, so nothing of it may go unnoticed. For each RULES_VERSION whose states may be met,
``_CARRY`` has a function that says what its parts mean by the present rules. Where there is none, or a state cannot be read,
nothing is carried but the status: the feed begins anew, in watch at least, and leaves it as any feed does.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from oracle.model.canonical_json import parse
from oracle.model.spec import RULES_VERSION
from oracle.model.state import FeedState, JudgeState, Memory, RateState, Sample, Suspicion
from oracle.model.status import Status
from oracle.storage.errors import OtherRules

_Plain = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class CarriedState:
    """A state by the present rules. ``made_by``: the rules of the one that is stored. ``anew``: what of it begins anew, in words."""

    state: FeedState
    made_by: int
    anew: tuple[str, ...] = ()

    @property
    def is_of_other_rules(self) -> bool:
        """Whether the next round is the first by the present rules: the state before it is kept as a checkpoint."""
        return self.made_by != RULES_VERSION


def carried_state(body: bytes) -> CarriedState:
    """A stored state, by the present rules.

    Raises:
        OtherRules: later rules have made it, which this version does not know.
        Undecodable: rules of this version have made it, and it is damaged.
    """
    stored: _Plain = json.loads(body)
    version = int(stored.get("version", 0))
    if version == RULES_VERSION:
        return CarriedState(state=parse(FeedState, body), made_by=version)
    if version > RULES_VERSION:
        raise OtherRules(
            f"a state of rules {version} is stored, and this version makes rules {RULES_VERSION}: it does not go back. Start"
            " the version that wrote it, or put back the copy that was made before (docs/upgrade.md)"
        )
    carry = _CARRY.get(version)
    if carry is not None:
        try:
            state, anew = carry(stored)
            return CarriedState(state=state, made_by=version, anew=anew)
        except (ValueError, KeyError, TypeError):  # not what that version writes: then nothing of it is believed
            pass
    return CarriedState(state=_begun_anew(stored), made_by=version, anew=("everything but the status",))


def _begun_anew(stored: _Plain) -> FeedState:
    """As a new feed, but in watch at least."""
    judge, memory = stored.get("judge") or {}, stored.get("memory") or {}
    known = judge.get("status")
    status = Status(known) if known in set(Status) else Status.WATCH
    at_ms = int(memory.get("at_ms") or 0)
    return FeedState(judge=JudgeState(status=max(status, Status.WATCH), since_ms=at_ms, at_ms=at_ms))


def _from_5(stored: _Plain) -> tuple[FeedState, tuple[str, ...]]:
    """Rules 5, of release 0.1.0: one status waited out its dwell, where buckets fill now; averages knew nothing of gaps."""
    memory: _Plain = dict(stored["memory"])
    unchanged, window = memory.pop("unchanged"), stored["window"]
    state = FeedState(
        pools=_part(tuple[tuple[str, tuple[Sample, ...]], ...], stored["pools"]),
        judge=_judge_from_5(stored["judge"], int(memory["at_ms"])),
        rate=_part(RateState | None, stored["rate"]),
        memory=_part(Memory, {**memory, "unchanged": [], "deviation_bps": None, "rails": []}),
    )
    anew = (
        *(("the average over time",) if window["made_by"] else ()),
        *(("for how long sources have stated the same price",) if unchanged else ()),
    )
    return state, anew


def _judge_from_5(judge: _Plain, at_ms: int) -> JudgeState:
    """What was waiting to become worse has been seen for as long; what was waiting to become better waits anew."""
    status, pending = Status(judge["status"]), judge["pending"]
    waited = Suspicion()
    if pending is not None and Status(pending) > status:
        waited = Suspicion(seen_ms=max(1, at_ms - int(judge["pending_since_ms"])), rounds=1)
    return JudgeState(
        status=status,
        since_ms=int(judge["since_ms"]),
        at_ms=at_ms,
        watch=waited if status is Status.OK else Suspicion(),
        depeg=waited if pending == Status.DEPEG else Suspicion(),
    )


def _part(kind: Any, plain: Any) -> Any:
    return parse(kind, json.dumps(plain))


_CARRY: Mapping[int, Callable[[_Plain], tuple[FeedState, tuple[str, ...]]]] = {5: _from_5}
"""What of a state of these rules means the same by the present ones."""
