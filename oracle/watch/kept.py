"""What a watch keeps in the database: words of late rounds, evidence with its history, proofs on their way, how far a chain was read."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from eth_hash.auto import keccak

from oracle.sign.eip712 import Domain
from oracle.watch.compare import Contradiction
from oracle.watch.evidence import UNSETTLED, EvidenceState, KeptEvidence, word_of
from oracle.watch.words import SignedWord, WordKind

MOST_OF_OPERATOR = 200
"""Evidence kept against one operator: it costs it no more by the next one, and would fill the disk."""
_PRUNED_AT_ONCE_S = 3_600
_LETTERS = "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"


@dataclass(frozen=True, slots=True, kw_only=True)
class SentProof:
    """A transaction that proves something. ``block``: newest one when it was sent."""

    evidence_id: bytes
    nonce: int
    tx_hash: str
    raw: bytes
    block: int


class WatchRows:
    """The rows of a watch. Every write returns once it is on disk.

    Args:
        connection: of the process's database, in autocommit mode.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection

    # --- words -------------------------------------------------------------------------------------------------------

    def save_words(self, words: Sequence[SignedWord]) -> None:
        """Keep words; items once, however many have signed them."""
        if not words:
            return
        hashes = {w.items: keccak(w.items) for w in words}
        rounds = {w.items: w.round_time_s for w in sorted(words, key=lambda w: w.round_time_s)}
        with self._db:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.executemany(
                "INSERT INTO watch_items VALUES (?, ?, ?) ON CONFLICT (hash) DO UPDATE SET round_s = max(round_s, excluded.round_s)",
                [(h, rounds[i], i) for i, h in hashes.items()],
            )
            self._db.executemany(
                "INSERT OR IGNORE INTO watch_words VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    (w.domain.chain_id, w.domain.store, w.round_time_s, w.key, int(w.kind), w.step, w.epoch, hashes[w.items], w.signature)
                    for w in words
                ],
            )  # fmt: skip

    def words(self, domain: Domain, round_time_s: int) -> list[SignedWord]:
        """What is kept of one round of a store."""
        sql = (
            "SELECT w.key, w.kind, w.step, w.epoch, i.items, w.signature FROM watch_words w JOIN watch_items i"
            " ON i.hash = w.items WHERE w.round_s = ? AND w.chain_id = ? AND w.store = ?"
        )
        return [
            SignedWord(
                key=bytes(r[0]), domain=domain, kind=WordKind(r[1]), step=r[2], epoch=r[3], round_time_s=round_time_s,
                items=bytes(r[4]), signature=bytes(r[5]),
            )
            for r in self._db.execute(sql, (round_time_s, domain.chain_id, domain.store))
        ]  # fmt: skip

    def prune(self, before_s: int) -> None:
        """Forget words of rounds before a time, of an hour of rounds at once; evidence stays."""
        row = self._db.execute("SELECT min(round_s) FROM watch_words").fetchone()
        if row[0] is None or row[0] >= before_s:
            return
        until_s = min(before_s, row[0] + _PRUNED_AT_ONCE_S)
        with self._db:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.execute("DELETE FROM watch_words WHERE round_s < ?", (until_s,))
            self._db.execute("DELETE FROM watch_items WHERE round_s < ?", (until_s,))

    # --- evidence ----------------------------------------------------------------------------------------------------

    def add(self, found: Contradiction, state: EvidenceState, now_ms: int, note: str = "") -> bool:
        """Keep evidence; whether it is new. Of one operator a good number is enough."""
        count = self._db.execute("SELECT count(*) FROM contradictions WHERE operator = ?", (found.operator,)).fetchone()
        if count[0] >= MOST_OF_OPERATOR:
            return False
        first, second = found.first, found.second
        words = [
            x
            for w in (first, second)
            for x in (w.key, int(w.kind), w.step, w.signed[2], w.signature)
        ]  # fmt: skip
        domain = first.domain
        row = (found.evidence_id, domain.chain_id, domain.store, found.operator, first.round_time_s, found.index, *words,
               state.value, note, now_ms, None, None, b"", "")  # fmt: skip
        return self._db.execute(f"INSERT OR IGNORE INTO contradictions VALUES {_LETTERS}", row).rowcount > 0  # noqa: S608 - only marks

    def update(self, evidence_id: bytes, **changes: Any) -> None:
        """Write what became of evidence."""
        names = ", ".join(f"{k} = ?" for k in changes)
        sql = f"UPDATE contradictions SET {names} WHERE id = ?"  # noqa: S608 - our own column names
        self._db.execute(sql, (*changes.values(), evidence_id))

    def evidence(self, states: Iterable[EvidenceState] = tuple(EvidenceState)) -> list[KeptEvidence]:
        """Evidence in any of these states, in the order in which it was found."""
        marks = [s.value for s in states]
        sql = f"SELECT * FROM contradictions WHERE state IN ({', '.join('?' for _ in marks)}) ORDER BY found_ms, id"  # noqa: S608 - only marks
        return [_evidence(r) for r in self._db.execute(sql, marks)]

    def unsettled(self) -> list[KeptEvidence]:
        """What may still have to be proven."""
        return self.evidence(UNSETTLED)

    def counts(self) -> dict[EvidenceState, int]:
        """How much there is in each state."""
        rows = dict(self._db.execute("SELECT state, count(*) FROM contradictions GROUP BY state").fetchall())
        return {s: rows.get(s.value, 0) for s in EvidenceState}

    # --- proofs on their way -----------------------------------------------------------------------------------------

    def add_proof(self, sent: SentProof) -> None:
        """Journal a transaction before it is broadcast."""
        row = (sent.evidence_id, sent.nonce, sent.tx_hash, sent.raw, sent.block)
        self._db.execute("INSERT INTO proofs (evidence, nonce, tx_hash, raw, block) VALUES (?, ?, ?, ?, ?)", row)

    def proofs(self, evidence_id: bytes | None = None) -> list[SentProof]:
        """Transactions whose outcome is not known, of one evidence or of all, in the order in which they were made."""
        sql = "SELECT evidence, nonce, tx_hash, raw, block FROM proofs WHERE evidence = ? OR ? IS NULL ORDER BY id"
        return [
            SentProof(evidence_id=bytes(r[0]), nonce=r[1], tx_hash=r[2], raw=bytes(r[3]), block=r[4])
            for r in self._db.execute(sql, (evidence_id, evidence_id))
        ]

    def drop_proofs(self, evidence_id: bytes) -> None:
        """Their outcome is known, or they can never land."""
        self._db.execute("DELETE FROM proofs WHERE evidence = ?", (evidence_id,))

    # --- how far a chain was read --------------------------------------------------------------------------------------

    def watched_block(self, domain: Domain) -> tuple[int, str] | None:
        """The last block that was read, and its hash."""
        sql = "SELECT block, hash FROM watched_blocks WHERE chain_id = ? AND store = ?"
        row = self._db.execute(sql, (domain.chain_id, domain.store)).fetchone()
        return None if row is None else (int(row[0]), str(row[1]))

    def set_watched_block(self, domain: Domain, block: int, block_hash: str) -> None:
        """All pushes up to it were read."""
        row = (domain.chain_id, domain.store, block, block_hash)
        self._db.execute("REPLACE INTO watched_blocks VALUES (?, ?, ?, ?)", row)


def _evidence(row: Sequence[Any]) -> KeptEvidence:
    domain = Domain(chain_id=row[1], store=bytes(row[2]))
    first, second = (
        word_of(domain, bytes(key), (kind, step, bytes(batch), bytes(signature[:32]), bytes(signature[32:])))
        for key, kind, step, batch, signature in (row[6:11], row[11:16])
    )
    found = Contradiction(operator=bytes(row[3]), first=first, second=second, index=row[5])
    return KeptEvidence(
        evidence_id=bytes(row[0]), found=found, state=EvidenceState(row[16]), note=row[17], found_ms=row[18],
        found_block=row[19], landed_block=row[20], prover=bytes(row[21]), tx_hash=row[22],
    )  # fmt: skip
