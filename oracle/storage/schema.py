"""How a database is opened: durable, and with the schema of this version."""

from __future__ import annotations

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
        OtherRules: some of its rounds were made by later rules.
        NewerDatabase: a later version has written it.
        MigrationBlocked: it cannot be brought up to date now.
    """
    connection.isolation_level = None
    if connection.execute("PRAGMA page_count").fetchone()[0] == 0:
        connection.execute("PRAGMA auto_vacuum=INCREMENTAL")  # it must be known before the first table
    connection.execute("PRAGMA secure_delete=FAST")  # nothing secret is stored: what is freed need not be overwritten
    migrate(connection, path)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute(f"PRAGMA journal_size_limit={_WAL_KEPT_BYTES}")
    check_rules(connection, path)


def check_rules(connection: sqlite3.Connection, path: Path | str) -> None:
    """Whether no later rules have gone on here: rounds of earlier ones are gone on from.

    Raises:
        OtherRules: they have.
    """
    row = connection.execute("SELECT max(json_extract(CAST(body AS TEXT), '$.version')) FROM states").fetchone()
    if row[0] is not None and row[0] > RULES_VERSION:
        raise OtherRules(
            f"{path} holds rounds made by rules {row[0]}, this version makes rules {RULES_VERSION} and does not go back: start"
            " the version that wrote it, or put back the copy that was made before it (docs/upgrade.md)"
        )
