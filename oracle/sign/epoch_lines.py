"""Lines of a sign journal about whole epochs: of each kind a key signs one word an epoch. They are few, and are never dropped."""

from __future__ import annotations

import sqlite3
from enum import IntEnum
from typing import NamedTuple

from feeds.errors import LrtOracleError

SCHEMA = """
CREATE TABLE IF NOT EXISTS epochs (
  chain INTEGER NOT NULL, store BLOB NOT NULL, kind INTEGER NOT NULL, epoch INTEGER NOT NULL, hash BLOB NOT NULL,
  PRIMARY KEY (chain, store, kind, epoch)
) WITHOUT ROWID;
"""


class EpochKind(IntEnum):
    """What a key says of an epoch that has ended. Never renumbered: these are in files."""

    ATTENDED = 1
    REWARDS = 2

    @property
    def text(self) -> str:
        """In words."""
        return {EpochKind.ATTENDED: "who was there", EpochKind.REWARDS: "its rewards"}[self]


class EpochLine(NamedTuple):
    """What is about to be signed of an epoch. ``ended_s``: when the epoch ended, Unix s: nothing of it was signed before."""

    chain_id: int
    store: bytes
    kind: EpochKind
    epoch: int
    content_hash: bytes
    ended_s: int


class EpochRefused(LrtOracleError):
    """The key has signed another word of this kind for the epoch, or may have."""

    def __init__(self, line: EpochLine, why: str) -> None:
        super().__init__(f"epoch {line.epoch}, {line.kind.text}: {why}")
        self.line = line


class EpochLines:
    """The lines of one journal, in its own transactions.

    Args:
        db: the journal's.
    """

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def holds(self, line: EpochLine) -> bool:
        """Whether exactly this is there."""
        return self._held(line) == line.content_hash

    def write(self, line: EpochLine, floor_s: int) -> None:
        """Write it. ``floor_s``: what was signed up to then is not known any more, for the journal was lost or restored.

        Raises:
            EpochRefused: another word is there, or may have been.
        """
        held = self._held(line)
        if held is not None and held != line.content_hash:
            raise EpochRefused(line, "another word of it is already signed")
        if held is None and line.ended_s <= floor_s:
            why = f"the journal was missing or restored and knows nothing of what was signed up to {floor_s}"
            raise EpochRefused(line, f"{why}, and the epoch ended at {line.ended_s}")
        self._db.execute("INSERT OR IGNORE INTO epochs VALUES (?, ?, ?, ?, ?)", line[:5])

    def _held(self, line: EpochLine) -> bytes | None:
        sql = "SELECT hash FROM epochs WHERE chain = ? AND store = ? AND kind = ? AND epoch = ?"
        row = self._db.execute(sql, line[:4]).fetchone()
        return None if row is None else bytes(row[0])
