"""The names that columns hold, read one by one along their index: a table of millions of rows has a few dozen."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any


def names_in(conn: sqlite3.Connection, table: str, column: str) -> list[str]:
    """Every value of the first column of an index, ascending."""
    sql = (
        f"WITH RECURSIVE found(name) AS (SELECT min({column}) FROM {table} UNION ALL"  # noqa: S608 - our own names
        f" SELECT (SELECT min({column}) FROM {table} WHERE {column} > name) FROM found WHERE name IS NOT NULL)"
        " SELECT name FROM found WHERE name IS NOT NULL"
    )
    return [name for (name,) in conn.execute(sql)]


def series_in(conn: sqlite3.Connection, table: str, columns: Sequence[str]) -> list[tuple[Any, ...]]:
    """Every combination of the first columns of the table's key, ascending."""
    names, marks = ", ".join(columns), ", ".join("?" for _ in columns)
    sql = f"SELECT {names} FROM {table} WHERE ({names}) > ({marks}) ORDER BY {names} LIMIT 1"  # noqa: S608 - our own names
    found: list[tuple[Any, ...]] = []
    last: tuple[Any, ...] = ("",) * len(columns)
    while (row := conn.execute(sql, last).fetchone()) is not None:
        last = tuple(row)
        found.append(last)
    return found
