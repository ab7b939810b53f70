"""How a database is opened: durable, and with the schema of this version."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

from oracle.model.spec import RULES_VERSION
from oracle.storage.errors import OtherRules
from oracle.storage.migrations.migrate import migrate

_WAL_KEPT_BYTES = 16 << 20
"""Of the write-ahead log after it was written back: a long read that held it up leaves no large file behind."""


def prepare(connection: sqlite3.Connection, path: Path | str) -> None:
    """Make the tables, or bring those of an older version up to date.

    Raises:
        OtherRules: its rounds were made by other rules.
        NewerDatabase: a later version has written it.
        MigrationBlocked: it cannot be brought up to date now.
    """
    connection.isolation_level = None
    connection.execute("PRAGMA auto_vacuum=INCREMENTAL")  # of a file that is still empty; of another it changes nothing
    connection.execute("PRAGMA secure_delete=FAST")  # nothing secret is stored: what is freed need not be overwritten
    migrate(connection, path)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute(f"PRAGMA journal_size_limit={_WAL_KEPT_BYTES}")
    _check_rules(connection, path)


def _check_rules(connection: sqlite3.Connection, path: Path | str) -> None:
    row = connection.execute("SELECT body FROM states LIMIT 1").fetchone()
    stored = json.loads(row[0]).get("version") if row else RULES_VERSION
    if stored != RULES_VERSION:
        raise OtherRules(
            f"{path} holds rounds made by rules {stored}, this version makes rules {RULES_VERSION} and cannot go on from"
            " them: name another file in oracle.database. The journals stay as they are; the old file can be read by the"
            " version that wrote it"
        )
