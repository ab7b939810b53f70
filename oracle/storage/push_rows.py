"""The push journal: every transaction before it is sent, what became of it, and what was due and not sent."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

from sqlite_utils import Database as SqliteFile

from oracle.model.publication import NotPushed, PushRow, PushState
from oracle.report.wire import split_items

_REFUSALS_KEPT_MS = 30 * 86_400_000


class PushRows:
    """The pushes of a database."""

    connection: sqlite3.Connection
    _file: SqliteFile

    def add_push(self, row: PushRow) -> PushRow:
        """Journal a push before it is broadcast; returns it with its id."""
        values = {f: getattr(row, f) for f in PushRow.__slots__ if f != "id"}
        names, marks = ", ".join(values), ", ".join("?" for _ in values)
        sql = f"INSERT INTO pushes ({names}) VALUES ({marks})"  # noqa: S608 - our own column names
        cursor = self.connection.execute(sql, tuple(values.values()))
        return _push({**values, "id": cursor.lastrowid})

    def update_push(self, push_id: int, **changes: Any) -> None:
        """Write what became of a push."""
        names = ", ".join(f"{k} = ?" for k in changes)
        sql = f"UPDATE pushes SET {names} WHERE id = ?"  # noqa: S608 - our own column names
        self.connection.execute(sql, (*changes.values(), push_id))

    def pushes(
        self, target: str, states: Sequence[PushState] = (), since_s: int = 0, newest: int | None = None
    ) -> list[PushRow]:
        """Pushes of a target in any of these states (all without states), ascending; of many the newest so many."""
        marks = ", ".join("?" for _ in states)
        where = f" AND state IN ({marks})" if states else ""
        sql = f"SELECT * FROM pushes WHERE target = ? AND round_s >= ?{where} ORDER BY id DESC LIMIT ?"  # noqa: S608 - only marks
        rows = self._file.query(sql, (target, since_s, *states, -1 if newest is None else newest))
        return [_push(r) for r in rows][::-1]

    def watched_pushes(self, target: str) -> list[PushRow]:
        """Pushes of a target whose outcome may still change, ascending by nonce, then in the order they were made."""
        sql = "SELECT * FROM pushes WHERE target = ? AND final = 0 ORDER BY nonce, id"
        return [_push(r) for r in self._file.query(sql, (target,))]

    def add_refusal(self, at_ms: int, target: str, round_s: int, items: bytes, why: str, error: str) -> None:
        """Write that a batch was due and not sent, and why."""
        row = (at_ms, target, round_s, items, why, error)
        self.connection.execute("INSERT INTO not_pushed VALUES (?, ?, ?, ?, ?, ?)", row)
        self.connection.execute("DELETE FROM not_pushed WHERE at_ms < ?", (at_ms - _REFUSALS_KEPT_MS,))

    def not_pushed(self, target: str, since_s: int = 0) -> list[NotPushed]:
        """Batches of a target that were due and not sent, ascending."""
        sql = "SELECT * FROM not_pushed WHERE target = ? AND round_s >= ? ORDER BY at_ms"
        return [NotPushed(**r) for r in self._file.query(sql, (target, since_s))]

    def gas_spent(self, target: str, since_ms: int) -> dict[int, int]:
        """Gas that each feed (by index) has cost since a time: a push's gas in equal parts, rounded up."""
        sql = "SELECT items, gas_used FROM pushes WHERE target = ? AND made_ms >= ? AND gas_used IS NOT NULL"
        spent: dict[int, int] = {}
        for items, gas in self.connection.execute(sql, (target, since_ms)):
            indexes = split_items(items)
            for index in indexes:
                spent[index] = spent.get(index, 0) - (-gas // len(indexes))
        return spent


def _push(row: Mapping[str, Any]) -> PushRow:
    return PushRow(**{**row, "state": PushState(row["state"])})
