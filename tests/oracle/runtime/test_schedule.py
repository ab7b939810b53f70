"""Loops sleep by the monotonic clock, and no fault ends them."""

from __future__ import annotations

import asyncio
import time

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
    at_ms, missed, seen = 500, list[int](), list[int]()
    enough = asyncio.Event()

    async def work() -> None:
        nonlocal at_ms
        seen.append(at_ms)
        at_ms += 3_000 if len(seen) == 1 else 0
        if len(seen) == 2:
            enough.set()

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
    assert missed[0] >= 3
    assert len(seen) == 2
