"""Older rows are packed: what is read back is what was written, to the byte, whoever reads it and whatever is dropped."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from oracle.audit.disown import disown, disowning
from oracle.audit.recompute import verify, verify_withdrawn
from oracle.model.publication import PushState
from oracle.serve.answers import explain_answer, history_answer
from oracle.serve.history import ReadOnlyDatabase
from oracle.storage.database import Database
from oracle.storage.errors import DatabaseError
from oracle.storage.limits import DatabaseLimits
from oracle.storage.packer import TABLES
from oracle.storage.packs import compressed
from tests.oracle.storage.stored_rounds import FEED, S0, agreement, keep, pushed, until

FEW = DatabaseLimits(checkpoint_every=4, packed_together=5, left_unpacked=3)


def packed(database: Database) -> int:
    """Pack all that can be packed; how many packs that made."""
    made = 0
    while (job := database.packer.next()) is not None:
        database.packer.keep(job, job.packed())
        made += 1
    return made


def everything(database: Database) -> dict[str, Any]:
    """All that is said of the stored rounds, by the same questions."""
    seconds = range(S0, S0 + 60)
    return {
        "results": database.results_since("a", FEED.feed, S0, S0 + 60),
        "each": [database.result("a", FEED.feed, s) for s in seconds],
        "records": [database.record(FEED.feed, s) for s in seconds],
        "newest": (database.newest(FEED.feed), database.record(FEED.feed), database.last_round_s()),
        "history": database.history(FEED.feed, 0, 1 << 45, 1_000),
        "signed": [database.agreement(s, "t") for s in seconds],
        "near": [database.agreement_of_set(a) for s in seconds if (a := database.agreement(s)) is not None],
        "seals": database.seals("t", S0),
        "handed on": database.sealed_after("t", 0, 1_000),
        "places": [database.sequence_of("t", s) for s in seconds],
        "learned": database.first_learned_s(FEED.feed, S0 + 40, 1 << 60),
        "counts": (database.counts(), database.rounds_made(FEED.feed, S0)),
    }


def filled(path: Path, count: int = 30) -> Database:
    database = Database(path, FEW)
    for i in range(count):
        keep(database, [i])
        database.save_round([], [agreement(i)], [], [])
    return database


def places(database: Database) -> int:
    rows = (
        database.connection.execute(f"SELECT count(*) FROM {t.name} WHERE NOT {t.unpacked}").fetchone()[0]  # noqa: S608 - our own names
        for t in TABLES
    )
    return sum(rows)


def test_what_was_packed_reads_as_it_was_written(tmp_path: Path) -> None:
    database = filled(tmp_path / "o.db")
    before = everything(database)
    assert packed(database) == 3 * 5
    assert places(database) == 3 * 25
    assert everything(database) == before
    database.close()
    again = Database(tmp_path / "o.db", FEW)
    assert everything(again) == before
    assert packed(again) == 0
    assert all(c.ok for i in range(30) for c in verify(again, FEED.feed, S0 + i) if c.what != "signed values")
    keep(again, range(30, 34))
    assert all(c.ok for c in verify(again, FEED.feed, S0 + 33))
    again.close()


def test_a_reader_of_another_process_reads_packed_rounds(tmp_path: Path) -> None:
    database = filled(tmp_path / "o.db")
    readers = ReadOnlyDatabase(str(tmp_path / "o.db"))

    def answered() -> tuple[bytes, bytes]:
        history = history_answer(readers, feed=FEED.feed, since_ms=0, until_ms=1 << 45, limit=20)
        return history.payload, explain_answer(readers, feed=FEED.feed, round_s=S0 + 2, newest_s=None).payload

    plain = answered()
    assert packed(database)
    assert answered() == plain
    readers.connection.close()
    database.close()


def test_a_read_is_of_one_moment_while_packs_go(tmp_path: Path) -> None:
    database = filled(tmp_path / "o.db")
    packed(database)
    reader = ReadOnlyDatabase(str(tmp_path / "o.db"))
    with reader.one_moment():
        rows = reader.connection.execute("SELECT body FROM rounds ORDER BY round_s LIMIT 1").fetchall()
        database.prune(until(20))
        assert reader.packs.plain(rows[0][0]).startswith(b"{")
    assert reader.result("a", FEED.feed, S0) is None
    reader.connection.close()
    database.close()


def test_packs_go_with_their_last_row_and_not_before(tmp_path: Path) -> None:
    database = filled(tmp_path / "o.db")
    packed(database)
    pushed(database, 7, PushState.LANDED)
    kept = database.agreement(S0 + 7)
    database.prune(until(22))
    sql = "SELECT what, min(last_s), count(*) FROM packs GROUP BY what ORDER BY what"
    left = {what: (last_s - S0, count) for what, last_s, count in database.connection.execute(sql)}
    assert left == {"agreements": (24, 1), "records": (4, 5), "rounds": (24, 1)}
    assert database.agreement(S0 + 7) == kept
    assert database.connection.execute("SELECT count(*) FROM kept_agreements").fetchone()[0] == 1
    assert all(c.ok for i in range(20, 30) for c in verify(database, FEED.feed, S0 + i) if c.what != "signed values")
    database.close()


def test_values_behind_pushes_are_packed_again(tmp_path: Path) -> None:
    database = filled(tmp_path / "o.db")
    for i in range(1, 12):
        pushed(database, i, PushState.LANDED)
    before = [database.agreement(S0 + i) for i in range(1, 12)]
    packed(database)
    database.prune(until(22))
    packed(database)
    assert database.connection.execute("SELECT count(*) FROM packs WHERE what = 'kept_agreements'").fetchone()[0] == 1
    assert [database.agreement(S0 + i) for i in range(1, 12)] == before
    database.prune(until(22, pushed=22))
    assert database.connection.execute("SELECT count(*) FROM packs WHERE what = 'kept_agreements'").fetchone()[0] == 0
    database.close()


def test_what_was_packed_can_be_disowned_and_still_recomputes(tmp_path: Path) -> None:
    database = filled(tmp_path / "o.db")
    packed(database)
    disown(database, disowning(database, S0 + 11), 1)
    assert database.last_round_s() == S0 + 11
    keep(database, range(12, 30))  # their time comes again
    assert packed(database)
    gone = [c for i in range(12, 30) for c in verify_withdrawn(database, FEED.feed, S0 + i)]
    assert [c for c in gone if c.what.startswith("fold")]
    assert all(c.ok for c in gone)
    database.prune(until(28))
    gone = list(verify_withdrawn(database, FEED.feed, S0 + 20))
    assert [c.detail for c in gone if c.what.startswith("fold")] != []
    assert database.withdrawn.records(FEED.feed, S0, S0 + 60)
    database.close()


def test_a_crash_between_reading_and_writing_a_pack_loses_nothing(tmp_path: Path) -> None:
    database = filled(tmp_path / "o.db")
    before = everything(database)
    job = database.packer.next()
    assert job is not None
    database.connection.execute(
        "CREATE TRIGGER full BEFORE INSERT ON rounds WHEN NEW.round_s % 5 = 3 BEGIN SELECT RAISE(ABORT, 'disk is full'); END"
    )
    with pytest.raises(sqlite3.IntegrityError):
        database.packer.keep(job, job.packed())
    assert (places(database), database.connection.execute("SELECT count(*) FROM packs").fetchone()[0]) == (0, 0)
    assert everything(database) == before
    database.close()


def test_a_damaged_or_missing_pack_is_named(tmp_path: Path) -> None:
    database = filled(tmp_path / "o.db")
    packed(database)
    database.close()
    again = Database(tmp_path / "o.db", FEW)
    again.connection.execute("UPDATE packs SET body = substr(body, 1, length(body) - 9) WHERE id = 1")
    again.connection.execute("DELETE FROM packs WHERE id = 2")
    with pytest.raises(DatabaseError, match="pack 1 cannot be read"):
        again.result("a", FEED.feed, S0)
    with pytest.raises(DatabaseError, match="pack 2 is missing"):
        again.result("a", FEED.feed, S0 + 5)
    again.close()


def test_a_body_of_two_lines_is_not_packed() -> None:
    with pytest.raises(ValueError, match="line break"):
        compressed([b"{}", b"{\n}"])
