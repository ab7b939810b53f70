"""Lines of a sign journal about whole epochs: of each kind a key signs one word an epoch. They are few, and are never dropped.

Words of the agreement on an epoch's report are lines too: one of a kind in an attempt, and none of an attempt before the newest one.
"""

from __future__ import annotations

import sqlite3
from enum import IntEnum
from typing import NamedTuple

from feeds.errors import LrtOracleError
from oracle.sign.epoch_words import VoteKind

SCHEMA = """
CREATE TABLE IF NOT EXISTS epochs (
  chain INTEGER NOT NULL, store BLOB NOT NULL, kind INTEGER NOT NULL, epoch INTEGER NOT NULL, hash BLOB NOT NULL,
  PRIMARY KEY (chain, store, kind, epoch)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS epoch_votes (
  chain INTEGER NOT NULL, store BLOB NOT NULL, epoch INTEGER NOT NULL, attempt INTEGER NOT NULL, kind INTEGER NOT NULL,
  content BLOB NOT NULL, PRIMARY KEY (chain, store, epoch, attempt, kind)
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


class VoteLine(NamedTuple):
    """A word of the agreement on an epoch's report that is about to be signed. ``ended_s``: as of `EpochLine`."""

    chain_id: int
    store: bytes
    epoch: int
    attempt: int
    kind: VoteKind
    content: bytes
    ended_s: int


class EpochRefused(LrtOracleError):
    """The key has signed another word of this kind for the epoch, or may have."""

    def __init__(self, line: EpochLine | VoteLine, why: str) -> None:
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
        if held is None:
            _check_floor(line, floor_s)
        self._db.execute("INSERT OR IGNORE INTO epochs VALUES (?, ?, ?, ?, ?)", line[:5])

    def signed(self, chain_id: int, store: bytes, kind: EpochKind, epoch: int) -> bytes | None:
        """Hash of what was signed of an epoch; None where nothing was, as far as is known."""
        return self._held(EpochLine(chain_id, store, kind, epoch, b"", 0))

    # --- votes -------------------------------------------------------------------------------------------------------

    def votes(self, chain_id: int, store: bytes, epoch: int) -> list[tuple[int, VoteKind, bytes]]:
        """Attempt, kind and content of all that was said in the agreement on an epoch's report, the oldest attempt first."""
        sql = "SELECT attempt, kind, content FROM epoch_votes WHERE chain = ? AND store = ? AND epoch = ? ORDER BY attempt, kind"
        return [(int(a), VoteKind(k), bytes(c)) for a, k, c in self._db.execute(sql, (chain_id, store, epoch))]

    def holds_vote(self, line: VoteLine) -> bool:
        """Whether exactly this is there."""
        return (line.attempt, line.kind, line.content) in self.votes(*line[:3])

    def write_vote(self, line: VoteLine, floor_s: int) -> None:
        """Write it; ``floor_s`` as of `write`.

        Raises:
            EpochRefused: another word of the kind is there, one of a later attempt is, or may have been.
        """
        held = self.votes(*line[:3])
        if any((attempt, kind) == (line.attempt, line.kind) for attempt, kind, _ in held):
            raise EpochRefused(line, f"another word of attempt {line.attempt} is already signed")
        if held and held[-1][0] > line.attempt:
            raise EpochRefused(
                line, f"attempt {held[-1][0]} is under way, nothing of attempt {line.attempt} is signed any more"
            )
        _check_floor(line, floor_s)  # beside older lines too: the newest commit, which locks, may be lost
        self._db.execute("INSERT INTO epoch_votes VALUES (?, ?, ?, ?, ?, ?)", line[:6])

    def _held(self, line: EpochLine) -> bytes | None:
        sql = "SELECT hash FROM epochs WHERE chain = ? AND store = ? AND kind = ? AND epoch = ?"
        row = self._db.execute(sql, line[:4]).fetchone()
        return None if row is None else bytes(row[0])


def _check_floor(line: EpochLine | VoteLine, floor_s: int) -> None:
    if line.ended_s <= floor_s:
        why = f"the journal was missing or restored and knows nothing of what was signed up to {floor_s}"
        raise EpochRefused(line, f"{why}, and the epoch ended at {line.ended_s}")
