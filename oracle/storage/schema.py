"""How a database is opened: durable, and with the schema of this version."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

from oracle.model.spec import RULES_VERSION
from oracle.storage.errors import OtherRules
from oracle.storage.migrations.migrate import migrate


def prepare(connection: sqlite3.Connection, path: Path | str) -> None:
    """Make the tables, or bring those of an older version up to date.

    Raises:
        OtherRules: its rounds were made by other rules.
        NewerDatabase: a later version has written it.
        MigrationBlocked: it cannot be brought up to date now.
    """
    connection.isolation_level = None
    migrate(connection, path)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
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
