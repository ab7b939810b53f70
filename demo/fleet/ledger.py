"""What became of the rounds of a fleet, read from the operators' databases alone: what a process says of itself counts for nothing."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from oracle.model.canonical_json import parse
from oracle.model.publication import Record
from oracle.report.wire import split_items
from oracle.sign.messages import Agreement, EvidenceRow
from oracle.storage.database import Database

_MOST_EVIDENCE = 10_000
_PERCENTILES = (50, 90, 99)


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedCopy:
    """A sealed round as one database has it.

    ``sealed_ms``: from the round's start; None where it was fetched later. ``refused``: operator, feed and why, of feeds that
    an operator did not vouch for.
    """

    agreement: Agreement
    sealed_ms: int | None
    refused: Sequence[tuple[str, str, str]] = ()

    @property
    def attempt(self) -> int:
        """Which attempt it took, from 1."""
        return self.agreement.step // 2 + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorBook:
    """One operator's database. ``made``: rounds that it took part in, sealed or not. ``evidence``: of misbehaviour that it keeps."""

    operator: str
    made: frozenset[int]
    sealed: Mapping[int, SealedCopy]
    evidence: Sequence[EvidenceRow] = ()


@dataclass(frozen=True)
class Ledger:
    """The books of all operators.

    Attributes:
        books: one each.
        rounds: round times that were due.
        threshold: of the store.
    """

    books: Sequence[OperatorBook]
    rounds: Sequence[int]
    threshold: int

    @cached_property
    def sealed(self) -> Mapping[int, Sequence[SealedCopy]]:
        """Of the rounds that were due those that any database has sealed."""
        copies = {r: [b.sealed[r] for b in self.books if r in b.sealed] for r in self.rounds}
        return {r: c for r, c in copies.items() if c}

    @property
    def lost(self) -> Mapping[int, str]:
        """Of the rounds that were due those that no database has sealed, and what the databases show of why."""
        return {r: self._why(r) for r in self.rounds if r not in self.sealed}

    def _why(self, round_time_s: int) -> str:
        absent = [b.operator for b in self.books if round_time_s not in b.made]
        present = len(self.books) - len(absent)
        if present < self.threshold:
            return f"{present} of {len(self.books)} made it, {self.threshold} are needed: {', '.join(absent)} did not"
        missing = f", {', '.join(absent)} did not" if absent else ""
        return f"{present} of {len(self.books)} made it{missing}; those came to no common round in time"

    @property
    def attempts(self) -> Mapping[int, int]:
        """How many rounds took how many attempts."""
        return dict(sorted(Counter(min(c.attempt for c in copies) for copies in self.sealed.values()).items()))

    @property
    def forks(self) -> Sequence[int]:
        """Rounds of which two databases hold different items of one feed. There must be none."""
        return [r for r, copies in self.sealed.items() if _parts([c.agreement.items for c in copies])]

    @property
    def signed(self) -> Mapping[bytes, int]:
        """How many sealed rounds hold a signature of each report address."""
        tally: Counter[bytes] = Counter()
        for copies in self.sealed.values():
            tally.update({a for c in copies for a, _ in c.agreement.seals})
        return tally

    @property
    def refused(self) -> Mapping[tuple[str, str, str], int]:
        """By operator, feed and reason: sealed rounds in which it did not vouch for the feed."""
        found = {(r, *refusal) for r, copies in self.sealed.items() for c in copies for refusal in c.refused}
        return Counter((operator, feed, why) for _, operator, feed, why in found)

    def sealed_ms(self) -> list[int]:
        """Round start to sealed, of each round at each operator that saw it sealed."""
        times = (c.sealed_ms for copies in self.sealed.values() for c in copies)
        return sorted(t for t in times if t is not None)

    @property
    def evidence(self) -> Mapping[tuple[bytes, str], int]:
        """By report address and kind of misbehaviour: rounds of which any database keeps evidence."""
        found = {(e.address, e.kind, e.round_time_s) for b in self.books for e in b.evidence}
        return Counter((address, kind) for address, kind, _ in found)

    def items_of(self, round_time_s: int) -> Mapping[int, bytes]:
        """The sealed items of a round, by feed index."""
        copies = self.sealed.get(round_time_s, ())
        return split_items(copies[0].agreement.items) if copies else {}

    def summary(self) -> dict[str, object]:
        """As it goes into a summary."""
        return {
            "rounds_due": len(self.rounds),
            "rounds_sealed": len(self.sealed),
            "rounds_lost": [{"round": r, "why": why} for r, why in self.lost.items()],
            "attempts": {str(n): count for n, count in self.attempts.items()},
            "forks": list(self.forks),
            "sealed_ms": percentiles(self.sealed_ms()),
        }


