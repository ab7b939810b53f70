"""Rounds in a form that this version does not read: they stay, byte for byte, and say which version can recompute them."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import Any

_EVIDENCE_KEPT_S = 400 * 86_400
"""As long as signed values behind a push that landed are kept."""
_TABLES = ("older_rounds", "older_checkpoints", "older_agreements")
_VERSION = "json_extract(CAST(body AS TEXT), '$.rules_version')"


@dataclass(frozen=True, slots=True, kw_only=True)
class OlderRound:
    """A round that is kept as it is. ``rules``: the RULES_VERSION that made it."""

    operator: str
    round_time_s: int
    rules: int


class OlderRounds:
    """The tables that a migration has set aside, if it has.

    Args:
        connection: the database, in autocommit mode.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection
        names = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        self._is_there = set(_TABLES) <= names

    def of(self, feed: str, round_s: int) -> list[OlderRound]:
        """Rounds of a feed at a round_time, a line for each operator."""
        if not self._is_there:
            return []
        sql = f"SELECT operator, round_s, {_VERSION} FROM older_rounds WHERE feed = ? AND round_s = ? ORDER BY operator"  # noqa: S608 - our own text
        return [
            OlderRound(operator=r[0], round_time_s=r[1], rules=int(r[2]))
            for r in self._db.execute(sql, (feed, round_s))
        ]

    def span(self) -> tuple[int, int] | None:
        """Oldest and newest round_time that is kept so; None where there are none."""
        if not self._is_there:
            return None
        first, last = self._db.execute("SELECT min(round_s), max(round_s) FROM older_rounds").fetchone()
        return None if first is None else (int(first), int(last))

    def prune(self, before_s: int, limit: int) -> int:
        """Drop at most so many of the oldest rounds from before a time, with their signed values 400 days later; how many."""
        if not self._is_there:
            return 0
        with self._db:
            self._db.execute("BEGIN IMMEDIATE")
            dropped = self._drop("older_rounds", "operator, feed, round_s", before_s, limit)
            self._drop("older_checkpoints", "operator, feed, round_s", before_s, limit)
            self._drop("older_agreements", "target, round_s", before_s - _EVIDENCE_KEPT_S, limit)
            if not any(self._db.execute(f"SELECT 1 FROM {t} LIMIT 1").fetchone() for t in _TABLES):  # noqa: S608 - our own names
                for table in _TABLES:
                    self._db.execute(f"DROP TABLE {table}")
                self._is_there = False
        return dropped

    def _drop(self, table: str, key: str, before_s: int, limit: int) -> int:
        sql = f"SELECT {key} FROM {table} WHERE round_s < ? LIMIT ?"  # noqa: S608 - our own names
        rows: list[Any] = self._db.execute(sql, (before_s, limit)).fetchall()
        where = " AND ".join(f"{column} = ?" for column in key.split(", "))
        self._db.executemany(f"DELETE FROM {table} WHERE {where}", rows)  # noqa: S608 - our own names
        return len(rows)
