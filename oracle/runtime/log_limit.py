"""One log line per kind of fault and minute, with the number of those left out: a fault that repeats does not fill the disk."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Hashable

_PERIOD_S = 60.0
_MOST_KINDS = 256
NOISY = ("asyncio", "aiohttp.server", "aiohttp.web", "aiohttp.internal", "aiohttp.client")
"""Loggers of libraries that write a line, some with a trace, for each single connection or request."""


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


class LogLimit(logging.Filter):
    """The same for a library's logger. A kind is the logger, the first line as it was written, and the exception's type."""

    def __init__(self, budget: LogBudget | None = None) -> None:
        super().__init__()
        self._budget = LogBudget() if budget is None else budget

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the line is written; the number of those left out before it is added."""
        error = record.exc_info[0] if record.exc_info else None
        more = self._budget.more((record.name, str(record.msg).partition("\n")[0], error))
        if more:
            record.msg, record.args = f"{record.getMessage()} ({more} more of this kind since its last line)", ()
        return more is not None


def limit_logs(names: tuple[str, ...] = NOISY) -> None:
    """Have these loggers write one line per kind and minute. It may be called again."""
    for name in names:
        logger = logging.getLogger(name)
        if not any(isinstance(f, LogLimit) for f in logger.filters):
            logger.addFilter(LogLimit())
