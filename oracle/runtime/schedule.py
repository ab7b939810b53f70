"""Endless loops of work. They sleep by the event loop's monotonic clock, which nobody can set; only a fatal fault ends them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

from feeds.errors import LrtOracleError
from feeds.units import MS

_NAP_S = 1.0
"""A long sleep is cut into naps: our time may be set right in between."""
Work = Callable[[], Awaitable[None]]
Failed = Callable[[Exception], None]


class Fatal(LrtOracleError, RuntimeError):
    """A fault after which the process must end: going on would make it worse."""


async def every(period_s: float, work: Work, failed: Failed, wake: asyncio.Event | None = None) -> None:
    """Do some work again and again, without end.

    Args:
        period_s: pause between the end of one run and the start of the next.
        work: what to do.
        failed: called with the exception that it ended with; the next run comes all the same.
        wake: ends the pause early.
    """
    awake = wake or asyncio.Event()
    while True:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(period_s):
                await awake.wait()
        awake.clear()
        await _attempt(work, failed)


async def at_multiples(
    interval_s: int, now_ms: Callable[[], int], work: Work, failed: Failed, skipped: Callable[[int], None]
) -> None:
    """Do some work at every multiple of an interval, without end.

    A run that lasts beyond the next multiple costs those that have gone by, and not the newest one, whose time it still is: that
    begins late, and the work sees whether it is too late. Otherwise a round that comes to nothing, which takes all of its
    interval, would cost the next one as well, and that one the next.

    Args:
        interval_s: seconds.
        now_ms: our time, Unix ms.
        work: what to do.
        failed: called with the exception that it ended with.
        skipped: called with the number of multiples that came and went while the last run lasted.
    """
    interval_ms = interval_s * MS
    last = now_ms() // interval_ms
    while True:
        await asyncio.sleep(min(_NAP_S, (interval_ms - now_ms() % interval_ms) / MS))
        while (number := now_ms() // interval_ms) != last:
            last = number
            await _attempt(work, failed)
            missed = now_ms() // interval_ms - number - 1
            if missed > 0:
                skipped(missed)


async def _attempt(work: Work, failed: Failed) -> None:
    try:
        await work()
    except Fatal:
        raise
    except Exception as e:  # noqa: BLE001 - whatever it was is reported, and the next run comes
        failed(e)
