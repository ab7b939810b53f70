"""What the benchmarks share: medians of repeated work, and percentiles."""

from __future__ import annotations

import statistics
import time
from collections.abc import Awaitable, Callable, Sequence

RUNS = 9


async def medians_ms(works: Sequence[Callable[[], Awaitable[None]]], runs: int = RUNS) -> list[float]:
    """Median wall time of one run of each in ms, measured alternately, so that other load on the machine affects all alike."""
    times: list[list[float]] = [[] for _ in works]
    for _ in range(runs):
        for work, work_times in zip(works, times, strict=True):
            started = time.perf_counter()
            await work()
            work_times.append((time.perf_counter() - started) * 1_000)
    return [statistics.median(work_times) for work_times in times]


def median_sync_ms(work: Callable[[], object], runs: int = RUNS) -> float:
    """Median wall time of one run in ms."""
    times = []
    for _ in range(runs):
        started = time.perf_counter()
        work()
        times.append((time.perf_counter() - started) * 1_000)
    return statistics.median(times)


def at_percent(ranked: Sequence[int], percent: int) -> int:
    """The value below which so many percent of an ascending series lie; 0 of an empty one."""
    return ranked[min(len(ranked) - 1, len(ranked) * percent // 100)] if ranked else 0