def read_ledger(databases: Mapping[str, Path], target: str, rounds: Iterable[int], threshold: int) -> Ledger:
    """Read the databases of all operators, which may be running."""
    wanted = sorted(set(rounds))
    books = [_book(name, path, target, wanted) for name, path in databases.items()]
    return Ledger(books, wanted, threshold)


def rounds_made(database: Path) -> list[int]:
    """Round times that a database knows, ascending; none while it is not there yet."""
    return [r for (r,) in _rows(database, "SELECT DISTINCT round_s FROM rounds ORDER BY round_s")]


def rounds_sealed(database: Path) -> list[int]:
    """Round times that a database has sealed, ascending; none while it is not there yet."""
    return [r for (r,) in _rows(database, "SELECT DISTINCT round_s FROM agreements ORDER BY round_s")]


def newest_records(database: Path) -> list[Record]:
    """The newest record of each feed."""
    sql = "SELECT body FROM records r WHERE round_s = (SELECT max(round_s) FROM records WHERE feed = r.feed)"
    return [parse(Record, body) for (body,) in _rows(database, sql)]


def percentiles(values: Sequence[float]) -> dict[str, float | int]:
    """Of values in ascending order."""
    if not values:
        return {"count": 0}
    picked = {f"p{p}": values[min(len(values) - 1, len(values) * p // 100)] for p in _PERCENTILES}
    return {"count": len(values), **picked, "max": values[-1]}


def _book(name: str, path: Path, target: str, rounds: Sequence[int]) -> OperatorBook:
    if not path.is_file():
        return OperatorBook(operator=name, made=frozenset(), sealed={})
    made = frozenset(rounds_made(path))
    have = set(rounds_sealed(path)) & set(rounds)
    with closing(Database(path)) as database:
        seals = {} if not rounds else _seals(path, rounds[0], rounds[-1])
        sealed = {}
        for round_time_s in sorted(have):
            agreement = database.agreement(round_time_s, target)
            if agreement is not None:
                sealed_ms, refused = seals.get(round_time_s, (None, []))
                sealed[round_time_s] = SealedCopy(agreement=agreement, sealed_ms=sealed_ms, refused=refused)
        evidence = tuple(database.evidence(rounds[0] if rounds else 0, _MOST_EVIDENCE))
    return OperatorBook(operator=name, made=made, sealed=sealed, evidence=evidence)


def _seals(path: Path, first_s: int, last_s: int) -> dict[int, tuple[int | None, list[tuple[str, str, str]]]]:
    """By round: when it was sealed, and who vouched for which feed not."""
    sql = f"SELECT round_s, body FROM records WHERE round_s BETWEEN {int(first_s)} AND {int(last_s)}"  # noqa: S608 - numbers
    found: dict[int, tuple[int | None, list[tuple[str, str, str]]]] = {}
    for round_s, body in _rows(path, sql):
        record = parse(Record, body)
        if record.seal is None:
            continue
        sealed_ms, refused = found.get(round_s, (record.seal.sealed_ms, []))
        if not record.legs:
            refused += [(r.operator, record.feed, r.why) for r in record.seal.refused]
        found[round_s] = (sealed_ms, refused)
    return found


def _rows(path: Path, sql: str) -> list[Any]:
    if not path.is_file():
        return []
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10.0)) as connection:
            return connection.execute(sql).fetchall()
    except sqlite3.OperationalError:  # its tables are not made yet
        return []


def _parts(several: Sequence[bytes]) -> bool:
    """Whether two of these hold different items of one feed."""
    seen: dict[int, bytes] = {}
    return any(seen.setdefault(i, item) != item for items in several for i, item in split_items(items).items())
