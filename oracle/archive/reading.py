"""Reads an archive for a node: rounds beyond its memory, as what they were, with bounds on how long and how many.

Whoever reads is a function that blocks: it runs in a thread of few, and each of its questions to PostgreSQL is bounded in time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeVar

import structlog

from feeds.secret_values import filled
from oracle.archive.link import ArchiveFault, check_archive_installed, fault_text, faults, settings
from oracle.archive.rows import agreement_of, record_of, roll_up_of, transition_of
from oracle.model.publication import Record, Transition
from oracle.model.roll_up import HOUR_S, MINUTE_S, RollUp
from oracle.runtime.log_limit import LogBudget
from oracle.sign.eip712 import Domain
from oracle.sign.messages import Agreement

T = TypeVar("T")
DAY_S = 86_400
_STATEMENT_S, _ANSWER_S, _CONNECT_S = 5, 20.0, 5.0
_LOOK_S = 5.0
_READERS, _MOST_WAITING = 4, 16
_ROUND = "r.epoch, r.step, r.weight, r.threshold, r.total"
_OF_ROUND = "r.domain = p.domain AND r.round_s = p.round_s"
_HISTORY = f"""
SELECT p.*, {_ROUND} FROM {{0}}prices p JOIN {{0}}rounds r ON {_OF_ROUND} AND r.round_s BETWEEN $3 AND $4
WHERE p.domain = $1 AND p.feed = $2 AND p.round_s BETWEEN $3 AND $4 ORDER BY p.round_s DESC LIMIT $5
"""  # noqa: S608 - our own names
_AT_TIMES = f"""
SELECT t.place, x.* FROM unnest($3::bigint[]) WITH ORDINALITY t (at_s, place) CROSS JOIN LATERAL (
  SELECT p.*, {_ROUND} FROM prices p JOIN rounds r ON {_OF_ROUND} AND r.round_s BETWEEN $5 AND $6
  WHERE p.domain = $1 AND p.feed = $2 AND p.round_s > t.at_s - $4 AND p.round_s <= t.at_s AND p.round_s BETWEEN $5 AND $6
  ORDER BY p.round_s DESC LIMIT 1) x
"""  # noqa: S608 - our own names
_CHANGES = """
SELECT * FROM status_changes WHERE domain = $1 AND feed = $2 AND round_s <= $3 ORDER BY round_s DESC LIMIT $4
"""
_ROLL_UPS = """
SELECT * FROM {} WHERE domain = $1 AND feed = $2 AND start_s BETWEEN $3 AND $4 ORDER BY start_s DESC LIMIT $5
"""
_SEALED = "SELECT items, sealed FROM {}rounds WHERE domain = $1 AND round_s = $2"
_BOUNDS = "SELECT id, first_s, newest_s, kept_since_s, minutes_since_s, interval_s FROM domains WHERE (chain_id, store) = ($1, $2)"
_log = structlog.get_logger("oracle.archive.reading")


class ArchiveAway(ArchiveFault):
    """An archive does not answer a node that reads it: why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveBounds:
    """What an archive has of a store. ``kept_since_s``: before it there are minutes, and before ``minutes_since_s`` hours; 0: always."""

    id: int
    first_s: int
    newest_s: int
    kept_since_s: int
    minutes_since_s: int
    interval_s: int


