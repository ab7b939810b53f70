"""The real process under a clock that is set at will (libfaketime): the world outside keeps the true time."""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from click.testing import CliRunner

from demo.testbed import Testbed
from oracle.__main__ import main
from oracle.audit.recompute import verify
from oracle.config.resolve import resolve
from oracle.config.sections import load
from oracle.model.types import FoldedFeed
from oracle.round.step import step
from oracle.storage.database import Database
from oracle.storage.limits import DatabaseLimits
from tests.e2e.e2e_tools import PATIENCE_S, stand_with_market, until

LIBRARY = next(iter(sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))), None)
pytestmark = [
    pytest.mark.e2e,
    pytest.mark.chain,
    pytest.mark.skipif(LIBRARY is None, reason="libfaketime is not installed (Debian: apt-get install faketime)"),
]
FEED = "ETH/USD"
HOUR_S, DAY_S = 3_600, 86_400
FAR_S = 6


class Process:
    """`lrt-oracle run`, whose clock is ahead of the true one by what a file says."""

    def __init__(self, stand: Testbed, folder: Path) -> None:
        self._stand, self._file = stand, folder / "faketime"
        self._log = folder / f"log-{time.monotonic_ns()}"
        lines = stand.config.read_text().splitlines()
        self._port = next(line for line in lines if line.startswith("port = ")).split()[-1]

    def set(self, ahead_s: int) -> None:
        self._file.write_text(f"{ahead_s:+d}")

    @asynccontextmanager
    async def running(self, ahead_s: int) -> AsyncIterator[None]:
        self.set(ahead_s)
        env = {
            **os.environ, **self._stand.environ, "LD_PRELOAD": str(LIBRARY), "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1", "DONT_FAKE_MONOTONIC": "1",
        }  # fmt: skip
        args = ["-m", "oracle", "--config", str(self._stand.config), "--log", "json", "run"]
        with self._log.open("w") as log:
            process = await asyncio.create_subprocess_exec(sys.executable, *args, env=env, stdout=log, stderr=log)
        try:
            yield
            assert process.returncode is None, self._log.read_text()[-4_000:]
        finally:
            if process.returncode is None:
                process.terminate()
            async with asyncio.timeout(PATIENCE_S):
                await process.wait()

    def logged(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self._log.read_text().splitlines() if line.startswith("{")]

    def reasons(self) -> set[str]:
        return {x["reason"] for x in self.logged() if x["event"] == "no round is made"}

    async def get(self, path: str) -> str:
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"http://127.0.0.1:{self._port}{path}") as reply,
        ):
            return await reply.text()


def rounds(stand: Testbed) -> list[int]:
    """round_times of the feed as stored, whatever they say."""
    store = Database(stand.folder / "oracle.db")
    try:
        return [r.report.round_time_s for r in store.history(FEED, 0, 1 << 45, 1 << 20)]
    finally:
        store.close()


async def more(stand: Testbed, count: int, what: str) -> None:
    """Wait until so many further rounds are stored, and see that all of them are of about now."""
    before = max(rounds(stand), default=0)
    await until(lambda: sum(r > before for r in rounds(stand)) >= count, what)
    assert abs(max(rounds(stand)) - time.time()) < FAR_S


def old_rounds(stand: Testbed, operator: str, ago_s: int) -> None:
    """Forty rounds of another operator so long ago, with a checkpoint at every fourth."""
    spec = next(s for f, s in resolve(load(stand.config)).specs.items() if f == FEED)
    store = Database(stand.folder / "oracle.db", DatabaseLimits(checkpoint_every=4))
    first_s = int(time.time()) - ago_s
    for i in range(40):
        state, at_ms = store.state(operator, FEED), (first_s + i) * 1_000
        result, after = step(spec, state, [], {}, at_ms)
        store.save_round(
            [FoldedFeed(operator=operator, spec=spec, before=state, after=after, result=result)], [], [], []
        )
    store.close()


