"""What grows with rounds belongs to a kind whose time is known, so that what a file settles at is not a guess."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from oracle.storage.database import Database
from oracle.storage.sizes import database_size
from tests.oracle.storage.stored_rounds import S0, WEEK, agreement, keep


def test_nothing_that_grows_with_rounds_is_among_the_rest(tmp_path: Path) -> None:
    with closing(Database(tmp_path / "o.db")) as database:
        database.connection.execute("PRAGMA synchronous=OFF")

        def sizes(first: int, end: int) -> dict[str, int]:
            for i in range(first, end):
                keep(database, [i])
                database.save_round([], [agreement(i)], [], [])
                database.save_attended("t", 1, S0 + i, [0])
            return {k.name: k.bytes for k in database_size(database.connection, WEEK).kinds}

        before, after = sizes(0, 5), sizes(5, 500)
    assert after["the rest"] <= before["the rest"] + 4_096, "but for the schema's own pages"
    grown = {name for name, size in after.items() if size > before[name]}
    assert grown >= {"rounds with inputs", "records", "operators' values", "who signed", "status changes"}
