"""What makes rounds happen: at their times while the time is believed; loudly not, while it is not."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import replace
from functools import partial
from typing import Protocol

import structlog

from oracle.runtime.clock import WARN_MS, Clock, ClockReading
from oracle.runtime.round_gate import HoldReason, HoldReporter, RoundGate, RoundHold
from oracle.runtime.schedule import at_multiples, every

_LOOK_S = 1.0
_SAY_MS = 60_000
_MOST_SKIPPED = 100
"""More than these were not skipped: our time was set right in between."""
_log = structlog.get_logger("oracle.runtime.round_timer")


class TimerMetrics(Protocol):
    """What is counted of the clock and of rounds that were not made."""

    def misfire(self, job: str) -> None:
        """A job failed or was skipped."""

    def held(self, reason: str) -> None:
        """A round was not made, for a reason of a small set of words."""

    def clock(self, offset_ms: int, *, confirmed: bool) -> None:
        """How far this machine's clock is off, and whether anybody has confirmed our time."""


class RoundTimer:
    """Beats at every multiple of the interval, and looks at the clock every second.

    Args:
        clock: our time.
        interval_s: between rounds.
        metrics: what is counted.
        make: makes and stores the round of a round_time.
        last_round_s: newest round stored.
        on_followed: told that our time was set by so many ms: others say that the machine's clock is right now.
        on_confirmed: told once that somebody has said that our time is right.
    """

    def __init__(
        self,
        clock: Clock,
        interval_s: int,
        metrics: TimerMetrics,
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
        self._silence = HoldReporter(interval_s, clock.monotonic_ms())
        self._said_ms: dict[str, int] = {}
        self._was_confirmed = False
        self._was_set: ClockReading | None = None

    def jobs(self) -> Mapping[str, Callable[[], Coroutine[None, None, None]]]:
        """Endless tasks by name."""
        skipped = partial(self._skipped, "round")
        rounds = partial(at_multiples, self._interval_s, self._clock.now_ms, self.beat, self._failed, skipped)
        return {"rounds": rounds, "clock": partial(every, _LOOK_S, self.look, partial(self.failed, "clock"))}

    @property
    def believed(self) -> bool:
        """Whether looks at chains may go by our time: not before somebody, or nobody for a while, has stated one."""
        return not self._gate.waiting

    def held(self) -> str | None:
        """Why no rounds are made, for people; None while they are."""
        held = self._silence.held
        return None if held is None else f"no rounds are made ({held.why.value}): {held.text}"

    async def beat(self) -> None:
        """Make the round that is due, or say why not."""
        look, was_set = self._look(), self._was_set
        self._was_set = None
        if was_set is not None and not look.followed_ms:
            look = replace(was_set, backed=look.backed)
        due = self._gate.round_now(look, self._last_round_s())
        if isinstance(due, RoundHold):
            self._hold(due)
        elif due is not None:
            await self._make(due)
            self._silence.made(self._clock.monotonic_ms())

    async def look(self) -> None:
        """See whether the machine's clock was set, and whether rounds are made."""
        seen = self._look()
        if seen.set_by_ms or seen.followed_ms:
            self._was_set = seen  # the round that comes next is the one of this tick
        self._speak()

    def failed(self, job: str, error: Exception) -> None:
        """A job ended with an error."""
        self._metrics.misfire(job)
        _log.error("a job failed; the next run tries again", job=job, error=repr(error))

    def _failed(self, error: Exception) -> None:
        self._silence.hold(RoundHold(why=HoldReason.FAILED, text=f"the last one failed: {error!r}"))
        self.failed("round", error)

    def _skipped(self, job: str, count: int) -> None:
        for _ in range(min(count, _MOST_SKIPPED)):
            self._metrics.misfire(job)
        _log.warning("a job was skipped: the last one still ran, or the machine was busy", job=job, times=count)

    def _hold(self, held: RoundHold) -> None:
        self._metrics.held(held.why.value)
        self._silence.hold(held)
        self._speak()

    def _speak(self) -> None:
        mono_ms = self._clock.monotonic_ms()
        held = self._silence.due(mono_ms)
        if held is not None:
            _log.error("no round is made", reason=held.why.value, why=held.text, for_ms=self._silence.for_ms(mono_ms))

    def _look(self) -> ClockReading:
        look = self._clock.look()
        if look.set_by_ms:
            _log.warning("this machine's clock was set", by_ms=look.set_by_ms, followed=bool(look.followed_ms))
        if look.followed_ms:
            self._on_followed(look.followed_ms)
        if self._clock.confirmed and not self._was_confirmed:
            self._was_confirmed = True
            self._on_confirmed()
        offset_ms = self._clock.offset_ms()
        self._metrics.clock(offset_ms, confirmed=self._clock.confirmed)
        if abs(look.apart_ms) > WARN_MS and self._minute("apart"):
            _log.warning(
                "this machine's clock was set and nobody confirms it: time goes on as before", ahead_ms=look.apart_ms
            )
        if abs(offset_ms) > WARN_MS and self._minute("off"):
            signs = self._clock.may_sign()
            _log.warning("this machine's clock is off: correct it (NTP)", offset_ms=offset_ms, signs=signs)
        return look

    def _minute(self, what: str) -> bool:
        """Whether a minute is over since this was said."""
        now_ms = self._clock.monotonic_ms()
        if now_ms - self._said_ms.get(what, -_SAY_MS) < _SAY_MS:
            return False
        self._said_ms[what] = now_ms
        return True
