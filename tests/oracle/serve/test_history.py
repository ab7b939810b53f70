"""Long reads of the past: in other processes, so many and no more, and never in the way of a round."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from feeds.units import MS
from oracle.serve.answers import explain_answer, history_answer, twap_answer
from oracle.serve.bounded_reads import HistoryLimits
from oracle.serve.error_codes import ErrorCode
from oracle.serve.history import HistoryReaders, ReadOnlyDatabase
from oracle.serve.interface import StoredRounds
from oracle.serve.server import serve
from oracle.serve.web import HttpProblem
from oracle.storage.database import Database
from tests.oracle.serve.memory_service import ROUND_S, record, specs
from tests.oracle.serve.reader_work import in_threads, process_id
from tests.oracle.serve.service_world import ROUND_S as SERVICE_S
from tests.oracle.serve.service_world import ServiceWorld

FEED = "wdivETH/ETH"
LIMITS = HistoryLimits(workers=2, waiting=3)
PLACES = 5


@pytest.fixture
def path(tmp_path: Path) -> Path:
    store = Database(tmp_path / "one.db")
    store.save_round((), (), [record(FEED, ROUND_S - 10 * i) for i in range(20)], ())
    store.close()
    return tmp_path / "one.db"


@pytest.fixture
def readers(path: Path) -> Iterator[HistoryReaders]:
    made = HistoryReaders(path, LIMITS, executor=in_threads)
    yield made
    made.close()


class Gate:
    """Work that waits until it is let go."""

    def __init__(self) -> None:
        self.go, self.begun = threading.Event(), threading.Semaphore(0)

    def __call__(self, _: StoredRounds) -> str:
        self.begun.release()
        assert self.go.wait(30)
        return "done"


def wrong(_: StoredRounds) -> None:
    raise HttpProblem(404, ErrorCode.UNKNOWN_ROUND, "it is gone", "look elsewhere", {"X": "1"})


QUESTIONS: dict[str, Callable[[StoredRounds], Any]] = {
    "history": partial(history_answer, feed=FEED, since_ms=0, until_ms=(ROUND_S + 1) * MS, limit=7),
    "twap": partial(twap_answer, spec=specs()[FEED], of="market", window_s=120, until_ms=(ROUND_S + 1) * MS),
    "explain": partial(explain_answer, feed=FEED, round_s=None, newest_s=ROUND_S),
}


async def refused(readers: HistoryReaders, work: Callable[[StoredRounds], Any] = process_id) -> HttpProblem:
    with pytest.raises(HttpProblem) as caught:
        await readers.read(work)
    return caught.value


async def test_another_process_reads_the_same_and_a_dead_one_is_replaced(path: Path) -> None:
    readers = HistoryReaders(path, HistoryLimits(workers=1))
    here = ReadOnlyDatabase(str(path))
    try:
        for name, work in QUESTIONS.items():
            body = await readers.read(work)
            assert (body.payload, body.tag) == (work(here).payload, work(here).tag), name
        worker = await readers.read(process_id)
        assert worker != os.getpid()
        problem = await refused(readers, wrong)
        assert (problem.status, problem.code, problem.message, problem.headers) == (
            404,
            "unknown_round",
            "it is gone",
            {"X": "1"},
        )
        os.kill(worker, signal.SIGKILL)
        assert (await refused(readers)).code == "busy"
        assert await readers.read(process_id) not in (worker, os.getpid())
    finally:
        here.close()
        readers.close()


def test_a_worker_ends_with_its_parent_however_that_ends(path: Path) -> None:
    program = (
        "import asyncio, pathlib, sys; from oracle.serve.history import HistoryReaders; from tests.oracle.serve.reader_work import process_id\n"
        "async def main():\n"
        "    print(await HistoryReaders(pathlib.Path(sys.argv[1])).read(process_id), flush=True); await asyncio.sleep(60)\n"
        "if __name__ == '__main__': asyncio.run(main())\n"
    )
    script = path.with_name("parent.py")
    script.write_text(program, encoding="utf-8")
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[3]), *sys.path])}
    with subprocess.Popen([sys.executable, script, path], stdout=subprocess.PIPE, text=True, env=environ) as parent:
        assert parent.stdout is not None
        worker = int(parent.stdout.readline())
        assert Path(f"/proc/{worker}").exists()
        parent.kill()
    for _ in range(3_000):
        if not runs(worker):
            return
        time.sleep(0.01)
    os.kill(worker, signal.SIGKILL)
    pytest.fail("the worker outlives its parent")


def runs(process: int) -> bool:
    """Whether it is there and has not ended: nobody may have asked yet how it did."""
    try:
        return b"\nState:\tZ" not in Path(f"/proc/{process}/status").read_bytes()
    except OSError:
        return False


async def test_a_limited_number_of_reads_wait_and_the_next_is_refused(readers: HistoryReaders) -> None:
    gate = Gate()
    waiting = [asyncio.create_task(readers.read(gate)) for _ in range(PLACES)]
    await asyncio.sleep(0)
    problem = await refused(readers)
    assert (problem.status, problem.code, problem.headers) == (503, "busy", {"Retry-After": "1"})
    assert readers.refused == 1
    gate.go.set()
    assert await asyncio.gather(*waiting) == ["done"] * PLACES
    assert await readers.read(process_id) == os.getpid()


async def test_a_read_whose_reader_left_keeps_its_place_until_it_ends(readers: HistoryReaders) -> None:
    """Else a reader that asks and leaves, again and again, has any number of them under way."""
    gate = Gate()
    waiting = [asyncio.create_task(readers.read(gate)) for _ in range(PLACES)]
    await asyncio.sleep(0)
    for one in waiting:
        one.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    assert (await refused(readers)).code == "busy"
    gate.go.set()
    for _ in range(PLACES):
        assert await asyncio.to_thread(gate.begun.acquire, timeout=30)
    assert await readers.read(process_id) == os.getpid()


async def test_a_read_times_out_and_a_stuck_worker_keeps_its_place(path: Path) -> None:
    readers = HistoryReaders(path, HistoryLimits(workers=1, waiting=1, timeout_s=0.05), executor=in_threads)
    gate = Gate()
    stuck = asyncio.create_task(refused(readers, gate))
    assert await asyncio.to_thread(gate.begun.acquire, timeout=30)
    assert (await refused(readers)).code == "busy", "its turn does not come; it is given up"
    assert (await stuck).message.startswith("no answer within")
    assert readers.pending == 1, "the read that was given up has left its place, the one that runs has not"
    assert (await refused(readers)).message.startswith("no answer within")
    gate.go.set()
    readers.close()


async def test_an_unreadable_database_is_a_503_and_not_a_bug(tmp_path: Path) -> None:
    readers = HistoryReaders(tmp_path / "none.db", LIMITS, executor=in_threads)
    problem = await refused(readers)
    assert (problem.status, problem.code) == (503, "busy")
    assert "unable to open" in problem.message
    readers.close()


def test_stored_rounds_are_read_only(path: Path) -> None:
    here = ReadOnlyDatabase(str(path))
    with pytest.raises(Exception, match="readonly"):
        here.save_round((), (), [record(FEED, ROUND_S + 10)], ())
    here.close()


@pytest.mark.loopback
async def test_rounds_go_on_and_prices_are_served_while_every_reader_is_stuck(
    tmp_path: Path, readers: HistoryReaders
) -> None:
    world, gate = ServiceWorld(tmp_path, readers=readers), Gate()
    server = await serve(world.service, host="127.0.0.1", port=0, now_ms=lambda: SERVICE_S * MS, metrics=bytes)
    waiting = [asyncio.create_task(readers.read(gate)) for _ in range(PLACES)]
    try:
        await asyncio.sleep(0)
        async with asyncio.timeout(30), aiohttp.ClientSession() as session:
            for round_s in range(SERVICE_S + 10, SERVICE_S + 50, 10):
                world.round(round_s)
                async with session.get(f"{server.url}/v1/prices/ETH/USD") as answer:
                    assert (await answer.json())["round"] == round_s
                for path in ("history", "twap", "explain"):
                    async with session.get(f"{server.url}/v1/prices/ETH/USD/{path}") as answer:
                        assert answer.status == 503
                        assert answer.headers["Retry-After"] == "1"
                        assert (await answer.json())["error"]["code"] == "busy"
        gate.go.set()
        assert await asyncio.gather(*waiting) == ["done"] * PLACES
    finally:
        gate.go.set()
        await server.close()
