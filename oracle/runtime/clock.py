"""What time it is, and which sources confirm it.

A machine's clock may be set, by mistake or by an attacker, while everything else goes on. So the process has a time of its
own: the machine's clock as it was when it was last believed, carried on by the monotonic clock, which nobody can set. The
machine's clock is followed again once sources outside (venues, HTTP servers, blocks) confirm it.

A venue's own time and an HTTP Date arrive late by the network's delay, so the freshest of a window comes closest to the
truth. A block comes later still: it says that it is not before the block, nor long after a block that is new.

Once our time is confirmed it has a vote as any source: one venue (or a proxy with an old Date) among few cannot deny it, a
majority can. It then has no vote until the others confirm it again.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

WARN_MS = 1_000
REFUSE_MS = 3_000
BLOCK_LATE_MS = 120_000
"""A head that is new may be as old as this: slots without a block, slow endpoints."""
_WINDOW_MS = 60_000
_DATE_RESOLUTION_MS = 500
_JITTER_MS = 10
"""Two clocks are not read at the same moment."""
_BLOCK = "block:"
Statements = dict[str, deque[tuple[int, int, int]]]
"""By source: when it came, its offset, and how far the machine's clock led the monotonic one. Ms."""


def now_ms() -> int:
    """Unix ms of this machine's clock. Only `Clock` and the commands call it; rules get a time."""
    return time.time_ns() // 1_000_000


def monotonic_ms() -> int:
    """Ms of a clock that nobody can set; where it starts means nothing."""
    return time.monotonic_ns() // 1_000_000


def monotonic_us() -> int:
    """Microseconds of the same."""
    return time.monotonic_ns() // 1_000


def is_over(since_ms: int, period_ms: int, now_ms: int) -> bool:
    """Whether a period has passed since a time, or our time was set back to before it: nothing waits for that."""
    return not 0 <= now_ms - since_ms < period_ms


