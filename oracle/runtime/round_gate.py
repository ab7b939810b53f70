"""Whether a round may be made now, and when to report that none is. Pure: times are arguments."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from feeds.units import MS
from oracle.runtime.clock import Clock, ClockReading
from oracle.runtime.file_faults import file_fault

LATE_MS = 1_900
"""To a round that begins later than this its own sources would come from the future."""
HEARD_WITHIN_MS = 40_000
"""How long a process that starts waits for somebody to state a time.

The first head of a chain may be any age, so where only blocks speak the second one tells. Two slots without a block may lie
between them: 36 s at a slot of 12 s, and the head has to reach us.
"""
_REPEAT_MS = 60_000
_QUIET_ROUNDS = 3
_FLAP_ROUNDS = 1
"""A clock that is set again within so many further rounds flaps."""


class HoldReason(StrEnum):
    """Why no round is made."""

    CLOCK_SET = "clock_set"
    CLOCK_UNCONFIRMED = "clock_unconfirmed"
    CLOCK_OFF = "clock_off"
    FUTURE_ROUNDS = "future_rounds"
    LATE = "late"
    FAILED = "failed"
    DISK_FULL = "disk_full"
    READ_ONLY = "read_only"
    DAMAGED = "damaged"
    DISK_ERROR = "disk_error"
    BUSY = "busy"


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundHold:
    """No round is made: why, and what to do about it. ``for_good``: until the process is started anew."""

    reason: HoldReason
    text: str
    for_good: bool = False


def failed_hold(error: Exception) -> RoundHold:
    """What a round that ended with an error says of the next ones."""
    fault = file_fault(error)
    if fault is None:
        return RoundHold(reason=HoldReason.FAILED, text=f"the last one failed: {error!r}")
    return RoundHold(reason=HoldReason(fault.kind.value), text=f"{fault.advice} ({error})", for_good=not fault.passes)


class RoundGate:
    """Lets a round through, or says why not.

    Args:
        clock: our time.
        interval_s: between rounds.
    """

    def __init__(self, clock: Clock, interval_s: int) -> None:
        self._clock, self._interval_s = clock, interval_s
        self._started_ms = clock.monotonic_ms()
        self._set_ms: int | None = None

    @property
    def awaits_confirmation(self) -> bool:
        """Whether the process has just started and nobody has confirmed its time yet.

        Another time does not end the wait; silence does, after ``HEARD_WITHIN_MS``.
        """
        waited_ms = self._clock.monotonic_ms() - self._started_ms
        return not self._clock.confirmed and (waited_ms < HEARD_WITHIN_MS or not self._clock.may_sign())

    def decide(self, reading: ClockReading, last_round_s: int) -> int | RoundHold | None:
        """round_time of the round to be made now; None where it is made already.

        Args:
            reading: of the clock, in this very tick.
            last_round_s: newest round stored.
        """
        now_ms = self._clock.now_ms()
        round_time_s = now_ms // MS // self._interval_s * self._interval_s
        held = self._doubt(reading) or self._ahead(round_time_s, last_round_s)
        if held is not None or round_time_s == last_round_s:
            return held
        late_ms = now_ms - round_time_s * MS
        if late_ms > LATE_MS:
            return RoundHold(
                reason=HoldReason.LATE,
                text=f"it would begin {late_ms} ms after its time: the machine is busy",
            )
        return round_time_s

    def _doubt(self, reading: ClockReading) -> RoundHold | None:
        """Why the time is not believed."""
        if reading.followed_ms or (reading.set_by_ms and not (self._flaps() and reading.confirmed)):
            text = f"this machine's clock was just set by {reading.set_by_ms or reading.followed_ms} ms"
            return RoundHold(reason=HoldReason.CLOCK_SET, text=text)
        off_ms = self._clock.fault_ms()
        if off_ms:
            side = "behind" if off_ms > 0 else "ahead of"
            text = f"this machine's clock is {abs(off_ms)} ms or more {side} what venues and blocks say: set it right (NTP)"
            return RoundHold(reason=HoldReason.CLOCK_OFF, text=text)
        if self.awaits_confirmation:
            text = "nobody has confirmed this machine's clock yet; venues and blocks will in a moment"
            return RoundHold(reason=HoldReason.CLOCK_UNCONFIRMED, text=text)
        return None

    def _flaps(self) -> bool:
        """Whether the clock was set just before as well: then a confirmation by others suffices, or no round would ever be made."""
        now_ms, before_ms = self._clock.monotonic_ms(), self._set_ms
        self._set_ms = now_ms
        return before_ms is not None and now_ms - before_ms <= _FLAP_ROUNDS * self._interval_s * MS

    def _ahead(self, round_time_s: int, last_round_s: int) -> RoundHold | None:
        if last_round_s <= round_time_s:
            return None
        ahead_s = last_round_s - round_time_s
        text = (
            f"rounds up to {last_round_s} are stored, {ahead_s} s ahead: a clock was wrong when they were made. Stop the"
            f" process and withdraw them: lrt-oracle disown --after {round_time_s}"
        )
        return RoundHold(reason=HoldReason.FUTURE_ROUNDS, text=text)


class HoldReporter:
    """Why no round is made, for how long, and when to log it: at once for a new reason, then once a minute.

    Args:
        interval_s: between rounds.
        mono_ms: the monotonic clock, now.
    """

    def __init__(self, interval_s: int, mono_ms: int) -> None:
        self._patience_ms = _QUIET_ROUNDS * interval_s * MS
        self._made_ms = mono_ms
        self._reported_ms: int | None = None
        self._reported: HoldReason | None = None
        self.held: RoundHold | None = None

    def round_made(self, mono_ms: int) -> None:
        """A round is stored."""
        self._made_ms, self._reported_ms, self._reported, self.held = mono_ms, None, None, None

    @property
    def was_reported(self) -> bool:
        """Whether it was logged that no rounds are made."""
        return self._reported is not None

    def round_held(self, held: RoundHold) -> None:
        """No round was made this time."""
        self.held = held

    def text(self) -> str | None:
        """Why no rounds are made, for people; None while they are."""
        return None if self.held is None else f"no rounds are made ({self.held.reason.value}): {self.held.text}"

    def silent_ms(self, mono_ms: int) -> int:
        """Time since the last round, or since the start."""
        return mono_ms - self._made_ms

    def due(self, mono_ms: int) -> RoundHold | None:
        """What is to be logged now, if anything."""
        held = self.held
        if held is None and self.silent_ms(mono_ms) > self._patience_ms:
            held = RoundHold(reason=HoldReason.FAILED, text="no round has ended: see the errors logged before this one")
        if held is None or (self._reported is held.reason and mono_ms - (self._reported_ms or 0) < _REPEAT_MS):
            return None
        self._reported_ms, self._reported = mono_ms, held.reason
        return held
