"""Keep: every round with its inputs, the agreed records, the pushes. SQLite, WAL, durable before anything is sent."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from sqlite_utils import Database as SqliteFile

from feeds.errors import LrtOracleError
from oracle.model.canonical_json import digest, dump, parse
from oracle.model.publication import NotPushed, PushRow, Record, Transition
from oracle.model.spec import RULES_VERSION, FeedSpec
from oracle.model.state import FeedState
from oracle.model.types import Abstained, FeedRound, FoldedFeed, Published, Result
from oracle.report.compose import published_after_record
from oracle.report.wire import split_items
from oracle.runtime.schedule import Fatal
from oracle.sign.messages import Agreement, SignedValues, SignerSet
from oracle.storage.prune import INDEXES, Pruner
from oracle.storage.withdrawn import TABLES, Withdrawn

CHECKPOINT_EVERY = 1_000
_REFUSALS_KEPT_MS = 30 * 86_400_000
_PRUNED_AT_ONCE = 5_000
_PRUNED_A_ROUND = 250
_QUIET_ROUNDS = 60
"""So many rounds of a feed without a read of a chain, and it is not asked further back for one."""
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
  PRIMARY KEY (target, round_s)
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


class DatabaseError(LrtOracleError, RuntimeError):
    """The database cannot be used as it is."""


class OtherRules(DatabaseError):
    """The database was written by a version whose rules are other ones."""


class AnotherWriter(DatabaseError, Fatal):
    """A round is stored that this process did not make."""


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """Rounds are made one after the other, so a row that is there already was written by somebody else."""
    try:
        yield
    except sqlite3.IntegrityError as e:
        if "UNIQUE constraint failed: rounds." not in str(e):
            raise
        text = f"another process writes here: this round is in the database already ({e}). One database has one process"
        raise AnotherWriter(text) from e


class Database:
    """The database of one process. Every write method returns once its rows are on disk."""

    def __init__(self, path: Path | str) -> None:
        if path != ":memory:":
            Path(path).parent.mkdir(parents=True, exist_ok=True)
        self._db = SqliteFile(path)
        self._conn = self._db.conn
        self._conn.isolation_level = None
        self._conn.execute("PRAGMA journal_mode=WAL")
        self._conn.execute("PRAGMA synchronous=FULL")
        self._conn.executescript(_SCHEMA + INDEXES + TABLES)
        self._check_rules(path)
        self._add_push_columns()
        self._conn.execute("CREATE INDEX IF NOT EXISTS pushes_watched ON pushes (target) WHERE final = 0")
        # a second connection, so that long reads can run in a thread while rounds are written
        self._reads = self._conn if path == ":memory:" else sqlite3.connect(path, check_same_thread=False)
        self._reading = threading.Lock()
        self._specs: set[str] = {r[0] for r in self._conn.execute("SELECT hash FROM specs")}
        self._counts: dict[tuple[str, str], int] = {
            (r[0], r[1]): r[2] for r in self._conn.execute("SELECT operator, feed, rounds FROM states")
        }
        self._pruner = Pruner(self._conn)
        self.withdrawn = Withdrawn(self._conn)

    def _check_rules(self, path: Path | str) -> None:
        row = self._conn.execute("SELECT body FROM states LIMIT 1").fetchone()
        found = json.loads(row[0]).get("version") if row else RULES_VERSION
        if found != RULES_VERSION:
            self._conn.close()
            raise OtherRules(
                f"{path} holds rounds made by rules {found}, this version makes rules {RULES_VERSION} and cannot go on from"
                " them: name another file in oracle.database. The journals stay as they are; the old file can be read by the"
                " version that wrote it"
            )

    def close(self) -> None:
        """Close the file."""
        with self._reading:
            self._reads.close()
        self._conn.close()

    # --- rounds ---------------------------------------------------------------------------------------------------

    def save_round(
        self,
        kept: Iterable[FoldedFeed],
        agreements: Iterable[Agreement],
        records: Iterable[Record],
        transitions: Iterable[Transition],
    ) -> None:
        """Write a whole round, all feeds and operators, in one transaction; a part of what is to be pruned goes with it.

        Raises:
            AnotherWriter: one of its rows is there already.
        """
        specs: set[str] = set()
        counts: dict[tuple[str, str], int] = {}
        with _alone(), self._conn:
            self._conn.execute("BEGIN IMMEDIATE")
            for one in kept:
                self._save_kept(one, specs, counts)
            self._conn.executemany(
                "INSERT INTO agreements VALUES (?, ?, ?, ?, ?)",
                [
                    (a.target, a.round_time_s, dump(a.signers), dump((a.feeds, a.indexes)), dump(a.values))
                    for a in agreements
                ],
            )
            self._conn.executemany(
                "INSERT INTO records VALUES (?, ?, ?)", [(r.feed, r.report.round_time_s, dump(r)) for r in records]
            )
            self._conn.executemany(
                "INSERT INTO transitions VALUES (?, ?, ?)", [(t.at_ms, t.feed, dump(t)) for t in transitions]
            )
        # it is on disk only now: a round that failed leaves no trace in memory either
        self._specs |= specs
        self._counts |= counts
        with contextlib.suppress(sqlite3.Error):  # the round is written: what could not be dropped has time
            self._pruner.step(_PRUNED_A_ROUND)

    def _save_kept(self, one: FoldedFeed, specs: set[str], counts: dict[tuple[str, str], int]) -> None:
        """Write one result; what is new to memory goes to `specs` and `counts`."""
        name, feed, result = one.operator, one.spec.feed, one.result
        if result.spec_hash not in self._specs | specs:
            self._conn.execute("INSERT OR IGNORE INTO specs VALUES (?, ?)", (digest(one.spec), dump(one.spec)))
            specs.add(result.spec_hash)
        count = self._counts.get((name, feed), 0)
        if count % CHECKPOINT_EVERY == 0:
            row = (name, feed, result.round_time_s, dump(one.before))
            self._conn.execute("INSERT INTO checkpoints VALUES (?, ?, ?, ?)", row)
        kind = "round" if isinstance(result, FeedRound) else "abstained"
        self._conn.execute(
            "INSERT INTO rounds VALUES (?, ?, ?, ?, ?, NULL)", (name, feed, result.round_time_s, kind, dump(result))
        )
        self._conn.execute("REPLACE INTO states VALUES (?, ?, ?, ?)", (name, feed, count + 1, dump(one.after)))
        counts[name, feed] = count + 1

    def state(self, operator: str, feed: str) -> FeedState:
        """The state after the last stored round; a fresh one where there is none."""
        row = self._conn.execute("SELECT body FROM states WHERE operator = ? AND feed = ?", (operator, feed)).fetchone()
        return parse(FeedState, row[0]) if row else FeedState()

    def last_round_s(self) -> int:
        """Newest round_time stored, 0 if none: rounds never go back behind it."""
        newest = "SELECT max(r.round_s) FROM rounds r WHERE r.operator = s.operator AND r.feed = s.feed"
        row = self._conn.execute(f"SELECT max(({newest})) FROM states s").fetchone()  # noqa: S608 - our own text
        return int(row[0] or 0)

    def operators(self, feed: str) -> tuple[str, ...]:
        """Operators that have rounds of this feed."""
        some = "SELECT 1 FROM rounds r WHERE r.operator = s.operator AND r.feed = s.feed"
        sql = f"SELECT operator FROM states s WHERE feed = ? AND EXISTS ({some}) ORDER BY operator"  # noqa: S608 - ours
        return tuple(r[0] for r in self._conn.execute(sql, (feed,)))

    def result(self, operator: str, feed: str, round_s: int) -> Result | None:
        """One operator's stored result of one round."""
        sql = "SELECT kind, body FROM rounds WHERE operator = ? AND feed = ? AND round_s = ?"
        row = self._conn.execute(sql, (operator, feed, round_s)).fetchone()
        return stored_result(row[0], row[1]) if row else None

    def newest(self, feed: str, before_s: int = 1 << 40) -> Result | None:
        """One operator's result of the newest stored round of a feed before a time."""
        sql = "SELECT kind, body FROM rounds WHERE operator = ? AND feed = ? AND round_s < ? ORDER BY round_s DESC LIMIT 1"
        rows = [self._conn.execute(sql, (name, feed, before_s)).fetchone() for name in self.operators(feed)]
        found = [stored_result(row[0], row[1]) for row in rows if row]
        return max(found, key=lambda r: r.round_time_s, default=None)

    def results_since(self, operator: str, feed: str, first_s: int, last_s: int) -> list[tuple[bytes, Result]]:
        """Stored bytes and results of one operator and feed, ascending, both ends included."""
        sql = (
            "SELECT kind, body FROM rounds WHERE operator = ? AND feed = ? AND round_s BETWEEN ? AND ? ORDER BY round_s"
        )
        rows = self._conn.execute(sql, (operator, feed, first_s, last_s))
        return [(bytes(r[1]), stored_result(r[0], r[1])) for r in rows]

    def checkpoint(self, operator: str, feed: str, round_s: int) -> tuple[int, FeedState] | None:
        """The newest checkpoint at or before a round: its round and the state before it."""
        sql = (
            "SELECT round_s, body FROM checkpoints WHERE operator = ? AND feed = ? AND round_s <= ?"
            " ORDER BY round_s DESC LIMIT 1"
        )
        row = self._conn.execute(sql, (operator, feed, round_s)).fetchone()
        return (int(row[0]), parse(FeedState, row[1])) if row else None

    def checkpoints(self, operator: str, feed: str, until_s: int) -> list[FeedState]:
        """All that are kept up to a round, of disowned rounds too: the states before them."""
        sql = "SELECT body FROM checkpoints WHERE operator = ? AND feed = ? AND round_s <= ?"
        bodies = [r[0] for r in self._conn.execute(sql, (operator, feed, until_s))]
        apart = self.withdrawn.rows("checkpoint", feed, until_s)
        return [parse(FeedState, b) for b in (*bodies, *(r.body for r in apart if r.operator == operator))]

    def rounds_of(self, operator: str, feed: str) -> int:
        """How many rounds of a feed an operator has made, dropped ones too."""
        return self._counts.get((operator, feed), 0)

    def spec(self, spec_hash: str) -> FeedSpec:
        """A spec by its hash; StoreError if it was never stored."""
        row = self._conn.execute("SELECT body FROM specs WHERE hash = ?", (spec_hash,)).fetchone()
        if row is None:
            raise DatabaseError(f"no spec with hash {spec_hash}: the database is incomplete")
        return parse(FeedSpec, row[0])

    def mark_orphaned(self, chain_id: int, first_block: int, last_block: int, note: str) -> int:
        """Mark rounds that used reads of blocks which a reorganisation took away; returns how many.

        Each feed's rounds are read from the newest back, until one that used older blocks of the chain only.
        """
        hit = []
        for operator, feed in self._counts:
            quiet = 0
            for round_s, body in self._conn.execute(_NEWEST_FIRST, (operator, feed)):
                used = _blocks(body, chain_id)
                if any(first_block <= block <= last_block for block in used):
                    hit.append((note, operator, feed, round_s))
                quiet = 0 if used else quiet + 1
                if quiet >= _QUIET_ROUNDS or (used and max(used) < first_block):
                    break
        update = "UPDATE rounds SET orphaned = ? WHERE operator = ? AND feed = ? AND round_s = ?"
        with self._conn:
            self._conn.execute("BEGIN IMMEDIATE")
            self._conn.executemany(update, hit)
        return len(hit)

    # --- records --------------------------------------------------------------------------------------------------

    def record(self, feed: str, round_s: int | None = None) -> Record | None:
        """The agreed record of a round; the newest without round_s."""
        sql = "SELECT body FROM records WHERE feed = ? AND round_s <= ? ORDER BY round_s DESC LIMIT 1"
        row = self._conn.execute(sql, (feed, round_s if round_s is not None else 1 << 40)).fetchone()
        found = parse(Record, row[0]) if row else None
        return found if found is None or round_s is None or found.report.round_time_s == round_s else None

    def history(self, feed: str, since_ms: int, until_ms: int, limit: int) -> list[Record]:
        """Agreed records of a time range: the newest `limit` of them, ascending. May be called from another thread."""
        sql = "SELECT body FROM records WHERE feed = ? AND round_s BETWEEN ? AND ? ORDER BY round_s DESC LIMIT ?"
        with self._reading:
            rows = self._reads.execute(sql, (feed, -(-since_ms // 1_000), until_ms // 1_000, limit)).fetchall()
        return [parse(Record, r[0]) for r in reversed(rows)]

    def agreement(self, round_s: int) -> Agreement | None:
        """The signed values of a round."""
        row = self._conn.execute("SELECT * FROM agreements WHERE round_s = ? LIMIT 1", (round_s,)).fetchone()
        if row is None:
            return None
        feeds, indexes = parse(tuple[tuple[str, ...], tuple[int, ...]], row[3])
        return Agreement(
            target=row[0],
            round_time_s=row[1],
            signers=parse(SignerSet, row[2]),
            feeds=feeds,
            indexes=indexes,
            values=parse(tuple[SignedValues, ...], row[4]),
        )

    def last_signed_s(self, address: bytes) -> int:
        """Newest round_time of a batch with this key's signature that was journalled for sending, 0 if none."""
        sql = "SELECT max(round_s) FROM pushes WHERE instr(signers, ?) > 0"
        return int(self._conn.execute(sql, (address.hex(),)).fetchone()[0] or 0)

    def transitions(self, since_ms: int = 0) -> list[Transition]:
        """Status changes since a time, ascending."""
        rows = self._conn.execute("SELECT body FROM transitions WHERE at_ms >= ? ORDER BY at_ms", (since_ms,))
        return [parse(Transition, r[0]) for r in rows]

    def counts(self) -> Mapping[str, int]:
        """Number of agreed rounds (distinct round_time), rounds and abstentions of all operators."""
        one = self._conn.execute("SELECT count(DISTINCT round_s) FROM rounds").fetchone()[0]
        sql = "SELECT kind, count(*) FROM rounds GROUP BY kind"
        return {"rounds": one, **dict(self._conn.execute(sql).fetchall())}

    def abstentions(self) -> Mapping[str, int]:
        """How often each feed abstained for which reason, over all operators."""
        tally: dict[str, int] = {}
        for (body,) in self._conn.execute("SELECT body FROM rounds WHERE kind = 'abstained'"):
            seen = parse(Abstained, body)
            key = f"{seen.feed} {seen.why.name}"
            tally[key] = tally.get(key, 0) + 1
        return tally

    def prune(self, before_s: int) -> int:
        """Drop rounds older than the newest checkpoint before that time, and the signed values of these rounds.

        What is left stays recomputable; records, status changes and pushes stay for good, and signed values behind a push
        that landed for 400 days. A call drops so much and no more; each round that is saved later goes on with it.

        Args:
            before_s: Unix seconds.

        Returns:
            How many rounds this call dropped.
        """
        self._pruner.aim(before_s)
        return self._pruner.step(_PRUNED_AT_ONCE)

    # --- pushes ---------------------------------------------------------------------------------------------------

    def _add_push_columns(self) -> None:
        """Of a database that is older than they are; what had ended then stays so."""
        known = {r[1] for r in self._conn.execute("PRAGMA table_info(pushes)")}
        number = "INTEGER NOT NULL DEFAULT 0"
        for name, kind in (("why", "TEXT NOT NULL DEFAULT ''"), ("final", number), ("taken", number)):
            if name not in known:
                self._conn.execute(f"ALTER TABLE pushes ADD COLUMN {name} {kind}")
                if name == "final":
                    self._conn.execute("UPDATE pushes SET final = 1 WHERE state NOT IN ('prepared', 'sent')")
                if name == "taken":
                    self._conn.execute("UPDATE pushes SET taken = 1 WHERE state NOT IN ('prepared', 'refused')")

    def add_push(self, row: PushRow) -> PushRow:
        """Journal a push before it is broadcast; returns it with its id."""
        values = {f: getattr(row, f) for f in PushRow.__slots__ if f != "id"}
        names, marks = ", ".join(values), ", ".join("?" for _ in values)
        sql = f"INSERT INTO pushes ({names}) VALUES ({marks})"  # noqa: S608 - our own column names
        cursor = self._conn.execute(sql, tuple(values.values()))
        return _push({**values, "id": cursor.lastrowid})

    def update_push(self, push_id: int, **changes: Any) -> None:
        """Write what became of a push."""
        names = ", ".join(f"{k} = ?" for k in changes)
        sql = f"UPDATE pushes SET {names} WHERE id = ?"  # noqa: S608 - our own column names
        self._conn.execute(sql, (*changes.values(), push_id))

    def pushes(
        self, target: str, states: Sequence[str] = (), since_s: int = 0, newest: int | None = None
    ) -> list[PushRow]:
        """Pushes of a target in any of these states (all without states), ascending; of many the newest so many."""
        marks = ", ".join("?" for _ in states)
        where = f" AND state IN ({marks})" if states else ""
        sql = f"SELECT * FROM pushes WHERE target = ? AND round_s >= ?{where} ORDER BY id DESC LIMIT ?"  # noqa: S608 - only marks
        rows = self._db.query(sql, (target, since_s, *states, -1 if newest is None else newest))
        return [_push(r) for r in rows][::-1]

    def watched_pushes(self, target: str) -> list[PushRow]:
        """Pushes of a target whose outcome may still change, ascending by nonce, then in the order they were made."""
        sql = "SELECT * FROM pushes WHERE target = ? AND final = 0 ORDER BY nonce, id"
        return [_push(r) for r in self._db.query(sql, (target,))]

    def add_refusal(self, at_ms: int, target: str, round_s: int, items: bytes, why: str, error: str) -> None:
        """Write that a batch was due and not sent, and why."""
        row = (at_ms, target, round_s, items, why, error)
        self._conn.execute("INSERT INTO not_pushed VALUES (?, ?, ?, ?, ?, ?)", row)
        self._conn.execute("DELETE FROM not_pushed WHERE at_ms < ?", (at_ms - _REFUSALS_KEPT_MS,))

    def not_pushed(self, target: str, since_s: int = 0) -> list[NotPushed]:
        """Batches of a target that were due and not sent, ascending."""
        sql = "SELECT * FROM not_pushed WHERE target = ? AND round_s >= ? ORDER BY at_ms"
        return [NotPushed(**r) for r in self._db.query(sql, (target, since_s))]

    def gas_spent(self, target: str, since_ms: int) -> dict[int, int]:
        """Gas that each feed (by index) has cost since a time: a push's gas in equal parts, rounded up."""
        sql = "SELECT items, gas_used FROM pushes WHERE target = ? AND made_ms >= ? AND gas_used IS NOT NULL"
        spent: dict[int, int] = {}
        for items, gas in self._conn.execute(sql, (target, since_ms)):
            found = split_items(items)
            for index in found:
                spent[index] = spent.get(index, 0) - (-gas // len(found))
        return spent


_NEWEST_FIRST = (
    "SELECT round_s, body FROM rounds WHERE operator = ? AND feed = ? AND orphaned IS NULL ORDER BY round_s DESC"
)


def _blocks(body: bytes, chain_id: int) -> list[int]:
    """Blocks of a chain that a stored result used."""
    if b'"chain_id":%d' % chain_id not in bytes(body):
        return []
    seen = json.loads(body)["outcomes"]
    return [int(o["block"]) for o in seen if o.get("chain_id") == chain_id and o.get("block") is not None]


def stored_result(kind: str, body: bytes) -> Result:
    """A round or an abstention from its bytes."""
    return parse(FeedRound, body) if kind == "round" else parse(Abstained, body)


def _push(row: Mapping[str, Any]) -> PushRow:
    return PushRow(**row)


def last_published(store: Database, feed: str) -> Published | None:
    """What the newest stored round of a feed leaves behind: what its next round is given."""
    newest = store.newest(feed)
    if newest is None:
        return None
    return published_after_record(newest.published, store.record(feed, newest.round_time_s), newest.round_time_s)
