"""Step 2: packs, roll-ups, and what is kept for good of records and signed values whose time is over.

The conditions of the indexes are those of :mod:`oracle.storage.packer`, word for word, or they are not used.
"""

from __future__ import annotations

import sqlite3

from oracle.storage.migrations.migration import run_script

_TABLES = """
CREATE TABLE packs (
  id INTEGER PRIMARY KEY AUTOINCREMENT, what TEXT NOT NULL, series TEXT NOT NULL, first_s INTEGER NOT NULL,
  last_s INTEGER NOT NULL, body BLOB NOT NULL
);
CREATE INDEX packs_of_series ON packs (what, series, last_s);
CREATE TABLE kept_records (
  feed TEXT NOT NULL, round_s INTEGER NOT NULL, why TEXT NOT NULL, body BLOB NOT NULL, PRIMARY KEY (feed, round_s)
) WITHOUT ROWID;
CREATE TABLE kept_agreements (
  target TEXT NOT NULL, round_s INTEGER NOT NULL, signers BLOB NOT NULL, indexes BLOB NOT NULL, body BLOB NOT NULL,
  sealed BLOB NOT NULL,
  PRIMARY KEY (target, round_s)
) WITHOUT ROWID;
CREATE TABLE roll_ups (
  step_s INTEGER NOT NULL, feed TEXT NOT NULL, start_s INTEGER NOT NULL, body BLOB NOT NULL,
  PRIMARY KEY (step_s, feed, start_s)
);
CREATE INDEX rounds_unpacked ON rounds (operator, feed, round_s) WHERE substr(body, 1, 1) != x'01';
CREATE INDEX records_unpacked ON records (feed, round_s) WHERE substr(body, 1, 1) != x'01';
CREATE INDEX kept_records_unpacked ON kept_records (feed, round_s) WHERE substr(body, 1, 1) != x'01';
CREATE INDEX agreements_unpacked ON agreements (target, round_s) WHERE substr(sealed, 1, 1) != x'01';
CREATE INDEX kept_agreements_unpacked ON kept_agreements (target, round_s) WHERE substr(sealed, 1, 1) != x'01';
"""


def run(connection: sqlite3.Connection) -> None:
    """Make them; what is stored stays as it is, and is packed bit by bit."""
    run_script(connection, _TABLES)
