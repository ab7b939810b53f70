"""The sign journal: a signer writes down what it is about to say, and never says another thing.

One SQLite file for each key, written with full synchronisation before a signature leaves the process. Old lines are
dropped a few at a time, in the transaction that writes a new one; for a place so old that its line may be gone, nothing
is signed any more.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path

from oracle.witness import Told, Witness, WitnessError

_KEPT_S = 2 * 86_400
_FORGOTTEN_AT_ONCE = 8
_BUSY_MS = 1_000
"""So long a write waits for another process that has the journal; rounds wait too. Later it is a refusal, and the next
round tries again."""
_SCHEMA = """
CREATE TABLE IF NOT EXISTS signed (
  chain INTEGER NOT NULL, store BLOB NOT NULL, feed INTEGER NOT NULL, round_s INTEGER NOT NULL, item_hash BLOB NOT NULL,
  PRIMARY KEY (chain, store, feed, round_s)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS owner (address BLOB NOT NULL, mute_until_ms INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS written (writes INTEGER NOT NULL);
"""


class JournalError(RuntimeError):
    """The journal belongs to another key, or can not be written."""


class EquivocationRefused(Exception):
    """The key has already signed something else for this feed and round_time."""

    def __init__(self, feed: int, round_s: int) -> None:
        super().__init__(f"feed {feed} at round_time {round_s} is already signed with other values")
        self.feed = feed
        self.round_s = round_s


class ForgottenRefused(EquivocationRefused):
    """The place is so old that the journal may have dropped what was signed there."""

    def __init__(self, feed: int, round_s: int, newest_s: int) -> None:
        super().__init__(feed, round_s)
        why = f"the journal goes on at {newest_s} and has dropped what is this old; nothing is signed there any more"
        self.args = (f"feed {feed} at round_time {round_s}: {why}",)


class SignJournal:
    """What one key has signed, on disk.

    Args:
        path: the file; its folder must exist.
        address: the key's 20-byte address, bound to the file.
        now_ms: present time.
        mute_ms: how long to stay silent when the file is new but the key is not: the longest time for which
            something that the key may have signed before could still be pushed, plus one round.
        newborn: the key was made together with this journal, so there is nothing that it could have said.
        witness: where how much was said is told too, before each signature; None for none.
    """

    def __init__(
        self,
        path: Path,
        address: bytes,
        *,
        now_ms: int,
        mute_ms: int,
        newborn: bool = False,
        witness: Witness | None = None,
    ) -> None:
        self.path = path
        self._witness = witness
        self.witnessed_s: int | None = None
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
        self._mute_ms = mute_ms
        # mute_ms covers what a store still takes
        self._kept_s = max(_KEPT_S, 2 * mute_ms // 1_000)
        self._db.execute(f"PRAGMA busy_timeout = {_BUSY_MS}")
        self._ask_witness(now_ms)

    @property
    def mute_until_ms(self) -> int:
        """Unix ms until which this key says nothing."""
        return self._mute_until_ms

    def last_round_s(self) -> int:
        """Newest round_time signed, 0 if none."""
        return int(self._db.execute("SELECT coalesce(max(round_s), 0) FROM signed").fetchone()[0])

    def knows(self, chain: int, store: bytes, feed: int, round_s: int) -> bool:
        """Whether something was signed for this place, by any process that writes here, and is not yet dropped."""
        return self._holds((chain, store, feed, round_s))

    def mute(self, until_ms: int) -> None:
        """Stay silent until then: the journal turned out to be older than what the key is known to have signed."""
        self._mute_until_ms = max(self._mute_until_ms, until_ms)
        self._db.execute("UPDATE owner SET mute_until_ms = ?", (self._mute_until_ms,))

    def restored(self, now_ms: int) -> None:
        """Stay silent for the full time from now: the key has said what is not in here."""
        self.mute(now_ms + self._mute_ms)

    def newest_s(self, chain: int, store: bytes) -> int:
        """Newest round_time signed for a store, 0 if none."""
        sql = "SELECT coalesce(max(round_s), 0) FROM signed WHERE chain = ? AND store = ?"
        return int(self._db.execute(sql, (chain, store)).fetchone()[0])

    def set_time(self, now_ms: int, by_ms: int = 0) -> None:
        """Our time is now known, or was set by so much: what is left of the silence moves with it.

        It never lasts longer than from now: a journal that was opened while a clock was days ahead is no longer mute for.
        """
        if self._mute_until_ms <= now_ms - by_ms:
            return
        until_ms = min(self._mute_until_ms + by_ms, now_ms + self._mute_ms)
        if until_ms != self._mute_until_ms:
            self._mute_until_ms = until_ms
            self._db.execute("UPDATE owner SET mute_until_ms = ?", (until_ms,))

    def record(self, chain: int, store: bytes, round_s: int, items: Sequence[tuple[int, bytes]]) -> None:
        """Write (feed index, item hash) pairs of one round, all or none, and return once they are on disk.

        Raises:
            EquivocationRefused: one of them was signed with another hash, or may have been; nothing is written.
            JournalError: the witness could not be told.
        """
        with self._db:  # commits, or rolls back when an exception passes
            self._db.execute("BEGIN IMMEDIATE")
            for feed, item_hash in items:
                oldest_s = self._oldest_s(chain, store, feed)
                if round_s < oldest_s and not self._holds((chain, store, feed, round_s)):
                    raise ForgottenRefused(feed, round_s, oldest_s + self._kept_s)
                self._write((chain, store, feed, round_s), item_hash)
                self._forget(chain, store, feed)
            self._db.execute("UPDATE written SET writes = writes + 1")
        self._tell_witness()

    def _writes(self) -> int:
        return int(self._db.execute("SELECT writes FROM written").fetchone()[0])

    def _ask_witness(self, now_ms: int) -> None:
        """Find out whether this journal is older than what the key has said; then it is mute, and counts on from there."""
        with self._db:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.execute("INSERT INTO written SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM written)")
            told = self._witness.told() if self._witness is not None else None
            if told is not None and told.writes > self._writes():
                self.witnessed_s = told.round_s
                self.restored(now_ms)
                self._db.execute("UPDATE written SET writes = ?", (told.writes,))
        self._tell_witness()

    def _tell_witness(self) -> None:
        """After the journal: the witness never knows of more than was in it."""
        if self._witness is None:
            return
        try:
            self._witness.tell(Told(writes=self._writes(), round_s=self.last_round_s()))
        except WitnessError as e:
            raise JournalError(f"what the witness does not know of is not signed: {e}") from e

    def _oldest_s(self, chain: int, store: bytes, feed: int) -> int:
        """From when on every line of a feed is kept; only what is older than this was ever dropped."""
        sql = "SELECT coalesce(max(round_s), 0) FROM signed WHERE chain = ? AND store = ? AND feed = ?"
        return int(self._db.execute(sql, (chain, store, feed)).fetchone()[0]) - self._kept_s

    def _holds(self, key: tuple[int, bytes, int, int]) -> bool:
        sql = "SELECT 1 FROM signed WHERE chain = ? AND store = ? AND feed = ? AND round_s = ?"
        return self._db.execute(sql, key).fetchone() is not None

    def _forget(self, chain: int, store: bytes, feed: int) -> None:
        """Drop a few of the oldest lines of a feed; its newest is never among them."""
        place = (chain, store, feed)
        self._db.execute(
            "DELETE FROM signed WHERE chain = ? AND store = ? AND feed = ? AND round_s IN (SELECT round_s FROM signed"
            " WHERE chain = ? AND store = ? AND feed = ? AND round_s < ? ORDER BY round_s LIMIT ?)",
            (*place, *place, self._oldest_s(*place), _FORGOTTEN_AT_ONCE),
        )

    def _write(self, key: tuple[int, bytes, int, int], item_hash: bytes) -> None:
        self._db.execute("INSERT OR IGNORE INTO signed VALUES (?, ?, ?, ?, ?)", (*key, item_hash))
        held = self._db.execute(
            "SELECT item_hash FROM signed WHERE chain = ? AND store = ? AND feed = ? AND round_s = ?", key
        ).fetchone()
        if held[0] != item_hash:
            raise EquivocationRefused(key[2], key[3])

    def close(self) -> None:
        """Close the files."""
        self._db.close()
        if self._witness is not None:
            self._witness.close()
