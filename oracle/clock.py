"""What time it is, and who says so.

A machine's clock may be set, by mistake or by an attacker, while everything else goes on. So the process has a time of its
own: the machine's clock as it was when it was last believed, carried on by the monotonic clock, which nobody can set. The
machine's clock is followed again once those who state a time from outside (venues, HTTP servers, blocks) say that it is right.

A venue's own time and an HTTP Date arrive late by the network's delay, so the freshest of a window comes closest to the
truth. A block comes later still: it says that it is not before the block, nor long after a block that is new.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

WARN_MS = 1_000
REFUSE_MS = 3_000
BLOCK_LATE_MS = 120_000
"""A head that is new may be so old: slots without a block, slow endpoints."""
_WINDOW_MS = 60_000
_DATE_RESOLUTION_MS = 500
_JITTER_MS = 10
"""Two clocks are not read at once."""
_BLOCK = "block:"


def now_ms() -> int:
    """Unix ms of this machine's clock. Only `Clock` and the commands call it; rules get a time."""
    return time.time_ns() // 1_000_000


def monotonic_ms() -> int:
    """Ms of a clock that nobody can set; its zero means nothing."""
    return time.monotonic_ns() // 1_000_000


def is_over(since_ms: int, period_ms: int, now_ms: int) -> bool:
    """Whether a period has passed since a time; also where our time was set back to before it: nothing waits for that."""
    return not 0 <= now_ms - since_ms < period_ms


@dataclass(slots=True)
class ClockWatch:
    """Offsets of the last minute, by who stated the time. Positive: the others are ahead of us."""

    _seen: dict[str, deque[tuple[int, int]]] = field(default_factory=dict)
    _heads: dict[str, deque[tuple[int, int]]] = field(default_factory=dict)
    _newest_block_ms: dict[str, int] = field(default_factory=dict)

    def stated(self, source: str, stated_at_ms: int, received_at_ms: int) -> None:
        """A venue's own time beside the time at which its message came."""
        _add(self._seen, source, stated_at_ms - received_at_ms, received_at_ms)

    def date(self, host: str, date_ms: int, received_at_ms: int) -> None:
        """An HTTP Date header; it is cut to whole seconds, so its middle is taken. One vote a venue, however it speaks."""
        _add(self._seen, host, date_ms + _DATE_RESOLUTION_MS - received_at_ms, received_at_ms)

    def block(self, chain: str, block_time_ms: int, received_at_ms: int) -> None:
        """A head's time. Ahead of us it is a vote as any other; else it counts where nobody states a time.

        The first head of a chain may be any age (the chain may stand still), so it counts only if it agrees.
        """
        offset_ms = block_time_ms - received_at_ms
        if offset_ms > WARN_MS:
            _add(self._seen, _BLOCK + chain, offset_ms, received_at_ms)
        before_ms = self._newest_block_ms.get(chain)
        if (before_ms is not None and block_time_ms > before_ms) or offset_ms >= -BLOCK_LATE_MS:
            _add(self._heads, chain, offset_ms, received_at_ms)
        self._newest_block_ms[chain] = max(block_time_ms, before_ms or 0)

    def shift(self, by_ms: int) -> None:
        """Our time was set forward by so much: what was heard stays true, in the new time."""
        for table in (self._seen, self._heads):
            for entries in table.values():
                moved = [(at_ms + by_ms, offset_ms - by_ms) for at_ms, offset_ms in entries]
                entries.clear()
                entries.extend(moved)

    def offset_ms(self, now_ms: int) -> int:
        """Median over the sources of the freshest offset each showed in the last minute; 0 while nobody spoke."""
        return _median(self._seen, now_ms) or 0

    def bounds(self, now_ms: int, slack_ms: int) -> tuple[int, int] | None:
        """Least and largest offset that the others' words of the last minute allow; None while nobody spoke.

        Args:
            now_ms: our time.
            slack_ms: how far the venues' median may be from the truth.
        """
        said_ms = _median(self._seen, now_ms)
        if said_ms is not None and any(seen for name, seen in self._seen.items() if not name.startswith(_BLOCK)):
            return said_ms - slack_ms, said_ms + slack_ms
        block_ms = _median(self._heads, now_ms)
        return None if block_ms is None else (block_ms - slack_ms, block_ms + BLOCK_LATE_MS)

    def may_sign(self, now_ms: int) -> bool:
        """Whether the clock is good enough to put a time under a signature."""
        allowed = self.bounds(now_ms, REFUSE_MS)
        return allowed is None or allowed[0] <= 0 <= allowed[1]


def _add(table: dict[str, deque[tuple[int, int]]], source: str, offset_ms: int, at_ms: int) -> None:
    table.setdefault(source, deque(maxlen=512)).append((at_ms, offset_ms))


