"""The database of a process: every round with its inputs, what was published, the pushes. SQLite, WAL, durable before anything is sent."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from sqlite_utils import Database as SqliteFile

from feeds.units import MS
from oracle.model.canonical_json import digest, dump
from oracle.model.publication import Record, Silent, Transition
from oracle.model.spec import RULES_VERSION
from oracle.model.types import FeedRound, FoldedFeed, Published
from oracle.report.compose import published_after_record
from oracle.runtime.file_faults import is_damage
from oracle.runtime.private_files import private_file
from oracle.sign.messages import Agreement
from oracle.storage.attended_rows import AttendedRows
from oracle.storage.errors import AnotherWriter
from oracle.storage.limits import DatabaseLimits
from oracle.storage.older import OlderRounds
from oracle.storage.outbox_rows import OutboxRows, keep_silent
from oracle.storage.packer import Packer
from oracle.storage.packs import Packs
from oracle.storage.prune import Pruner, PruneTimes
from oracle.storage.push_rows import PushRows
from oracle.storage.record_rows import RecordRows
from oracle.storage.roll_up_rows import RollUpRows
from oracle.storage.root_rows import RootRows
from oracle.storage.round_rows import RoundRows
from oracle.storage.schema import prepare
from oracle.storage.shown_rows import ShownRows
from oracle.storage.signed_rows import row_of
from oracle.storage.thinning import Thinner
from oracle.storage.wholeness import check_whole, damaged
from oracle.storage.withdrawn import Withdrawn

_Counts = dict[tuple[str, str], int]
_MOST_LEARNED = 10_000
"""Records after the newest own round of a feed: a day of rounds that others made."""


class Database(RoundRows, RecordRows, RollUpRows, PushRows, AttendedRows, RootRows, ShownRows, OutboxRows):
    """The database of one process. Every write method returns once its rows are on disk.

    Args:
        path: its file; ":memory:" keeps nothing.
        limits: how much is done at a time.

    Attributes:
        path: its file.
        connection: to SQLite, in autocommit mode.
        limits: how much is done at a time.
        packs: bodies of older rows.
        packer, pruner, thinner: what is left to pack, to drop and to thin out.
        withdrawn: what was disowned.
        older: rounds in a form that is not read any more.

    Raises:
        OtherRules: its rounds were made by later rules.
        NewerDatabase: a later version has written it.
        MigrationBlocked: it cannot be brought up to date now.
        DatabaseDamaged: it is not whole.
    """

    def __init__(self, path: Path | str, limits: DatabaseLimits | None = None) -> None:
        if path != ":memory:":
            private_file(Path(path))
        self.path = Path(path)
        self.limits = limits or DatabaseLimits()
        self._reading = threading.Lock()
        self._file = SqliteFile(path)
        self.connection = self._reads = self._file.conn
        try:
            prepare(self.connection, path)
            self.packs = Packs(self.connection)
            self.packer = Packer(self.connection, self.limits)
            self.pruner = Pruner(self.connection, self.packs)
            self.thinner = Thinner(self.connection, self.packs)
            self.withdrawn = Withdrawn(self.connection, self.packs)
            self.older = OlderRounds(self.connection)
            self._specs: set[str] = {r[0] for r in self.connection.execute("SELECT hash FROM specs")}
            self._counts = self._stored_counts()
            self._of_other_rules = self._with_older_state()
            # a second connection, so that long reads can run in a thread while rounds are written
            if path != ":memory:":
                self._reads = sqlite3.connect(path, check_same_thread=False)
            self._read_packs = Packs(self._reads)
        except BaseException as e:
            self._reads.close()
            self.connection.close()
            if is_damage(e):
                raise damaged(path, str(e)) from e
            raise

    def close(self) -> None:
        """Close the file."""
        with self._reading:
            self._reads.close()
        self.connection.close()

    def save_round(
        self,
        folded: Iterable[FoldedFeed],
        agreements: Iterable[Agreement],
        records: Iterable[Record],
        transitions: Iterable[Transition],
        silent: Sequence[Silent] = (),
    ) -> None:
        """Write a whole round, all feeds and operators, in one transaction.

        A round is sealed once: what was learned of it from others before it was made here stays as it is.
        ``silent``: feeds that have no price of it.

        Raises:
            AnotherWriter: one of its rows is there already.
        """
        specs: set[str] = set()
        counts: _Counts = {}
        with _sole_writer(), self.connection:
            self.connection.execute("BEGIN IMMEDIATE")
            for feed in folded:
                self._save_folded(feed, specs, counts)
            self._save_published(agreements, records, silent)
            self.connection.executemany(
                "INSERT INTO transitions VALUES (?, ?, ?)", [(t.at_ms, t.feed, dump(t)) for t in transitions]
            )
        # it is on disk only now: a round that failed leaves no trace in memory either
        self._specs |= specs
        self._counts |= counts
        self._of_other_rules -= counts.keys()

    def check_whole(self, most_s: float) -> bool:
        """Look through the file; whether there was time for all of it.

        Raises:
            DatabaseDamaged: it is not whole.
        """
        return check_whole(self.connection, self.path, most_s)

    def prune(self, cuts: PruneTimes) -> int:
        """Drop all that is older than these times, see :class:`Pruner`; returns how many rounds were dropped."""
        dropped = 0
        while older := self.older.prune(cuts.rounds_s, self.limits.pruned_at_once):
            dropped += older
        self.pruner.aim(cuts)
        while self.pruner.busy:
            dropped += self.pruner.step(self.limits.pruned_at_once)
        return dropped

    def withdraw(self, after_s: int, at_ms: int, why: str, states: Mapping[tuple[str, str], tuple[int, bytes]]) -> int:
        """Disown all rounds after a round_time, see :meth:`Withdrawn.withdraw`; rounds go on from these states."""
        withdrawal = self.withdrawn.withdraw(after_s, at_ms, why, states)
        self._counts = self._stored_counts()
        self._of_other_rules = self._with_older_state()
        return withdrawal

    def _has(self, table: str, column: str, name: str, round_s: int) -> bool:
        sql = f"SELECT 1 FROM {table} WHERE {column} = ? AND round_s = ?"  # noqa: S608 - our own names
        return self.connection.execute(sql, (name, round_s)).fetchone() is not None

    def _stored_counts(self) -> _Counts:
        rows = self.connection.execute("SELECT operator, feed, rounds FROM states")
        return {(operator, feed): count for operator, feed, count in rows}

    def _with_older_state(self) -> set[tuple[str, str]]:
        """Operators and feeds whose last round was made by earlier rules: the first by the present ones begins at a checkpoint."""
        sql = "SELECT operator, feed FROM states WHERE json_extract(CAST(body AS TEXT), '$.version') != ?"
        return {(operator, feed) for operator, feed in self.connection.execute(sql, (RULES_VERSION,))}

    def _save_published(
        self, agreements: Iterable[Agreement], records: Iterable[Record], silent: Sequence[Silent]
    ) -> None:
        """Write what was not stored before."""
        fresh = [a for a in agreements if not self._has("agreements", "target", a.target, a.round_time_s)]
        self.connection.executemany(
            "INSERT INTO agreements VALUES (?, ?, ?, ?, ?, ?)",
            [row_of(a).columns for a in fresh],
        )
        for a in fresh:
            keep_silent(self.connection, a.target, a.round_time_s, silent)
        self.connection.executemany(
            "INSERT INTO records VALUES (?, ?, ?)",
            [
                (r.feed, r.report.round_time_s, dump(r))
                for r in records
                if not self._has("records", "feed", r.feed, r.report.round_time_s)
            ],
        )

    def _save_folded(self, folded: FoldedFeed, specs: set[str], counts: _Counts) -> None:
        """Write one result; what is new to memory goes to `specs` and `counts`."""
        name, feed, result = folded.operator, folded.spec.feed, folded.result
        if result.spec_hash not in self._specs | specs:
            spec = (digest(folded.spec), dump(folded.spec))
            self.connection.execute("INSERT OR IGNORE INTO specs VALUES (?, ?)", spec)
            specs.add(result.spec_hash)
        count = self._counts.get((name, feed), 0)
        if count % self.limits.checkpoint_every == 0 or (name, feed) in self._of_other_rules:
            checkpoint = (name, feed, result.round_time_s, dump(folded.before))
            self.connection.execute("INSERT INTO checkpoints VALUES (?, ?, ?, ?)", checkpoint)
        kind = "round" if isinstance(result, FeedRound) else "abstained"
        self.connection.execute(
            "INSERT INTO rounds VALUES (?, ?, ?, ?, ?, NULL)", (name, feed, result.round_time_s, kind, dump(result))
        )
        self.connection.execute("REPLACE INTO states VALUES (?, ?, ?, ?)", (name, feed, count + 1, dump(folded.after)))
        counts[name, feed] = count + 1


@contextlib.contextmanager
def _sole_writer() -> Iterator[None]:
    """Rounds are made one after the other, so a row that is there already was written by another process."""
    try:
        yield
    except sqlite3.IntegrityError as e:
        if "UNIQUE constraint failed: rounds." not in str(e):
            raise
        text = f"another process writes here: this round is in the database already ({e}). One database has one process"
        raise AnotherWriter(text) from e


def published_by_feed(database: Database, feeds: Iterable[str]) -> dict[str, Published]:
    """What the stored rounds leave behind of each feed for the next one."""
    return {feed: p for feed in feeds if (p := last_published(database, feed)) is not None}


def last_published(database: Database, feed: str, before_s: int = 1 << 40, known_ms: int = 1 << 60) -> Published | None:
    """What stored rounds leave behind of a feed for a round: what that is given.

    From the newest round that was made here on, by all rounds since, those that were learned from others too; from an earlier
    one where a round was learned that is older than the newest made here, and came too late for it.

    Args:
        database: of the process.
        feed: whose.
        before_s: rounds from then on do not count.
        known_ms: nor do records that were drawn up later.
    """
    newest = database.newest(feed, before_s)
    if newest is not None:
        learned_s = database.first_learned_s(feed, newest.round_time_s, known_ms)
        newest = newest if learned_s is None else database.newest(feed, learned_s)
    published = None if newest is None else newest.published
    first_s = 0 if newest is None else newest.round_time_s
    records = {
        r.report.round_time_s: r
        for r in database.history(feed, first_s * MS, (before_s - 1) * MS, _MOST_LEARNED)
        if r.computed_at_ms <= known_ms
    }
    made = [r for r in database.rounds_made(feed, first_s) if r < before_s]
    for round_s in sorted({*records, *made}):
        published = published_after_record(published, records.get(round_s), round_s)
    return published
