"""The names that a column holds, read one by one along its index: a table of millions of rows has a few dozen."""

from __future__ import annotations

import sqlite3


def names_in(conn: sqlite3.Connection, table: str, column: str) -> list[str]:
    """Every value of the first column of an index, ascending."""
    sql = (
        f"WITH RECURSIVE found(name) AS (SELECT min({column}) FROM {table} UNION ALL"  # noqa: S608 - our own names
        f" SELECT (SELECT min({column}) FROM {table} WHERE {column} > name) FROM found WHERE name IS NOT NULL)"
        " SELECT name FROM found WHERE name IS NOT NULL"
    )
    return [name for (name,) in conn.execute(sql)]