def _median(table: dict[str, deque[tuple[int, int]]], now_ms: int) -> int | None:
    """Lower median of the freshest word of each source in the window."""
    best = []
    for entries in table.values():
        while entries and entries[0][0] < now_ms - _WINDOW_MS:
            entries.popleft()
        if entries:
            best.append(max(offset for _, offset in entries))
    return sorted(best)[(len(best) - 1) // 2] if best else None


def _wide(allowed: tuple[int, int]) -> bool:
    """Whether only blocks have spoken."""
    return allowed[1] - allowed[0] >= BLOCK_LATE_MS


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What a look at the machine's clock found.

    ``set_by_ms``: it was set since the last look, by so much; 0 if not. ``followed_ms``: our time was set by so much, for
    others say that the machine's clock is right now. ``apart_ms``: how far the machine's clock is ahead of our time.
    """

    set_by_ms: int
    followed_ms: int
    apart_ms: int


class Clock:
    """The time of the process: nobody can set it but those who state a time from outside, together with the machine's clock.

    Steps up to ``WARN_MS`` are followed at once, but no further than that from where the time was last confirmed. A larger
    one is followed when the others' words allow it and do not allow our own time. Until then, and for ever where nobody
    states a time, time goes on as if it had not happened: nothing tells a mistake from a correction, and a restart takes
    the machine's clock anyway.

    Args:
        wall_ms: this machine's clock, Unix ms.
        monotonic_ms: one that nobody can set.
    """

    def __init__(self, wall_ms: Callable[[], int] = now_ms, monotonic_ms: Callable[[], int] = monotonic_ms) -> None:
        self.watch = ClockWatch()
        self.confirmed = False
        self._fault_ms = 0
        self._wall_ms, self.monotonic_ms = wall_ms, monotonic_ms
        self._base_ms = self._apart_ms = self._seen_ms = wall_ms() - monotonic_ms()

    def now_ms(self) -> int:
        """Unix ms."""
        return self.monotonic_ms() + self._apart_ms

    def look(self) -> Look:
        """Compare with the machine's clock and with what others say; to be called every second or so."""
        seen_ms = self._wall_ms() - self.monotonic_ms()
        set_by_ms = seen_ms - self._seen_ms
        self._seen_ms = seen_ms
        step_ms = seen_ms - self._apart_ms
        self.fault_ms()  # what is heard now is known when nobody speaks any more
        followed_ms = self._follow(step_ms)
        if self.heard() and self.may_sign():
            self.confirmed = True
        if self._agree():
            self._base_ms = self._apart_ms
        return Look(
            set_by_ms=set_by_ms if abs(set_by_ms) > WARN_MS else 0,
            followed_ms=followed_ms,
            apart_ms=step_ms - followed_ms,
        )

    def fault_ms(self) -> int:
        """How far off our time is at least by what others said last, positive if they are ahead; 0 where it may be right.

        Who said that it is wrong, and is silent now, has not taken it back; nor do blocks, which say too little, for a venue.
        """
        allowed = self.watch.bounds(self.now_ms(), REFUSE_MS)
        if allowed is None or (self._fault_ms and _wide(allowed) and allowed[0] <= self._fault_ms <= allowed[1]):
            return self._fault_ms
        self._fault_ms = max(allowed[0], 0) or min(allowed[1], 0)
        return self._fault_ms

    def may_sign(self) -> bool:
        """Whether the time is good enough to stand under a signature."""
        return self.fault_ms() == 0

    def offset_ms(self) -> int:
        """How far the others' clocks are ahead of our time; 0 while nobody speaks."""
        return self.watch.offset_ms(self.now_ms())

    def heard(self) -> bool:
        """Whether anybody stated a time in the last minute."""
        return self.watch.bounds(self.now_ms(), 0) is not None

    def _agree(self) -> bool:
        allowed = self.watch.bounds(self.now_ms(), WARN_MS)
        return allowed is not None and allowed[0] <= 0 <= allowed[1]

    def _follow(self, step_ms: int) -> int:
        """Take the machine's clock over if it may be right; by how much more than ``WARN_MS`` that was, or 0."""
        if abs(step_ms) <= _JITTER_MS:
            return 0
        if abs(self._apart_ms + step_ms - self._base_ms) <= WARN_MS:
            self._apart_ms += step_ms
            self.watch.shift(step_ms)
            return 0
        allowed = self.watch.bounds(self.now_ms(), WARN_MS)
        if allowed is None or allowed[0] <= 0 <= allowed[1] or not allowed[0] <= step_ms <= allowed[1]:
            return 0
        self._apart_ms += step_ms
        self._base_ms = self._apart_ms
        self.watch.shift(step_ms)
        return step_ms