def left(stand: Testbed, operator: str) -> int:
    store = Database(stand.folder / "oracle.db")
    try:
        return len(store.results_since(operator, FEED, 0, 1 << 40))
    finally:
        store.close()


async def test_a_clock_that_is_set_while_it_runs_stops_no_rounds_and_drops_nothing(tmp_path: Path) -> None:
    """+2 h for 22 s and back, -1 h, +8 days while housekeeping comes: rounds go on in true time, old ones stay."""
    async with stand_with_market(tmp_path) as (stand, _):
        old_rounds(stand, "yesterday", DAY_S)
        old_rounds(stand, "long ago", 8 * DAY_S)
        process = Process(stand, tmp_path)
        async with process.running(0):
            await more(stand, 5, "rounds at first")
            process.set(2 * HOUR_S)
            begun = time.monotonic()
            await more(stand, 10, "rounds while the clock is two hours ahead")
            await asyncio.sleep(max(0.0, 22 - (time.monotonic() - begun)))
            process.set(0)
            await more(stand, 5, "rounds after it was set back")
            process.set(-HOUR_S)
            await more(stand, 5, "rounds while it is an hour behind")
            process.set(8 * DAY_S)
            await until(lambda: left(stand, "long ago") < 40, "housekeeping")
            await more(stand, 3, "rounds while it is eight days ahead")
            process.set(0)
            await more(stand, 5, "rounds at last")
        assert left(stand, "yesterday") == 40, "what is seven days old by no true clock is kept"
        made = rounds(stand)
        assert made == sorted(set(made))
        missing = set(range(made[0], made[-1] + 1)) - set(made)
        assert len(missing) <= 12, "a tick or two at most for each of five settings"
        assert sum(x["event"] == "this machine's clock was set" for x in process.logged()) == 5
        store = Database(stand.folder / "oracle.db")
        assert all(c.ok for c in verify(store, FEED, made[-1]))
        store.close()


async def test_a_start_with_a_wrong_clock_waits_says_why_and_goes_on_once_it_is_right(tmp_path: Path) -> None:
    async with stand_with_market(tmp_path) as (stand, _):
        old_rounds(stand, "yesterday", DAY_S)
        begun_s = time.time()
        for ahead_s in (2 * HOUR_S, 8 * DAY_S, -HOUR_S):
            process, before = Process(stand, tmp_path), rounds(stand)
            async with process.running(ahead_s):
                await until(lambda p=process: "clock_off" in p.reasons(), "that it says why no round is made")
                await asyncio.sleep(3)
                assert rounds(stand) == before
                assert "no rounds are made (clock_off)" in await process.get("/readyz")
                assert re.search(r'rounds_held_total\{reason="clock_off"\} [1-9]', await process.get("/metrics"))
                process.set(0)
                await more(stand, 3, "rounds once the clock is right")
        assert left(stand, "yesterday") == 40
        assert begun_s - 1 < min(rounds(stand)) <= max(rounds(stand)) < time.time() + 1


async def test_rounds_from_ahead_hold_all_others_until_they_are_disowned(tmp_path: Path) -> None:
    async with stand_with_market(tmp_path) as (stand, _):
        old_rounds(stand, "alpha", -2 * HOUR_S)
        process = Process(stand, tmp_path)
        args = ["--config", str(stand.config), "disown", "--after", str(int(time.time())), "--all", "--yes"]
        async with process.running(0):
            await until(lambda: "future_rounds" in process.reasons(), "that it says why no round is made")
            assert rounds(stand) == []
            refused = CliRunner().invoke(main, args)
            assert (refused.exit_code, "is in use by process" in refused.stderr) == (1, True)
        done = CliRunner().invoke(main, args)
        assert "40 rounds" in done.stdout
        process = Process(stand, tmp_path)
        async with process.running(0):
            await more(stand, 3, "rounds, once those from ahead are disowned")
            assert process.reasons() <= {"clock_unconfirmed"}
