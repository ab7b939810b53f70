"""Housekeeping: all that is too old goes in the end, in quiet moments, by short steps; what is gone leaves the file."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from oracle.audit.recompute import verify
from oracle.model.roll_up import HOUR_S, MINUTE_S
from oracle.storage.database import Database
from oracle.storage.housekeeping import Housekeeping
from oracle.storage.limits import DatabaseLimits
from oracle.storage.vacuum import give_back, rewrite, shrinks_by_steps
from tests.oracle.oracle_build import T0
from tests.oracle.storage.stored_clock import clock_at
from tests.oracle.storage.stored_rounds import FEED, S0, WEEK, keep

DAY_S = 86_400
FEW = DatabaseLimits(checkpoint_every=4, packed_together=5, left_unpacked=3)


def state_of(database: Database) -> dict[str, int]:
    tables = ("rounds", "records", "roll_ups", "packs")
    return {t: database.connection.execute(f"SELECT count(*) FROM {t}").fetchone()[0] for t in tables}  # noqa: S608 - our own names


async def test_years_go_by_and_each_kind_ends_at_its_time(tmp_path: Path) -> None:
    database = Database(tmp_path / "o.db", FEW)
    now_ms = T0
    first = (S0 - S0 % DAY_S) - S0 + DAY_S

    async def later(days: float) -> None:
        nonlocal now_ms
        now_ms = (S0 + first) * 1_000 + int(days * DAY_S * 1_000)
        await Housekeeping(database, clock_at(lambda: now_ms), WEEK).run()

    keep(database, range(first, first + 400, 10))
    await later(1)
    assert state_of(database)["rounds"] == state_of(database)["records"] == 40
    assert state_of(database)["packs"] == 2 * 7
    keep(database, range(first + 9 * DAY_S, first + 9 * DAY_S + 100, 10))
    await later(9.1)
    assert state_of(database)["rounds"] == 10 + 4, "from the last checkpoint before"
    assert all(c.ok for c in verify(database, FEED.feed, S0 + first + 9 * DAY_S))
    assert {s for s, _ in database.roll_ups(FEED.feed, 0, 1 << 50, 99)} == set(), "records stay as long as their rounds"
    keep(database, range(first + 18 * DAY_S, first + 18 * DAY_S + 100, 10))
    await later(26)
    assert {s for s, _ in database.roll_ups(FEED.feed, 0, 1 << 50, 99)} == {MINUTE_S}
    assert sum(r.rounds for _, r in database.roll_ups(FEED.feed, 0, 1 << 50, 99)) == 50
    await later(75)
    assert {s for s, _ in database.roll_ups(FEED.feed, 0, 1 << 50, 99)} == {MINUTE_S, HOUR_S}
    assert sum(r.rounds for _, r in database.roll_ups(FEED.feed, 0, 1 << 50, 99)) == 60
    await later(3_661)
    assert {s for s, _ in database.roll_ups(FEED.feed, 0, 1 << 50, 99)} == {HOUR_S}
    await later(3_700)
    assert database.roll_ups(FEED.feed, 0, 1 << 50, 99) == []
    kept = database.history(FEED.feed, 0, 1 << 50, 99)
    assert kept, "where the status changed, for good"
    assert database.transitions()
    database.close()


@pytest.mark.parametrize("at_ms", [0, 3_900, 8_600, 9_999])
async def test_nothing_begins_while_a_round_is_made_or_about_to_be(tmp_path: Path, at_ms: int) -> None:
    database = Database(tmp_path / "o.db", FEW)
    keep(database, range(20))
    base_ms = T0 - T0 % 10_000 + 30 * DAY_S * 1_000
    await Housekeeping(database, clock_at(lambda: base_ms + at_ms), WEEK, 10).run()
    assert state_of(database) == {"rounds": 20, "records": 20, "roll_ups": 0, "packs": 0}
    await Housekeeping(database, clock_at(lambda: base_ms + 5_000), WEEK, 10).run()
    assert state_of(database)["rounds"] == 4
    database.close()


async def test_no_new_step_begins_once_the_quiet_time_is_over(tmp_path: Path) -> None:
    database = Database(tmp_path / "o.db", replace(FEW, pruned_at_once=2))
    keep(database, range(40))
    base_ms = T0 - T0 % 10_000 + 30 * DAY_S * 1_000
    looks = 0

    def now_ms() -> int:
        """A fifth of a second later at each look."""
        nonlocal looks
        looks += 1
        return base_ms + 2_000 + looks * 200

    await Housekeeping(database, clock_at(now_ms), WEEK, 10).run()
    assert 0 < 40 - state_of(database)["rounds"] < 30
    assert now_ms() < base_ms + 10_000
    database.close()


async def test_rounds_are_written_while_a_pack_is_made(tmp_path: Path) -> None:
    database = Database(tmp_path / "o.db", FEW)
    keep(database, range(20))
    housekeeping = Housekeeping(database, clock_at(lambda: T0 + 60_000), WEEK)
    working = asyncio.create_task(housekeeping.run())
    for i in range(20, 40):
        await asyncio.sleep(0)
        keep(database, [i])
    await working
    assert state_of(database)["packs"] >= 6
    assert all(c.ok for i in range(40) for c in verify(database, FEED.feed, S0 + i))
    assert database.connection.execute("PRAGMA synchronous").fetchone() == (2,), (
        "rounds are on disk when they are written"
    )
    database.close()


def fat(database: Database, megabytes: int) -> None:
    database.connection.execute("CREATE TABLE fat (body BLOB)")
    database.connection.executemany("INSERT INTO fat VALUES (?)", [(bytes(1 << 20),)] * megabytes)
    database.connection.execute("DROP TABLE fat")
    database.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def test_what_is_free_leaves_the_file_by_steps(tmp_path: Path) -> None:
    path = tmp_path / "o.db"
    database = Database(path)
    keep(database, range(5))
    assert shrinks_by_steps(database.connection)
    fat(database, 24)
    size, steps = path.stat().st_size, 0
    while give_back(database.connection):
        steps += 1
    database.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    assert size > 24 << 20
    assert path.stat().st_size < 10 << 20, "some is left for what comes next"
    assert 10 < steps < 30, "a megabyte at a time"
    assert all(c.ok for c in verify(database, FEED.feed, S0 + 4))
    database.close()


def test_an_older_file_shrinks_by_steps_once_it_was_rewritten(tmp_path: Path) -> None:
    path = tmp_path / "o.db"
    database = Database(path)
    keep(database, range(5))
    database.connection.execute("PRAGMA auto_vacuum=NONE")
    database.connection.execute("VACUUM")
    fat(database, 24)
    assert not shrinks_by_steps(database.connection)
    assert not give_back(database.connection)
    rewrite(database.connection)
    assert shrinks_by_steps(database.connection)
    assert path.stat().st_size < 1 << 20
    assert all(c.ok for c in verify(database, FEED.feed, S0 + 4))
    database.close()


async def test_every_round_that_recomputes_has_its_record(tmp_path: Path) -> None:
    database = Database(tmp_path / "o.db", FEW)
    database.connection.execute("PRAGMA synchronous=OFF")
    first, half_hour = (S0 - S0 % DAY_S) - S0 + DAY_S, 1_800
    keep(database, range(first, first + 9 * DAY_S, half_hour))
    now_ms = (S0 + first + 9 * DAY_S - half_hour) * 1_000
    await Housekeeping(database, clock_at(lambda: now_ms), replace(WEEK, records_days=7)).run()
    oldest = database.connection.execute("SELECT min(round_s) FROM rounds").fetchone()[0]
    assert S0 + first < oldest < now_ms // 1_000 - 7 * DAY_S
    assert database.full_rate_since_s(FEED.feed) <= oldest
    assert all(c.ok for c in verify(database, FEED.feed, oldest) if c.what != "published before")
    assert database.record(FEED.feed, oldest) is not None
    database.close()
