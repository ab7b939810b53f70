from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from oracle.storage.database import Database
from oracle.storage.errors import MigrationBlocked, NewerDatabase, OlderDatabase
from oracle.storage.migrations import migrate as migrate_module
from oracle.storage.migrations.migrate import migrate, schema_of
from oracle.storage.migrations.migration import Migration, run_script
from oracle.storage.migrations.steps import NEWEST, STEPS
from oracle.storage.reading import DatabaseReader
from tests.oracle.storage.released_files import write_released
from tests.oracle.storage.stored_rounds import keep

RELEASES = ("0.1.0",)
"""Every release whose files must still be opened."""


def tables(path: Path) -> dict[str, str]:
    """What each table and index is made by."""
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall()
    return {name: " ".join(sql.split()).replace('"', "").replace("IF NOT EXISTS ", "") for name, sql in rows}


def step(number: int, run: Callable[[sqlite3.Connection], None], **more: bool) -> Migration:
    return Migration(number=number, name="of a test", run=run, **more)


@contextmanager
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        yield connection
    finally:
        connection.close()


def add_table(connection: sqlite3.Connection) -> None:
    run_script(connection, "CREATE TABLE added (x);\nINSERT INTO added VALUES (1);\n")


def test_steps_are_numbered_from_one_without_a_gap() -> None:
    assert [s.number for s in STEPS] == list(range(1, len(STEPS) + 1))
    assert STEPS[-1].number == NEWEST


@pytest.mark.parametrize("release", RELEASES)
def test_a_file_of_every_release_comes_to_the_tables_of_a_new_one(release: str, tmp_path: Path) -> None:
    Database(tmp_path / "new.db").close()
    Database(write_released(release, tmp_path / "old.db")).close()
    new, old = tables(tmp_path / "new.db"), tables(tmp_path / "old.db")
    added_later = {"pushes"}  # columns that were added stand elsewhere in the text
    assert {n: s for n, s in old.items() if not n.startswith("older_") and n not in added_later} == {
        n: s for n, s in new.items() if n not in added_later
    }
    with opened(tmp_path / "new.db") as a, opened(tmp_path / "old.db") as b:
        columns = [{r[1:4] for r in c.execute("PRAGMA table_info(pushes)")} for c in (a, b)]
        assert columns[0] == columns[1]
        assert schema_of(a) == schema_of(b) == NEWEST


def test_a_file_is_opened_again_without_a_step(tmp_path: Path) -> None:
    path = write_released("0.1.0", tmp_path / "o.db")
    with opened(path) as connection:
        assert [s.number for s in migrate(connection, path)] == [s.number for s in STEPS]
        assert migrate(connection, path) == []


def test_a_file_of_a_later_version_is_refused_and_says_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "o.db"
    Database(path).close()
    with opened(path) as connection:
        connection.execute(f"PRAGMA user_version = {NEWEST + 1}")
    before = path.read_bytes()
    for open_it in (Database, DatabaseReader):
        with pytest.raises(NewerDatabase, match=f"schema {NEWEST + 1}.*Start that version, or put back the copy"):
            open_it(path)
    assert path.read_bytes() == before


def test_a_step_that_fails_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "o.db"
    Database(path).close()

    def fail(connection: sqlite3.Connection) -> None:
        add_table(connection)
        raise RuntimeError("half way")

    with opened(path) as connection:
        with pytest.raises(RuntimeError, match="half way"):
            migrate(connection, path, [*STEPS, step(NEWEST + 1, fail)])
        assert schema_of(connection) == NEWEST
        assert "added" not in tables(path)
        migrate(connection, path, [*STEPS, step(NEWEST + 1, add_table)])
        assert schema_of(connection) == NEWEST + 1
        assert connection.execute("SELECT count(*) FROM added").fetchone() == (1,)


def test_a_process_that_is_killed_in_a_step_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "o.db"
    Database(path).close()
    program = """
import os, sys, sqlite3
from oracle.storage.migrations.migrate import migrate
from oracle.storage.migrations.migration import Migration
from oracle.storage.migrations.steps import NEWEST, STEPS
def die(connection):
    connection.execute("CREATE TABLE added (x)")
    connection.execute("PRAGMA cache_spill = 1")
    connection.execute("PRAGMA cache_size = 1")
    connection.execute("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000) INSERT INTO added SELECT randomblob(500) FROM n")
    os.kill(os.getpid(), 9)
path = sys.argv[1]
migrate(sqlite3.connect(path, isolation_level=None), path, [*STEPS, Migration(number=NEWEST + 1, name="dies", run=die)])
"""
    died = subprocess.run([sys.executable, "-c", program, str(path)], check=False)
    assert died.returncode == -9
    assert path.with_name("o.db-journal").exists(), "the step had begun to write"
    Database(path).close()
    assert "added" not in tables(path)


