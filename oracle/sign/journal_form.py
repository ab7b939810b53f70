"""The tables of a sign journal, and the number of their form: ``PRAGMA user_version``.

A journal may be shared by processes, and is written by every version of this program that has its key. So a step only adds
what older versions leave alone: whoever opens the file takes the steps that it lacks, in one transaction, and a file of
a later version is refused, for that one may have signed what this one does not look at. 0 is a file of release 0.1.0, 2 has
what a move to another machine leaves behind.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from feeds.errors import LrtOracleError
from oracle.runtime.file_faults import is_damage
from oracle.runtime.private_files import private_file
from oracle.sign.epoch_lines import SCHEMA as EPOCHS

NEWEST = 2
"""The form of a journal that is up to date."""
_IN_MEMORY = ":memory:"
_TABLES = """
CREATE TABLE IF NOT EXISTS signed (
  chain INTEGER NOT NULL, store BLOB NOT NULL, feed INTEGER NOT NULL, round_s INTEGER NOT NULL, item_hash BLOB NOT NULL,
  PRIMARY KEY (chain, store, feed, round_s)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS signed_round ON signed (round_s, chain, store);
CREATE TABLE IF NOT EXISTS owner (address BLOB NOT NULL, mute_until_ms INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS written (writes INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS silence (floor_s INTEGER NOT NULL, sure INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS handover (
  closed_ms INTEGER NOT NULL, moved_to BLOB NOT NULL, ticket BLOB NOT NULL, floor_s INTEGER NOT NULL
);
"""


class JournalError(LrtOracleError, RuntimeError):
    """The journal belongs to another key, or cannot be read or written."""


class JournalSealed(JournalError):
    """The journal's key signs elsewhere now, or the journal waits for what another one knows: nothing is signed with it."""


def open_journal(path: Path) -> sqlite3.Connection:
    """A journal's file, whole and up to date, for its owner's eyes only; made where it is not there.

    Raises:
        JournalError: a later version has written it, or it is damaged.
    """
    if str(path) != _IN_MEMORY:
        private_file(path)
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        _prepare(db, path)
        found = db.execute("PRAGMA quick_check(1)").fetchone()[0]
    except BaseException as e:
        db.close()
        if is_damage(e):
            raise damaged_journal(path, str(e)) from e
        raise
    if found != "ok":
        db.close()
        raise damaged_journal(path, found)
    return db


def form_of(db: sqlite3.Connection) -> int:
    """The number of the form that a file has."""
    return int(db.execute("PRAGMA user_version").fetchone()[0])


def damaged_journal(path: Path, why: str) -> JournalError:
    """What to say of a journal that is not whole."""
    return JournalError(
        f"{path} is damaged ({why}): what its key has signed is not known any more. Move it away, with {path}-wal and"
        f" {path}-shm: a new one keeps the key mute until nothing that it signed before can be pushed, and signs no round from"
        " before. Put no older copy in its place (docs/upgrade.md, A damaged file)"
    )


def _prepare(db: sqlite3.Connection, path: Path) -> None:
    """Make the tables, or add what an older file lacks."""
    form = form_of(db)
    if form > NEWEST:
        raise JournalError(
            f"{path} has form {form}, this version knows forms up to {NEWEST}: a later version has signed with this key. Start"
            " that version; an older copy of the journal would let the key sign two things"
        )
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("PRAGMA synchronous=FULL")
    if form < NEWEST:
        db.executescript(f"BEGIN IMMEDIATE; {_TABLES} {EPOCHS} PRAGMA user_version = {NEWEST}; COMMIT;")
