"""Lines of a sign journal about rounds: a hash for each place, the newest ones of each feed."""

from __future__ import annotations

import sqlite3
from typing import NamedTuple

_DROPPED_AT_ONCE = 8


class JournalPlace(NamedTuple):
    """What a key signs once: one round of one feed of a store. ``feed`` is the store's index, ``round_s`` a round_time.

    Above all indexes are the certificates of rounds, see Operator.request_seal.
    """

    chain_id: int
    store: bytes
    feed: int
    round_s: int


class RoundLines:
    """The lines of one journal, in its own transactions.

    Args:
        db: the journal's.
    """

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def held(self, place: JournalPlace) -> bytes | None:
        """What was signed there."""
        sql = "SELECT item_hash FROM signed WHERE chain = ? AND store = ? AND feed = ? AND round_s = ?"
        row = self._db.execute(sql, place).fetchone()
        return None if row is None else bytes(row[0])

    def has(self, place: JournalPlace) -> bool:
        """Whether anything was."""
        return self.held(place) is not None

    def oldest_s(self, place: JournalPlace, kept_s: int) -> int:
        """From when on every line of a feed is kept; only what is older than this was ever dropped."""
        sql = "SELECT coalesce(max(round_s), 0) FROM signed WHERE chain = ? AND store = ? AND feed = ?"
        return int(self._db.execute(sql, place[:3]).fetchone()[0]) - kept_s

    def drop_old(self, place: JournalPlace, kept_s: int) -> None:
        """Drop a few of the oldest lines of a feed; its newest is never among them."""
        feed = place[:3]
        self._db.execute(
            "DELETE FROM signed WHERE chain = ? AND store = ? AND feed = ? AND round_s IN (SELECT round_s FROM signed"
            " WHERE chain = ? AND store = ? AND feed = ? AND round_s < ? ORDER BY round_s LIMIT ?)",
            (*feed, *feed, self.oldest_s(place, kept_s), _DROPPED_AT_ONCE),
        )
