"""How SQLite goes about what is asked of a database, and which ways grow with the table."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from oracle.storage.database import Database

WIDE = re.compile(
    r"SCAN (rounds|r|records|agreements|a|pushes|p|not_pushed|transitions|older_\w+)\b|USE TEMP B-TREE FOR ORDER BY|SEARCH (rounds|r|older_\w+) USING PRIMARY KEY$"
)
"""Steps of a query plan that grow with the table; a search of a key without a column is a scan by another name."""


@contextmanager
def plans(database: Database) -> Iterator[list[str]]:
    """The query plan of every statement that runs meanwhile."""
    said: list[str] = []
    found: list[str] = []
    database.connection.set_trace_callback(said.append)
    yield found
    database.connection.set_trace_callback(None)
    for sql in said:
        if sql.split()[0] in {"SELECT", "DELETE", "UPDATE"}:
            found += [r[3] for r in database.connection.execute(f"EXPLAIN QUERY PLAN {sql}")]