@dataclass(slots=True)
class ClockWatch:
    """Offsets of the last minute, by the source that stated the time. Positive: the others are ahead of us.

    Args:
        wall_lead_ms: how far the machine's clock is ahead of the monotonic one; it is kept beside each statement.
    """

    wall_lead_ms: Callable[[], int] = lambda: 0
    _stated: Statements = field(default_factory=dict)
    _heads: Statements = field(default_factory=dict)
    _newest_block_ms: dict[str, int] = field(default_factory=dict)

    def stated(self, source: str, stated_at_ms: int, received_at_ms: int) -> None:
        """A venue's own time, beside the time at which its message came."""
        self._add(self._stated, source, stated_at_ms - received_at_ms, received_at_ms)

    def date(self, host: str, date_ms: int, received_at_ms: int) -> None:
        """An HTTP Date header; it is cut to whole seconds, so its middle is taken. One vote per venue, by whatever channel."""
        self._add(self._stated, host, date_ms + _DATE_RESOLUTION_MS - received_at_ms, received_at_ms)

    def block(self, chain: str, block_time_ms: int, received_at_ms: int) -> None:
        """A head's time. Ahead of us it is a vote as any other; else it counts where no venue or server states a time.

        The first head of a chain may be of any age (the chain may stand still), so it counts only if it agrees.
        """
        offset_ms = block_time_ms - received_at_ms
        if offset_ms > WARN_MS:
            self._add(self._stated, _BLOCK + chain, offset_ms, received_at_ms)
        before_ms = self._newest_block_ms.get(chain)
        if (before_ms is not None and block_time_ms > before_ms) or offset_ms >= -BLOCK_LATE_MS:
            self._add(self._heads, chain, offset_ms, received_at_ms)
        self._newest_block_ms[chain] = max(block_time_ms, before_ms or 0)

    def shift(self, by_ms: int) -> None:
        """Our time was set forward by so much: what was stated stays true, in the new time."""
        for table in (self._stated, self._heads):
            for entries in table.values():
                moved = [(at_ms + by_ms, offset_ms - by_ms, lead_ms) for at_ms, offset_ms, lead_ms in entries]
                entries.clear()
                entries.extend(moved)

    def offset_ms(self, now_ms: int) -> int:
        """Median over the sources of the freshest offset of each in the last minute; 0 without any."""
        return _middle(_freshest(self._stated, now_ms)) or 0

    def bounds(self, now_ms: int, slack_ms: int, *, own_vote: bool = False) -> tuple[int, int] | None:
        """Least and largest offset that the others' statements of the last minute allow; None without any.

        Args:
            now_ms: our time.
            slack_ms: how far the venues' median may be from the truth.
            own_vote: our time has a vote too, for itself.
        """
        offsets, late_ms = self._offsets(now_ms)
        middle_ms = _middle([*offsets, 0] if offsets and own_vote else offsets)
        return None if middle_ms is None else (middle_ms - slack_ms, middle_ms + (late_ms or slack_ms))

    def votes(self, step_ms: int, now_ms: int, slack_ms: int) -> tuple[int, int]:
        """How many say that our time is right, and how many that it is off by a step; either counts as right."""
        offsets, late_ms = self._offsets(now_ms)
        right = [o for o in offsets if o - slack_ms <= 0 <= o + (late_ms or slack_ms)]
        off = [o for o in offsets if o not in right and o - slack_ms <= step_ms <= o + (late_ms or slack_ms)]
        return len(right), len(off)

    def confirmed_since(self, since_ms: int, now_ms: int, wall_lead_ms: int) -> bool:
        """Whether venues have confirmed our time since a time, while the machine's clock stood where it stands."""
        fresh = {
            name: [e for e in entries if e[0] > since_ms and abs(e[2] - wall_lead_ms) <= WARN_MS]
            for name, entries in self._stated.items()
            if not name.startswith(_BLOCK)
        }
        newest = [max(e[1] for e in entries) for entries in fresh.values() if entries and entries[-1][0] <= now_ms]
        middle_ms = _middle(newest)
        return middle_ms is not None and abs(middle_ms) <= WARN_MS

    def _offsets(self, now_ms: int) -> tuple[list[int], int]:
        """Each source's freshest offset, and how late that may be: venues' and servers', else blocks'."""
        offsets = _freshest(self._stated, now_ms)
        if any(entries for name, entries in self._stated.items() if not name.startswith(_BLOCK)):
            return offsets, 0
        return _freshest(self._heads, now_ms), BLOCK_LATE_MS

    def _add(self, table: Statements, source: str, offset_ms: int, at_ms: int) -> None:
        table.setdefault(source, deque(maxlen=512)).append((at_ms, offset_ms, self.wall_lead_ms()))

    def may_sign(self, now_ms: int) -> bool:
        """Whether the clock is good enough to put a time under a signature."""
        allowed = self.bounds(now_ms, REFUSE_MS)
        return allowed is None or allowed[0] <= 0 <= allowed[1]


def _freshest(table: Statements, now_ms: int) -> list[int]:
    """The freshest offset of each source in the window."""
    best = []
    for entries in table.values():
        while entries and entries[0][0] < now_ms - _WINDOW_MS:
            entries.popleft()
        if entries:
            best.append(max(offset for _, offset, _ in entries))
    return best


