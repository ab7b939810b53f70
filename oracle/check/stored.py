"""What this machine has stored, for a check: it only reads, and a file of another version is a note."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from oracle.config.resolve import ResolvedConfig
from oracle.storage.database import Database
from oracle.storage.errors import DatabaseError
from oracle.storage.reading import DatabaseReader


def database_notes(resolved: ResolvedConfig) -> Iterator[str]:
    """Whether the file of stored rounds can be read as it is; nothing before the first run."""
    path = Path(resolved.config.oracle.database)
    if path.is_file():
        try:
            DatabaseReader(path).close()
        except DatabaseError as e:
            yield f"database: {e}"


@contextmanager
def stored_database(resolved: ResolvedConfig) -> Iterator[Database | None]:
    """What this operator has stored; None before the first run, and of a file of another version."""
    path = Path(resolved.config.oracle.database)
    if not path.is_file() or any(database_notes(resolved)):
        yield None
        return
    database = DatabaseReader(path)
    try:
        yield database
    finally:
        database.close()
