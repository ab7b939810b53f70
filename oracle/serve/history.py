"""Long reads of the database, in processes of their own: they block neither the event loop nor this interpreter.

A thread is not enough: decoding ten thousand rounds is Python's work, and the rounds of this process would wait for it.
The workers have read-only connections of their own and a lower priority. A limited number of reads may wait; the next one
is refused and asked to retry.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Executor, ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import TypeVar

from oracle.model.publication import Explanation
from oracle.serve.bounded_reads import BoundedReads, HistoryLimits, busy
from oracle.serve.explain import explanation
from oracle.storage.reading import DatabaseReader

_NICE = 5
T = TypeVar("T")


class ReadOnlyDatabase(DatabaseReader):
    """What the workers ask of a database.

    Args:
        path: of the database.
    """

    def explain(self, feed: str, round_s: int | None) -> Explanation | None:
        """What is behind a round; by default that of the newest record, or the newest round where there is no record."""
        if round_s is None:
            newest = self.record(feed)
            round_s = newest.report.round_time_s if newest else self.last_round_s()
        return explanation(self, feed, round_s)


class HistoryReaders:
    """The workers of one database. Their processes start with the first read.

    Args:
        path: of the database.
        limits: of workers and of reads that wait.
        executor: makes the executor of so many workers; processes by default.
    """

    def __init__(
        self, path: Path, limits: HistoryLimits | None = None, executor: Callable[[int], Executor] | None = None
    ) -> None:
        self._path = str(path.absolute())
        self._reads = BoundedReads(limits or HistoryLimits(), executor or _processes)

    @property
    def pending(self) -> int:
        """Reads that wait or run; one that nobody waits for any more is counted until it ends."""
        return self._reads.pending

    @property
    def refused(self) -> int:
        """Reads refused because too many were waiting."""
        return self._reads.refused

    async def read(self, read: Callable[[ReadOnlyDatabase], T]) -> T:
        """Have a worker read stored rounds.

        Args:
            read: a function of a module, or a partial of one, with values that can be sent to another process.

        Raises:
            HttpProblem: what the function raised; 503 where too many reads wait already, or the answer takes too long.
        """
        try:
            return await self._reads.run(partial(_read_in_worker, self._path, read))
        except sqlite3.Error as e:
            raise busy(f"the database cannot be read: {e}") from None

    def close(self) -> None:
        """End the workers without waiting for reads under way."""
        self._reads.close()


def _processes(workers: int) -> Executor:
    return ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), initializer=_start_worker)


def _start_worker() -> None:
    """A worker ignores interrupts (the parent handles them), has a lower priority than rounds, and ends with its parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with contextlib.suppress(OSError):
        os.nice(_NICE)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(0)  # a killed parent cannot end a worker that waits for work


class _Opened(dict[str, ReadOnlyDatabase]):
    """The databases of one worker. Nobody is told that a thread ends, so they are closed when it drops them."""

    def __del__(self) -> None:
        for database in self.values():
            database.close()


_LOCAL = threading.local()


def _read_in_worker(path: str, read: Callable[[ReadOnlyDatabase], T]) -> T:
    if not hasattr(_LOCAL, "databases"):
        _LOCAL.databases = _Opened()
    databases: _Opened = _LOCAL.databases
    if path not in databases:
        databases[path] = ReadOnlyDatabase(path)
    with databases[path].one_moment():
        return read(databases[path])