def _middle(offsets: Sequence[int]) -> int | None:
    """Median; of two in the middle the one that is nearer to our time: half of the votes are not a majority against it."""
    ranked = sorted(offsets)
    return min(ranked[(len(ranked) - 1) // 2], ranked[len(ranked) // 2], key=abs) if ranked else None


def _wide(allowed: tuple[int, int]) -> bool:
    """Whether only blocks have stated a time."""
    return allowed[1] - allowed[0] >= BLOCK_LATE_MS


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockReading:
    """What reading the machine's clock showed.

    ``set_by_ms``: it was set since the last reading, by so much; 0 if not. ``followed_ms``: our time was set by so much, as
    others confirm the machine's clock now. ``wall_ahead_ms``: how far the machine's clock is ahead of our time.
    ``confirmed``: venues have confirmed our time since the machine's clock was last set.
    """

    set_by_ms: int
    followed_ms: int
    wall_ahead_ms: int
    confirmed: bool = False


class Clock:
    """The time of the process. Only the machine's clock and sources outside together can set it.

    Steps up to ``WARN_MS`` are followed at once, but no further than that from where the time was last confirmed. A larger
    one is followed when it has more votes than our own time, the machine's clock and our time voting too, and at least one
    of them from outside. Until then, and always where nobody states a time, time goes on as if it had not happened: nothing
    tells a mistake from a correction, and a restart takes the machine's clock anyway.

    Args:
        wall_ms: this machine's clock, Unix ms.
        monotonic_ms: one that nobody can set.
    """

    def __init__(self, wall_ms: Callable[[], int] = now_ms, monotonic_ms: Callable[[], int] = monotonic_ms) -> None:
        self._wall_ms, self.monotonic_ms = wall_ms, monotonic_ms
        self.watch = ClockWatch(self._wall_lead_ms)
        self.confirmed = False
        self._has_vote = False
        self._fault_ms = 0
        self._base_ms = self._lead_ms = self._read_lead_ms = self._wall_lead_ms()
        self._read_ms = self._set_ms = self.now_ms()

    def now_ms(self) -> int:
        """Unix ms."""
        return self.monotonic_ms() + self._lead_ms

    def read(self) -> ClockReading:
        """Compare with the machine's clock and with what others state; to be called every second or so."""
        lead_ms = self._wall_lead_ms()
        set_by_ms = lead_ms - self._read_lead_ms
        self._read_lead_ms = lead_ms
        if abs(set_by_ms) > WARN_MS:
            self._set_ms = self._read_ms
        self._read_ms = self.now_ms()
        confirmed = self.watch.confirmed_since(self._set_ms, self._read_ms, lead_ms)
        step_ms = lead_ms - self._lead_ms
        self.fault_ms()  # a fault is remembered for when nobody states a time any more
        followed_ms = self._follow(step_ms)
        if self.heard() and self.may_sign():
            self.confirmed = True
        if self._agree(WARN_MS):
            self._base_ms = self._lead_ms
        self._has_vote = self.may_sign() and (self._has_vote or self._agree(REFUSE_MS))
        return ClockReading(
            set_by_ms=set_by_ms if abs(set_by_ms) > WARN_MS else 0,
            followed_ms=followed_ms,
            wall_ahead_ms=step_ms - followed_ms,
            confirmed=confirmed and not followed_ms,
        )

    def fault_ms(self) -> int:
        """By how much our time is off at least, as others stated last; positive if they are ahead, 0 where it may be right.

        A source that denied it and is silent now has not taken that back; nor do blocks, which say too little, for a venue.
        """
        allowed = self.watch.bounds(self.now_ms(), REFUSE_MS, own_vote=self._has_vote and not self._fault_ms)
        if allowed is None or (self._fault_ms and _wide(allowed) and allowed[0] <= self._fault_ms <= allowed[1]):
            return self._fault_ms
        self._fault_ms = max(allowed[0], 0) or min(allowed[1], 0)
        return self._fault_ms

    def may_sign(self) -> bool:
        """Whether the time is good enough to stand under a signature."""
        return self.fault_ms() == 0

    def offset_ms(self) -> int:
        """How far the others' clocks are ahead of our time; 0 while nobody states one."""
        return self.watch.offset_ms(self.now_ms())

    def heard(self) -> bool:
        """Whether anybody stated a time in the last minute."""
        return self.watch.bounds(self.now_ms(), 0) is not None

    def _wall_lead_ms(self) -> int:
        return self._wall_ms() - self.monotonic_ms()

    def _agree(self, slack_ms: int) -> bool:
        allowed = self.watch.bounds(self.now_ms(), slack_ms)
        return allowed is not None and allowed[0] <= 0 <= allowed[1]

    def _follow(self, step_ms: int) -> int:
        """Take the machine's clock over if it may be right; by how much more than ``WARN_MS`` that was, or 0."""
        if abs(step_ms) <= _JITTER_MS:
            return 0
        if abs(self._lead_ms + step_ms - self._base_ms) <= WARN_MS:
            self._lead_ms += step_ms
            self.watch.shift(step_ms)
            return 0
        right, off = self.watch.votes(step_ms, self.now_ms(), WARN_MS)
        if not off or off + 1 <= right + self._has_vote:  # the machine's clock votes for the step
            return 0
        self._lead_ms += step_ms
        self._base_ms = self._lead_ms
        self._read_ms = self._set_ms = self.now_ms()
        self.watch.shift(step_ms)
        return step_ms
