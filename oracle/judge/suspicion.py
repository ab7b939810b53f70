"""Suspicion: for each worse level a leaky bucket of the time for which the evidence has said so, and the status that follows.

A round that says worse pours its interval in, a healthy priced one drains it, one without a price drains nothing: see
docs/methodology.md for the rule with its longest delay, and docs/adr/0006-suspicion.md for why.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

from feeds.record import record
from feeds.units import MS
from oracle.model.spec import Bands
from oracle.model.state import JudgeState, Suspicion
from oracle.model.status import Status

DEPEG_ROUNDS = 3
"""So many rounds must have said depeg, however long each of them counts."""
_EMPTY = Suspicion()


@record
@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """How one level's suspicion fills and drains.

    Attributes:
        level: which status it leads to.
        dwell_ms: it is full beyond this.
        drain_ms: how long healthy rounds take to empty a full one.
        least_rounds: how many rounds must have said so.
        blind_whole: whether time without a price counts in full, or for no longer than what was seen.
    """

    level: Status
    dwell_ms: int
    drain_ms: int
    least_rounds: int
    blind_whole: bool


@lru_cache(maxsize=1_024)
def watch_bucket(bands: Bands) -> Bucket:
    """Drains as slowly as a watch is left: flicker of more than one part in dwell and leave dwell together adds up."""
    return Bucket(
        level=Status.WATCH,
        dwell_ms=bands.watch_dwell_s * MS,
        drain_ms=bands.leave_dwell_s * MS,
        least_rounds=1,
        blind_whole=True,
    )


@lru_cache(maxsize=1_024)
def depeg_bucket(bands: Bands) -> Bucket:
    """Drains as fast as it fills: only what is said more than half of the priced time adds up."""
    return Bucket(
        level=Status.DEPEG,
        dwell_ms=bands.depeg_dwell_s * MS,
        drain_ms=bands.depeg_dwell_s * MS,
        least_rounds=DEPEG_ROUNDS if bands.depeg_dwell_s * MS else 1,
        blind_whole=False,
    )


def most_ms(dwell_ms: int) -> int:
    """What one round counts for at most: half of the dwell, so that a late one never fills or empties anything alone."""
    return max(1, -(-dwell_ms // 2))


def poured(bucket: Bucket, held: Suspicion, said: Status | None, elapsed_ms: int) -> Suspicion:
    """What is in the bucket after a round.

    Args:
        bucket: which one.
        held: before the round.
        said: what the round's evidence says; None where it had none.
        elapsed_ms: since the round before.
    """
    if said is not None and said < bucket.level:
        return _drained(bucket, held, elapsed_ms) if held.rounds else held
    room_ms = max(0, bucket.dwell_ms + 1 - held.total_ms)
    share_ms = min(elapsed_ms, most_ms(bucket.dwell_ms), room_ms)
    if said is not None:
        return Suspicion(seen_ms=held.seen_ms + share_ms, blind_ms=held.blind_ms, rounds=held.rounds + 1)
    if not held.rounds:
        return held
    if not bucket.blind_whole:
        share_ms = min(share_ms, max(0, held.seen_ms - held.blind_ms))
    return Suspicion(seen_ms=held.seen_ms, blind_ms=held.blind_ms + share_ms, rounds=held.rounds)


def _drained(bucket: Bucket, held: Suspicion, elapsed_ms: int) -> Suspicion:
    """What was only supposed goes first."""
    healthy_ms = min(elapsed_ms, most_ms(bucket.drain_ms))
    out_ms = healthy_ms * bucket.dwell_ms // bucket.drain_ms if bucket.drain_ms else held.total_ms
    if out_ms >= held.total_ms:
        return _EMPTY
    blind_ms = max(0, held.blind_ms - out_ms)
    return Suspicion(seen_ms=held.total_ms - out_ms - blind_ms, blind_ms=blind_ms, rounds=held.rounds)


def full(bucket: Bucket, held: Suspicion) -> bool:
    """Whether the level is due: more than its dwell, by enough rounds that said so."""
    return held.total_ms > bucket.dwell_ms and held.rounds >= bucket.least_rounds


def half_full(bucket: Bucket, held: Suspicion) -> bool:
    """Whether one more round could fill it: half a depeg is a watch."""
    return 2 * held.total_ms > bucket.dwell_ms


def advance(bands: Bands, state: JudgeState, said: Status | None, now_ms: int, *, priced: bool = True) -> JudgeState:
    """The status after a round, one level at a time.

    Args:
        bands: the dwells.
        state: after the round before.
        said: the status that this round's evidence asks for; None where it has none.
        now_ms: Unix ms.
        priced: whether the round has a price. Only such rounds count towards leaving a level, and out of a halt.
    """
    elapsed_ms = max(1, now_ms - state.at_ms) if state.at_ms else 1
    after = JudgeState(
        status=state.status,
        since_ms=state.since_ms,
        at_ms=now_ms,
        watch=_held(watch_bucket(bands), state, state.watch, _heard(Status.WATCH, said, priced=priced), elapsed_ms),
        depeg=_held(depeg_bucket(bands), state, state.depeg, _heard(Status.DEPEG, said, priced=priced), elapsed_ms),
        leaving_ms=state.leaving_ms,
    )
    worse = _worse(bands, after, said, priced=priced)
    if worse is not None:
        return entered(after, worse, now_ms)
    return _left(bands, after, said, elapsed_ms, now_ms, priced=priced)


def _heard(level: Status, said: Status | None, *, priced: bool) -> Status | None:
    """What a round says about one level: without a price nothing that is better, for that is not seen in it."""
    return said if priced or said is None or said >= level else None


def _held(bucket: Bucket, state: JudgeState, held: Suspicion, said: Status | None, elapsed_ms: int) -> Suspicion:
    """A level that is reached has no bucket; a halt has both, for what comes after it."""
    reached = state.status is not Status.HALT and state.status >= bucket.level
    return _EMPTY if reached else poured(bucket, held, said, elapsed_ms)


def _worse(bands: Bands, state: JudgeState, said: Status | None, *, priced: bool) -> Status | None:
    """The worse level that is entered now. Out of a halt only a price leads.

    Half a depeg is a watch, so that a feed is watched by the round in which depeg falls due, whatever the dwells.
    """
    depeg = full(depeg_bucket(bands), state.depeg) and _heard(Status.DEPEG, said, priced=priced) in (None, Status.DEPEG)
    if state.status is Status.HALT:
        return Status.DEPEG if depeg and priced else None
    if state.status is Status.WATCH:
        return Status.DEPEG if depeg else None
    watch = full(watch_bucket(bands), state.watch) or half_full(depeg_bucket(bands), state.depeg)
    healthy = said is not None and said < Status.WATCH
    return Status.WATCH if state.status is Status.OK and watch and not healthy else None


def _left(
    bands: Bands, state: JudgeState, said: Status | None, elapsed_ms: int, now_ms: int, *, priced: bool
) -> JudgeState:
    """Leave a level once priced rounds below it have lasted the leave dwell; what is blind neither counts nor breaks it."""
    halted = state.status is Status.HALT
    if said is not None and not halted and said >= state.status:
        return state if state.leaving_ms is None else replace(state, leaving_ms=None)
    if not priced or said is None:
        return state
    gone_ms = 0 if state.leaving_ms is None else state.leaving_ms + min(elapsed_ms, most_ms(bands.leave_dwell_s * MS))
    doubtful = half_full(depeg_bucket(bands), state.depeg)
    if gone_ms < bands.leave_dwell_s * MS or (state.status is Status.WATCH and doubtful):
        return replace(state, leaving_ms=gone_ms)
    if not halted:
        return entered(state, Status(state.status - 1), now_ms)
    doubtful = doubtful or said >= Status.WATCH or half_full(watch_bucket(bands), state.watch)
    return entered(state, Status.WATCH if doubtful else Status.OK, now_ms)


def entered(state: JudgeState, status: Status, now_ms: int) -> JudgeState:
    """The state with another status: what led up to it is used up, what leads further goes on."""
    return replace(
        state,
        status=status,
        since_ms=now_ms,
        leaving_ms=None,
        watch=state.watch if status in (Status.OK, Status.HALT) else _EMPTY,
        depeg=_EMPTY if status is Status.DEPEG else state.depeg,
    )
