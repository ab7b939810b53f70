"""Step 1: the tables, or those of release 0.1.0 with what came after it.

Rounds, states before rounds and signed values that other rules than 9 have made are in forms that are not read any more: their
tables are set aside under other names, byte for byte. Records and pushes are read as they are; of each feed's last state
is carried over what can be (:mod:`oracle.storage.carried`).
"""

from __future__ import annotations

import sqlite3

from oracle.storage.migrations.migration import columns, run_script

_ROUNDS = """
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
CREATE INDEX IF NOT EXISTS agreements_round ON agreements (round_s);
CREATE TABLE IF NOT EXISTS evidence (
  round_s INTEGER NOT NULL, target TEXT NOT NULL, address BLOB NOT NULL, kind TEXT NOT NULL, text TEXT NOT NULL,
  first BLOB NOT NULL, second BLOB NOT NULL, PRIMARY KEY (round_s, target, address, kind)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS evidence_of_member ON evidence (target, address, kind, round_s);
CREATE TABLE IF NOT EXISTS announcements (
  address BLOB PRIMARY KEY, counter INTEGER NOT NULL, body BLOB NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS transitions (at_ms INTEGER NOT NULL, feed TEXT NOT NULL, body BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS withdrawals (
  id INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, after_s INTEGER NOT NULL, why TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS withdrawn (
  withdrawal INTEGER NOT NULL, what TEXT NOT NULL, operator TEXT NOT NULL, feed TEXT NOT NULL, round_s INTEGER NOT NULL,
  kind TEXT NOT NULL, body BLOB NOT NULL, signers BLOB, indexes BLOB, sealed BLOB
);
CREATE INDEX IF NOT EXISTS withdrawn_round ON withdrawn (feed, what, round_s);
CREATE TABLE IF NOT EXISTS attended (
  target TEXT NOT NULL, epoch INTEGER NOT NULL, round_s INTEGER NOT NULL, signed BLOB NOT NULL,
  PRIMARY KEY (target, epoch, round_s)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS epoch_stakes (
  target TEXT NOT NULL, epoch INTEGER NOT NULL, capture_s INTEGER NOT NULL, body BLOB NOT NULL,
  PRIMARY KEY (target, epoch, capture_s)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS epoch_said (
  target TEXT NOT NULL, epoch INTEGER NOT NULL, capture_s INTEGER NOT NULL, rounds INTEGER NOT NULL, counted BLOB NOT NULL,
  PRIMARY KEY (target, epoch, capture_s)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS epoch_roots (
  target TEXT NOT NULL, epoch INTEGER NOT NULL, words BLOB NOT NULL DEFAULT x'', posting BLOB NOT NULL DEFAULT x'',
  PRIMARY KEY (target, epoch)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS epoch_evidence (
  target TEXT NOT NULL, epoch INTEGER NOT NULL, address BLOB NOT NULL, kind TEXT NOT NULL, text TEXT NOT NULL,
  first BLOB NOT NULL, second BLOB NOT NULL, PRIMARY KEY (target, epoch, address, kind)
) WITHOUT ROWID;
"""
_PUSHES = """
CREATE TABLE IF NOT EXISTS pushes (
  id INTEGER PRIMARY KEY, target TEXT NOT NULL, chain_id INTEGER NOT NULL, round_s INTEGER NOT NULL, items BLOB NOT NULL,
  nonce INTEGER NOT NULL, tx_hash TEXT NOT NULL, raw BLOB NOT NULL, state TEXT NOT NULL, made_ms INTEGER NOT NULL,
  landed_ms INTEGER, block INTEGER, block_hash TEXT, gas_used INTEGER, note TEXT, signers TEXT NOT NULL DEFAULT '',
  why TEXT NOT NULL DEFAULT '', final INTEGER NOT NULL DEFAULT 0, taken INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS pushes_open ON pushes (target, state);
CREATE INDEX IF NOT EXISTS pushes_landed ON pushes (target, round_s) WHERE state = 'landed';
CREATE INDEX IF NOT EXISTS pushes_made ON pushes (target, made_ms);
CREATE TABLE IF NOT EXISTS not_pushed (
  at_ms INTEGER NOT NULL, target TEXT NOT NULL, round_s INTEGER NOT NULL, items BLOB NOT NULL, why TEXT NOT NULL,
  error TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS not_pushed_at ON not_pushed (at_ms);
"""
_WATCHED = "CREATE INDEX IF NOT EXISTS pushes_watched ON pushes (target) WHERE final = 0"
_WATCH = """
CREATE TABLE IF NOT EXISTS watch_words (
  chain_id INTEGER NOT NULL, store BLOB NOT NULL, round_s INTEGER NOT NULL, key BLOB NOT NULL, kind INTEGER NOT NULL,
  step INTEGER NOT NULL, epoch INTEGER NOT NULL, items BLOB NOT NULL, signature BLOB NOT NULL,
  PRIMARY KEY (round_s, chain_id, store, key, kind, step, epoch, items)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS watch_items (hash BLOB PRIMARY KEY, round_s INTEGER NOT NULL, items BLOB NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS watch_items_of_round ON watch_items (round_s);
CREATE TABLE IF NOT EXISTS contradictions (
  id BLOB PRIMARY KEY, chain_id INTEGER NOT NULL, store BLOB NOT NULL, operator BLOB NOT NULL, round_s INTEGER NOT NULL,
  token INTEGER NOT NULL, first_key BLOB NOT NULL, first_kind INTEGER NOT NULL, first_step INTEGER NOT NULL,
  first_batch BLOB NOT NULL, first_signature BLOB NOT NULL, second_key BLOB NOT NULL, second_kind INTEGER NOT NULL,
  second_step INTEGER NOT NULL, second_batch BLOB NOT NULL, second_signature BLOB NOT NULL,
  state TEXT NOT NULL, note TEXT NOT NULL, found_ms INTEGER NOT NULL, found_block INTEGER, landed_block INTEGER,
  prover BLOB NOT NULL, tx_hash TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS proofs (
  id INTEGER PRIMARY KEY, evidence BLOB NOT NULL, nonce INTEGER NOT NULL, tx_hash TEXT NOT NULL, raw BLOB NOT NULL,
  block INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS watched_blocks (
  chain_id INTEGER NOT NULL, store BLOB NOT NULL, block INTEGER NOT NULL, hash TEXT NOT NULL,
  PRIMARY KEY (chain_id, store)
) WITHOUT ROWID;
"""
_RULES = 9
"""Whose rounds the tables hold."""
_SET_ASIDE = ("rounds", "checkpoints", "agreements")
_NUMBER = "INTEGER NOT NULL DEFAULT 0"
_ADDED = (
    ("pushes", "why", "TEXT NOT NULL DEFAULT ''", ""),
    ("pushes", "final", _NUMBER, "UPDATE pushes SET final = 1 WHERE state NOT IN ('prepared', 'sent')"),
    ("pushes", "taken", _NUMBER, "UPDATE pushes SET taken = 1 WHERE state NOT IN ('prepared', 'refused')"),
)
"""Columns that an older file lacks: table, name, type, and what fills it for the rows that are there."""


def run(connection: sqlite3.Connection) -> None:
    """Make what is not there yet."""
    if _is_of_older_rules(connection):
        connection.execute("DROP INDEX IF EXISTS agreements_round")
        for table in _SET_ASIDE:
            connection.execute(f"ALTER TABLE {table} RENAME TO older_{table}")
    run_script(connection, _ROUNDS + _PUSHES + _WATCH)
    for table, name, kind, fill in _ADDED:
        if name not in columns(connection, table):
            connection.execute(f"ALTER TABLE {table} ADD COLUMN {name} {kind}")
            if fill:
                connection.execute(fill)
    connection.execute(_WATCHED)


def _is_of_older_rules(connection: sqlite3.Connection) -> bool:
    """Whether any state says so; a file without states has no rounds either."""
    if not columns(connection, "states"):
        return False
    sql = "SELECT 1 FROM states WHERE json_extract(CAST(body AS TEXT), '$.version') < ? LIMIT 1"
    return connection.execute(sql, (_RULES,)).fetchone() is not None
