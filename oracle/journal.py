"""The sign journal: a signer writes down what it is about to say, and never says another thing.

One SQLite file for each key, written with full synchronisation before a signature leaves the process.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path

_SCHEMA = """
CREATE TABLE IF NOT EXISTS signed (
  chain INTEGER NOT NULL, store BLOB NOT NULL, feed INTEGER NOT NULL, round_s INTEGER NOT NULL, item_hash BLOB NOT NULL,
  PRIMARY KEY (chain, store, feed, round_s)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS owner (address BLOB NOT NULL, mute_until_ms INTEGER NOT NULL);
"""


class JournalError(RuntimeError):
    """The journal belongs to another key, or can not be written."""


class EquivocationRefused(Exception):
    """The key has already signed something else for this feed and round_time."""

    def __init__(self, feed: int, round_s: int) -> None:
        super().__init__(f"feed {feed} at round_time {round_s} is already signed with other values")
        self.feed = feed
        self.round_s = round_s


class SignJournal:
    """What one key has signed, on disk.

    Args:
        path: the file; its folder must exist.
        address: the key's 20-byte address, bound to the file.
        now_ms: present time.
        mute_ms: how long to stay silent when the file is new but the key is not: the longest time for which
            something that the key may have signed before could still be pushed, plus one round.
        newborn: the key was made together with this journal, so there is nothing that it could have said.
    """

    def __init__(self, path: Path, address: bytes, *, now_ms: int, mute_ms: int, newborn: bool = False) -> None:
        self.path = path
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        self._db.executescript(_SCHEMA)
        row = self._db.execute("SELECT address, mute_until_ms FROM owner").fetchone()
        if row is None:
            row = (address, 0 if newborn else now_ms + mute_ms)
            self._db.execute("INSERT INTO owner VALUES (?, ?)", row)
        if row[0] != address:
            raise JournalError(f"{path} belongs to key 0x{row[0].hex()}, not 0x{address.hex()}: give each key its own")
        self._mute_until_ms: int = row[1]

    @property
    def mute_until_ms(self) -> int:
        """Unix ms until which this key says nothing."""
        return self._mute_until_ms

    def last_round_s(self) -> int:
        """Newest round_time signed, 0 if none."""
        return int(self._db.execute("SELECT coalesce(max(round_s), 0) FROM signed").fetchone()[0])

    def mute(self, until_ms: int) -> None:
        """Stay silent until then: the journal turned out to be older than what the key is known to have signed."""
        self._mute_until_ms = max(self._mute_until_ms, until_ms)
        self._db.execute("UPDATE owner SET mute_until_ms = ?", (self._mute_until_ms,))

    def record(self, chain: int, store: bytes, round_s: int, items: Sequence[tuple[int, bytes]]) -> None:
        """Write (feed index, item hash) pairs of one round, all or none, and return once they are on disk.

        Raises:
            EquivocationRefused: one of them was signed with another hash; nothing is written.
        """
        with self._db:  # commits, or rolls back when an exception passes
            self._db.execute("BEGIN IMMEDIATE")
            for feed, item_hash in items:
                self._write((chain, store, feed, round_s), item_hash)

    def _write(self, key: tuple[int, bytes, int, int], item_hash: bytes) -> None:
        self._db.execute("INSERT OR IGNORE INTO signed VALUES (?, ?, ?, ?, ?)", (*key, item_hash))
        held = self._db.execute(
            "SELECT item_hash FROM signed WHERE chain = ? AND store = ? AND feed = ? AND round_s = ?", key
        ).fetchone()
        if held[0] != item_hash:
            raise EquivocationRefused(key[2], key[3])

    def close(self) -> None:
        """Close the file."""
        self._db.close()
