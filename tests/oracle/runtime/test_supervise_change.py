"""Tasks that change while they are watched: what stays the same is not touched."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable

from oracle.runtime.supervise import Supervisor


class Job:
    """Counts how often it began and ended."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    async def run(self) -> None:
        self.counts["began"] += 1
        try:
            await asyncio.Event().wait()
        finally:
            self.counts["ended"] += 1


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110 - a task has no event for its begin
        await asyncio.sleep(0)


async def test_what_stays_goes_on_what_is_gone_ends_and_what_is_new_begins() -> None:
    stays, goes, old, new, comes = (Job() for _ in range(5))
    supervisor = Supervisor({"stays": stays.run, "goes": goes.run, "another": old.run})
    running = asyncio.create_task(supervisor.run())
    await until(lambda: old.counts["began"] == 1)
    supervisor.change({"stays": stays.run, "another": new.run, "comes": comes.run})
    await until(lambda: comes.counts["began"] == new.counts["began"] == goes.counts["ended"] == 1)
    assert stays.counts == {"began": 1}
    assert old.counts == goes.counts == {"began": 1, "ended": 1}
    assert set(supervisor.restarts) == {"stays", "goes", "another", "comes"}
    assert sum(supervisor.restarts.values()) == 0, "an end that was asked for is no fault"
    supervisor.change({})
    assert not running.done()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
