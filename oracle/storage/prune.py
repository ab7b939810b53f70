"""Pruning: drop from the database what no audit needs any more, the oldest first and a little at a time."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from oracle.storage.outbox_rows import drop_handed_on
from oracle.storage.packer import drop_packs
from oracle.storage.packs import Packs
from oracle.storage.series import names_in, series_in
from oracle.storage.signed_rows import signed_row

_CHECKPOINTS = "SELECT operator, feed, max(round_s) FROM checkpoints WHERE round_s <= ? GROUP BY operator, feed"
_NEWEST = "SELECT max(round_s) FROM rounds WHERE operator = ? AND feed = ?"
_DROP_CHECKPOINTS = "DELETE FROM checkpoints WHERE operator = ? AND feed = ? AND round_s < ?"
_DROP_ROUNDS = (
    "DELETE FROM rounds WHERE operator = ? AND feed = ? AND round_s IN (SELECT round_s FROM rounds"
    " WHERE operator = ? AND feed = ? AND round_s < ? ORDER BY round_s LIMIT ?)"
)
_AGREEMENTS = (
    "SELECT target, round_s, EXISTS (SELECT 1 FROM pushes p WHERE p.target = a.target AND p.round_s = a.round_s"
    " AND p.state = 'landed') OR EXISTS (SELECT 1 FROM pushes p WHERE p.target = a.target AND p.final = 0"
    " AND p.round_s = a.round_s) FROM agreements a WHERE round_s >= ? AND round_s < ? ORDER BY round_s LIMIT ?"
)
_AGREEMENT = "SELECT * FROM agreements WHERE target = ? AND round_s = ?"
_DROP_AGREEMENT = "DELETE FROM agreements WHERE target = ? AND round_s = ?"
_KEEP_AGREEMENT = "INSERT OR REPLACE INTO kept_agreements VALUES (?, ?, ?, ?, ?, ?)"
_DROP_KEPT = (
    "DELETE FROM kept_agreements WHERE target = ? AND round_s IN (SELECT round_s FROM kept_agreements WHERE target = ?"
    " AND round_s < ? ORDER BY round_s LIMIT ?)"
)
_DROP_PUSHES = (
    "DELETE FROM pushes WHERE id IN (SELECT id FROM pushes WHERE target = ? AND made_ms < ? AND final = 1 AND id <"
    " (SELECT max(id) FROM pushes WHERE target = ?) ORDER BY made_ms LIMIT ?)"
)
_DROP_ATTENDED = (
    "DELETE FROM attended WHERE target = ? AND epoch = ? AND round_s IN (SELECT round_s FROM attended WHERE target = ?"
    " AND epoch = ? AND round_s < ? ORDER BY round_s LIMIT ?)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PruneTimes:
    """What is older than these times may go, Unix seconds; 0: nothing.

    Attributes:
        rounds_s: rounds with their inputs, and checkpoints.
        values_s: what was signed in a round, where no push with it landed, or may still have.
        pushed_values_s: the same behind a push that landed.
        pushes_s: pushes whose outcome cannot change any more.
        attended_s: who signed which round: a set without stake may sign for ever, in one epoch.
    """

    rounds_s: int = 0
    values_s: int = 0
    pushed_values_s: int = 0
    pushes_s: int = 0
    attended_s: int = 0


class Pruner:
    """What is left to drop. A crash at any point loses the aim and nothing else: the next aim covers the rest.

    Args:
        conn: the database, in autocommit mode; every step is a transaction of its own.
        packs: its packs.
    """

    def __init__(self, conn: sqlite3.Connection, packs: Packs) -> None:
        self._conn, self._packs = conn, packs
        self._cuts: PruneTimes | None = None
        self._reached_s = 0

    @property
    def busy(self) -> bool:
        """Whether there may be something left to drop."""
        return self._cuts is not None

    @property
    def oldest_s(self) -> int:
        """The oldest round that stays by the last aim, of feeds whose rounds go on; 0 before there is one."""
        if self._cuts is None:
            return 0
        spans = self._spans(self._firsts(self._cuts))
        return min((first_s for first_s, last_s in spans if last_s >= self._cuts.rounds_s), default=0)

    def aim(self, cuts: PruneTimes) -> None:
        """Set what the next steps drop."""
        self._cuts, self._reached_s = cuts, 0

    def step(self, limit: int) -> int:
        """Drop at most so many rows of each kind, and check as many signed values.

        Rounds go up to the newest checkpoint before their time, so that the rest stays recomputable. Signed values stay where
        a feed keeps a round of that time.

        Returns:
            How many rounds were dropped.
        """
        if self._cuts is None:
            return 0
        cuts, left = self._cuts, limit
        firsts = self._firsts(cuts)
        with self._conn:
            self._conn.execute("BEGIN IMMEDIATE")
            for operator, feed, first_s in firsts:
                # with the first round that goes: nothing can be folded from these any more
                self._conn.execute(_DROP_CHECKPOINTS, (operator, feed, first_s))
                left -= self._conn.execute(_DROP_ROUNDS, (operator, feed, operator, feed, first_s, left)).rowcount
                if left <= 0:
                    break
                drop_packs(self._conn, "rounds", (operator, feed), first_s)
            reached_s, more = self._drop_agreements(cuts, self._spans(firsts), limit)
            more = self._drop_kept(cuts, limit) or more
            more = self._drop_attended(cuts, limit) or more
        self._reached_s = reached_s
        if left > 0 and not more:
            self._cuts = None
        return limit - left

    def _firsts(self, cuts: PruneTimes) -> list[tuple[str, str, int]]:
        """Operator, feed, and the first round that stays."""
        return self._conn.execute(_CHECKPOINTS, (cuts.rounds_s,)).fetchall()

    def _spans(self, firsts: Sequence[tuple[str, str, int]]) -> set[tuple[int, int]]:
        """First and last round of what stays of each feed; of a feed that has ended, that is its last part."""
        newest = ((self._conn.execute(_NEWEST, (operator, feed)).fetchone()[0] or 0) for operator, feed, _ in firsts)
        return {(first_s, last_s) for (_, _, first_s), last_s in zip(firsts, newest, strict=True)}

    def _drop_agreements(self, cuts: PruneTimes, spans: set[tuple[int, int]], limit: int) -> tuple[int, bool]:
        """Check the next signed values, in order of time; returns how far that came, and whether there are more."""
        rows = self._conn.execute(_AGREEMENTS, (self._reached_s, cuts.values_s, limit)).fetchall()
        going = [r for r in rows if not any(a <= r[1] <= b for a, b in spans)]
        pushed = [r[:2] for r in going if r[2] and r[1] >= cuts.pushed_values_s]
        kept = [signed_row(self._packs, self._conn.execute(_AGREEMENT, key).fetchone()).columns for key in pushed]
        self._conn.executemany(_KEEP_AGREEMENT, kept)
        self._conn.executemany(_DROP_AGREEMENT, [r[:2] for r in going])
        drop_handed_on(self._conn, [r[:2] for r in going])
        reached_s = rows[-1][1] if rows else self._reached_s
        for target in {r[0] for r in going}:
            drop_packs(self._conn, "agreements", (target,), reached_s + 1)
        # from the same round again: another target may have values of it
        return reached_s, len(rows) >= limit

    def _drop_kept(self, cuts: PruneTimes, limit: int) -> bool:
        """Drop values behind pushes, and pushes, whose time is over; returns whether there are more."""
        most = 0
        for target in names_in(self._conn, "kept_agreements", "target"):
            gone = self._conn.execute(_DROP_KEPT, (target, target, cuts.pushed_values_s, limit)).rowcount
            if 0 < gone < limit:
                drop_packs(self._conn, "kept_agreements", (target,), cuts.pushed_values_s)
            most = max(most, gone)
        for target in names_in(self._conn, "pushes", "target"):
            values = (target, cuts.pushes_s * 1_000, target, limit)
            most = max(most, self._conn.execute(_DROP_PUSHES, values).rowcount)
        return most >= limit

    def _drop_attended(self, cuts: PruneTimes, limit: int) -> bool:
        """Drop who signed rounds whose time is over; returns whether there are more."""
        most = 0
        for key in series_in(self._conn, "attended", ("target", "epoch")):
            most = max(most, self._conn.execute(_DROP_ATTENDED, (*key, *key, cuts.attended_s, limit)).rowcount)
        return most >= limit
