"""What was sealed, as it is stored: agreements, those behind pushes that landed, and how their rows are read."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from oracle.model.canonical_json import dump, parse
from oracle.sign.messages import Agreement, SignedValues, SignerSet
from oracle.storage.packs import Packs, is_packed


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedWords:
    """What was sealed of an Agreement."""

    STORED_AS = "Sealed"

    items: bytes
    step: int
    seals: tuple[tuple[bytes, bytes], ...]
    dropped: tuple[int, ...]
    version: int
    rules: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedRow:
    """A row of agreements as it was written."""

    target: str
    round_s: int
    signers: bytes
    indexes: bytes
    body: bytes
    sealed: bytes

    @property
    def columns(self) -> tuple[str, int, bytes, bytes, bytes, bytes]:
        """As in the table."""
        return (self.target, self.round_s, self.signers, self.indexes, self.body, self.sealed)

    @property
    def agreement(self) -> Agreement:
        """What it says."""
        feeds, indexes = parse(tuple[tuple[str, ...], tuple[int, ...]], self.indexes)
        sealed = parse(SealedWords, self.sealed)
        return Agreement(
            target=self.target,
            round_time_s=self.round_s,
            signers=parse(SignerSet, self.signers),
            feeds=feeds,
            indexes=indexes,
            values=parse(tuple[SignedValues, ...], self.body),
            **{f.name: getattr(sealed, f.name) for f in fields(SealedWords)},
        )


def row_of(agreement: Agreement) -> SignedRow:
    """What is written of an agreement."""
    sealed = SealedWords(**{f.name: getattr(agreement, f.name) for f in fields(SealedWords)})
    return SignedRow(
        target=agreement.target, round_s=agreement.round_time_s, signers=dump(agreement.signers),
        indexes=dump((agreement.feeds, agreement.indexes)), body=dump(agreement.values), sealed=dump(sealed),
    )  # fmt: skip


def signed_row(packs: Packs, row: Sequence[Any]) -> SignedRow:
    """A row of the table, packed or not: target, round, signers, indexes, values, what was sealed."""
    target, round_s, signers, indexes, body, sealed = row
    if is_packed(sealed):
        sealed, body, signers, indexes = packs.lines(sealed, 4)
    return SignedRow(
        target=target, round_s=round_s, signers=bytes(signers), indexes=bytes(indexes), body=bytes(body), sealed=bytes(sealed)
    )  # fmt: skip


def feeds_of_indexes(conn: sqlite3.Connection, packs: Packs, target: str, round_s: int) -> Mapping[int, str]:
    """Which feed each index of a target was in a round; nothing where that is not kept."""
    for table in ("agreements", "kept_agreements"):
        sql = f"SELECT * FROM {table} WHERE target = ? AND round_s = ?"  # noqa: S608 - our own names
        row = conn.execute(sql, (target, round_s)).fetchone()
        if row is not None:
            feeds, indexes = parse(tuple[tuple[str, ...], tuple[int, ...]], signed_row(packs, row).indexes)
            return dict(zip(indexes, feeds, strict=True))
    return {}
