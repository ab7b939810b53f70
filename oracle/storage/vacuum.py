"""Room that rows have left goes back to the disk: by small steps while the process runs, or at once while nobody uses the file."""

from __future__ import annotations

import sqlite3

_BY_STEPS = 2
"""``auto_vacuum`` of a file whose free pages can be given back by steps."""
_SPARE_PAGES, SPARE_PART = 2_048, 20
"""Free pages that stay in the file for what is written next: so many, and one of so many."""
_PAGES_AT_ONCE = 256


def shrinks_by_steps(conn: sqlite3.Connection) -> bool:
    """Whether free pages of the file can be given back by steps: it was made, or rewritten, by a version that knows how."""
    return _number(conn, "auto_vacuum") == _BY_STEPS


def give_back(conn: sqlite3.Connection) -> bool:
    """Give a megabyte back where more is free than is needed soon; returns whether there may be more."""
    free, total = _number(conn, "freelist_count"), _number(conn, "page_count")
    if free <= max(_SPARE_PAGES, total // SPARE_PART) or not shrinks_by_steps(conn):
        return False
    conn.executescript(f"PRAGMA incremental_vacuum({_PAGES_AT_ONCE})")  # ``execute`` would stop after the first page
    return True


def rewrite(conn: sqlite3.Connection) -> None:
    """Write the whole file anew, as small as it can be; from then on it shrinks by steps. Nobody else may use it meanwhile."""
    conn.execute(f"PRAGMA auto_vacuum={_BY_STEPS}")
    conn.execute("VACUUM")
    conn.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def _number(conn: sqlite3.Connection, name: str) -> int:
    return int(conn.execute(f"PRAGMA {name}").fetchone()[0])
