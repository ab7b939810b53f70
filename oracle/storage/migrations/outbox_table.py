"""Step 3: the order in which sealed rounds were stored, filled from those that are there."""

from __future__ import annotations

import sqlite3

from oracle.storage.migrations.migration import run_script
from oracle.storage.outbox_rows import TABLES


def run(connection: sqlite3.Connection) -> None:
    """Make the tables and what keeps them."""
    run_script(connection, TABLES)
