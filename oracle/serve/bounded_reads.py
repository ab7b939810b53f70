"""Long work away from the event loop: a few at a time, some may wait, the next one is refused and asked to retry."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor, Future
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from typing import Any, TypeVar

from oracle.serve.error_codes import ErrorCode
from oracle.serve.web import HttpProblem

_RETRY = {"Retry-After": "1"}
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryLimits:
    """``workers``: at a time. ``waiting``: reads that may wait for one. ``timeout_s``: from the request to the answer."""

    workers: int = 2
    waiting: int = 16
    timeout_s: float = 20.0


class BoundedReads:
    """Workers, which start with the first read.

    Args:
        limits: of workers and of reads that wait.
        executor: makes the executor of so many workers.

    Attributes:
        refused: reads refused because too many were waiting.
    """

    def __init__(self, limits: HistoryLimits, executor: Callable[[int], Executor]) -> None:
        self._limits, self._make_executor = limits, executor
        self._executor: Executor | None = None
        self._pending: list[Future[Any]] = []
        self.refused = 0

    @property
    def pending(self) -> int:
        """Reads that wait or run; one that nobody waits for any more is counted until it ends."""
        self._pending = [f for f in self._pending if not f.done()]
        return len(self._pending)

    async def run(self, work: Callable[[], T]) -> T:
        """Result of work that a worker does.

        Raises:
            HttpProblem: 503 where too many reads wait already, or the answer takes too long; and what the work raised.
        """
        pending = self.pending
        if pending >= self._limits.workers + self._limits.waiting:
            self.refused += 1
            raise busy(f"{pending} long reads are under way")
        future: Future[T] | None = None
        try:
            future = self._submit(work)
            async with asyncio.timeout(self._limits.timeout_s):
                return await asyncio.shield(asyncio.wrap_future(future))
        except BrokenProcessPool:
            self._executor = None  # the next read starts new workers
            raise busy("the process that read for this request ended") from None
        except TimeoutError:
            if future is not None:
                future.cancel()  # a read that still waits; one that runs goes on to its end
            text = f"no answer within {self._limits.timeout_s:g} s: the disk or the machine is busy"
            raise busy(text, "ask for less, or later") from None

    def close(self) -> None:
        """End the workers without waiting for reads under way."""
        if self._executor is not None:
            self._executor.shutdown(wait=False, cancel_futures=True)

    def _submit(self, work: Callable[[], T]) -> Future[T]:
        if self._executor is None:
            self._executor = self._make_executor(self._limits.workers)
        future = self._executor.submit(work)
        self._pending.append(future)
        return future


def busy(text: str, hint: str = "ask again in a second") -> HttpProblem:
    """503, which says when to ask again."""
    return HttpProblem(503, ErrorCode.BUSY, text, hint, _RETRY)
