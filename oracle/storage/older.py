"""Rounds in a form that this version does not read: they stay, byte for byte, and say which version can recompute them."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from oracle.storage.series import series_in

_EVIDENCE_KEPT_S = 400 * 86_400
"""As long as signed values behind a push that landed are kept."""
_SERIES = {
    "older_rounds": ("operator", "feed"),
    "older_checkpoints": ("operator", "feed"),
    "older_agreements": ("target",),
}
"""Each table, and whose rows in it follow each other in time: every look goes along these, for gigabytes may lie there."""
_OF_SERIES = "FROM older_rounds WHERE operator = ? AND feed = ?"
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
        self._is_there = _SERIES.keys() <= names

    def of(self, feed: str, round_s: int) -> list[OlderRound]:
        """Rounds of a feed at a round_time, a line for each operator."""
        if not self._is_there:
            return []
        sql = f"SELECT operator, round_s, {_VERSION} FROM older_rounds WHERE operator = ? AND feed = ? AND round_s = ?"  # noqa: S608 - our own text
        series = series_in(self._db, "older_rounds", _SERIES["older_rounds"])
        rows = [self._db.execute(sql, (*key, round_s)).fetchone() for key in series if key[1] == feed]
        return [OlderRound(operator=r[0], round_time_s=r[1], rules=int(r[2])) for r in rows if r is not None]

    def span(self) -> tuple[int, int] | None:
        """Oldest and newest round_time that is kept so; None where there are none."""
        if not self._is_there:
            return None
        ends = [
            int(self._db.execute(f"SELECT {end}(round_s) {_OF_SERIES}", key).fetchone()[0])
            for key in series_in(self._db, "older_rounds", _SERIES["older_rounds"])
            for end in ("min", "max")
        ]
        return (min(ends), max(ends)) if ends else None

    def prune(self, before_s: int, limit: int) -> int:
        """Drop at most so many of the oldest rounds from before a time, with their signed values 400 days later; how many."""
        if not self._is_there:
            return 0
        with self._db:
            self._db.execute("BEGIN IMMEDIATE")
            dropped = self._drop("older_rounds", before_s, limit)
            self._drop("older_checkpoints", before_s, limit)
            self._drop("older_agreements", before_s - _EVIDENCE_KEPT_S, limit)
            if not any(series_in(self._db, table, key) for table, key in _SERIES.items()):
                for table in _SERIES:
                    self._db.execute(f"DROP TABLE {table}")
                self._is_there = False
        return dropped

    def _drop(self, table: str, before_s: int, limit: int) -> int:
        where = " AND ".join(f"{column} = ?" for column in _SERIES[table])
        sql = (
            f"DELETE FROM {table} WHERE {where} AND round_s IN (SELECT round_s FROM {table} WHERE {where} AND round_s < ?"  # noqa: S608 - our own names
            " ORDER BY round_s LIMIT ?)"
        )
        left = limit
        for key in series_in(self._db, table, _SERIES[table]):
            left -= self._db.execute(sql, (*key, *key, before_s, left)).rowcount
            if left <= 0:
                break
        return limit - left
