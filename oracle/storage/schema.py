"""The tables of a database, and how an older one gets what was added to them since."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

from oracle.model.spec import RULES_VERSION
from oracle.storage.attended_rows import TABLE as ATTENDED
from oracle.storage.errors import OtherRules
from oracle.storage.outbox_rows import TABLES as OUTBOX
from oracle.storage.prune import INDEXES
from oracle.storage.root_rows import TABLES as ROOTS
from oracle.storage.withdrawn import TABLES

_SCHEMA = """
CREATE TABLE IF NOT EXISTS specs (hash TEXT PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS rounds (
  operator TEXT NOT NULL, feed TEXT NOT NULL, round_s INTEGER NOT NULL, kind TEXT NOT NULL, body BLOB NOT NULL,
  orphaned TEXT, PRIMARY KEY (operator, feed, round_s)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS states (
  operator TEXT NOT NULL, feed TEXT NOT NULL, rounds INTEGER NOT NULL, body BLOB NOT NULL, PRIMARY KEY (operator, feed)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS checkpoints (
  operator TEXT NOT NULL, feed TEXT NOT NULL, round_s INTEGER NOT NULL, body BLOB NOT NULL,
  PRIMARY KEY (operator, feed, round_s)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS records (
  feed TEXT NOT NULL, round_s INTEGER NOT NULL, body BLOB NOT NULL, PRIMARY KEY (feed, round_s)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS agreements (
  target TEXT NOT NULL, round_s INTEGER NOT NULL, signers BLOB NOT NULL, indexes BLOB NOT NULL, body BLOB NOT NULL,
  sealed BLOB NOT NULL,
  PRIMARY KEY (target, round_s)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS evidence (
  round_s INTEGER NOT NULL, target TEXT NOT NULL, address BLOB NOT NULL, kind TEXT NOT NULL, text TEXT NOT NULL,
  first BLOB NOT NULL, second BLOB NOT NULL, PRIMARY KEY (round_s, target, address, kind)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS evidence_of_member ON evidence (target, address, kind, round_s);
CREATE TABLE IF NOT EXISTS announcements (
  address BLOB PRIMARY KEY, counter INTEGER NOT NULL, body BLOB NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS transitions (at_ms INTEGER NOT NULL, feed TEXT NOT NULL, body BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS pushes (
  id INTEGER PRIMARY KEY, target TEXT NOT NULL, chain_id INTEGER NOT NULL, round_s INTEGER NOT NULL, items BLOB NOT NULL,
  nonce INTEGER NOT NULL, tx_hash TEXT NOT NULL, raw BLOB NOT NULL, state TEXT NOT NULL, made_ms INTEGER NOT NULL,
  landed_ms INTEGER, block INTEGER, block_hash TEXT, gas_used INTEGER, note TEXT, signers TEXT NOT NULL DEFAULT '',
  why TEXT NOT NULL DEFAULT '', final INTEGER NOT NULL DEFAULT 0,
  taken INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS pushes_open ON pushes (target, state);
CREATE TABLE IF NOT EXISTS not_pushed (
  at_ms INTEGER NOT NULL, target TEXT NOT NULL, round_s INTEGER NOT NULL, items BLOB NOT NULL, why TEXT NOT NULL,
  error TEXT NOT NULL
);
"""
_WATCHED = "CREATE INDEX IF NOT EXISTS pushes_watched ON pushes (target) WHERE final = 0"
_NUMBER = "INTEGER NOT NULL DEFAULT 0"
_ADDED = (
    ("why", "TEXT NOT NULL DEFAULT ''", ""),
    ("final", _NUMBER, "UPDATE pushes SET final = 1 WHERE state NOT IN ('prepared', 'sent')"),
    ("taken", _NUMBER, "UPDATE pushes SET taken = 1 WHERE state NOT IN ('prepared', 'refused')"),
)
"""Columns of pushes that an older database lacks: name, type, and what fills it for the rows that are there."""


def prepare(connection: sqlite3.Connection, path: Path | str) -> None:
    """Make the tables, or bring those of an older version up to date.

    Raises:
        OtherRules: its rounds were made by other rules.
    """
    connection.isolation_level = None
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.executescript(_SCHEMA + INDEXES + TABLES + ATTENDED + ROOTS + OUTBOX)
    _check_rules(connection, path)
    _add_push_columns(connection)
    connection.execute(_WATCHED)


def _check_rules(connection: sqlite3.Connection, path: Path | str) -> None:
    row = connection.execute("SELECT body FROM states LIMIT 1").fetchone()
    stored = json.loads(row[0]).get("version") if row else RULES_VERSION
    if stored != RULES_VERSION:
        raise OtherRules(
            f"{path} holds rounds made by rules {stored}, this version makes rules {RULES_VERSION} and cannot go on from"
            " them: name another file in oracle.database. The journals stay as they are; the old file can be read by the"
            " version that wrote it"
        )


def _add_push_columns(connection: sqlite3.Connection) -> None:
    known = {r[1] for r in connection.execute("PRAGMA table_info(pushes)")}
    for name, kind, fill in _ADDED:
        if name not in known:
            connection.execute(f"ALTER TABLE pushes ADD COLUMN {name} {kind}")
            if fill:
                connection.execute(fill)
