"""One line of the log for each kind of fault and minute, with how many more there were: a fault that repeats fills no disk."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Hashable

_PERIOD_S = 60.0
_MOST_KINDS = 256
NOISY = ("asyncio", "aiohttp.server", "aiohttp.web", "aiohttp.internal", "aiohttp.client")
"""Loggers of libraries that write a line, some with a trace, for each single connection or request."""


class LogBudget:
    """Which lines are said and which are counted.

    Args:
        period_s: for so long after a line all of its kind are counted only.
        now_s: a clock that does not go back.
    """

    def __init__(self, period_s: float = _PERIOD_S, now_s: Callable[[], float] = time.monotonic) -> None:
        self._period_s, self._now_s = period_s, now_s
        self._said: dict[Hashable, tuple[float, int]] = {}

    def more(self, kind: Hashable) -> int | None:
        """None: say nothing this time. Else say it, with the number of those before that were not said."""
        now_s = self._now_s()
        said_s, held = self._said.get(kind, (None, 0))
        if said_s is not None and now_s - said_s < self._period_s:
            self._said[kind] = said_s, held + 1
            return None
        if kind not in self._said and len(self._said) >= _MOST_KINDS:
            self._said.pop(next(iter(self._said)))
        self._said[kind] = now_s, 0
        return held


class LogLimit(logging.Filter):
    """The same for a library's logger. A kind is the logger, the first line as it was written, and the exception's type."""

    def __init__(self, tally: LogBudget | None = None) -> None:
        super().__init__()
        self._tally = tally or LogBudget()

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the line is said; the number of those that were not goes with it."""
        error = record.exc_info[0] if record.exc_info else None
        more = self._tally.more((record.name, str(record.msg).partition("\n")[0], error))
        if more:
            record.msg, record.args = f"{record.getMessage()} ({more} more of this kind since its last line)", ()
        return more is not None


def limit_logs(names: tuple[str, ...] = NOISY) -> None:
    """Have these loggers write one line a kind and minute. It may be called again."""
    for name in names:
        logger = logging.getLogger(name)
        if not any(isinstance(f, LogLimit) for f in logger.filters):
            logger.addFilter(LogLimit())
