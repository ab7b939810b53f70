"""Roll-ups as they are stored: the minutes of an hour in one row, the hours of a day in one."""

from __future__ import annotations

import json
import sqlite3
import zlib
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from oracle.model.roll_up import HOUR_S, MINUTE_S, RollUp, as_numbers, from_numbers, merged

ROW_S: Mapping[int, int] = MappingProxyType({MINUTE_S: HOUR_S, HOUR_S: 86_400})
"""The time that a row holds, by step."""
_SMALLEST = 9


def _body(parts: list[RollUp], start_s: int) -> bytes:
    return zlib.compress(json.dumps(as_numbers(parts, start_s), separators=(",", ":")).encode(), _SMALLEST)


def roll_ups_in(body: bytes, start_s: int) -> list[RollUp]:
    """The roll-ups of a row."""
    return from_numbers(json.loads(zlib.decompress(body)), start_s)


def add_roll_ups(conn: sqlite3.Connection, feed: str, step_s: int, parts: Iterable[RollUp]) -> None:
    """Take parts into what is stored of their steps; in the caller's transaction, and each part once."""
    row_s = ROW_S[step_s]
    by_row: dict[int, list[RollUp]] = {}
    for part in parts:
        by_row.setdefault(part.start_s(row_s), []).append(part)
    for start_s, new in by_row.items():
        _write(conn, feed, step_s, start_s, merged([*stored_row(conn, feed, step_s, start_s), *new], step_s))


def stored_row(conn: sqlite3.Connection, feed: str, step_s: int, start_s: int) -> list[RollUp]:
    """The roll-ups of the row that begins at a time; none where there is no such row."""
    sql = "SELECT body FROM roll_ups WHERE step_s = ? AND feed = ? AND start_s = ?"
    row = conn.execute(sql, (step_s, feed, start_s)).fetchone()
    return [] if row is None else roll_ups_in(row[0], start_s)


def cut_roll_ups(conn: sqlite3.Connection, after_s: int) -> list[tuple[str, int, int, bytes]]:
    """Take out every roll-up with a round after a time, in the caller's transaction.

    One that holds rounds from before as well goes whole: what it would be without the others is not known any more.

    Returns:
        feed, step, start and body of each row as it was.
    """
    rows = []
    for step_s, row_s in ROW_S.items():
        sql = "SELECT feed, start_s, body FROM roll_ups WHERE step_s = ? AND start_s > ?"
        for feed, start_s, body in conn.execute(sql, (step_s, after_s - row_s)).fetchall():
            parts = roll_ups_in(body, start_s)
            good = [p for p in parts if p.last_s <= after_s]
            if len(good) < len(parts):
                rows.append((feed, step_s, start_s, bytes(body)))
                _write(conn, feed, step_s, start_s, good)
    return rows


def _write(conn: sqlite3.Connection, feed: str, step_s: int, start_s: int, parts: list[RollUp]) -> None:
    key = (step_s, feed, start_s)
    if parts:
        conn.execute("REPLACE INTO roll_ups VALUES (?, ?, ?, ?)", (*key, _body(parts, start_s)))
    else:
        conn.execute("DELETE FROM roll_ups WHERE step_s = ? AND feed = ? AND start_s = ?", key)


class RollUpRows:
    """The roll-ups of a database."""

    connection: sqlite3.Connection

    def roll_ups(self, feed: str, since_ms: int, until_ms: int, limit: int) -> list[tuple[int, RollUp]]:
        """Steps in seconds and roll-ups that began in a time range: the newest so many, ascending; both ends included."""
        found: list[tuple[int, RollUp]] = []
        since_s, until_s = -(-since_ms // 1_000), until_ms // 1_000
        for step_s, row_s in ROW_S.items():
            sql = "SELECT start_s, body FROM roll_ups WHERE step_s = ? AND feed = ? AND start_s BETWEEN ? AND ? ORDER BY start_s DESC"
            for start_s, body in self.connection.execute(sql, (step_s, feed, since_s - row_s + 1, until_s)):
                parts = roll_ups_in(body, start_s)
                found += [(step_s, p) for p in reversed(parts) if since_s <= p.start_s(step_s) <= until_s]
                if len(found) >= limit:
                    return found[:limit][::-1]
        return found[:limit][::-1]
