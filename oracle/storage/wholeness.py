"""Whether a file is whole, as far as can be found out in a few seconds: a damaged one is noticed before anything goes on in it."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

from oracle.storage.errors import DatabaseDamaged

_STEPS = 10_000
"""Instructions of SQLite between two looks at the time."""


def check_whole(
    connection: sqlite3.Connection, path: Path | str, most_s: float, now_s: Callable[[], float] = time.monotonic
) -> bool:
    """Look through a file; whether there was time for all of it.

    Raises:
        DatabaseDamaged: it is not whole.
    """
    until_s = now_s() + most_s
    connection.set_progress_handler(lambda: int(now_s() > until_s), _STEPS)
    try:
        rows = connection.execute("PRAGMA quick_check(3)").fetchall()
    except sqlite3.OperationalError as e:
        if e.sqlite_errorcode == sqlite3.SQLITE_INTERRUPT:
            return False
        raise
    except sqlite3.DatabaseError as e:
        raise damaged(path, str(e)) from e
    finally:
        connection.set_progress_handler(None, 0)
    if rows != [("ok",)]:
        raise damaged(path, "; ".join(str(r[0]) for r in rows))
    return True


def damaged(path: Path | str, why: str) -> DatabaseDamaged:
    """What to say of a file that is not whole."""
    return DatabaseDamaged(
        f"{path} is damaged ({why}): put back a backup, or move it away (with {path}-wal and {path}-shm) and start with a new"
        " one; the sign journals stay where they are and keep the keys from signing twice (docs/upgrade.md, A damaged file)"
    )
