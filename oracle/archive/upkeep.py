"""What an archive does beside writing: roll-ups of what is new, and letting go of what is past its time. Both are SQL of the archive."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import structlog

from oracle.archive.link import connected, fault_text, faults
from oracle.archive.writer import DAY_S, ArchiveWriter
from oracle.runtime.log_limit import LogBudget

_HOURS_AT_ONCE, _RETENTION_S = 24, 3_600
_log = structlog.get_logger("oracle.archive.upkeep")


class Upkeep:
    """Keeps an archive in order.

    Args:
        dsn: of the archive.
        writer: that writes there.
        keep_days: of every round; minutes_days: of minutes.
        now_s: the clock.
        every_s: between two looks.

    Attributes:
        rolled_up: hours since the start; ``dropped``: partitions.
        error: what is wrong; "" while nothing is.
    """

    def __init__(
        self, dsn: str, writer: ArchiveWriter, *, keep_days: int, minutes_days: int, now_s: Callable[[], int],
        every_s: float = 30.0,
    ) -> None:  # fmt: skip
        self._dsn, self._writer = dsn, writer
        self._keep_s, self._minutes_s = keep_days * DAY_S, minutes_days * DAY_S
        self._now_s, self._every_s = now_s, every_s
        self._dropped_s = 0
        self._told = LogBudget()
        self.rolled_up = self.dropped = 0
        self.error = ""

    @property
    def oldest_s(self) -> int:
        """Rounds of days from before are not kept one by one."""
        return (self._now_s() - self._keep_s) // DAY_S * DAY_S

    async def run(self) -> None:
        """Look for ever."""
        while True:
            await self._writer.ready.wait()
            try:
                connection = await connected(self._dsn)
                try:
                    await self.look(connection)
                finally:
                    connection.terminate()
            except faults() as e:
                self.error = fault_text(e)
                if (more := self._told.more(type(e).__name__)) is not None:
                    _log.warning("roll-ups or retention failed", why=self.error, more_since_the_last_line=more)
            else:
                self.error = ""
            await asyncio.sleep(self._every_s)

    async def look(self, connection: Any) -> None:
        """Roll up what is new; once an hour drop what is too old."""
        while done := await connection.fetchval("SELECT roll_up_touched($1)", _HOURS_AT_ONCE):
            self.rolled_up += done
        if self._now_s() - self._dropped_s < _RETENTION_S:
            return
        cuts = (_time(self.oldest_s), _time(self._now_s() - self._minutes_s))
        self.dropped += await connection.fetchval("SELECT drop_older($1, $2)", *cuts)
        self._dropped_s = self._now_s()


def _time(at_s: int) -> datetime:
    return datetime.fromtimestamp(at_s, UTC)
