"""News is worked on at once in a quiet moment; after work there is a rest in which it is gathered."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from oracle.runtime.coalesce import Coalescer

_S = 1_000_000_000
_TURNS = 50
"""Turns of the event loop after which what is due at once has long been done."""


class _Bench:
    """A coalescer on a clock that is set by hand; each work takes as long as the test says."""

    def __init__(self, pause_s: float, work_s: float = 0) -> None:
        self.now_ns, self.work_ns = 0, round(work_s * _S)
        self.worked: list[Mapping[str, int]] = []
        self.coalescer = Coalescer(pause_s, self._work, now_ns=lambda: self.now_ns)

    def _work(self, changed_ns: Mapping[str, int]) -> None:
        self.worked.append(changed_ns)
        self.now_ns += self.work_ns

    async def turns(self) -> list[Mapping[str, int]]:
        """What is worked on in some turns of the loop, without any time."""
        for _ in range(_TURNS):
            await asyncio.sleep(0)
        done, self.worked = self.worked, []
        return done


async def test_the_first_news_of_a_quiet_moment_is_worked_on_at_once() -> None:
    bench = _Bench(pause_s=3_600, work_s=1)
    task = asyncio.create_task(bench.coalescer.run())
    bench.coalescer.add(())
    assert await bench.turns() == []
    for bench.now_ns, keys in ((7, {"a"}), (8, {"a", "b"}), (9, {"a"})):
        bench.coalescer.add(keys)
    assert await bench.turns() == [{"a": 7, "b": 8}]  # with all that came in the same turn
    bench.now_ns += _S // 2  # half as long as the work: rested
    bench.coalescer.add(["b"])
    assert await bench.turns() == [{"b": 9 + 3 * _S // 2}]
    task.cancel()


async def test_news_is_gathered_while_it_rests() -> None:
    bench = _Bench(pause_s=3_600, work_s=1_000)
    task = asyncio.create_task(bench.coalescer.run())
    bench.coalescer.add(["a"])
    assert len(await bench.turns()) == 1
    bench.coalescer.add(["a"])
    bench.now_ns += 1
    bench.coalescer.add(["b", "a"])
    assert await bench.turns() == []
    task.cancel()


async def test_a_rest_ends_and_what_was_gathered_is_worked_on() -> None:
    bench = _Bench(pause_s=0.01, work_s=1_000)  # a long work, and a short rest whatever it took
    task = asyncio.create_task(bench.coalescer.run())
    for n in range(3):
        bench.coalescer.add([f"a{n}", f"b{n}"])
        async with asyncio.timeout(30):
            while not bench.worked:  # noqa: ASYNC110 - the rest is real time
                await asyncio.sleep(0.001)
        assert [set(w) for w in bench.worked] == [{f"a{n}", f"b{n}"}]
        bench.worked.clear()
    task.cancel()


async def test_work_that_fails_is_rested_after_as_well() -> None:
    def fail(_: Mapping[str, int]) -> None:
        nonlocal now_ns
        now_ns += 1_000 * _S
        message = "no"
        raise RuntimeError(message)

    now_ns = 0
    coalescer = Coalescer(3_600, fail, now_ns=lambda: now_ns)
    for expected in (True, False):  # the second time it rests
        coalescer.add(["a"])
        task = asyncio.create_task(coalescer.run())
        for _ in range(_TURNS):
            await asyncio.sleep(0)
        assert task.done() is expected
        if expected:
            assert isinstance(task.exception(), RuntimeError)
        task.cancel()


async def test_without_news_there_is_no_work() -> None:
    bench = _Bench(pause_s=0)
    task = asyncio.create_task(bench.coalescer.run())
    bench.coalescer.add([])
    assert await bench.turns() == []
    task.cancel()
