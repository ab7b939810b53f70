"""What an archive does beside writing: roll-ups of what is new, and letting go of what is past its time. Both are SQL of the archive."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from oracle.archive.repeated_look import RepeatedLook
from oracle.archive.writer import DAY_S, ArchiveWriter

_HOURS_AT_ONCE, _RETENTION_S = 24, 3_600


class Upkeep(RepeatedLook):
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

    fails = "roll-ups or retention failed"

    def __init__(
        self, dsn: str, writer: ArchiveWriter, *, keep_days: int, minutes_days: int, now_s: Callable[[], int],
        every_s: float = 30.0,
    ) -> None:  # fmt: skip
        super().__init__(dsn, writer, every_s)
        self._keep_s, self._minutes_s = keep_days * DAY_S, minutes_days * DAY_S
        self._now_s = now_s
        self._dropped_s = 0
        self.rolled_up = self.dropped = 0

    @property
    def oldest_s(self) -> int:
        """Rounds of days from before are not kept one by one."""
        return (self._now_s() - self._keep_s) // DAY_S * DAY_S

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
