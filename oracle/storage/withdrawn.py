"""Rounds that were stored under a time that was not true. They are kept apart, whole, and count for nothing."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from oracle.model.publication import OPEN, PushState
from oracle.storage.outbox_rows import withdraw_handed_on
from oracle.storage.packs import Packs
from oracle.storage.roll_up_rows import cut_roll_ups

_MOVES = (
    ("rounds", "'round', operator, feed, round_s, kind, body, NULL, NULL, NULL", "round_s > ?"),
    ("checkpoints", "'checkpoint', operator, feed, round_s, '', body, NULL, NULL, NULL", "round_s > ?"),
    ("records", "'record', '', feed, round_s, '', body, NULL, NULL, NULL", "round_s > ?"),
    ("kept_records", "'record', '', feed, round_s, '', body, NULL, NULL, NULL", "round_s > ?"),
    ("agreements", "'agreement', target, '', round_s, '', body, signers, indexes, sealed", "round_s > ?"),
    ("kept_agreements", "'agreement', target, '', round_s, '', body, signers, indexes, sealed", "round_s > ?"),
    ("transitions", "'transition', '', feed, at_ms / 1000, '', body, NULL, NULL, NULL", "at_ms >= 1000 * ?"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Rounds of one operator and feed that would be withdrawn."""

    operator: str
    feed: str
    first_s: int
    last_s: int
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdrawal:
    """All rounds after a round_time were withdrawn, at a time in Unix ms."""

    id: int
    at_ms: int
    after_s: int
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRow:
    """A row as it was stored."""

    operator: str
    round_s: int
    kind: str
    body: bytes


class Withdrawn:
    """The rows of a database that were withdrawn, and how rows get there.

    Args:
        conn: the database, in autocommit mode.
        packs: its packs.
    """

    def __init__(self, conn: sqlite3.Connection, packs: Packs) -> None:
        self._conn, self._packs = conn, packs

    def spans(self, after_s: int) -> list[Span]:
        """The rounds that are stored after a round_time."""
        sql = (
            "SELECT operator, feed, min(round_s), max(round_s), count(*) FROM rounds WHERE round_s > ?"
            " GROUP BY operator, feed ORDER BY operator, feed"
        )
        rows = self._conn.execute(sql, (after_s,))
        return [Span(operator=r[0], feed=r[1], first_s=r[2], last_s=r[3], count=r[4]) for r in rows]

    def first_s(self) -> int:
        """Oldest round_time stored, 0 if none."""
        return int(self._conn.execute("SELECT coalesce(min(round_s), 0) FROM rounds").fetchone()[0])

    def pushes(self, after_s: int) -> list[tuple[str, int, PushState]]:
        """(target, round_time, state) of pushes of rounds after a round_time."""
        sql = "SELECT target, round_s, state FROM pushes WHERE round_s > ? ORDER BY id"
        return [(r[0], r[1], PushState(r[2])) for r in self._conn.execute(sql, (after_s,))]

    def withdraw(self, after_s: int, at_ms: int, why: str, states: Mapping[tuple[str, str], tuple[int, bytes]]) -> int:
        """Move everything of rounds after a round_time out of the way, in one transaction; returns the withdrawal's id.

        Args:
            after_s: the last round that is good.
            at_ms: now.
            why: the reason, kept with them.
            states: by operator and feed, how many rounds are left and the state after the last of them.
        """
        first = self._conn.execute("SELECT min(round_s) FROM rounds WHERE round_s > ?", (after_s,)).fetchone()[0]
        with self._conn:
            self._conn.execute("BEGIN IMMEDIATE")
            sql = "INSERT INTO withdrawals (at_ms, after_s, why) VALUES (?, ?, ?)"
            withdrawal = int(self._conn.execute(sql, (at_ms, after_s, why)).lastrowid or 0)
            for table, columns, where in _MOVES:
                bound = first if table == "transitions" else after_s
                self._move(withdrawal, table, columns, where, bound)
            withdraw_handed_on(self._conn, after_s)
            self._conn.executemany(
                "INSERT INTO withdrawn VALUES (?, 'roll-up', '', ?, ?, ?, ?, NULL, NULL, NULL)",
                [
                    (withdrawal, feed, start_s, str(step_s), body)
                    for feed, step_s, start_s, body in cut_roll_ups(self._conn, after_s)
                ],
            )
            self._conn.executemany(
                "REPLACE INTO states VALUES (?, ?, ?, ?)", [(*key, *state) for key, state in states.items()]
            )
            note = f"its round was withdrawn: {why}"
            marks = ", ".join("?" for _ in OPEN)
            sql = f"UPDATE pushes SET state = ?, note = ? WHERE round_s > ? AND state IN ({marks})"  # noqa: S608 - only marks
            self._conn.execute(sql, (PushState.EXPIRED, note, after_s, *OPEN))
        return withdrawal

    def of(self, feed: str, round_s: int) -> list[Withdrawal]:
        """Withdrawals that hold a round of a feed, ascending."""
        sql = (
            "SELECT DISTINCT w.id, w.at_ms, w.after_s, w.why FROM withdrawn r JOIN withdrawals w ON w.id = r.withdrawal"
            " WHERE r.feed = ? AND r.what IN ('round', 'record') AND r.round_s = ? ORDER BY w.id"
        )
        return [
            Withdrawal(id=r[0], at_ms=r[1], after_s=r[2], why=r[3]) for r in self._conn.execute(sql, (feed, round_s))
        ]

    def records(self, feed: str, first_s: int, last_s: int) -> list[tuple[Withdrawal, bytes]]:
        """Published records that were withdrawn, ascending; both ends included."""
        sql = (
            "SELECT w.id, w.at_ms, w.after_s, w.why, r.body FROM withdrawn r JOIN withdrawals w ON w.id = r.withdrawal"
            " WHERE r.feed = ? AND r.what = 'record' AND r.round_s BETWEEN ? AND ? ORDER BY r.round_s, w.id"
        )
        rows = self._conn.execute(sql, (feed, first_s, last_s))
        return [(Withdrawal(id=r[0], at_ms=r[1], after_s=r[2], why=r[3]), self._packs.plain(r[4])) for r in rows]

    def rows(self, what: str, feed: str, until_s: int, withdrawal: int | None = None) -> Iterator[StoredRow]:
        """Rounds or checkpoints of a feed up to a round_time, of one withdrawal or of all."""
        sql = (
            "SELECT operator, round_s, kind, body FROM withdrawn WHERE feed = ? AND what = ? AND round_s <= ?"
            " AND withdrawal = coalesce(?, withdrawal) ORDER BY round_s"
        )
        for r in self._conn.execute(sql, (feed, what, until_s, withdrawal)):
            yield StoredRow(operator=r[0], round_s=r[1], kind=r[2], body=self._packs.plain(r[3]))

    def _move(self, withdrawal: int, table: str, columns: str, where: str, bound: int | None) -> None:
        if bound is None:
            return
        self._conn.execute(f"INSERT INTO withdrawn SELECT ?, {columns} FROM {table} WHERE {where}", (withdrawal, bound))  # noqa: S608 - our own text
        self._conn.execute(f"DELETE FROM {table} WHERE {where}", (bound,))  # noqa: S608 - our own text
