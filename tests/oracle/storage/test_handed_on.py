"""The numbers of sealed rounds in the order of storing: given once, kept while a round is kept, gone when it is dropped or withdrawn."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from oracle.audit.disown import disown, disowning
from oracle.storage.database import Database
from oracle.storage.limits import DatabaseLimits
from tests.oracle.storage.stored_rounds import S0, agreement, keep, until

FEW = DatabaseLimits(checkpoint_every=4, packed_together=5, left_unpacked=3)
COUNT = 30


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = Database(tmp_path / "o.db", FEW)
    for i in range(COUNT):
        keep(made, [i])
        made.save_round([], [agreement(i)], [], [])
    yield made
    made.close()


def pack(database: Database) -> int:
    """Pack all that can be packed; how many packs of signed values that made."""
    made = 0
    while (job := database.packer.next()) is not None:
        database.packer.keep(job, job.packed())
        made += job.table.name == "agreements"
    return made


def told(database: Database, sequence: int = 0) -> list[tuple[int, int]]:
    return [(r.sequence, r.round_time_s - S0) for r in database.sealed_after("t", sequence, 1_000)]


def test_a_reader_misses_nothing_and_hears_nothing_twice_while_rounds_are_packed(database: Database) -> None:
    before = told(database)
    assert [n for _, n in before] == list(range(COUNT))
    assert pack(database) >= 5
    assert told(database) == before
    for sequence, _ in before:  # whoever goes on after any of them
        assert told(database, sequence) == [b for b in before if b[0] > sequence]
    keep(database, [COUNT])
    database.save_round([], [agreement(COUNT)], [], [])
    assert told(database, before[-1][0]) == [(before[-1][0] + 1, COUNT)]


@pytest.mark.parametrize("is_packed", [False, True])
def test_what_is_dropped_is_told_to_nobody(database: Database, is_packed: bool) -> None:
    if is_packed:
        assert pack(database)
    before = told(database)
    database.prune(until(12))
    left = told(database)
    assert left == before[-len(left) :]
    assert 0 < len(left) < len(before)
    kept = {r for _, r in left}
    assert {i for i in range(COUNT) if database.agreement(S0 + i, "t") is not None} == kept


def test_a_round_that_was_withdrawn_and_made_anew_is_told_anew(database: Database) -> None:
    pack(database)
    newest = database.newest_sequence("t")
    disown(database, disowning(database, S0 + 11), 1)
    assert [n for _, n in told(database)] == list(range(12))
    database.save_round([], [agreement(12)], [], [])
    assert told(database, newest) == [(newest + 1, 12)]
