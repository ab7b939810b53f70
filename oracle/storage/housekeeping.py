"""Old rounds are dropped by a time that somebody has confirmed: what is dropped does not come back."""

from __future__ import annotations

import structlog

from feeds.units import MS
from oracle.runtime.clock import Clock
from oracle.storage.database import Database

_log = structlog.get_logger("oracle.storage.housekeeping")
_DAY_S = 86_400


class Housekeeping:
    """Keeps the database from growing without limit.

    Args:
        database: what is pruned.
        clock: the time of the process.
        keep_days: rounds stay for so long.
    """

    def __init__(self, database: Database, clock: Clock, keep_days: int) -> None:
        self._database, self._clock, self._keep_s = database, clock, keep_days * _DAY_S

    async def run(self) -> None:
        """Drop what is too old, some of it; nothing while the clock is not confirmed or in doubt."""
        if not (self._clock.confirmed and self._clock.may_sign()):
            return
        dropped = self._database.prune(self._clock.now_ms() // MS - self._keep_s)
        if dropped:
            _log.info("old rounds dropped", rounds=dropped)
