"""One log line per kind of fault and minute, with the number of those left out: a fault that repeats does not fill the disk."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable

_PERIOD_S = 60.0
_MOST_KINDS = 256


class LogBudget:
    """Which lines are written and which are only counted.

    Args:
        period_s: for so long after a line, others of its kind are only counted.
        now_s: a clock that does not go back.
    """

    def __init__(self, period_s: float = _PERIOD_S, now_s: Callable[[], float] = time.monotonic) -> None:
        self._period_s, self._now_s = period_s, now_s
        self._written: dict[Hashable, tuple[float, int]] = {}

    @property
    def kinds(self) -> int:
        """How many kinds are remembered."""
        return len(self._written)

    def more(self, kind: Hashable) -> int | None:
        """None: leave this line out. Else write it, with the number of those that were left out before it."""
        now_s = self._now_s()
        written_s, left_out = self._written.get(kind, (None, 0))
        if written_s is not None and now_s - written_s < self._period_s:
            self._written[kind] = written_s, left_out + 1
            return None
        if kind not in self._written and len(self._written) >= _MOST_KINDS:
            self._written.pop(next(iter(self._written)))
        self._written[kind] = now_s, 0
        return left_out
