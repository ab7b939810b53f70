"""Long reads of what is stored, in processes of their own: they take neither the event loop nor its interpreter's time.

A thread is not enough: reading ten thousand rounds is Python's work, and the rounds of this process would wait for it.
The workers have their own connections that can only read, and a lower priority. So many questions wait and no more; the
next one is told to come again.
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
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

from oracle.model.publication import Explanation
from oracle.serve.explain import explanation
from oracle.serve.interface import Past
from oracle.serve.web import HttpProblem
from oracle.storage.database import Database

_NICE = 5
_CALM = {"Retry-After": "1"}
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryLimits:
    """``workers``: processes. ``waiting``: questions that may wait for one. ``patience_s``: how long for an answer."""

    workers: int = 2
    waiting: int = 16
    patience_s: float = 20.0


class StoredPast(Database):
    """The rounds of a database, to read only: another process writes it.

    Args:
        path: of the database.
    """

    def __init__(self, path: str) -> None:
        self.connection = self._reads = sqlite3.connect(
            f"file:{quote(path)}?mode=ro", uri=True, check_same_thread=False
        )
        self._reading = threading.Lock()

    def explain(self, feed: str, round_s: int | None) -> Explanation | None:
        """What is behind a round; without one behind the newest record, or the newest round where there is no record."""
        if round_s is None:
            newest = self.record(feed)
            round_s = newest.report.round_time_s if newest else self.last_round_s()
        return explanation(self, feed, round_s)


class HistoryReaders:
    """The workers of one database. Processes start with the first question.

    Args:
        path: of the database.
        limits: how many there are and may wait.
        executor: makes what runs the work; processes by default.
    """

    def __init__(
        self, path: Path, limits: HistoryLimits | None = None, executor: Callable[[int], Executor] | None = None
    ) -> None:
        self._path, self._limits = str(path.absolute()), limits or HistoryLimits()
        self._make = executor or _processes
        self._executor: Executor | None = None
        self._asked: list[Future[Any]] = []
        self.refused = 0

    async def read(self, work: Callable[[Past], T]) -> T:
        """Have a worker do some work over the past.

        Args:
            work: a function of a module, or a partial of one, with values that can be sent to another process.

        Raises:
            Problem: what the work raised; 503 where too many wait already, or the answer takes too long.
        """
        self._asked = [f for f in self._asked if not f.done()]  # one whose asker went keeps its place until its end
        if len(self._asked) >= self._limits.workers + self._limits.waiting:
            self.refused += 1
            raise HttpProblem(
                503, "busy", f"{len(self._asked)} long reads are under way", "ask again in a second", _CALM
            )
        future: Future[T] | None = None
        try:
            future = self._submit(work)
            async with asyncio.timeout(self._limits.patience_s):
                return await asyncio.shield(asyncio.wrap_future(future))
        except BrokenProcessPool:
            self._executor = None  # the next question starts new workers
            raise HttpProblem(
                503, "busy", "the process that read for this ended", "ask again in a second", _CALM
            ) from None
        except sqlite3.Error as e:
            raise HttpProblem(
                503, "busy", f"the database cannot be read: {e}", "ask again in a second", _CALM
            ) from None
        except TimeoutError:
            if future is not None:
                future.cancel()  # one that waits still; one that runs goes on to its end
            said = f"no answer within {self._limits.patience_s:g} s: the disk or the machine is busy"
            raise HttpProblem(503, "busy", said, "ask for less, or later", _CALM) from None

    def close(self) -> None:
        """End the workers; what is under way is not waited for."""
        if self._executor is not None:
            self._executor.shutdown(wait=False, cancel_futures=True)

    def _submit(self, work: Callable[[Past], T]) -> Future[T]:
        if self._executor is None:
            self._executor = self._make(self._limits.workers)
        future = self._executor.submit(_work, self._path, work)
        self._asked.append(future)
        return future


def in_threads(workers: int) -> Executor:
    """Workers of a process that makes no rounds, or of a test."""
    return ThreadPoolExecutor(workers, thread_name_prefix="reader")


def _processes(workers: int) -> Executor:
    return ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), initializer=_begin)


def _begin() -> None:
    """A worker is let interrupts be the parent's business, steps back behind the rounds, and ends with its parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with contextlib.suppress(OSError):
        os.nice(_NICE)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(0)  # killed without a word: nobody else tells a worker that waits for work


_OPEN = threading.local()


def _work(path: str, work: Callable[[Past], T]) -> T:
    held: dict[str, StoredPast] = _OPEN.__dict__.setdefault("held", {})
    if path not in held:
        held[path] = StoredPast(path)
    return work(held[path])
