"""Starts each round at its time while the clock is believed, and says why not while it is not."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import replace
from functools import partial
from typing import Protocol

import structlog

from oracle.runtime.clock import WARN_MS, Clock, ClockReading
from oracle.runtime.file_faults import file_fault
from oracle.runtime.log_limit import LogBudget
from oracle.runtime.round_gate import HoldReporter, RoundGate, RoundHold, failed_hold
from oracle.runtime.schedule import at_multiples, every

_CHECK_S = 1.0
_REPEAT_MS = 60_000
_MOST_SKIPPED = 100
"""More than these were not skipped: our time was set right in between."""
_log = structlog.get_logger("oracle.runtime.round_timer")


class TimerMetrics(Protocol):
    """Counts of the clock and of rounds that were not made."""

    def misfire(self, job: str) -> None:
        """A job failed or was skipped."""

    def held(self, reason: str) -> None:
        """A round was not made, for a reason of a small set of words."""

    def clock(self, offset_ms: int, *, confirmed: bool) -> None:
        """How far this machine's clock is off, and whether anybody has confirmed our time."""


class RoundTimer:
    """Makes a round at every multiple of the interval, and checks the clock every second.

    Args:
        clock: our time.
        interval_s: between rounds.
        metrics: where faults are counted.
        holds: keeps why no round is made.
        make: makes and stores the round of a round_time.
        last_round_s: newest round stored.
        on_followed: called with the ms by which our time was set: others confirm the machine's clock now.
        on_confirmed: called once, when somebody has confirmed our time.
    """

    def __init__(
        self,
        clock: Clock,
        interval_s: int,
        metrics: TimerMetrics,
        holds: HoldReporter,
        *,
        make: Callable[[int], Awaitable[None]],
        last_round_s: Callable[[], int],
        on_followed: Callable[[int], None],
        on_confirmed: Callable[[], None],
    ) -> None:
        self._clock, self._interval_s, self._metrics = clock, interval_s, metrics
        self._make, self._last_round_s = make, last_round_s
        self._on_followed, self._on_confirmed = on_followed, on_confirmed
        self._gate = RoundGate(clock, interval_s)
        self._holds = holds
        self._warned_ms: dict[str, int] = {}
        self._was_confirmed = False
        self._unseen_step: ClockReading | None = None
        self._stopped: RoundHold | None = None
        self._told = LogBudget()

    def tasks(self) -> Mapping[str, Callable[[], Coroutine[None, None, None]]]:
        """Endless tasks by name."""
        skipped = partial(self._skipped, "round")
        rounds = partial(at_multiples, self._interval_s, self._clock.now_ms, self.make_due, self.round_failed, skipped)
        return {
            "rounds": rounds,
            "clock": partial(every, _CHECK_S, self.check_clock, partial(self.job_failed, "clock")),
        }

    @property
    def clock_believed(self) -> bool:
        """Whether pushes may go by our time: not before somebody has confirmed it, or nobody has stated one for a while."""
        return not self._gate.awaits_confirmation

    @property
    def has_stopped(self) -> bool:
        """Whether nothing is made any more until the process is started anew: what it writes to is damaged."""
        return self._stopped is not None

    async def make_due(self) -> None:
        """Make the round that is due, or say why not."""
        reading, step = self._read_clock(), self._unseen_step
        self._unseen_step = None
        if step is not None and not reading.followed_ms:
            reading = replace(step, confirmed=reading.confirmed)
        due = self._stopped or self._gate.decide(reading, self._last_round_s())
        if isinstance(due, RoundHold):
            self._hold(due)
        elif due is not None:
            await self._make(due)
            self._tell_of_recovery()
            self._holds.round_made(self._clock.monotonic_ms())

    async def check_clock(self) -> None:
        """See whether the machine's clock was set, and whether rounds are made."""
        reading = self._read_clock()
        if reading.set_by_ms or reading.followed_ms:
            self._unseen_step = reading  # the round that comes next is the one of this tick
        self._report_hold()

    def job_failed(self, job: str, error: Exception) -> None:
        """A job ended with an error: one line of the log for many of a kind."""
        self._metrics.misfire(job)
        fault = file_fault(error)
        kind = fault.kind.value if fault is not None else type(error).__name__
        if (more := self._told.more((job, kind))) is not None:
            _log.error(
                "a job failed; its next run tries again", job=job, error=repr(error), fingerprint=f"{job}/{kind}",
                more_since_the_last_line=more, advice=fault.advice if fault is not None else "",
            )  # fmt: skip

    def round_failed(self, error: Exception) -> None:
        """A round ended with an error."""
        held = failed_hold(error)
        if held.for_good:
            self._stopped = held
        self._metrics.held(held.reason.value)
        self._holds.round_held(held)
        self.job_failed("round", error)

    def _skipped(self, job: str, count: int) -> None:
        for _ in range(min(count, _MOST_SKIPPED)):
            self._metrics.misfire(job)
        _log.warning(
            "runs of a job were skipped: the last one took too long, or the machine is busy", job=job, times=count
        )

    def _tell_of_recovery(self) -> None:
        held = self._holds.held
        if held is not None and self._holds.was_reported:
            silent_ms = self._holds.silent_ms(self._clock.monotonic_ms())
            _log.warning("rounds are made again", after=held.reason.value, for_ms=silent_ms, ends="no round is made")

    def _hold(self, held: RoundHold) -> None:
        self._metrics.held(held.reason.value)
        self._holds.round_held(held)
        self._report_hold()

    def _report_hold(self) -> None:
        mono_ms = self._clock.monotonic_ms()
        held = self._holds.due(mono_ms)
        if held is not None:
            _log.error(
                "no round is made", reason=held.reason.value, why=held.text, for_ms=self._holds.silent_ms(mono_ms)
            )

    def _read_clock(self) -> ClockReading:
        reading = self._clock.read()
        if reading.set_by_ms:
            _log.warning(
                "this machine's clock was set", by_ms=reading.set_by_ms, followed=bool(reading.followed_ms), news=True
            )
        if reading.followed_ms:
            self._on_followed(reading.followed_ms)
        if self._clock.confirmed and not self._was_confirmed:
            self._was_confirmed = True
            self._on_confirmed()
        self._warn_of_offsets(reading)
        return reading

    def _warn_of_offsets(self, reading: ClockReading) -> None:
        offset_ms = self._clock.offset_ms()
        self._metrics.clock(offset_ms, confirmed=self._clock.confirmed)
        if abs(reading.wall_ahead_ms) > WARN_MS and self._once_a_minute("apart"):
            _log.warning(
                "this machine's clock was set and nobody confirms it: the process keeps its time from before",
                ahead_ms=reading.wall_ahead_ms,
            )
        if abs(offset_ms) > WARN_MS and self._once_a_minute("off"):
            signs = self._clock.may_sign()
            _log.warning("this machine's clock is off: correct it (NTP)", offset_ms=offset_ms, signs=signs)

    def _once_a_minute(self, warning: str) -> bool:
        """Whether a minute is over since this warning."""
        now_ms = self._clock.monotonic_ms()
        if now_ms - self._warned_ms.get(warning, -_REPEAT_MS) < _REPEAT_MS:
            return False
        self._warned_ms[warning] = now_ms
        return True
