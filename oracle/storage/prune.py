"""Pruning: drop from the database what no audit needs any more, the oldest first and a little at a time."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

PUSHED_KEPT_S = 400 * 86_400
"""How long signed values behind a push that landed are kept: the evidence of what is on a chain outlives the rounds."""
_CHECKPOINTS = "SELECT operator, feed, max(round_s) FROM checkpoints WHERE round_s <= ? GROUP BY operator, feed"
_NEWEST = "SELECT max(round_s) FROM rounds WHERE operator = ? AND feed = ?"
_DROP_CHECKPOINTS = "DELETE FROM checkpoints WHERE operator = ? AND feed = ? AND round_s < ?"
_DROP_ROUNDS = (
    "DELETE FROM rounds WHERE operator = ? AND feed = ? AND round_s IN (SELECT round_s FROM rounds"
    " WHERE operator = ? AND feed = ? AND round_s < ? ORDER BY round_s LIMIT ?)"
)
_AGREEMENTS = (
    "SELECT target, round_s, EXISTS (SELECT 1 FROM pushes p WHERE p.target = a.target AND p.round_s = a.round_s"
    " AND p.state = 'landed') FROM agreements a WHERE round_s >= ? AND round_s < ? ORDER BY round_s LIMIT ?"
)
_DROP_AGREEMENT = "DELETE FROM agreements WHERE target = ? AND round_s = ?"


class Pruner:
    """What is left to drop. A crash at any point loses the aim and nothing else: the next aim covers the rest.

    Args:
        conn: the database, in autocommit mode; every step is a transaction of its own.
    """

    def __init__(self, conn: sqlite3.Connection) -> None:
        self._conn = conn
        self._before_s = 0
        self._reached_s = 0

    @property
    def busy(self) -> bool:
        """Whether there may be something left to drop."""
        return self._before_s > 0

    def aim(self, before_s: int) -> None:
        """Set what the next steps drop: everything older than this, Unix seconds."""
        self._before_s, self._reached_s = before_s, 0

    def step(self, limit: int) -> int:
        """Drop at most so many rounds, and check as many signed values.

        Rounds go up to the newest checkpoint before the aim, so that the rest stays recomputable. Signed values go where
        no feed keeps a round of that time; those behind a push that landed stay for ``PUSHED_KEPT_S``.

        Returns:
            How many rounds were dropped.
        """
        if not self.busy:
            return 0
        firsts = self._conn.execute(_CHECKPOINTS, (self._before_s,)).fetchall()
        left = limit
        with self._conn:
            self._conn.execute("BEGIN IMMEDIATE")
            for operator, feed, first_s in firsts:
                # with the first round that goes: nothing can be folded from these any more
                self._conn.execute(_DROP_CHECKPOINTS, (operator, feed, first_s))
                left -= self._conn.execute(_DROP_ROUNDS, (operator, feed, operator, feed, first_s, left)).rowcount
                if left <= 0:
                    break
            reached_s, more = self._drop_agreements(self._spans(firsts), limit)
        self._reached_s = reached_s
        if left > 0 and not more:
            self._before_s = 0
        return limit - left

    def _spans(self, firsts: Sequence[tuple[str, str, int]]) -> set[tuple[int, int]]:
        """First and last round of what stays of each feed; of a feed that has ended, that is its last part."""
        newest = ((self._conn.execute(_NEWEST, (operator, feed)).fetchone()[0] or 0) for operator, feed, _ in firsts)
        return {(first_s, last_s) for (_, _, first_s), last_s in zip(firsts, newest, strict=True)}

    def _drop_agreements(self, spans: set[tuple[int, int]], limit: int) -> tuple[int, bool]:
        """Check the next signed values, in order of time; returns how far that came, and whether there are more."""
        rows = self._conn.execute(_AGREEMENTS, (self._reached_s, self._before_s, limit)).fetchall()
        oldest_s = self._before_s - PUSHED_KEPT_S
        dropped = [
            (target, round_s)
            for target, round_s, pushed in rows
            if not (pushed and round_s >= oldest_s) and not any(a <= round_s <= b for a, b in spans)
        ]
        self._conn.executemany(_DROP_AGREEMENT, dropped)
        # from the same round again: another target may have values of it
        return (rows[-1][1] if rows else self._reached_s), len(rows) >= limit
