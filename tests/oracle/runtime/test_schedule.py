"""Loops sleep by the monotonic clock, and no fault ends them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

import pytest

from oracle.runtime.schedule import at_multiples, every


class Ends(Exception):
    """The test has seen enough."""


async def test_work_that_fails_is_told_and_comes_again() -> None:
    seen, told = list[int](), list[Exception]()
    enough = asyncio.Event()

    async def work() -> None:
        seen.append(1)
        if len(seen) == 3:
            enough.set()
        raise Ends

    task = asyncio.create_task(every(0.01, work, told.append))
    await asyncio.wait_for(enough.wait(), 60)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert len(told) >= 2
    assert {type(e) for e in told} == {Ends}


async def test_what_wakes_it_ends_the_pause_and_is_not_lost_while_it_works() -> None:
    wake, done = asyncio.Event(), asyncio.Event()
    seen = list[int]()

    async def work() -> None:
        seen.append(1)
        if len(seen) == 1:
            wake.set()
            return
        done.set()

    task = asyncio.create_task(every(3_600.0, work, lambda _: None, wake))
    wake.set()
    await asyncio.wait_for(done.wait(), 60)
    task.cancel()
    assert len(seen) == 2


async def test_a_clock_that_is_set_back_two_hours_stops_no_multiple() -> None:
    """A schedule by the machine's clock would sleep for two hours after the second one."""
    ahead_ms = 0
    seen = list[int]()
    enough = asyncio.Event()

    def now_ms() -> int:
        return time.monotonic_ns() // 1_000_000 + ahead_ms

    async def work() -> None:
        nonlocal ahead_ms
        seen.append(now_ms() // 1_000)
        ahead_ms = 7_200_000 if len(seen) == 1 else 0
        if len(seen) == 4:
            enough.set()

    task = asyncio.create_task(at_multiples(1, now_ms, work, lambda _: None, lambda _: None))
    await asyncio.wait_for(enough.wait(), 60)
    task.cancel()
    assert len(seen) == 4


async def test_multiples_that_pass_while_it_works_are_told_not_made_up_for() -> None:
    seen, missed = await _runs([3_000, 0])
    assert missed == [2], "those that came and went"
    assert seen[1] == seen[0] + 3_000, "the newest one is of now: it begins late, and at once"


async def test_a_run_that_ends_after_the_next_multiple_has_begun_does_not_cost_it() -> None:
    """A round that comes to nothing lasts as long as there is time: the next one must not be lost for that, nor the one after."""
    seen, missed = await _runs([1_000, 1_000, 1_000, 0])
    assert missed == []
    assert [at // 1_000 - seen[0] // 1_000 for at in seen] == [0, 1, 2, 3]


async def _runs(lasting_ms: Sequence[int]) -> tuple[list[int], list[int]]:
    """Runs at the multiples of a second that last so long: when each began (ms), and what was told of multiples that were left out."""
    at_ms, missed, seen = 500, list[int](), list[int]()
    enough = asyncio.Event()

    async def work() -> None:
        nonlocal at_ms
        seen.append(at_ms)
        at_ms += lasting_ms[len(seen) - 1]
        if len(seen) == len(lasting_ms):
            enough.set()
            await asyncio.Event().wait()

    async def tick() -> None:
        nonlocal at_ms
        while True:
            await asyncio.sleep(0)
            at_ms += 100

    clock = asyncio.create_task(tick())
    task = asyncio.create_task(at_multiples(1, lambda: at_ms, work, lambda _: None, missed.append))
    await asyncio.wait_for(enough.wait(), 60)
    task.cancel()
    clock.cancel()
    return seen, missed
