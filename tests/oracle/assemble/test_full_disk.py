"""Disk full, read only, damaged: rounds and signing stop, say why once, leave nothing half written, and go on by themselves."""

from __future__ import annotations

import resource
import shutil
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from feeds.units import MS
from oracle.app import App
from oracle.audit.recompute import verify_fold
from oracle.build import build
from oracle.config.resolve import ResolvedConfig
from oracle.round.rounds import Round
from oracle.runtime.clock import Clock
from oracle.runtime.round_timer import RoundTimer
from oracle.sign.eip712 import Domain
from oracle.sign.journal_form import JournalError
from oracle.storage.database import Database
from oracle.storage.errors import DatabaseDamaged
from tests.oracle.assemble.keyed_config import ENVIRON, FEED, hear, keyed_config, seat_at
from tests.oracle.storage.small_disk import small_disk

START_MS = 1_700_000_000_000
STEP_S = 10
DOMAIN = Domain(chain_id=31337, store=b"home".ljust(20))


class Running:
    """A process whose time is set by hand, round by round."""

    def __init__(self, resolved: ResolvedConfig) -> None:
        self.mono_ms = 0
        clock = Clock(lambda: START_MS + self.mono_ms, lambda: self.mono_ms)
        self.components = build(resolved, environ=ENVIRON, clock=clock)
        self.app = App(self.components)
        self.clock, self.done = clock, list[Round]()
        self.tried = 0
        self.timer = RoundTimer(
            clock, STEP_S, self.components.metrics, self.components.holds, make=self._make,
            last_round_s=lambda: self.app.last_round_s, on_followed=lambda _: None, on_confirmed=lambda: None,
        )  # fmt: skip
        self.app.rounds.take_seat(seat_at("home"))

    async def _make(self, round_s: int) -> None:
        self.tried += 1
        self.done.append(await self.app.round(round_s))

    async def rounds(self, count: int) -> None:
        """So many are due, one after the other."""
        for _ in range(count):
            self.mono_ms += STEP_S * MS
            now_ms = START_MS + self.mono_ms
            self.clock.watch.stated("kraken", now_ms, now_ms)
            hear(self.app, now_ms)
            await self.timer.check_clock()
            try:
                await self.timer.make_due()
            except Exception as e:  # noqa: BLE001 - as the loop of rounds does
                self.timer.round_failed(e)

    @property
    def stored(self) -> list[int]:
        rows = self.app.database.connection.execute("SELECT DISTINCT round_s FROM rounds ORDER BY round_s")
        return [r[0] for r in rows]

    @property
    def sealed(self) -> list[int]:
        return [d.round_time_s for d in self.done if d.outcomes["home"].sealed is not None]

    @property
    def signed(self) -> set[int]:
        """Rounds whose certificate is in the journal."""
        journal = self.components.operators[0].journal
        return {s for s in (d.round_time_s for d in self.done) if journal.hashes(DOMAIN, s)}

    def held(self, reason: str) -> float:
        text = self.components.metrics.render().decode()
        name = f'lrt_oracle_rounds_held_total{{reason="{reason}"}}'
        return sum(float(line.split()[-1]) for line in text.splitlines() if line.startswith(name))


@asynccontextmanager
async def running(resolved: ResolvedConfig) -> AsyncIterator[Running]:
    process = Running(resolved)
    try:
        yield process
    finally:
        await process.components.close()


def lines(logs: list[Any], event: str) -> list[Any]:
    return [line for line in logs if line["event"] == event]


