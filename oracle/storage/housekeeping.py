"""What is old is packed, thinned out and dropped between rounds, a little at a time, by a time that somebody has confirmed.

What is dropped does not come back, so nothing is while the clock is in doubt. Every step is one short transaction; none begins in
the first part of a round's time, in which it is made and agreed on, nor shortly before the next one.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from feeds.units import MS
from oracle.model.retention import Retention
from oracle.runtime.clock import Clock
from oracle.storage.database import Database
from oracle.storage.prune import PruneTimes
from oracle.storage.vacuum import give_back

_log = structlog.get_logger("oracle.storage.housekeeping")
_DAY_S = 86_400
_AIM_S = 60
_QUIET = (40, 85)
"""Of a round's time, in percent: steps begin in between."""
_LONG_STEP_MS, _SHORT_STEP_MS = 20, 5
_LEAST_ROWS = 10


class Housekeeping:
    """Keeps the database from growing without limit.

    Args:
        database: what is kept.
        clock: the time of the process.
        retention: for how long.
        round_interval_s: between rounds; 0: there are none, and every moment is quiet.
    """

    def __init__(self, database: Database, clock: Clock, retention: Retention, round_interval_s: int = 0) -> None:
        self._database, self._clock, self._retention = database, clock, retention
        self._interval_ms = round_interval_s * MS
        self._aimed_s = 0
        self._rows = database.limits.pruned_at_once
        self._done_in = -1
        self._older_before_s = self._dropped = 0

    def keep(self, retention: Retention) -> None:
        """For how long, from the next look on."""
        self._retention, self._aimed_s = retention, 0

    @property
    def pause_s(self) -> float:
        """How long to wait between two looks: no quiet moment is missed."""
        return min(1.0, self._interval_ms / MS / 10) if self._interval_ms else 1.0

    async def run(self) -> None:
        """Do what there is to do in this quiet moment; nothing while the clock is not confirmed or in doubt."""
        while self._is_quiet() and self._clock.confirmed and self._clock.may_sign():
            now_s = self._clock.now_ms() // MS
            if not self._aimed_s <= now_s < self._aimed_s + _AIM_S:
                self._aim(now_s)
            if not await self._step():
                self._done_in = self._round()
            await asyncio.sleep(0)

    def _round(self) -> int:
        return self._clock.now_ms() // (self._interval_ms or MS)

    def _is_quiet(self) -> bool:
        """Whether a step may begin: in the middle of a round's time, until all is done that there was to do in it."""
        if self._done_in == self._round():
            return False
        if not self._interval_ms:
            return True
        first, last = _QUIET
        return first <= self._clock.now_ms() % self._interval_ms * 100 // self._interval_ms < last

    def _aim(self, now_s: int) -> None:
        keep, database = self._retention, self._database
        self._older_before_s = now_s - keep.rounds_days * _DAY_S
        database.pruner.aim(
            PruneTimes(
                rounds_s=now_s - keep.rounds_days * _DAY_S,
                values_s=now_s - keep.values_days * _DAY_S,
                pushed_values_s=now_s - keep.pushed_values_days * _DAY_S,
                pushes_s=now_s - keep.pushes_days * _DAY_S,
                attended_s=now_s - keep.rounds_days * _DAY_S,
            )
        )
        records_s = now_s - keep.records_days * _DAY_S
        database.thinner.aim(
            min(records_s, database.pruner.oldest_s or records_s),  # a round that recomputes has its record
            now_s - keep.minutes_days * _DAY_S,
            now_s - keep.hours_days * _DAY_S,
        )
        self._aimed_s = now_s

    async def _step(self) -> bool:
        """Do the next thing; whether there may be more. Packing is work for a thread, what is written is not."""
        database = self._database
        if self._older_before_s or database.pruner.busy or database.thinner.busy:
            with self._unhurried(), self._paced():
                self._drop()
            return True
        job = database.packer.next()
        if job is not None:
            body = await asyncio.to_thread(job.packed)
            with self._unhurried():
                database.packer.keep(job, body)
            return True
        with self._unhurried():
            return give_back(database.connection)

    def _drop(self) -> None:
        database = self._database
        if self._older_before_s:
            if not database.older.prune(self._older_before_s, self._rows):
                self._older_before_s = 0
        elif not database.pruner.busy:
            database.thinner.step(self._rows)
        else:
            self._dropped += database.pruner.step(self._rows)
            if self._dropped and not self._database.pruner.busy:
                _log.info("old rounds dropped", rounds=self._dropped)
                self._dropped = 0

    @contextmanager
    def _unhurried(self) -> Iterator[None]:
        """What is written meanwhile need not be on disk at once: a crash of the machine only makes it be done again."""
        self._database.connection.execute("PRAGMA synchronous=NORMAL")
        try:
            yield
        finally:
            self._database.connection.execute("PRAGMA synchronous=FULL")

    @contextmanager
    def _paced(self) -> Iterator[None]:
        """Fewer rows in the next step where this one was long, more where it was short."""
        begun_ns = time.monotonic_ns()
        yield
        spent_ms = (time.monotonic_ns() - begun_ns) // 1_000_000
        if spent_ms > _LONG_STEP_MS:
            self._rows = max(_LEAST_ROWS, self._rows // 2)
        elif spent_ms < _SHORT_STEP_MS:
            self._rows = min(self._database.limits.pruned_at_once, self._rows * 2)