class ArchiveReader:
    """Reads one store's rounds.

    Args:
        dsn: of the archive; secrets as ${NAME}.
        domain: of the store.
        target: its name here.
        look_s: between two looks at whether it is there.

    Attributes:
        bounds: as last read; None before.
        error: why it does not answer; "" while it does.
    """

    def __init__(self, dsn: str, domain: Domain, target: str, *, look_s: float = _LOOK_S) -> None:
        check_archive_installed()
        self._dsn, self._domain, self._target, self._look_s = dsn, domain, target, look_s
        self._pool: Any = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._looking: asyncio.Task[None] | None = None
        self._threads = ThreadPoolExecutor(_READERS, thread_name_prefix="archive")
        self._pending: set[Future[Any]] = set()
        self._told = LogBudget()
        self.bounds: ArchiveBounds | None = None
        self.error = "it was not reached yet"

    async def start(self) -> None:
        """Look at the archive, and again every few seconds."""
        import asyncpg  # noqa: PLC0415 - an optional part

        self._loop = asyncio.get_running_loop()
        self._pool = await asyncpg.create_pool(
            filled(self._dsn).text, min_size=0, max_size=_READERS, timeout=_CONNECT_S, command_timeout=_STATEMENT_S + 1,
            server_settings=settings(_STATEMENT_S, read_only=True),
        )  # fmt: skip
        await self._look()
        self._looking = asyncio.create_task(self._look_for_ever())

    async def close(self) -> None:
        """End without waiting for reads under way."""
        if self._looking is not None:
            self._looking.cancel()
        self._threads.shutdown(wait=False, cancel_futures=True)
        if self._pool is not None:
            self._pool.terminate()

    async def _look_for_ever(self) -> None:
        while True:
            await asyncio.sleep(self._look_s)
            await self._look()

    async def _look(self) -> None:
        try:
            found = await self._fetch(_BOUNDS, Decimal(self._domain.chain_id), self._domain.store)
        except ArchiveAway as e:
            self.error = str(e)
            if (more := self._told.more(str(e)[:20])) is not None:
                _log.warning("the archive does not answer", why=self.error, more_since_the_last_line=more)
            return
        if found and found[0]["newest_s"] is not None:
            self.bounds, self.error = ArchiveBounds(**dict(found[0])), ""
        else:
            self.error = "it has no round of this store yet"

    async def read(self, read: Callable[[], T]) -> T:
        """Result of a function that asks this archive, run in a thread.

        Raises:
            ArchiveAway: too many reads wait already, or the answer takes too long.
        """
        if len(self._pending) >= _READERS + _MOST_WAITING:
            raise ArchiveAway(f"{len(self._pending)} reads of the archive are under way")
        future = self._threads.submit(read)
        self._pending.add(future)
        future.add_done_callback(self._pending.discard)
        try:
            async with asyncio.timeout(_ANSWER_S):
                return await asyncio.wrap_future(future)
        except TimeoutError:
            raise ArchiveAway(f"no answer of the archive within {_ANSWER_S:g} s") from None

    async def _fetch(self, sql: str, *args: Any) -> list[Any]:
        from asyncpg import QueryCanceledError  # noqa: PLC0415 - an optional part

        try:
            return list(await self._pool.fetch(sql, *args))
        except (QueryCanceledError, TimeoutError):
            raise ArchiveAway(f"no answer within {_STATEMENT_S} s: ask for less, or later") from None
        except faults() as e:
            self.error = fault_text(e)  # until it is looked at again nobody waits for it
            raise ArchiveAway(self.error) from None

    # --- what a read asks, in its thread ----------------------------------------------------------------------------------

    def _rows(self, sql: str, *args: Any) -> list[Any]:
        """Rows of a question; ArchiveAway where there is no answer in time."""
        if self._loop is None:
            raise ArchiveAway(self.error)
        future = asyncio.run_coroutine_threadsafe(self._fetch(sql, *args), self._loop)
        try:
            return future.result(_ANSWER_S)
        except TimeoutError:
            future.cancel()
            raise ArchiveAway(f"no answer of the archive within {_ANSWER_S:g} s") from None

    def _known(self) -> ArchiveBounds:
        if self.bounds is None:
            raise ArchiveAway(self.error)
        return self.bounds

    def history(self, feed: str, since_s: int, until_s: int, limit: int) -> list[Record]:
        """Records of a time range: the newest ``limit`` of them, ascending; both ends included."""
        known = self._known()
        first_s, last_s = max(since_s, known.first_s), min(until_s, known.newest_s)
        found: list[Any] = []
        step_s = max(DAY_S, 2 * limit * known.interval_s)
        kept_s = max(first_s, known.kept_since_s)
        while last_s >= kept_s and len(found) < limit:
            from_s = max(kept_s, last_s - step_s)
            found += self._rows(_HISTORY.format(""), known.id, feed, from_s, last_s, limit - len(found))
            last_s, step_s = from_s - 1, 4 * step_s
        if first_s < known.kept_since_s and len(found) < limit:
            until_s = min(until_s, known.kept_since_s - 1)
            found += self._rows(_HISTORY.format("kept_"), known.id, feed, first_s, until_s, limit - len(found))
        return [record_of(row, self._target) for row in reversed(found)]

    def roll_ups(self, feed: str, since_s: int, until_s: int, limit: int) -> list[tuple[int, RollUp]]:
        """Steps and roll-ups of times of which rounds are not kept one by one any more: the newest, ascending."""
        known = self._known()
        found: list[tuple[int, RollUp]] = []
        ranges = (
            ("minutes", MINUTE_S, known.minutes_since_s, known.kept_since_s),
            ("hours", HOUR_S, 0, min(known.minutes_since_s, known.kept_since_s)),
        )
        for table, step_s, from_s, before_s in ranges:
            lo, hi, left = max(since_s, from_s, known.first_s - step_s), min(until_s, before_s - 1), limit - len(found)
            if lo <= hi and left > 0:
                rows = self._rows(_ROLL_UPS.format(table), known.id, feed, lo, hi, left)
                found += [(step_s, roll_up_of(row)) for row in rows]
        return found[::-1]

    def at_times(self, feed: str, times_s: Sequence[int], step_s: int) -> list[Record | None]:
        """The newest record of each step that ends at one of these times; None where there is none."""
        if not times_s:
            return []
        lo, hi = min(times_s) - step_s, max(times_s)
        rows = self._rows(_AT_TIMES, self._known().id, feed, list(times_s), step_s, lo, hi)
        by_place = {row["place"]: record_of(row, self._target) for row in rows}
        return [by_place.get(place) for place in range(1, len(times_s) + 1)]

    def changes(self, feed: str, until_s: int, limit: int) -> list[Transition]:
        """Changes of a feed's status until a round, the newest first."""
        return [transition_of(row) for row in self._rows(_CHANGES, self._known().id, feed, until_s, limit)]

    def record(self, feed: str, round_s: int) -> Record | None:
        """The record of a round."""
        return next(iter(self.history(feed, round_s, round_s, 1)), None)

    def agreement(self, round_s: int) -> Agreement | None:
        """What was sealed in a round."""
        for table in ("", "kept_"):
            for row in self._rows(_SEALED.format(table), self._known().id, round_s):
                return agreement_of(row, self._target)
        return None


def full_rate_since_s(bounds: ArchiveBounds | None, memory_s: int) -> int:
    """From when on an archive and a memory that begins at a time have every round together; 0: always."""
    if bounds is None:
        return 0
    return memory_s if bounds.newest_s + bounds.interval_s < memory_s else bounds.kept_since_s
