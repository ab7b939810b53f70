"""Every step of the schema on files of every earlier one, with rows in them: nothing is lost, and all goes on."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from oracle.audit.recompute import verify
from oracle.model.publication import PushState
from oracle.report.wire import encode_item
from oracle.storage.database import Database
from oracle.storage.limits import DatabaseLimits
from oracle.storage.migrations.migrate import migrate, schema_of
from oracle.storage.migrations.steps import NEWEST, STEPS
from oracle.storage.outbox_rows import withdraw_handed_on
from oracle.storage.reading import DatabaseReader
from tests.oracle.storage.released_files import write_released
from tests.oracle.storage.stored_rounds import FEED, RECORD, S0, agreement, keep, pushed

FEW = DatabaseLimits(checkpoint_every=4, packed_together=5, left_unpacked=3)
COUNT = 20
OUTBOX = "SELECT sequence, round_s FROM outbox WHERE target = ? ORDER BY sequence"


def filled(path: Path, *, packs: bool) -> None:
    """Rounds of an hour ago as this version stores them."""
    with closing(Database(path, FEW)) as database:
        for i in range(COUNT):
            keep(database, [i])
            database.save_round([], [agreement(i), agreement(i, "u")] if i % 2 else [agreement(i)], [], [])
        pushed(database, 3, PushState.LANDED, encode_item(0, RECORD.report))
        pushed(database, 4, PushState.SENT, encode_item(0, RECORD.report))
        while packs and (job := database.packer.next()) is not None:
            database.packer.keep(job, job.packed())


def file_of_step(number: int, folder: Path) -> Path:
    """A file that took so many steps, with the rows that the version of that time would have written."""
    source, path = folder / "source.db", folder / "o.db"
    filled(source, packs=number > 1)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        migrate(connection, path, STEPS[:number])
        connection.execute("ATTACH ? AS source", (str(source),))
        tables = "SELECT name FROM main.sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        for (table,) in connection.execute(tables).fetchall():
            if table.startswith("outbox"):
                continue  # what keeps it fills it
            names = ", ".join(f'"{r[1]}"' for r in connection.execute(f"PRAGMA main.table_info({table})"))
            connection.execute(f"INSERT INTO main.{table} ({names}) SELECT {names} FROM source.{table}")  # noqa: S608 - our own names
        assert schema_of(connection) == number
    source.unlink()
    return path


def said(database: Database) -> dict[str, Any]:
    seconds = range(S0, S0 + COUNT)
    return {
        "rounds": database.results_since("a", FEED.feed, S0, S0 + COUNT),
        "records": database.history(FEED.feed, 0, 1 << 45, 1_000),
        "signed": [database.agreement(s, t) for s in seconds for t in ("t", "u")],
        "changes": (database.transitions(), database.changes(FEED.feed, 1_000)),
        "pushes": (database.pushes("t"), database.pushes_of(FEED.feed, "t", 9)),
        "course": database.at_times(FEED.feed, tuple(seconds), 1),
    }


@pytest.mark.parametrize("number", range(1, NEWEST))
def test_a_file_of_each_step_comes_up_to_date_with_all_that_is_in_it(number: int, tmp_path: Path) -> None:
    path = file_of_step(number, tmp_path)
    (tmp_path / "same").mkdir()
    filled(tmp_path / "same" / "o.db", packs=number > 1)
    with closing(Database(tmp_path / "same" / "o.db", FEW)) as same:
        expected = said(same)
    with closing(Database(path, FEW)) as database:
        assert schema_of(database.connection) == NEWEST
        assert said(database) == expected
        assert len(expected["changes"][1]) == COUNT
        assert all(c.ok for i in range(COUNT) for c in verify(database, FEED.feed, S0 + i) if c.what != "signed values")
        keep(database, range(COUNT, COUNT + 5))
        while (job := database.packer.next()) is not None:
            database.packer.keep(job, job.packed())
        assert all(c.ok for c in verify(database, FEED.feed, S0 + COUNT + 4))
    with closing(DatabaseReader(path)) as reader:
        assert said(reader)["signed"] == expected["signed"]


@pytest.mark.parametrize("number", [1, 2])
def test_sealed_rounds_that_are_there_are_handed_on_in_order_and_then_those_that_come(
    number: int, tmp_path: Path
) -> None:
    path = file_of_step(number, tmp_path)
    with closing(Database(path, FEW)) as database:
        assert [r.round_time_s for r in database.sealed_after("t", 0, 100)] == [S0 + i for i in range(COUNT)]
        assert [r.round_time_s for r in database.sealed_after("u", 0, 100)] == [S0 + i for i in range(1, COUNT, 2)]
        newest = database.newest_sequence("t")
        database.save_round([], [agreement(COUNT + 1)], [], [])
        database.save_round([], [agreement(COUNT)], [], [])
        late = database.sealed_after("t", newest, 100)
        assert [r.round_time_s - S0 for r in late] == [COUNT + 1, COUNT], "as they came"
        before = database.connection.execute(OUTBOX, ("t",)).fetchall()
    with closing(Database(path, FEW)) as again:
        assert again.connection.execute(OUTBOX, ("t",)).fetchall() == before, "once"


def test_a_file_whose_sealed_rounds_were_all_dropped_gives_no_number_twice(tmp_path: Path) -> None:
    path = file_of_step(2, tmp_path)
    with closing(Database(path, FEW)) as database:
        newest = database.newest_sequence("t")
        database.connection.execute("DELETE FROM agreements")
        withdraw_handed_on(database.connection, 0)
        assert database.sealed_after("t", 0, 9) == []
        database.save_round([], [agreement(90)], [], [])
        (row,) = database.sealed_after("t", 0, 9)
        assert row.sequence > newest


def test_a_file_of_0_1_0_goes_through_every_step_with_its_rows(tmp_path: Path) -> None:
    path = write_released("0.1.0", tmp_path / "o.db")
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        counts = {
            t: connection.execute(f"SELECT count(*) FROM {t}").fetchone()[0]  # noqa: S608 - our own names
            for t in ("rounds", "checkpoints", "agreements", "records", "transitions", "pushes", "not_pushed")
        }
        assert all(counts[t] for t in ("rounds", "checkpoints", "agreements", "records", "transitions", "pushes"))
        for number in range(1, NEWEST + 1):
            migrate(connection, path, STEPS[:number])
            assert schema_of(connection) == number
        for table, count in counts.items():
            name = f"older_{table}" if table in {"rounds", "checkpoints", "agreements"} else table
            assert connection.execute(f"SELECT count(*) FROM {name}").fetchone() == (count,)  # noqa: S608 - our own names
        assert connection.execute("SELECT count(*) FROM outbox").fetchone() == (0,), (
            "its signed values are in another form"
        )
    with closing(Database(path)) as database:
        changed = [t.feed for t in database.transitions()]
        assert [len(database.changes(f, 99)) for f in dict.fromkeys(changed)] == [
            changed.count(f) for f in dict.fromkeys(changed)
        ]
        database.save_round([], [agreement(1)], [], [])
        assert [r.round_time_s for r in database.sealed_after("t", 0, 9)] == [S0 + 1]


@pytest.mark.parametrize("number", range(NEWEST))
def test_a_step_that_is_cut_short_leaves_a_file_of_any_age_as_it_was(number: int, tmp_path: Path) -> None:
    path = file_of_step(number, tmp_path) if number else write_released("0.1.0", tmp_path / "o.db")
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        before = list(connection.iterdump())
        connection.execute("PRAGMA max_page_count = 1")  # not a page more than there is
        with pytest.raises(sqlite3.OperationalError, match="full"):
            migrate(connection, path, STEPS[: number + 1])
        assert list(connection.iterdump()) == before
        assert schema_of(connection) == number
        connection.execute("PRAGMA max_page_count = 1000000")
    Database(path).close()
