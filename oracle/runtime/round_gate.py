"""Whether a round may be made now, and a voice that does not let a process without rounds be quiet. Pure: times are given."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from feeds.units import MS
from oracle.runtime.clock import Clock, ClockReading

LATE_MS = 1_900
"""A round that begins later than this would call its own sources too early."""
HEARD_WITHIN_MS = 40_000
"""So long a process that starts waits for somebody who states a time.

The first head of a chain may be any age, so where only blocks speak the second one tells. Two slots without a block may lie
between them: 36 s at a slot of 12 s, and the head has to reach us.
"""
_SAY_MS = 60_000
_QUIET_ROUNDS = 3
_FLAP_ROUNDS = 1
"""A clock that is set again before so many further rounds flaps."""


class HoldReason(StrEnum):
    """Why no round is made."""

    CLOCK_SET = "clock_set"
    CLOCK_UNCONFIRMED = "clock_unconfirmed"
    CLOCK_OFF = "clock_off"
    FUTURE_ROUNDS = "future_rounds"
    LATE = "late"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundHold:
    """No round is made: why, in one of a small set of words, and what to do about it."""

    why: HoldReason
    text: str


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
    def waiting(self) -> bool:
        """Whether the process has just started and nobody has said yet that its time is right.

        Who states another time ends no wait; that nobody states one does, after ``HEARD_WITHIN_MS``.
        """
        waited_ms = self._clock.monotonic_ms() - self._started_ms
        return not self._clock.confirmed and (waited_ms < HEARD_WITHIN_MS or not self._clock.may_sign())

    def round_now(self, look: ClockReading, last_round_s: int) -> int | RoundHold | None:
        """round_time of the round to be made now; None where it is made already.

        Args:
            look: at the clock, in this very tick.
            last_round_s: newest round stored.
        """
        now_ms = self._clock.now_ms()
        round_time_s = now_ms // MS // self._interval_s * self._interval_s
        held = self._doubt(look) or self._ahead(round_time_s, last_round_s)
        if held is not None or round_time_s == last_round_s:
            return held
        late_ms = now_ms - round_time_s * MS
        if late_ms > LATE_MS:
            return RoundHold(
                why=HoldReason.LATE,
                text=f"its time would not be true: it begins {late_ms} ms late, the machine is busy",
            )
        return round_time_s

    def _doubt(self, look: ClockReading) -> RoundHold | None:
        """Why the time is not believed."""
        if look.followed_ms or (look.set_by_ms and not (self._flaps() and look.backed)):
            text = f"this machine's clock was just set by {look.set_by_ms or look.followed_ms} ms"
            return RoundHold(why=HoldReason.CLOCK_SET, text=text)
        off_ms = self._clock.fault_ms()
        if off_ms:
            side = "behind" if off_ms > 0 else "ahead of"
            text = f"this machine's clock is {abs(off_ms)} ms or more {side} what venues and blocks say: set it right (NTP)"
            return RoundHold(why=HoldReason.CLOCK_OFF, text=text)
        if self.waiting:
            text = "nobody has said yet that this machine's clock is right; venues and blocks will in a moment"
            return RoundHold(why=HoldReason.CLOCK_UNCONFIRMED, text=text)
        return None

    def _flaps(self) -> bool:
        """Whether the clock was set just before as well: then others who confirm our time suffice, or no round were made."""
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
        return RoundHold(why=HoldReason.FUTURE_ROUNDS, text=text)


class HoldReporter:
    """How long no round was made, and when that is to be said again: at once for a new reason, then once a minute.

    Args:
        interval_s: between rounds.
        mono_ms: the monotonic clock, now.
    """

    def __init__(self, interval_s: int, mono_ms: int) -> None:
        self._patience_ms = _QUIET_ROUNDS * interval_s * MS
        self._made_ms = mono_ms
        self._said_ms: int | None = None
        self._said_why: HoldReason | None = None
        self.held: RoundHold | None = None

    def made(self, mono_ms: int) -> None:
        """A round is stored."""
        self._made_ms, self._said_ms, self._said_why, self.held = mono_ms, None, None, None

    def hold(self, held: RoundHold) -> None:
        """No round was made this time."""
        self.held = held

    def for_ms(self, mono_ms: int) -> int:
        """Since the last round, or since the start."""
        return mono_ms - self._made_ms

    def due(self, mono_ms: int) -> RoundHold | None:
        """What is to be said now, if anything is."""
        held = self.held
        if held is None and self.for_ms(mono_ms) > self._patience_ms:
            held = RoundHold(why=HoldReason.FAILED, text="no round has ended; look at the errors before this one")
        if held is None or (self._said_why is held.why and mono_ms - (self._said_ms or 0) < _SAY_MS):
            return None
        self._said_ms, self._said_why = mono_ms, held.why
        return held
