"""What is kept of epochs' reports: stake at each freeze, who was there, words of an agreement under way, what is being posted, who said two things."""

from __future__ import annotations

import sqlite3

_KEPT_EPOCHS = 64
"""Before the newest; evidence stays for good."""


class RootRows:
    """The reports of a database. Each write returns once it is on disk."""

    connection: sqlite3.Connection

    def save_stakes(self, target: str, epoch: int, capture_s: int, body: bytes) -> None:
        """Stake of an epoch's members at its freeze, which few endpoints can answer for long."""
        with self.connection:
            self.connection.execute("REPLACE INTO epoch_stakes VALUES (?, ?, ?, ?)", (target, epoch, capture_s, body))
            for table in ("epoch_stakes", "epoch_said", "epoch_roots"):
                sql = f"DELETE FROM {table} WHERE target = ? AND epoch < ?"  # noqa: S608 - one of three names
                self.connection.execute(sql, (target, epoch - _KEPT_EPOCHS))

    def stakes_at(self, target: str, epoch: int, capture_s: int) -> bytes | None:
        """What was saved of a freeze; None where nothing was."""
        sql = "SELECT body FROM epoch_stakes WHERE target = ? AND epoch = ? AND capture_s = ?"
        row = self.connection.execute(sql, (target, epoch, capture_s)).fetchone()
        return None if row is None else bytes(row[0])

    def save_said(self, target: str, epoch: int, capture_s: int, said: tuple[int, bytes]) -> None:
        """Rounds and counts that this process is about to say of who was there, before a journal has them: the first for good."""
        with self.connection:
            sql = "INSERT OR IGNORE INTO epoch_said VALUES (?, ?, ?, ?, ?)"
            self.connection.execute(sql, (target, epoch, capture_s, *said))

    def said_of(self, target: str, epoch: int, capture_s: int) -> tuple[int, bytes] | None:
        """What was saved; None where nothing was."""
        sql = "SELECT rounds, counted FROM epoch_said WHERE target = ? AND epoch = ? AND capture_s = ?"
        row = self.connection.execute(sql, (target, epoch, capture_s)).fetchone()
        return None if row is None else (int(row[0]), bytes(row[1]))

    def save_root_words(self, target: str, epoch: int, words: bytes) -> None:
        """What is known of an epoch's report."""
        self._save_root(target, epoch, "words", words)

    def save_posting(self, target: str, epoch: int, raw: bytes) -> None:
        """The transaction that carries it, before it is sent; b"" once nothing is under way."""
        self._save_root(target, epoch, "posting", raw)

    def root_words(self, target: str, epoch: int) -> bytes:
        """What was saved; b"" where nothing was."""
        return self._root(target, epoch, "words")

    def posting(self, target: str, epoch: int) -> bytes:
        """The transaction that was made last; b"" where none is under way."""
        return self._root(target, epoch, "posting")

    def save_epoch_evidence(
        self, target: str, epoch: int, address: bytes, kind: str, text: str, words: tuple[bytes, bytes]
    ) -> bool:
        """Two words of a key about an epoch that do not go together; whether that is new."""
        with self.connection:
            sql = "INSERT OR IGNORE INTO epoch_evidence VALUES (?, ?, ?, ?, ?, ?, ?)"
            return bool(self.connection.execute(sql, (target, epoch, address, kind, text, *words)).rowcount)

    def epoch_evidence(self, target: str, epoch: int) -> list[tuple[bytes, str, str, bytes, bytes]]:
        """Address, kind, text and both words of all that was found of an epoch."""
        sql = "SELECT address, kind, text, first, second FROM epoch_evidence WHERE target = ? AND epoch = ?"
        return [(bytes(a), k, t, bytes(f), bytes(s)) for a, k, t, f, s in self.connection.execute(sql, (target, epoch))]

    def _save_root(self, target: str, epoch: int, column: str, body: bytes) -> None:
        with self.connection:
            self.connection.execute("BEGIN IMMEDIATE")
            self.connection.execute("INSERT OR IGNORE INTO epoch_roots (target, epoch) VALUES (?, ?)", (target, epoch))
            sql = f"UPDATE epoch_roots SET {column} = ? WHERE target = ? AND epoch = ?"  # noqa: S608 - one of two names
            self.connection.execute(sql, (body, target, epoch))

    def _root(self, target: str, epoch: int, column: str) -> bytes:
        sql = f"SELECT {column} FROM epoch_roots WHERE target = ? AND epoch = ?"  # noqa: S608 - one of two names
        row = self.connection.execute(sql, (target, epoch)).fetchone()
        return b"" if row is None else bytes(row[0])
