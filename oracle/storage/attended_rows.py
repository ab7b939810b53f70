"""Who signed which round in time, as it is stored: what an operator says of an epoch once it has ended."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

_KEPT_EPOCHS = 16
"""Before the newest: what they owe was said long ago. In an epoch that does not end, old rounds are pruned as rounds are."""
_BYTES = 32
"""A bit for each signer that a set can have."""


class AttendedRows:
    """The attendance of a database."""

    connection: sqlite3.Connection

    def save_attended(self, target: str, epoch: int, round_s: int, places: Iterable[int]) -> None:
        """Signers at these places of the epoch's set signed the round in time; what is stored of it already stays.

        Of epochs long before it nothing is kept.
        """
        bits = sum(1 << place for place in set(places))
        with self.connection:
            self.connection.execute("BEGIN IMMEDIATE")
            sql = "SELECT signed FROM attended WHERE target = ? AND epoch = ? AND round_s = ?"
            row = self.connection.execute(sql, (target, epoch, round_s)).fetchone()
            bits |= int.from_bytes(row[0], "big") if row else 0
            values = (target, epoch, round_s, bits.to_bytes(_BYTES, "big"))
            self.connection.execute("REPLACE INTO attended VALUES (?, ?, ?, ?)", values)
            old = (target, epoch - _KEPT_EPOCHS)
            self.connection.execute("DELETE FROM attended WHERE target = ? AND epoch < ?", old)

    def attended(self, target: str, epoch: int) -> list[tuple[int, frozenset[int]]]:
        """Round_time of each round of an epoch that is stored, and the places of those who signed it, ascending."""
        sql = "SELECT round_s, signed FROM attended WHERE target = ? AND epoch = ? ORDER BY round_s"
        return [(int(r), _places(signed)) for r, signed in self.connection.execute(sql, (target, epoch))]


def _places(signed: bytes) -> frozenset[int]:
    bits = int.from_bytes(signed, "big")
    return frozenset(i for i in range(8 * _BYTES) if bits >> i & 1)
