"""What was published, as it is stored: records, signed values, status changes."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import orjson

from oracle.model.canonical_json import parse
from oracle.model.publication import Record, Transition
from oracle.model.types import Abstained
from oracle.sign.messages import Agreement, EvidenceRow, SignerSet
from oracle.storage.packs import Packs
from oracle.storage.roll_up_rows import ROW_S, roll_ups_in
from oracle.storage.signed_rows import SealedWords, signed_row

_MOST_SEARCHED = 16
_RECORDS = ("records", "kept_records")
_AGREEMENTS = ("agreements", "kept_agreements")
_HANDED_ON = 600
"""Records before a round: more than there are rounds that operators hand on to each other."""
_WITH_VALUES = (
    "SELECT * FROM {} WHERE target = ? AND round_s {} ? AND body != CAST('[]' AS BLOB) ORDER BY round_s {} LIMIT ?"
)
_MOST_INTEGER = (1 << 63) - 1
"""That SQLite keeps; a counter of somebody else may be higher."""
MOST_EVIDENCE = 500
"""Rounds of which evidence of one kind against one member is kept: more than an hour's."""
_DROP_EVIDENCE = (
    "DELETE FROM evidence WHERE target = ? AND address = ? AND kind = ? AND round_s <= (SELECT round_s FROM evidence"
    " WHERE target = ? AND address = ? AND kind = ? ORDER BY round_s DESC LIMIT 1 OFFSET ?)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SealRow:
    """Who sealed a round. ``addresses``: of the certificate; others may have signed as well. ``feeds``: of the store."""

    target: str
    round_time_s: int
    signers: SignerSet
    feeds: tuple[str, ...]
    addresses: tuple[bytes, ...]
    step: int


class RecordRows:
    """The publications of a database."""

    connection: sqlite3.Connection
    packs: Packs
    _reads: sqlite3.Connection
    _read_packs: Packs
    _reading: threading.Lock

    def record(self, feed: str, round_s: int | None = None) -> Record | None:
        """The agreed record of a round; the newest without round_s."""
        which, values = ("", (feed,)) if round_s is None else ("AND round_s = ?", (feed, round_s))
        for table in _RECORDS:
            sql = f"SELECT body FROM {table} WHERE feed = ? {which} ORDER BY round_s DESC LIMIT 1"  # noqa: S608 - our own text
            row = self.connection.execute(sql, values).fetchone()
            if row is not None:
                return parse(Record, self.packs.plain(row[0]))
        return None

    def history(self, feed: str, since_ms: int, until_ms: int, limit: int) -> list[Record]:
        """Agreed records of a time range: the newest `limit` of them, ascending. May be called from another thread.

        Of the time before :meth:`full_rate_since_s` there are those that are kept for good, and roll-ups.
        """
        rows: list[tuple[int, bytes]] = []
        with self._reading, self.one_moment():
            for table in _RECORDS:
                sql = f"SELECT round_s, body FROM {table} WHERE feed = ? AND round_s BETWEEN ? AND ? ORDER BY round_s DESC LIMIT ?"  # noqa: S608 - one of two names
                range_s = -(-since_ms // 1_000), until_ms // 1_000
                found = (
                    self._reads.execute(sql, (feed, *range_s, limit - len(rows))).fetchall()
                    if len(rows) < limit
                    else []
                )
                rows += [(r, self._read_packs.plain(body)) for r, body in found]
        return [parse(Record, body) for _, body in sorted(rows)]

    @contextmanager
    def one_moment(self) -> Iterator[None]:
        """What is read meanwhile is of one moment: no row points to a pack that has been dropped since."""
        if self._reads.in_transaction:
            yield
            return
        self._reads.execute("BEGIN")
        try:
            yield
        finally:
            self._reads.execute("ROLLBACK")

    def full_rate_since_s(self, feed: str) -> int:
        """From when on every record of a feed is kept; before it there are roll-ups. 0 if nothing was thinned out yet."""
        sql = "SELECT start_s, body FROM roll_ups WHERE step_s = ? AND feed = ? ORDER BY start_s DESC LIMIT 1"
        for step_s in ROW_S:
            for start_s, body in self.connection.execute(sql, (step_s, feed)):
                return roll_ups_in(body, start_s)[-1].start_s(step_s) + step_s
        return 0

    def agreement(self, round_s: int, target: str | None = None) -> Agreement | None:
        """What was sealed in a round at a target, with the signed values; at any without one."""
        for table in _AGREEMENTS:
            sql = f"SELECT * FROM {table} WHERE round_s = ? AND (target = ? OR ? IS NULL) LIMIT 1"  # noqa: S608 - one of two names
            row = self.connection.execute(sql, (round_s, target, target)).fetchone()
            if row is not None:
                return signed_row(self.packs, row).agreement
        return None

    def agreement_of_set(self, agreement: Agreement) -> Agreement | None:
        """The nearest other round of the same target and epoch whose values are stored, None if there is none."""
        target, round_s = agreement.target, agreement.round_time_s
        for table in _AGREEMENTS:
            for side, order in (("<", "DESC"), (">", "ASC")):
                sql = _WITH_VALUES.format(table, side, order)
                for row in self.connection.execute(sql, (target, round_s, _MOST_SEARCHED)).fetchall():
                    if (found := signed_row(self.packs, row).agreement).signers.epoch == agreement.signers.epoch:
                        return found
        return None

    def seals(self, target: str, since_s: int) -> list[SealRow]:
        """Who sealed the rounds of a target since a time, ascending: an agreement without its values."""
        sql = "SELECT * FROM agreements WHERE target = ? AND round_s >= ? ORDER BY round_s"
        return [
            SealRow(
                target=target,
                round_time_s=row.round_s,
                signers=parse(SignerSet, row.signers),
                feeds=parse(tuple[tuple[str, ...], tuple[int, ...]], row.indexes)[0],
                addresses=tuple(a for a, _ in sealed.seals),
                step=sealed.step,
            )
            for stored in self.connection.execute(sql, (target, since_s))
            for row in (signed_row(self.packs, stored),)
            for sealed in (parse(SealedWords, row.sealed),)
        ]

    def rounds_made(self, feed: str, since_s: int) -> list[int]:
        """Rounds of a feed that were made here since a time, ascending."""
        sql = "SELECT DISTINCT round_s FROM rounds WHERE operator IN (SELECT operator FROM states WHERE feed = ?) AND feed = ? AND round_s >= ? ORDER BY round_s"
        return [int(r[0]) for r in self.connection.execute(sql, (feed, feed, since_s))]

    def first_learned_s(self, feed: str, round_s: int, known_ms: int) -> int | None:
        """The oldest round before one of which a record was drawn up after that one began, None if there is none.

        Args:
            feed: whose.
            round_s: the round that was made here.
            known_ms: records that were drawn up later do not count, Unix ms.
        """
        sql = "SELECT round_s, body FROM records WHERE feed = ? AND round_s < ? ORDER BY round_s DESC LIMIT ?"
        rows = self.connection.execute(sql, (feed, round_s, _HANDED_ON)).fetchall()
        learned = (
            r for r, body in reversed(rows) if round_s * 1_000 < _drawn_up_ms(self.packs.plain(body)) <= known_ms
        )
        return next(learned, None)

    def newest_sealed_s(self, target: str | None = None) -> int | None:
        """Newest round that was sealed at a target, at any without one; None if none was."""
        sql = "SELECT max(round_s) FROM agreements WHERE target = ? OR ? IS NULL"
        row = self.connection.execute(sql, (target, target)).fetchone()
        return None if row[0] is None else int(row[0])

    def last_signed_s(self, address: bytes) -> int:
        """Newest round_time of a batch with this key's signature that was journalled for sending, 0 if none."""
        sql = "SELECT max(round_s) FROM pushes WHERE instr(signers, ?) > 0"
        return int(self.connection.execute(sql, (address.hex(),)).fetchone()[0] or 0)

    def save_evidence(self, rows: Sequence[EvidenceRow]) -> None:
        """Keep what members were seen to do: the first of a kind, member and round, and of these the newest few.

        One that does it in every round proves nothing more by the next time, and would fill the disk.
        """
        with self.connection:
            self.connection.executemany(
                "INSERT OR IGNORE INTO evidence VALUES (?, ?, ?, ?, ?, ?, ?)",
                [(r.round_time_s, r.target, r.address, r.kind, r.text, r.first, r.second) for r in rows],
            )
            for kind in {(r.target, r.address, r.kind) for r in rows}:
                self.connection.execute(_DROP_EVIDENCE, (*kind, *kind, MOST_EVIDENCE))

    def evidence(self, since_s: int = 0, limit: int = 1_000) -> list[EvidenceRow]:
        """What was kept since a round, the newest first."""
        sql = "SELECT * FROM evidence WHERE round_s >= ? ORDER BY round_s DESC LIMIT ?"
        return [_evidence_row(r) for r in self.connection.execute(sql, (since_s, limit))]

    def evidence_of(self, target: str, round_s: int) -> list[EvidenceRow]:
        """What was kept of one round of a target."""
        sql = "SELECT * FROM evidence WHERE round_s = ? AND target = ?"
        return [_evidence_row(r) for r in self.connection.execute(sql, (round_s, target))]

    def announcements(self) -> list[bytes]:
        """The newest announcement of each operator, as it was signed."""
        return [bytes(r[0]) for r in self.connection.execute("SELECT body FROM announcements ORDER BY address")]

    def save_announcement(self, address: bytes, counter: int, raw: bytes) -> None:
        """Keep an operator's announcement, unless a newer one is kept already."""
        sql = (
            "INSERT INTO announcements VALUES (?, ?, ?) ON CONFLICT (address) DO UPDATE"
            " SET counter = excluded.counter, body = excluded.body WHERE excluded.counter > counter"
        )
        self.connection.execute(sql, (address, min(counter, _MOST_INTEGER), raw))

    def transitions(self, since_ms: int = 0) -> list[Transition]:
        """Status changes since a time, ascending."""
        rows = self.connection.execute("SELECT body FROM transitions WHERE at_ms >= ? ORDER BY at_ms", (since_ms,))
        return [parse(Transition, r[0]) for r in rows]

    def counts(self) -> Mapping[str, int]:
        """Number of agreed rounds (distinct round_time), rounds and abstentions of all operators."""
        times = self.connection.execute("SELECT count(DISTINCT round_s) FROM rounds").fetchone()[0]
        sql = "SELECT kind, count(*) FROM rounds GROUP BY kind"
        return {"rounds": times, **dict(self.connection.execute(sql).fetchall())}

    def abstentions(self) -> Mapping[str, int]:
        """How often each feed abstained for which reason, over all operators."""
        tally: dict[str, int] = {}
        for (body,) in self.connection.execute("SELECT body FROM rounds WHERE kind = 'abstained'"):
            abstained = parse(Abstained, self.packs.plain(body))
            key = f"{abstained.feed} {abstained.why.name}"
            tally[key] = tally.get(key, 0) + 1
        return tally


def _drawn_up_ms(body: bytes) -> int:
    """``computed_at_ms`` of a record, without reading the rest of it."""
    return int(orjson.loads(body)["computed_at_ms"])


def _evidence_row(row: tuple[Any, ...]) -> EvidenceRow:
    return EvidenceRow(
        round_time_s=row[0], target=row[1], address=bytes(row[2]), kind=row[3], text=row[4], first=bytes(row[5]),
        second=bytes(row[6]),
    )  # fmt: skip
