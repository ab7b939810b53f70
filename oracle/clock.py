"""How far this machine's clock is off, measured against everybody who states a time.

A venue's own time and an HTTP Date arrive late by the network's delay, so the freshest of a window comes closest to the
truth. A block's time is only a bound: a block from the future says that our clock is behind.
"""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field

WARN_MS = 1_000
REFUSE_MS = 3_000
_WINDOW_MS = 60_000
_DATE_RESOLUTION_MS = 500


def now_ms() -> int:
    """Unix ms of this machine's clock. Only the composition root and the commands call it; rules get a time."""
    return time.time_ns() // 1_000_000


@dataclass(slots=True)
class ClockWatch:
    """Offsets of the last minute, by who stated the time. Positive: the others are ahead of us."""

    _seen: dict[str, deque[tuple[int, int]]] = field(default_factory=dict)

    def stated(self, source: str, stated_at_ms: int, received_at_ms: int) -> None:
        """A venue's own time beside the time at which its message came."""
        self._add(source, stated_at_ms - received_at_ms, received_at_ms)

    def date(self, host: str, date_ms: int, received_at_ms: int) -> None:
        """An HTTP Date header; it is cut to whole seconds, so its middle is taken. One vote a venue, however it speaks."""
        self._add(host, date_ms + _DATE_RESOLUTION_MS - received_at_ms, received_at_ms)

    def block(self, chain: str, block_time_ms: int, received_at_ms: int) -> None:
        """A block's time: only a bound from one side, for blocks arrive late; one vote a chain where it lies ahead."""
        if block_time_ms > received_at_ms + WARN_MS:
            self._add(f"block:{chain}", block_time_ms - received_at_ms, received_at_ms)

    def stepped(self) -> None:
        """This machine's clock was set: what was heard before says nothing any more."""
        self._seen.clear()

    def offset_ms(self, now_ms: int) -> int:
        """Median over the sources of the freshest offset each showed in the last minute; 0 while nobody spoke."""
        best = []
        for entries in self._seen.values():
            while entries and entries[0][0] < now_ms - _WINDOW_MS:
                entries.popleft()
            if entries:
                best.append(max(offset for _, offset in entries))
        return sorted(best)[(len(best) - 1) // 2] if best else 0

    def may_sign(self, now_ms: int) -> bool:
        """Whether the clock is good enough to put a time under a signature."""
        return abs(self.offset_ms(now_ms)) <= REFUSE_MS

    def _add(self, source: str, offset_ms: int, at_ms: int) -> None:
        entries = self._seen.setdefault(source, deque(maxlen=512))
        entries.append((at_ms, offset_ms))
