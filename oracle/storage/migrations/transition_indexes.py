"""Step 4: status changes are found by feed, and by time, without reading all that there ever were."""

from __future__ import annotations

import sqlite3

from oracle.storage.migrations.migration import run_script

_INDEXES = """
CREATE INDEX IF NOT EXISTS transitions_of_feed ON transitions (feed, at_ms);
CREATE INDEX IF NOT EXISTS transitions_at ON transitions (at_ms);
"""


def run(connection: sqlite3.Connection) -> None:
    """Make them."""
    run_script(connection, _INDEXES)
