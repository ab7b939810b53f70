"""One database has one process and one key one memory, by whatever name the file is reached and whatever becomes of a lock file."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from oracle.build import build
from oracle.runtime.schedule import Fatal, every
from oracle.runtime.supervise import Supervisor
from oracle.sign.key_lock import DatabaseInUse, KeyLock, sole_writer
from oracle.sign.keyfiles import KeyfileError
from oracle.storage.database import Database
from oracle.storage.errors import AnotherWriter
from tests.oracle.assemble.small_config import small_config
from tests.oracle.sign.key_processes import end_process, process_with_key
from tests.oracle.storage.stored_rounds import keep

HOLDER = """
import sys
from oracle.sign.key_lock import sole_writer
with sole_writer(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""
WRITER = """
import sqlite3, sys
try:
    sqlite3.connect(sys.argv[1], timeout=0, isolation_level=None).execute("BEGIN IMMEDIATE")
except sqlite3.OperationalError as e:
    print(e)
else:
    print("wrote")
"""
ROOT = Path(__file__).resolve().parents[3]


@contextmanager
def held(database: Path) -> Iterator[int]:
    """Another process that writes; its pid."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(database)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process.pid
    finally:
        process.communicate(timeout=60)


def names(folder: Path) -> list[Path]:
    """Of one database: its own, through a link to it, to its folder, as a second entry, and a long way round."""
    (folder / "d").mkdir()
    database = folder / "d" / "o.db"
    Database(database).close()
    (folder / "link.db").symlink_to(database)
    (folder / "e").symlink_to(folder / "d")
    (folder / "hard.db").hardlink_to(database)
    return [database, folder / "link.db", folder / "e" / "o.db", folder / "hard.db", folder / "d" / ".." / "d" / "o.db"]


def refused(database: Path) -> bool:
    try:
        with sole_writer(database):
            return False
    except DatabaseInUse:
        return True


def test_no_name_of_a_database_leads_past_the_process_that_has_it(tmp_path: Path) -> None:
    ways = names(tmp_path)
    for first in (ways[0], ways[1], ways[3]):
        with held(first) as pid:
            assert [refused(way) for way in ways] == [True] * len(ways)
            with (
                pytest.raises(DatabaseInUse, match=f"in use by process {pid}"),
                sole_writer(ways[0] if first != ways[3] else first),
            ):
                pass
            for lock in tmp_path.rglob("*.lock"):
                lock.unlink()
            assert [refused(way) for way in ways] == [True] * len(ways), "the lock files were removed"
            assert not refused(tmp_path / "another.db")
        assert not any(refused(way) for way in ways), "the control: nobody has it"


def test_a_database_that_is_replaced_while_a_process_has_it_is_still_in_use(tmp_path: Path) -> None:
    Database(tmp_path / "o.db").close()
    with held(tmp_path / "o.db"):
        (tmp_path / "o.db").rename(tmp_path / "old.db")
        Database(tmp_path / "o.db").close()
        assert refused(tmp_path / "o.db")
        assert refused(tmp_path / "old.db")


def test_whoever_builds_the_service_has_the_database_and_lets_it_go(tmp_path: Path) -> None:
    resolved = small_config(tmp_path / "o.db")
    with held(tmp_path / "o.db") as pid, pytest.raises(DatabaseInUse, match=f"in use by process {pid}"):
        build(resolved, environ={})
    components = build(resolved, environ={})
    assert refused(tmp_path / "o.db")
    components.release()
    assert not refused(tmp_path / "o.db")


def test_the_lock_leaves_the_locks_of_sqlite_alone(tmp_path: Path) -> None:
    with sole_writer(tmp_path / "o.db"):
        database = Database(tmp_path / "o.db")
        for begun, said in ((True, "database is locked\n"), (False, "wrote\n")):
            database.connection.execute("BEGIN IMMEDIATE" if begun else "ROLLBACK")
            assert refused(tmp_path / "o.db")
            told = subprocess.run(
                [sys.executable, "-c", WRITER, str(tmp_path / "o.db")], capture_output=True, text=True, check=True
            )
            assert told.stdout == said
        database.close()


async def test_a_round_that_is_there_already_ends_the_process(tmp_path: Path) -> None:
    """Locks hold on one machine and among those who take them; who writes past them is found at the next round."""
    ours, theirs = Database(tmp_path / "o.db"), Database(tmp_path / "o.db")
    keep(ours, range(3))
    keep(theirs, [3])
    with pytest.raises(AnotherWriter, match="another process writes here: this round is in the database already"):
        keep(ours, [3])
    keep(ours, [4])  # the control: the next one is nobody else's
    told = list[Exception]()

    async def work() -> None:
        keep(ours, [4])

    async def other_fault() -> None:
        raise sqlite3.OperationalError("disk I/O error")

    jobs = {"rounds": lambda: every(0.01, work, told.append), "else": lambda: every(0.01, other_fault, told.append)}
    with pytest.raises(Fatal, match="another process writes here"):
        await asyncio.wait_for(Supervisor(jobs).run(), 60)
    assert {type(e) for e in told} <= {sqlite3.OperationalError}, "any other fault is told, and work goes on"


def test_a_journal_is_the_same_by_whatever_name_and_another_where_the_file_is_another(tmp_path: Path) -> None:
    keyfile, journal = tmp_path / "key.json", tmp_path / "a.db"
    keyfile.write_text("{}")
    hold = KeyLock(keyfile, journal)
    (tmp_path / "link.db").symlink_to(journal)
    (tmp_path / "hard.db").hardlink_to(journal)
    for name in ("link.db", "hard.db", "a.db"):
        process, said = process_with_key(keyfile, tmp_path / name)
        end_process(process)
        assert said == "held\n", name
    journal.unlink()
    with pytest.raises(KeyfileError, match="signs two things and is slashed"):
        KeyLock(keyfile, journal)
    hold.close()
