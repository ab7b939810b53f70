"""What a step of the schema is, and how its statements are run inside one transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """One step of the schema; what the fields allow it is in :mod:`oracle.storage.migrations`."""

    number: int
    name: str
    run: Callable[[sqlite3.Connection], None]
    rewrites: bool = False
    restartable: bool = False
    needed_to_read: bool = True


def run_script(connection: sqlite3.Connection, script: str) -> None:
    """Run several statements in the transaction that is open; ``executescript`` would commit it."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            connection.execute(statement)
            statement = ""
    if statement.strip():
        raise ValueError(f"not a whole statement: {statement.strip()!r}")


def columns(connection: sqlite3.Connection, table: str) -> set[str]:
    """The columns of a table; none where there is no such table."""
    return {row[1] for row in connection.execute(f"PRAGMA table_info({table})")}
