"""Suspicion: for each level a leaky bucket of the time for which the evidence has asked for it, and the status that follows.

A round whose evidence asks for the level adds its interval, a healthy round with a price drains the bucket, a round without a
price drains nothing. docs/methodology.md has the exact rule with its longest delay, docs/adr/0006-suspicion.md the reasons.
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
"""So many rounds must have asked for depeg, however long each of them counts."""
_EMPTY = Suspicion()


@record
@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """How one level's suspicion fills and drains.

    Attributes:
        level: the status that it leads to.
        dwell_ms: it is full above this.
        drain_ms: how long healthy rounds take to empty a full one.
        least_rounds: how many rounds must have asked for the level.
        blind_whole: whether time without evidence counts in full, or for no longer than the time with it.
    """

    level: Status
    dwell_ms: int
    drain_ms: int
    least_rounds: int
    blind_whole: bool


@lru_cache(maxsize=1_024)
def watch_bucket(bands: Bands) -> Bucket:
    """Drains as slowly as a watch is left: flicker above dwell / (dwell + leave dwell) of the time adds up."""
    return Bucket(
        level=Status.WATCH,
        dwell_ms=bands.watch_dwell_s * MS,
        drain_ms=bands.leave_dwell_s * MS,
        least_rounds=1,
        blind_whole=True,
    )


@lru_cache(maxsize=1_024)
def depeg_bucket(bands: Bands) -> Bucket:
    """Drains as fast as it fills: only evidence in more than half of the priced time adds up."""
    return Bucket(
        level=Status.DEPEG,
        dwell_ms=bands.depeg_dwell_s * MS,
        drain_ms=bands.depeg_dwell_s * MS,
        least_rounds=DEPEG_ROUNDS if bands.depeg_dwell_s * MS else 1,
        blind_whole=False,
    )


def round_limit_ms(dwell_ms: int) -> int:
    """What one round counts for at most: half of the dwell, so that a late round never fills or empties a bucket alone."""
    return max(1, -(-dwell_ms // 2))


def filled(bucket: Bucket, held: Suspicion, target: Status | None, elapsed_ms: int) -> Suspicion:
    """What is in the bucket after a round.

    Args:
        bucket: the level's rule.
        held: what was in it before the round.
        target: the status that the round's evidence asks for; None where it had none.
        elapsed_ms: since the round before.
    """
    if target is not None and target < bucket.level:
        return _drained(bucket, held, elapsed_ms) if held.rounds else held
    room_ms = max(0, bucket.dwell_ms + 1 - held.total_ms)
    share_ms = min(elapsed_ms, round_limit_ms(bucket.dwell_ms), room_ms)
    if target is not None:
        return Suspicion(seen_ms=held.seen_ms + share_ms, blind_ms=held.blind_ms, rounds=held.rounds + 1)
    if not held.rounds:
        return held
    if not bucket.blind_whole:
        share_ms = min(share_ms, max(0, held.seen_ms - held.blind_ms))
    return Suspicion(seen_ms=held.seen_ms, blind_ms=held.blind_ms + share_ms, rounds=held.rounds)


def _drained(bucket: Bucket, held: Suspicion, elapsed_ms: int) -> Suspicion:
    """After a healthy round: blind time, which is only supposed, goes first."""
    healthy_ms = min(elapsed_ms, round_limit_ms(bucket.drain_ms))
    out_ms = healthy_ms * bucket.dwell_ms // bucket.drain_ms if bucket.drain_ms else held.total_ms
    if out_ms >= held.total_ms:
        return _EMPTY
    blind_ms = max(0, held.blind_ms - out_ms)
    return Suspicion(seen_ms=held.total_ms - out_ms - blind_ms, blind_ms=blind_ms, rounds=held.rounds)


def full(bucket: Bucket, held: Suspicion) -> bool:
    """Whether the level is due: more than its dwell, by enough rounds that asked for it."""
    return held.total_ms > bucket.dwell_ms and held.rounds >= bucket.least_rounds


def half_full(bucket: Bucket, held: Suspicion) -> bool:
    """Whether it is more than half full, so that one more round could fill it."""
    return 2 * held.total_ms > bucket.dwell_ms


def advance(bands: Bands, state: JudgeState, target: Status | None, now_ms: int, *, priced: bool = True) -> JudgeState:
    """The status after a round, one level at a time.

    Args:
        bands: the dwells.
        state: after the round before.
        target: the status that this round's evidence asks for; None where it has none.
        now_ms: Unix ms.
        priced: whether the round has a price. Only such rounds count towards leaving a level or a halt.
    """
    elapsed_ms = max(1, now_ms - state.at_ms) if state.at_ms else 1
    after = JudgeState(
        status=state.status,
        since_ms=state.since_ms,
        at_ms=now_ms,
        watch=_bucket_after(watch_bucket(bands), state, state.watch, target, elapsed_ms, priced=priced),
        depeg=_bucket_after(depeg_bucket(bands), state, state.depeg, target, elapsed_ms, priced=priced),
        leaving_ms=state.leaving_ms,
    )
    worse = _worse(bands, after, target, priced=priced)
    if worse is not None:
        return entered(after, worse, now_ms)
    return _leave(bands, after, target, elapsed_ms, now_ms, priced=priced)


def _evident(level: Status, target: Status | None, *, priced: bool) -> Status | None:
    """The evidence of a round for one level: a round without a price cannot show that the level is not reached."""
    return target if priced or target is None or target >= level else None


def _bucket_after(
    bucket: Bucket, state: JudgeState, held: Suspicion, target: Status | None, elapsed_ms: int, *, priced: bool
) -> Suspicion:
    """A level that is reached has no bucket; a halt has both, for what comes after it."""
    reached = state.status is not Status.HALT and state.status >= bucket.level
    return _EMPTY if reached else filled(bucket, held, _evident(bucket.level, target, priced=priced), elapsed_ms)


def _worse(bands: Bands, state: JudgeState, target: Status | None, *, priced: bool) -> Status | None:
    """The worse level that is entered now, or None. A halt is left in a round with a price only.

    Half a depeg is a watch, so that a feed is watched by the round in which depeg falls due, whatever the dwells.
    """
    evident = _evident(Status.DEPEG, target, priced=priced)
    depeg = full(depeg_bucket(bands), state.depeg) and evident in (None, Status.DEPEG)
    if state.status is Status.HALT:
        return Status.DEPEG if depeg and priced else None
    if state.status is Status.WATCH:
        return Status.DEPEG if depeg else None
    watch = full(watch_bucket(bands), state.watch) or half_full(depeg_bucket(bands), state.depeg)
    healthy = target is not None and target < Status.WATCH
    return Status.WATCH if state.status is Status.OK and watch and not healthy else None


def _leave(
    bands: Bands, state: JudgeState, target: Status | None, elapsed_ms: int, now_ms: int, *, priced: bool
) -> JudgeState:
    """Leave a level once priced rounds below it have lasted the leave dwell; blind rounds neither count nor interrupt it."""
    halted = state.status is Status.HALT
    if target is not None and not halted and target >= state.status:
        return state if state.leaving_ms is None else replace(state, leaving_ms=None)
    if not priced or target is None:
        return state
    below_ms = (
        0 if state.leaving_ms is None else state.leaving_ms + min(elapsed_ms, round_limit_ms(bands.leave_dwell_s * MS))
    )
    doubtful = half_full(depeg_bucket(bands), state.depeg)
    if below_ms < bands.leave_dwell_s * MS or (state.status is Status.WATCH and doubtful):
        return replace(state, leaving_ms=below_ms)
    if not halted:
        return entered(state, Status(state.status - 1), now_ms)
    doubtful = doubtful or target >= Status.WATCH or half_full(watch_bucket(bands), state.watch)
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
