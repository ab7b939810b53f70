"""The heart beats by a time that is believed, says every minute why it does not, and nothing old is dropped meanwhile."""

from __future__ import annotations

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from oracle.app import App
from oracle.config.resolve import resolve
from oracle.config.sections import parse
from oracle.runtime.clock import Clock
from oracle.runtime.round_timer import RoundTimer
from oracle.serve.metrics import Metrics
from oracle.storage import database as store_module
from oracle.storage.database import Database
from tests.oracle.audit.test_disown import keep
from tests.oracle.config.small_config import table
from tests.oracle.oracle_build import spec

T0_MS = 1_700_000_000_000
HOUR_MS, DAY_MS = 3_600_000, 86_400_000
FEED = spec()


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
        self.heart = RoundTimer(
            self.clock, 10, self.metrics, make=self._make, last_round_s=lambda: self.made[-1] if self.made else 0,
            on_followed=self.followed.append, on_confirmed=self._confirm,
        )  # fmt: skip

    async def second(self, beats: bool = True) -> None:
        """A second passes; the truth is stated, the clock is looked at, and at a multiple of ten the heart beats."""
        self.mono_ms += 1_000
        self.clock.watch.stated("kraken", T0_MS + self.mono_ms - 50, self.clock.now_ms())
        await self.heart.look()
        if beats and self.clock.now_ms() // 1_000 % 10 == 0:
            try:
                await self.heart.beat()
            except ValueError as e:
                self.heart._failed(e)

    async def run(self, seconds: int) -> None:
        for _ in range(seconds):
            await self.second()

    async def _make(self, round_s: int) -> None:
        if self.breaks:
            raise ValueError("disk full")
        self.made.append(round_s)

    def _confirm(self) -> None:
        self.confirmed += 1

    def count(self, reason: str) -> int:
        name = f'lrt_oracle_rounds_held_total{{reason="{reason}"}}'
        lines = self.metrics.render().decode().splitlines()
        return int(float(next((x.split()[-1] for x in lines if x.startswith(name)), "0")))


async def test_the_tick_in_which_the_clock_was_set_makes_no_round_also_if_a_look_came_before_it() -> None:
    machine = Machine()
    await machine.run(25)
    machine.ahead_ms = 2 * HOUR_MS
    await machine.run(2)  # a look sees it between two beats
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
    assert str(wrong.heart.held()).startswith("no rounds are made (clock_off): this machine's clock is 69119")
    assert wrong.made == []
    assert wrong.count("clock_off") == 24
    assert not wrong.heart.believed
    wrong.ahead_ms = 0
    await wrong.run(20)
    assert wrong.followed == [-8 * DAY_MS]
    assert wrong.made
    assert wrong.heart.held() is None
    assert wrong.heart.believed


async def test_a_round_that_fails_is_told_and_the_silence_after_it_too() -> None:
    machine = Machine()
    await machine.run(20)
    machine.breaks = True
    with capture_logs() as logs:
        await machine.run(135)
    said = [x for x in logs if x["event"] == "no round is made"]
    assert len(said) == 3
    assert "disk full" in said[0]["why"]
    assert "disk full" in str(machine.heart.held())
    machine.breaks = False
    await machine.run(10)
    assert machine.heart.held() is None


async def test_a_heart_that_never_beats_is_noticed() -> None:
    machine = Machine()
    await machine.run(20)
    with capture_logs() as logs:
        for _ in range(95):
            await machine.second(beats=False)
    assert [x["reason"] for x in logs if x["event"] == "no round is made"] == ["failed", "failed"]


async def test_nothing_is_dropped_by_a_clock_that_nobody_confirms_or_that_others_deny(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Eight days ahead, nobody speaks: all stays. Told that it is right: what is too old goes (the control)."""
    monkeypatch.setattr(store_module, "CHECKPOINT_EVERY", 4)
    store = Database(tmp_path / "o.db")
    keep(store, range(40))
    store.close()
    app = App(resolve(parse(table(oracle={"database": str(tmp_path / "o.db")}))), environ={})
    at_ms = T0_MS + 8 * DAY_MS
    app.clock = Clock(lambda: at_ms, lambda: 0)
    await app._housekeep()
    assert app.store.counts()["rounds"] == 40
    app.clock.watch.stated("kraken", T0_MS, at_ms)
    app.clock.look()
    await app._housekeep()
    assert app.store.counts()["rounds"] == 40
    app.clock = Clock(lambda: at_ms, lambda: 0)
    app.clock.watch.stated("kraken", at_ms, at_ms)
    app.clock.look()
    await app._housekeep()
    assert app.store.counts()["rounds"] == 4
    app._close_files()
