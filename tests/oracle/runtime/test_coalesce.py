"""News in a burst is worked on once, with the moment of its first change."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from oracle.runtime.coalesce import Coalescer


async def test_a_burst_is_handed_over_together_and_the_next_one_apart() -> None:
    clock_ns = 0
    bursts: asyncio.Queue[Mapping[str, int]] = asyncio.Queue()
    coalescer = Coalescer(0.001, bursts.put_nowait, now_ns=lambda: clock_ns)
    task = asyncio.create_task(coalescer.run())
    coalescer.add(())
    for clock_ns, keys in ((7, {"a"}), (8, {"a", "b"}), (9, {"a"})):  # noqa: B007 - the lambda reads it
        coalescer.add(keys)
    assert await asyncio.wait_for(bursts.get(), 30) == {"a": 7, "b": 8}
    clock_ns = 20
    coalescer.add(["b"])
    assert await asyncio.wait_for(bursts.get(), 30) == {"b": 20}
    task.cancel()
    assert bursts.empty()


async def test_without_news_there_is_no_work() -> None:
    worked: list[Mapping[str, int]] = []
    coalescer = Coalescer(0, worked.append)
    task = asyncio.create_task(coalescer.run())
    coalescer.add([])
    await asyncio.sleep(0.02)
    task.cancel()
    assert worked == []
