"""The order in which this process came to know sealed rounds: what is handed on from here, and how far each reader of it has come.

A number that only grows is given to each sealed round when it is stored, those too that were learned late: who goes on after a
number misses nothing. It stays with the round whatever becomes of its row (packing takes rows out and puts them in again), and goes
when the round is dropped or withdrawn.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from oracle.model.canonical_json import dump, parse
from oracle.model.publication import Silent

TABLES = """
CREATE TABLE IF NOT EXISTS outbox (
  sequence INTEGER PRIMARY KEY AUTOINCREMENT, target TEXT NOT NULL, round_s INTEGER NOT NULL,
  silent BLOB NOT NULL DEFAULT '[]', UNIQUE (target, round_s)
);
CREATE TABLE IF NOT EXISTS outbox_readers (name TEXT PRIMARY KEY, sequence INTEGER NOT NULL) WITHOUT ROWID;
INSERT OR IGNORE INTO outbox (target, round_s)
  SELECT target, round_s FROM agreements WHERE NOT EXISTS (SELECT 1 FROM outbox) ORDER BY round_s;
CREATE TRIGGER IF NOT EXISTS outbox_in AFTER INSERT ON agreements
WHEN NOT EXISTS (SELECT 1 FROM outbox WHERE target = NEW.target AND round_s = NEW.round_s) BEGIN
  INSERT INTO outbox (target, round_s) VALUES (NEW.target, NEW.round_s);
END;
"""
_DROP = "DELETE FROM outbox WHERE target = ? AND round_s = ?"
_DROP_LATER = "DELETE FROM outbox WHERE round_s > ?"
_KEEP_SILENT = "UPDATE outbox SET silent = ? WHERE target = ? AND round_s = ?"
_AFTER = "SELECT sequence, round_s, silent FROM outbox WHERE target = ? AND sequence > ? ORDER BY sequence LIMIT ?"
_OF_ROUND = "SELECT sequence FROM outbox WHERE target = ? AND round_s = ?"
_BEFORE_LATER = "SELECT min(sequence) - 1 FROM outbox WHERE target = ? AND round_s > ?"
_NEWEST = "SELECT coalesce(max(sequence), 0) FROM outbox WHERE target = ?"
_WAITING = "SELECT count(*) FROM outbox WHERE target = ? AND sequence > ?"
_FORGET = "DELETE FROM outbox_readers WHERE name = ?"
_MOVE = "INSERT INTO outbox_readers VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET sequence = max(sequence, excluded.sequence)"


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxRow:
    """A sealed round in the order of storing. ``silent``: feeds without a price of that round."""

    sequence: int
    round_time_s: int
    silent: tuple[Silent, ...]


def keep_silent(connection: sqlite3.Connection, target: str, round_s: int, silent: Sequence[Silent]) -> None:
    """Write beside a sealed round, in the transaction that stores it, which feeds it has no price of."""
    if silent:
        connection.execute(_KEEP_SILENT, (dump(tuple(silent)), target, round_s))


def drop_handed_on(connection: sqlite3.Connection, rounds: Iterable[tuple[str, int]]) -> None:
    """Forget the numbers of rounds (target, round_time), in the transaction that drops these."""
    connection.executemany(_DROP, rounds)


def withdraw_handed_on(connection: sqlite3.Connection, after_s: int) -> None:
    """Forget the numbers of all rounds after a round_time, in the transaction that withdraws these: made anew, they are told anew."""
    connection.execute(_DROP_LATER, (after_s,))


class OutboxRows:
    """The sealed rounds of a database in the order of storing."""

    connection: sqlite3.Connection
    _reads: sqlite3.Connection
    _reading: threading.Lock

    def sealed_after(self, target: str, sequence: int, limit: int) -> list[OutboxRow]:
        """Sealed rounds of a target that were stored after the one with this number, in that order."""
        with self._reading:
            rows = self._reads.execute(_AFTER, (target, sequence, limit)).fetchall()
        return [OutboxRow(sequence=r[0], round_time_s=r[1], silent=parse(tuple[Silent, ...], r[2])) for r in rows]

    def sequence_of(self, target: str, round_s: int) -> int:
        """The number after which one goes on who has all up to a round.

        Of a round that is not kept it is the one before the first that was stored of all later rounds.
        """
        with self._reading:
            for sql in (_OF_ROUND, _BEFORE_LATER):
                row = self._reads.execute(sql, (target, round_s)).fetchone()
                if row is not None and row[0] is not None:
                    return int(row[0])
        return self.newest_sequence(target)

    def newest_sequence(self, target: str) -> int:
        """The number of the newest, 0 if there is none."""
        with self._reading:
            return int(self._reads.execute(_NEWEST, (target,)).fetchone()[0])

    def waiting_after(self, target: str, sequence: int) -> int:
        """How many rounds of a target come after a number."""
        with self._reading:
            return int(self._reads.execute(_WAITING, (target, sequence)).fetchone()[0])

    def read_up_to(self, name: str) -> int | None:
        """How far a reader of this process has come; None where it has not begun."""
        row = self.connection.execute("SELECT sequence FROM outbox_readers WHERE name = ?", (name,)).fetchone()
        return None if row is None else int(row[0])

    def forget_reader(self, name: str) -> None:
        """A reader begins anew: what it had is gone."""
        self.connection.execute(_FORGET, (name,))

    def move_reader(self, name: str, sequence: int) -> None:
        """A reader has all up to this number: on disk when this returns."""
        self.connection.execute(_MOVE, (name, sequence))
