"""A database that is only read: by commands, and by the workers of the endpoint, while another process writes it or none does."""

from __future__ import annotations

import os
import sqlite3
import threading
from pathlib import Path
from urllib.parse import quote

from sqlite_utils import Database as SqliteFile

from oracle.runtime.file_faults import is_damage
from oracle.storage.database import Database
from oracle.storage.limits import DatabaseLimits
from oracle.storage.migrations.migrate import check_readable
from oracle.storage.older import OlderRounds
from oracle.storage.packs import Packs
from oracle.storage.wholeness import damaged
from oracle.storage.withdrawn import Withdrawn


class DatabaseReader(Database):
    """The rounds of a database; nothing can be written here, and an older file stays as it is.

    Args:
        path: its file. On a disk that cannot be written to it is read as it lies there.

    Raises:
        NewerDatabase: a later version has written it.
        DatabaseDamaged: it is not whole.
        OlderDatabase: it must be brought up to date before it can be read.
    """

    def __init__(self, path: Path | str) -> None:
        self.limits = DatabaseLimits()
        self.connection = self._reads = _opened(Path(path))
        self._file = SqliteFile(self.connection)
        self._reading = threading.Lock()
        try:
            check_readable(self.connection, path)
            self.packs = self._read_packs = Packs(self.connection)
            self.withdrawn = Withdrawn(self.connection, self.packs)
            self.older = OlderRounds(self.connection)
            self._counts = self._stored_counts()
        except BaseException as e:
            self.connection.close()
            if is_damage(e):
                raise damaged(path, str(e)) from e
            raise


def _opened(path: Path) -> sqlite3.Connection:
    """A connection that writes nothing; where not even its index can be made beside the file, one that needs none."""
    name = f"file:{quote(str(path.absolute()))}?mode=ro"
    connection = sqlite3.connect(name, uri=True, check_same_thread=False, isolation_level=None)
    try:
        connection.execute("PRAGMA user_version").fetchone()
    except BaseException as e:
        connection.close()
        if (
            not isinstance(e, sqlite3.OperationalError)
            or not path.is_file()
            or os.access(path.parent, os.W_OK)
            or _holds_changes(path)
        ):
            raise
        connection = sqlite3.connect(f"{name}&immutable=1", uri=True, check_same_thread=False, isolation_level=None)
    return connection


def _holds_changes(path: Path) -> bool:
    """Whether there are writes beside the file that are not in it yet."""
    wal = path.with_name(f"{path.name}-wal")
    return wal.is_file() and wal.stat().st_size > 0
