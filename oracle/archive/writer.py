"""Writes verified rounds to PostgreSQL: many in one transaction, each once, and never in the way of memory.

Rounds wait here until their transaction is on the server's disk; where too many wait, whoever brings more waits as well. How far the
archive has come is part of the transaction, so that a crash at any moment, on either side, leaves each round either there or told
again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import structlog

from oracle.archive.link import ArchiveFault, connected, fault_text, faults
from oracle.archive.migrations import bring_up_to_date
from oracle.archive.rows import (
    ABSTENTION_COLUMNS,
    PRICE_COLUMNS,
    ROUND_COLUMNS,
    abstention_rows,
    price_rows,
    round_row,
)
from oracle.follow.follower import VerifiedRound
from oracle.runtime.log_limit import LogBudget
from oracle.sign.eip712 import Domain

MOST_WAITING = 256
"""Rounds in memory, about 30 KB each at 34 feeds."""
_AT_ONCE, _GATHER_S = 64, 0.05
_FIRST_S, _LONGEST_S = 0.25, 15.0
DAY_S, _DAYS_AHEAD = 86_400, 3
_LOCK = 0x6C72746F
"""So that one archive alone writes for a store: a second one waits until the first is gone."""
_STAGES = {"staged_rounds": ROUND_COLUMNS, "staged_prices": PRICE_COLUMNS, "staged_abstentions": ABSTENTION_COLUMNS}
_FIND = "SELECT id, newest_s FROM domains WHERE (chain_id, store) = ($1, $2)"
_MAKE = "INSERT INTO domains (chain_id, store, interval_s) VALUES ($1, $2, $3) RETURNING id, newest_s"
_log = structlog.get_logger("oracle.archive.writer")


class ArchiveWriter:
    """Writes the rounds of one store.

    Args:
        dsn: of the database; secrets as ${NAME}.
        domain: whose rounds.
        interval_s: between them.
        ranks: place of each source in the config, by its name.
        oldest_s: rounds from before are not written: they are past what is kept.

    Attributes:
        domain_id: of the store in the archive, once that is known.
        newest_s: the newest round that is on disk, 0 if none.
        written: rounds since the start; ``reworded``: other words of one that was there; ``conflicts``: sealed with something
            else than what is there; ``unwritable``: that PostgreSQL does not take.
        error: what is wrong; "" while nothing is.
        ready: set while this archive is the one that writes, as far as is known.
    """

    def __init__(
        self, dsn: str, domain: Domain, *, interval_s: int, ranks: Mapping[str, int], oldest_s: Callable[[], int]
    ) -> None:
        self._dsn, self._domain, self._interval_s = dsn, domain, interval_s
        self._ranks, self._oldest_s = dict(ranks), oldest_s
        self._waiting: dict[int, VerifiedRound] = {}
        self._changed = asyncio.Condition()
        self._told = LogBudget()
        self._days: set[int] = set()
        self.domain_id = 0
        self.newest_s = self.written = self.reworded = self.conflicts = self.unwritable = self.breaks = 0
        self.error = ""
        self.ready = asyncio.Event()

    @property
    def waiting(self) -> int:
        """Rounds that are not on disk yet."""
        return len(self._waiting)

    async def take(self, verified: VerifiedRound) -> None:
        """A round was verified: it is written soon. Waits while too many do."""
        async with self._changed:
            await self._changed.wait_for(lambda: len(self._waiting) < MOST_WAITING)
            self._waiting[verified.round_time_s] = verified
            self._changed.notify_all()

    async def run(self) -> None:
        """Write for ever."""
        pause_s = _FIRST_S
        while True:
            before = self.written + self.reworded
            try:
                await self._connected()
            except faults() as e:
                self._fail(e)
            pause_s = _FIRST_S if self.written + self.reworded > before else min(_LONGEST_S, 2 * pause_s)
            await asyncio.sleep(pause_s)

    def _fail(self, error: BaseException) -> None:
        self.breaks += 1
        self.ready.clear()
        self.error = fault_text(error)
        if (more := self._told.more(type(error).__name__)) is not None:
            _log.warning("rounds are not written to PostgreSQL", why=self.error, waiting=self.waiting,
                         more_since_the_last_line=more)  # fmt: skip

    async def _connected(self) -> None:
        connection = await connected(self._dsn)
        try:
            await self._prepare(connection)
            self.error = ""
            self.ready.set()
            while True:
                batch = await self._batch()
                await self._write(connection, batch)
                async with self._changed:
                    for verified in batch:
                        if self._waiting.get(verified.round_time_s) is verified:
                            del self._waiting[verified.round_time_s]
                    self._changed.notify_all()
        finally:
            connection.terminate()

    async def _prepare(self, connection: Any) -> None:
        await bring_up_to_date(connection)
        self._days.clear()
        self.domain_id, newest_s = await self._own_domain(connection)
        self.newest_s = newest_s or 0
        if not await connection.fetchval("SELECT pg_try_advisory_lock($1, $2)", _LOCK, self.domain_id):
            raise ArchiveFault(
                "another archive writes the rounds of this store here: this one waits until it has ended"
            )
        await connection.execute("SELECT make_stages()")

    async def _own_domain(self, connection: Any) -> tuple[int, int | None]:
        """Id of the store in the archive and its newest round."""
        key = (Decimal(self._domain.chain_id), self._domain.store)
        row = await connection.fetchrow(_FIND, *key) or await connection.fetchrow(_MAKE, *key, self._interval_s)
        await connection.execute("UPDATE domains SET interval_s = $2 WHERE id = $1", row["id"], self._interval_s)
        return int(row["id"]), row["newest_s"]

    async def _batch(self) -> list[VerifiedRound]:
        """What waits, once there is something, oldest round first."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._waiting)
        await asyncio.sleep(_GATHER_S)
        return [self._waiting[t] for t in sorted(self._waiting)[:_AT_ONCE]]

    async def _write(self, connection: Any, batch: Sequence[VerifiedRound]) -> None:
        """Write them; of rounds that PostgreSQL does not take, all but those."""
        from asyncpg import DataError  # noqa: PLC0415 - an optional part

        try:
            await self._transaction(connection, batch)
        except (DataError, ValueError, OverflowError) as e:
            if len(batch) > 1:
                middle = len(batch) // 2
                await self._write(connection, batch[:middle])
                await self._write(connection, batch[middle:])
                return
            self.unwritable += 1
            _log.error("a round cannot be written to the archive", round=batch[0].round_time_s, why=fault_text(e))

    async def _transaction(self, connection: Any, batch: Sequence[VerifiedRound]) -> None:
        kept = [v for v in batch if v.round_time_s >= self._oldest_s()]
        if not kept:
            return
        rows = {
            "staged_rounds": [round_row(v, self._ranks.get(v.source, 0)) for v in kept],
            "staged_prices": [r for v in kept for r in price_rows(v)],
            "staged_abstentions": [r for v in kept for r in abstention_rows(v)],
        }
        await self._make_days(connection, kept)
        async with connection.transaction():
            for name, columns in _STAGES.items():
                if rows[name]:
                    await connection.copy_records_to_table(
                        name, schema_name="pg_temp", columns=columns, records=rows[name]
                    )
            done = await connection.fetchrow("SELECT * FROM take_staged($1::smallint)", self.domain_id)
        self.written += done["fresh"]
        self.reworded += done["reworded"]
        self.newest_s = max(self.newest_s, kept[-1].round_time_s)
        for round_s in done["conflicts"]:
            self.conflicts += 1
            _log.error("a round is in the archive already, sealed with something else: that one stays", round=round_s)

    async def _make_days(self, connection: Any, batch: Sequence[VerifiedRound]) -> None:
        """Partitions of all days of these rounds, and of the next few."""
        days = {v.round_time_s // DAY_S * DAY_S for v in batch}
        for day_s in sorted(days | {max(days) + DAY_S * n for n in range(1, _DAYS_AHEAD + 1)}):
            if day_s not in self._days:
                await connection.fetchval("SELECT make_partitions($1::bigint, $1::bigint)", day_s)
                self._days.add(day_s)