async def test_a_full_disk_stops_rounds_and_signing_and_both_go_on_once_there_is_room(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk:
        async with running(keyed_config(disk.folder)) as process:
            await process.rounds(3)
            assert len(process.stored) == 3
            disk.fill()
            with capture_logs() as logs:
                await process.rounds(12)
            before = len(process.stored)
            assert process.tried == 15
            assert before < 15, "the control: the disk took no more"
            assert process.held("disk_full") >= 1
            (said,) = [r for r in process.app.service.health().reasons if "disk_full" in r]
            assert "make room; it goes on by itself" in said
            assert len(lines(logs, "a job failed; its next run tries again")) <= 3, "one line a minute, not one a round"
            assert set(process.sealed) <= process.signed, "nothing is signed that is not in the journal"
            disk.free()
            with capture_logs() as logs:
                await process.rounds(3)
            (again,) = lines(logs, "rounds are made again")
            assert again["after"] == "disk_full"
            assert len(process.stored) == before + 3
            assert process.sealed[-3:] == process.stored[-3:]
            assert not [r for r in process.app.service.health().reasons if "disk_full" in r]
            assert verify_fold(process.app.database, "a", FEED, process.stored[-1]).ok, "no round is half there"
            assert process.app.database.check_whole(60)


async def test_a_full_disk_of_the_journal_costs_the_signatures_and_they_come_back(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 1) as disk:
        made = keyed_config(tmp_path)
        shutil.move(tmp_path / "a.db", disk.folder / "a.db")
        (operator,) = made.config.operators
        moved = replace(operator, journal=str(disk.folder / "a.db"))
        async with running(replace(made, config=replace(made.config, operators=(moved,)))) as process:
            await process.rounds(2)
            assert len(process.sealed) == 2
            disk.fill()
            await process.rounds(6)
            assert len(process.stored) == 8, "rounds are made and stored all the same"
            assert len(process.sealed) < 8
            assert set(process.sealed) <= process.signed
            why = process.done[-1].outcomes["home"].refusals[0]
            assert why.code == "journal"
            assert "full" in why.text
            disk.free()
            await process.rounds(2)
            assert process.sealed[-2:] == process.stored[-2:]


@contextmanager
def files_end_at(size: int) -> Iterator[None]:
    """No file may grow beyond it: what a quota does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


async def test_a_disk_that_refuses_to_write_stops_rounds_and_they_go_on(tmp_path: Path) -> None:
    async with running(keyed_config(tmp_path)) as process:
        await process.rounds(2)
        with files_end_at(4_096), capture_logs():
            await process.rounds(8)
        assert process.held("disk_error") >= 1
        made = len(process.stored)
        assert made < 10
        await process.rounds(2)
        assert len(process.stored) == made + 2
        assert set(process.sealed) <= process.signed
        assert verify_fold(process.app.database, "a", FEED, process.stored[-1]).ok


async def test_a_file_that_cannot_be_written_stops_rounds_and_they_go_on(tmp_path: Path) -> None:
    """SQLite refuses to write, as on a disk that the system has mounted read only: a mount with open files cannot be changed here."""
    async with running(keyed_config(tmp_path)) as process:
        await process.rounds(2)
        process.app.database.connection.execute("PRAGMA query_only = 1")
        await process.rounds(2)
        assert process.held("read_only") == 2
        assert len(process.stored) == 2
        process.app.database.connection.execute("PRAGMA query_only = 0")
        await process.rounds(2)
        assert len(process.stored) == 4


def spoil(path: Path, first_page: int = 2, last_page: int = 1 << 20) -> None:
    """Flip bytes at the beginning of each of these pages."""
    body = bytearray(path.read_bytes())
    for start in range((first_page - 1) * 4_096, min(len(body), last_page * 4_096), 4_096):
        body[start : start + 64] = bytes(b ^ 0xA5 for b in body[start : start + 64])
    with path.open("r+b") as file:
        file.write(body)


def set_aside(folder: Path, name: str) -> None:
    for file in folder.glob(f"{name}*"):
        file.rename(folder / f"damaged-{file.name}")


async def test_a_database_that_is_damaged_while_it_runs_stops_rounds_for_good(tmp_path: Path) -> None:
    async with running(keyed_config(tmp_path)) as process:
        await process.rounds(3)
        connection = process.app.database.connection
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        spoil(tmp_path / "o.db")
        connection.execute("PRAGMA shrink_memory")
        await process.rounds(1)
        tried = process.tried
        assert process.timer.has_stopped
        await process.rounds(3)
        assert process.tried == tried, "nothing is written into it any more"
        assert process.held("damaged") >= 4
        (said,) = [r for r in process.app.service.health().reasons if "damaged" in r]
        assert "docs/upgrade.md" in said
    with pytest.raises(DatabaseDamaged):  # and not DatabaseInUse: all was closed
        build(process.components.resolved, environ=ENVIRON)


async def test_a_damaged_database_is_noticed_at_the_start(tmp_path: Path) -> None:
    made = keyed_config(tmp_path)
    async with running(made) as process:
        await process.rounds(3)
    with sqlite3.connect(tmp_path / "o.db") as file:
        (page,) = file.execute("SELECT rootpage FROM sqlite_master WHERE name = 'contradictions'").fetchone()
    file.close()
    spoil(tmp_path / "o.db", page, page)
    Database(tmp_path / "o.db").close()  # what a start reads is whole
    with pytest.raises(DatabaseDamaged, match="put back a backup, or move it away"):
        build(made, environ=ENVIRON)
    spoil(tmp_path / "o.db", 1)
    with pytest.raises(DatabaseDamaged):
        build(made, environ=ENVIRON)
    set_aside(tmp_path, "o.db")
    async with running(made) as process:
        await process.rounds(1)
        assert process.sealed == process.stored, "set aside, it goes on with an intact journal"


async def test_a_damaged_journal_is_noticed_at_the_start_and_its_key_is_mute_in_a_new_one(tmp_path: Path) -> None:
    made = keyed_config(tmp_path)
    async with running(made) as process:
        await process.rounds(2)
    spoil(tmp_path / "a.db", 1)
    with pytest.raises(JournalError, match=r"is damaged .*Move it away.*Put no older copy in its place"):
        build(made, environ=ENVIRON)
    set_aside(tmp_path, "a.db")
    async with running(made) as process:
        process.mono_ms = 60_000
        await process.rounds(1)
        assert process.stored
        assert not process.sealed, "nobody knows what it has signed"


async def test_a_journal_that_is_damaged_while_it_runs_signs_nothing_any_more(tmp_path: Path) -> None:
    async with running(keyed_config(tmp_path)) as process:
        await process.rounds(2)
        with sqlite3.connect(tmp_path / "a.db", isolation_level=None) as other:
            other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        spoil(tmp_path / "a.db")
        (operator,) = process.components.operators
        for _ in range(2):
            with pytest.raises(JournalError, match="is damaged"):
                operator.journal.record(DOMAIN, START_MS // MS + 900, {0: b"a" * 32})


def test_what_watch_and_rewards_write_is_whole_or_not_there_when_the_disk_is_full(tmp_path: Path) -> None:
    database = Database(tmp_path / "o.db")
    pages = database.connection.execute("PRAGMA page_count").fetchone()[0]
    body, at = bytes(100_000), (1, 2)
    database.connection.execute(f"PRAGMA max_page_count = {pages}")
    writes: list[Callable[[], object]] = [
        lambda: database.save_stakes("t", *at, body),
        lambda: database.save_root_words("t", 1, body),
        lambda: database.save_posting("t", 1, body),
        lambda: database.save_epoch_evidence("t", 1, b"a", "k", "text", (body, body)),
    ]
    for write in writes:
        with pytest.raises(sqlite3.OperationalError, match="full"):
            write()
    assert database.stakes_at("t", *at) is None
    assert database.root_words("t", 1) == b""
    assert database.epoch_evidence("t", 1) == []
    database.connection.execute("PRAGMA max_page_count = 100000")
    for write in writes:
        write()
    assert database.stakes_at("t", *at) == body
    assert database.posting("t", 1) == body
    database.close()