def test_a_restartable_step_goes_on_where_it_was(tmp_path: Path) -> None:
    path, done = tmp_path / "o.db", []
    Database(path).close()

    def slow(connection: sqlite3.Connection) -> None:
        connection.execute("CREATE TABLE IF NOT EXISTS added (x)")
        for i in range(connection.execute("SELECT count(*) FROM added").fetchone()[0], 4):
            with connection:
                connection.execute("BEGIN IMMEDIATE")
                connection.execute("INSERT INTO added VALUES (?)", (i,))
            done.append(i)
            if len(done) == 2:
                raise KeyboardInterrupt

    steps = [*STEPS, step(NEWEST + 1, slow, restartable=True)]
    with opened(path) as connection, pytest.raises(KeyboardInterrupt):
        migrate(connection, path, steps)
    with opened(path) as connection:
        assert schema_of(connection) == NEWEST
        migrate(connection, path, steps)
        assert schema_of(connection) == NEWEST + 1
    assert done == [0, 1, 2, 3]


def test_nothing_is_migrated_while_another_process_has_the_file_open_even_one_of_the_old_release(
    tmp_path: Path,
) -> None:
    path = write_released("0.1.0", tmp_path / "o.db")
    with opened(path) as other:
        other.execute("SELECT count(*) FROM rounds").fetchone()  # idle, as a process between two rounds
        with opened(path) as connection:
            connection.execute("PRAGMA busy_timeout = 10")
            with pytest.raises(MigrationBlocked, match="another process has it open: stop every process"):
                migrate(connection, path)
            assert schema_of(connection) == 0
        other.execute("UPDATE rounds SET orphaned = NULL")
    Database(path).close()


def test_a_step_that_rewrites_leaves_a_whole_copy_of_the_file_that_only_its_owner_reads(tmp_path: Path) -> None:
    path = tmp_path / "o.db"
    database = Database(path)
    keep(database, range(3))
    database.close()
    with opened(path) as connection:
        before = list(connection.iterdump())
        migrate(connection, path, [*STEPS, step(NEWEST + 1, add_table, rewrites=True)])
    copy = tmp_path / f"o.db.schema-{NEWEST}"
    assert copy.stat().st_mode & 0o777 == 0o600
    with opened(copy) as connection:
        assert list(connection.iterdump()) == before
    assert not copy.with_name(f"{copy.name}.part").exists()
    again = Database(copy)
    assert again.last_round_s() > 0
    again.close()


def test_nothing_is_begun_where_the_disk_has_no_room_for_a_copy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "o.db"
    Database(path).close()
    monkeypatch.setattr(migrate_module, "_SPARE_BYTES", 1 << 60)
    with opened(path) as connection:
        with pytest.raises(MigrationBlocked, match="MiB must be free"):
            migrate(connection, path, [*STEPS, step(NEWEST + 1, add_table, rewrites=True)])
        assert schema_of(connection) == NEWEST
    assert not list(tmp_path.glob("*.schema-*"))


def test_a_new_file_is_not_copied(tmp_path: Path) -> None:
    path = tmp_path / "o.db"
    with opened(path) as connection:
        migrate(connection, path, [*STEPS, step(NEWEST + 1, add_table, rewrites=True)])
    assert not list(tmp_path.glob("*.schema-*"))


def test_who_only_reads_changes_no_older_file(tmp_path: Path) -> None:
    path = write_released("0.1.0", tmp_path / "o.db")
    before = path.read_bytes()
    with pytest.raises(OlderDatabase, match=r"schema 0.*lrt-oracle upgrade"):
        DatabaseReader(path)
    assert path.read_bytes() == before


def test_who_only_reads_needs_no_step_that_readers_do_not_need(tmp_path: Path) -> None:
    path = tmp_path / "o.db"
    Database(path).close()
    with opened(path) as connection:
        check = migrate_module.check_readable
        check(connection, path, [*STEPS, step(NEWEST + 1, add_table, needed_to_read=False)])
        with pytest.raises(OlderDatabase):
            check(connection, path, [*STEPS, step(NEWEST + 1, add_table)])
