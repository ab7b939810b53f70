"""The sign journal: a signer writes down what it is about to say, and never says another thing.

One SQLite file for each key, written with full synchronisation before a signature leaves the process. Old lines are
dropped a few at a time, in the transaction that writes a new one; for a place so old that its line may be gone, nothing
is signed any more.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path

from feeds.errors import LrtOracleError
from oracle.sign.journal_witness import JournalWitness, WitnessError, WitnessNote

_MS = 1_000
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
CREATE TABLE IF NOT EXISTS silence (floor_s INTEGER NOT NULL, sure INTEGER NOT NULL);
"""


class JournalError(LrtOracleError, RuntimeError):
    """The journal belongs to another key, or cannot be written."""


class EquivocationRefused(LrtOracleError):
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


class LostRefused(EquivocationRefused):
    """The place is from before the journal was lost or restored: what was signed there is not known any more."""

    def __init__(self, feed: int, round_s: int, floor_s: int) -> None:
        super().__init__(feed, round_s)
        why = f"the journal was missing or restored and knows nothing of what was signed up to {floor_s}"
        self.args = (f"feed {feed} at round_time {round_s}: {why}; nothing is signed there any more",)


class SignJournal:
    """What one key has signed, on disk.

    A journal that was missing or restored is silent for ``mute_ms`` of a time that somebody has confirmed. Until then each
    opening begins the silence anew, so a wrong clock cannot end it; and once it is over nothing is signed for a place from
    before it.

    Args:
        path: the file; its folder must exist.
        address: the key's 20-byte address, bound to the file.
        now_ms: present time.
        mute_ms: how long to stay silent when the file is new but the key is not: the longest time for which
            something that the key may have signed before could still be pushed, plus one round.
        newborn: the key was made together with this journal, so there is nothing that it could have said.
        witness: where how much was said is told too, before each signature; None for none.
        sure: whether somebody has confirmed ``now_ms``; if not, `set_time` says when it is.
    """

    def __init__(
        self,
        path: Path,
        address: bytes,
        *,
        now_ms: int,
        mute_ms: int,
        newborn: bool = False,
        witness: JournalWitness | None = None,
        sure: bool = True,
    ) -> None:
        self.path = path
        self._sure = sure
        self._begins_anew = False
        self._witness = witness
        self.witnessed_s: int | None = None
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        self._db.executescript(_SCHEMA)
        self._mute_until_ms = 0
        self._mute_ms = mute_ms
        self._open(address, now_ms, newborn=newborn)
        # mute_ms covers what a store still takes
        self._kept_s = max(_KEPT_S, 2 * mute_ms // 1_000)
        self._db.execute(f"PRAGMA busy_timeout = {_BUSY_MS}")
        self._ask_witness(now_ms)

    def _open(self, address: bytes, now_ms: int, *, newborn: bool) -> None:
        """Whose it is, and whether it has to be silent: all or nothing, a crash leaves no journal that forgot that it was new."""
        with self._db:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.execute("INSERT INTO silence SELECT 0, 1 WHERE NOT EXISTS (SELECT 1 FROM silence)")
            row = self._db.execute("SELECT address, mute_until_ms FROM owner").fetchone()
            if row is None:
                self._db.execute("INSERT INTO owner VALUES (?, 0)", (address,))
            elif row[0] != address:
                whose = f"0x{row[0].hex()}, not 0x{address.hex()}"
                raise JournalError(f"{self.path} belongs to key {whose}: give each key its own")
            else:
                self._mute_until_ms = row[1]
            if not self._silence()[1] or (row is None and not newborn):
                self.restored(now_ms)

    @property
    def mute_until_ms(self) -> int:
        """Unix ms until which this key says nothing, by the time that the process had when it was set."""
        return self._mute_until_ms

    def silent_ms(self, now_ms: int) -> int:
        """How long this key still says nothing, at least; 0 if it may speak."""
        if self._begins_anew:
            self.restored(now_ms)
        rest_ms = max(self._mute_until_ms - now_ms, 0)
        return rest_ms if self._silence()[1] else max(rest_ms, 1)

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

    def restored(self, now_ms: int, signed_s: int = 0) -> None:
        """Stay silent for the full time from now: the key has said what is not in here.

        Args:
            now_ms: present time.
            signed_s: the newest round_time that it is known to have signed.
        """
        self._begins_anew = False
        until_ms = now_ms + self._mute_ms
        if self._sure:
            self._be_silent(max(self._mute_until_ms, until_ms), max(signed_s, now_ms // _MS), sure=True)
        else:
            self._be_silent(until_ms, signed_s, sure=False)

    def newest_s(self, chain: int, store: bytes) -> int:
        """Newest round_time signed for a store, 0 if none."""
        sql = "SELECT coalesce(max(round_s), 0) FROM signed WHERE chain = ? AND store = ?"
        return int(self._db.execute(sql, (chain, store)).fetchone()[0])

    def set_time(self, now_ms: int, by_ms: int = 0) -> None:
        """Our time is now known, or was set by so much: what is left of the silence moves with it.

        It never lasts longer than from now: a journal that was opened while a clock was days ahead is no longer mute for.
        One of a time that is known lasts no less because our time was ahead of it.
        """
        self._sure = True
        if self._begins_anew:
            self.restored(now_ms)
        elif not self._silence()[1]:
            until_ms = min(self._mute_until_ms + by_ms, now_ms + self._mute_ms)
            self._be_silent(until_ms, (until_ms - self._mute_ms) // _MS, sure=True)
        elif self._mute_until_ms > now_ms - by_ms:
            until_ms = min(self._mute_until_ms + max(by_ms, 0), now_ms + self._mute_ms)
            self._be_silent(until_ms, 0, sure=True)

    def _silence(self) -> tuple[int, bool]:
        """Up to which round_time nothing is signed any more, and whether the silence is of a time that somebody confirmed."""
        floor_s, sure = self._db.execute("SELECT floor_s, sure FROM silence").fetchone()
        return int(floor_s), bool(sure)

    def _be_silent(self, until_ms: int, floor_s: int, *, sure: bool) -> None:
        self._mute_until_ms = until_ms
        self._db.execute("UPDATE owner SET mute_until_ms = ?", (until_ms,))
        self._db.execute("UPDATE silence SET floor_s = max(floor_s, ?), sure = ?", (floor_s, sure))

    def record(self, chain: int, store: bytes, round_s: int, items: Sequence[tuple[int, bytes]]) -> None:
        """Write (feed index, item hash) pairs of one round, all or none, and return once they are on disk.

        Raises:
            EquivocationRefused: one of them was signed with another hash, or may have been; nothing is written.
            JournalError: the witness could not be told, or knows of more than is in here; nothing may be signed.
        """
        with self._db:  # commits, or rolls back when an exception passes
            self._db.execute("BEGIN IMMEDIATE")
            told = self._told_more()
            if told is None:
                for feed, item_hash in items:
                    self._admit((chain, store, feed, round_s))
                    self._write((chain, store, feed, round_s), item_hash)
                    self._forget(chain, store, feed)
                self._db.execute("UPDATE written SET writes = writes + 1")
            else:
                self._count_on(told)
        if told is not None:
            raise JournalError(
                f"{self.path} was restored while it was in use: its witness knows of more; silent for a while"
            )
        self._tell_witness()

    def _admit(self, key: tuple[int, bytes, int, int]) -> None:
        """Refuse a place of which it is not known any more what was signed there."""
        chain, store, feed, round_s = key
        oldest_s, floor_s = self._oldest_s(chain, store, feed), self._silence()[0]
        if (round_s >= oldest_s and round_s > floor_s) or self._holds(key):
            return
        if round_s < oldest_s:
            raise ForgottenRefused(feed, round_s, oldest_s + self._kept_s)
        raise LostRefused(feed, round_s, floor_s)

    def _told_more(self) -> WitnessNote | None:
        """What the witness says, if that is more than is in here; it is told after the journal, so then it was restored."""
        try:
            told = self._witness.told() if self._witness is not None else None
        except WitnessError as e:
            raise JournalError(f"what the witness does not know of is not signed: {e}") from e
        return told if told is not None and told.writes > self._writes() else None

    def _count_on(self, told: WitnessNote) -> None:
        """Go on from where the witness is, silent: at once, and for the full time from when the time is asked for."""
        self._begins_anew = True
        self._db.execute("UPDATE written SET writes = ?", (told.writes,))
        self._db.execute("UPDATE silence SET floor_s = max(floor_s, ?), sure = 0", (told.round_s,))

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
                self._count_on(told)
                self.restored(now_ms, told.round_s)
        self._tell_witness()

    def _tell_witness(self) -> None:
        """After the journal: the witness never knows of more than was in it."""
        if self._witness is None:
            return
        try:
            self._witness.tell(WitnessNote(writes=self._writes(), round_s=self.last_round_s()))
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
