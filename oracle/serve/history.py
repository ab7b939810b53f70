"""Long reads of the database, in processes of their own: they block neither the event loop nor this interpreter.

A thread is not enough: decoding ten thousand rounds is Python's work, and the rounds of this process would wait for it.
The workers have read-only connections of their own and a lower priority. A limited number of reads may wait; the next one
is refused and asked to retry.
"""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import os
import signal
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from oracle.model.publication import Explanation
from oracle.serve.error_codes import ErrorCode
from oracle.serve.explain import explanation
from oracle.serve.interface import StoredRounds
from oracle.serve.web import HttpProblem
from oracle.storage.reading import DatabaseReader

_NICE = 5
_RETRY = {"Retry-After": "1"}
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryLimits:
    """``workers``: processes. ``waiting``: reads that may wait for one. ``timeout_s``: from the request to the answer."""

    workers: int = 2
    waiting: int = 16
    timeout_s: float = 20.0


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

    Attributes:
        refused: reads refused because too many were waiting.
    """

    def __init__(
        self, path: Path, limits: HistoryLimits | None = None, executor: Callable[[int], Executor] | None = None
    ) -> None:
        self._path, self._limits = str(path.absolute()), limits or HistoryLimits()
        self._make_executor = executor or _processes
        self._executor: Executor | None = None
        self._pending: list[Future[Any]] = []
        self.refused = 0

    @property
    def pending(self) -> int:
        """Reads that wait or run; one that nobody waits for any more is counted until it ends."""
        self._pending = [f for f in self._pending if not f.done()]
        return len(self._pending)

    async def read(self, read: Callable[[StoredRounds], T]) -> T:
        """Have a worker read stored rounds.

        Args:
            read: a function of a module, or a partial of one, with values that can be sent to another process.

        Raises:
            HttpProblem: what the function raised; 503 where too many reads wait already, or the answer takes too long.
        """
        pending = self.pending
        if pending >= self._limits.workers + self._limits.waiting:
            self.refused += 1
            raise _busy(f"{pending} long reads are under way")
        future: Future[T] | None = None
        try:
            future = self._submit(read)
            async with asyncio.timeout(self._limits.timeout_s):
                return await asyncio.shield(asyncio.wrap_future(future))
        except BrokenProcessPool:
            self._executor = None  # the next read starts new workers
            raise _busy("the process that read for this request ended") from None
        except sqlite3.Error as e:
            raise _busy(f"the database cannot be read: {e}") from None
        except TimeoutError:
            if future is not None:
                future.cancel()  # a read that still waits; one that runs goes on to its end
            text = f"no answer within {self._limits.timeout_s:g} s: the disk or the machine is busy"
            raise _busy(text, "ask for less, or later") from None

    def close(self) -> None:
        """End the workers without waiting for reads under way."""
        if self._executor is not None:
            self._executor.shutdown(wait=False, cancel_futures=True)

    def _submit(self, read: Callable[[StoredRounds], T]) -> Future[T]:
        if self._executor is None:
            self._executor = self._make_executor(self._limits.workers)
        future = self._executor.submit(_read_in_worker, self._path, read)
        self._pending.append(future)
        return future


def _busy(text: str, hint: str = "ask again in a second") -> HttpProblem:
    return HttpProblem(503, ErrorCode.BUSY, text, hint, _RETRY)


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


def _read_in_worker(path: str, read: Callable[[StoredRounds], T]) -> T:
    if not hasattr(_LOCAL, "databases"):
        _LOCAL.databases = _Opened()
    databases: _Opened = _LOCAL.databases
    if path not in databases:
        databases[path] = ReadOnlyDatabase(path)
    with databases[path].one_moment():
        return read(databases[path])
