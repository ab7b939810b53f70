"""Rounds are made while the clock is believed; while it is not, that is logged every minute, and nothing old is dropped."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace

import pytest
from structlog.testing import capture_logs

from oracle.runtime import schedule
from oracle.runtime.clock import Clock
from oracle.runtime.round_gate import HoldReporter
from oracle.runtime.round_timer import RoundTimer
from oracle.serve.metrics import Metrics
from oracle.storage.database import Database
from oracle.storage.housekeeping import Housekeeping
from tests.oracle.storage.stored_rounds import SHORT, WEEK, keep

T0_MS = 1_700_000_000_000
HOUR_MS, DAY_MS = 3_600_000, 86_400_000


class Machine:
    """A machine whose clocks are set by hand."""

    def __init__(self, ahead_ms: int = 0) -> None:
        self.mono_ms, self.ahead_ms = 0, ahead_ms
        self.clock = Clock(lambda: T0_MS + self.mono_ms + self.ahead_ms, lambda: self.mono_ms)
        self.metrics = Metrics(self.clock.now_ms)
        self.made: list[int] = []
        self.followed: list[int] = []
        self.confirmed = 0
        self.breaks = False
        self.lasting_ms: list[int] = []
        """How long the next rounds take; the others take no time."""
        self.holds = HoldReporter(10, self.clock.monotonic_ms())
        self.timer = RoundTimer(
            self.clock, 10, self.metrics, self.holds, make=self._make, last_round_s=lambda: self.made[-1] if self.made else 0,
            on_followed=self.followed.append, on_confirmed=self._confirm,
        )  # fmt: skip

    async def second(self, rounds: bool = True) -> None:
        """A second passes; the truth is stated, the clock is checked, and at a multiple of ten a round is due."""
        self.mono_ms += 1_000
        self.clock.watch.stated("kraken", T0_MS + self.mono_ms - 50, self.clock.now_ms())
        await self.timer.check_clock()
        if rounds and self.clock.now_ms() // 1_000 % 10 == 0:
            try:
                await self.timer.make_due()
            except ValueError as e:
                self.timer.round_failed(e)

    async def run(self, seconds: int) -> None:
        for _ in range(seconds):
            await self.second()

    async def _make(self, round_s: int) -> None:
        if self.breaks:
            raise ValueError("disk full")
        self.made.append(round_s)
        self.mono_ms += self.lasting_ms.pop(0) if self.lasting_ms else 0

    def _confirm(self) -> None:
        self.confirmed += 1

    def count(self, reason: str) -> int:
        name = f'lrt_oracle_rounds_held_total{{reason="{reason}"}}'
        lines = self.metrics.render().decode().splitlines()
        return int(float(next((x.split()[-1] for x in lines if x.startswith(name)), "0")))


async def test_the_tick_in_which_the_clock_was_set_makes_no_round_also_if_a_check_came_before_it() -> None:
    machine = Machine()
    await machine.run(25)
    machine.ahead_ms = 2 * HOUR_MS
    await machine.run(2)  # a check sees it between two rounds
    assert machine.made == [T0_MS // 1_000 + 10, T0_MS // 1_000 + 20]
    await machine.run(13)
    assert machine.made[2:] == [T0_MS // 1_000 + 40], "the one after it was set is left out"
    machine.ahead_ms = 0
    await machine.run(15)
    assert machine.made[3:] == [], "set back: the same"
    assert machine.count("clock_set") == 2
    assert machine.confirmed == 1
    assert machine.followed == []


async def test_while_the_clock_is_wrong_it_says_so_every_minute_and_to_health() -> None:
    wrong = Machine(ahead_ms=8 * DAY_MS)
    with capture_logs() as logs:
        await wrong.run(240)
    said = [x for x in logs if x["event"] == "no round is made" and x["reason"] == "clock_off"]
    assert len(said) == 4
    assert {x["log_level"] for x in said} == {"error"}
    assert str(wrong.holds.text()).startswith("no rounds are made (clock_off): this machine's clock is 69119")
    assert wrong.made == []
    assert wrong.count("clock_off") == 24
    assert not wrong.timer.clock_believed
    wrong.ahead_ms = 0
    await wrong.run(20)
    assert wrong.followed == [-8 * DAY_MS]
    assert wrong.made
    assert wrong.holds.text() is None
    assert wrong.timer.clock_believed


async def test_a_round_that_fails_is_logged_and_the_silence_after_it_too() -> None:
    machine = Machine()
    await machine.run(20)
    machine.breaks = True
    with capture_logs() as logs:
        await machine.run(135)
    said = [x for x in logs if x["event"] == "no round is made"]
    assert len(said) == 3
    assert "disk full" in said[0]["why"]
    assert "disk full" in str(machine.holds.text())
    machine.breaks = False
    await machine.run(10)
    assert machine.holds.text() is None


async def test_rounds_that_come_to_nothing_one_after_the_other_cost_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each takes all of its interval and some of the next one's, whose round begins late; one that would begin too late does not."""
    machine = Machine()
    await machine.run(15)
    machine.lasting_ms = [10_100, 10_200, 10_300, 13_000]

    enough = asyncio.Event()

    async def sleep(seconds: float) -> None:
        machine.mono_ms += round(seconds * 1_000)
        if len(machine.made) == 7:
            enough.set()
        await asyncio.sleep(0)

    monkeypatch.setattr(schedule, "asyncio", SimpleNamespace(sleep=sleep))
    rounds = asyncio.create_task(machine.timer.tasks()["rounds"]())
    await asyncio.wait_for(enough.wait(), 60)
    rounds.cancel()
    assert [r - T0_MS // 1_000 for r in machine.made] == [10, 20, 30, 40, 50, 70, 80]
    assert machine.count("late") == 1


async def test_rounds_that_are_never_started_are_noticed() -> None:
    machine = Machine()
    await machine.run(20)
    with capture_logs() as logs:
        for _ in range(95):
            await machine.second(rounds=False)
    assert [x["reason"] for x in logs if x["event"] == "no round is made"] == ["failed", "failed"]


async def test_nothing_is_dropped_by_a_clock_that_nobody_confirms_or_that_others_deny(tmp_path: Path) -> None:
    """Eight days ahead, nobody speaks: all stays. Told that it is right: what is too old goes (the control)."""
    database = Database(tmp_path / "o.db", SHORT)
    keep(database, range(40))
    at_ms = T0_MS + 8 * DAY_MS

    async def left(clock: Clock) -> int:
        await Housekeeping(database, clock, WEEK).run()
        return database.counts()["rounds"]

    clock = Clock(lambda: at_ms, lambda: 0)
    assert await left(clock) == 40
    clock.watch.stated("kraken", T0_MS, at_ms)
    clock.read()
    assert await left(clock) == 40
    clock = Clock(lambda: at_ms, lambda: 0)
    clock.watch.stated("kraken", at_ms, at_ms)
    clock.read()
    assert await left(clock) == 4
    database.close()
