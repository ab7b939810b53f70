"""Rounds as they are stored: results, states, checkpoints and specs of each operator and feed."""

from __future__ import annotations

import json
import sqlite3

from oracle.model.canonical_json import parse
from oracle.model.spec import RULES_VERSION, FeedSpec
from oracle.model.state import FeedState
from oracle.model.types import Abstained, FeedRound, Result
from oracle.storage.carried import CarriedState, carried_state
from oracle.storage.errors import DatabaseError
from oracle.storage.limits import DatabaseLimits
from oracle.storage.older import OlderRounds
from oracle.storage.packs import Packs
from oracle.storage.withdrawn import Withdrawn

_NEWEST_FIRST = (
    "SELECT round_s, body FROM rounds WHERE operator = ? AND feed = ? AND orphaned IS NULL ORDER BY round_s DESC"
)


class RoundRows:
    """The rounds of a database."""

    connection: sqlite3.Connection
    packs: Packs
    withdrawn: Withdrawn
    older: OlderRounds
    limits: DatabaseLimits
    _counts: dict[tuple[str, str], int]

    def state(self, operator: str, feed: str) -> FeedState:
        """The state after the last stored round; a fresh one where there is none."""
        return self.carried_state(operator, feed).state

    def carried_state(self, operator: str, feed: str) -> CarriedState:
        """The same, with the rules that have made it and what of it begins anew by the present ones."""
        row = self.connection.execute(
            "SELECT body FROM states WHERE operator = ? AND feed = ?", (operator, feed)
        ).fetchone()
        return carried_state(row[0]) if row else CarriedState(state=FeedState(), made_by=RULES_VERSION)

    def last_round_s(self) -> int:
        """Newest round_time stored, 0 if none: rounds never go back behind it."""
        newest = "SELECT max(r.round_s) FROM rounds r WHERE r.operator = s.operator AND r.feed = s.feed"
        row = self.connection.execute(f"SELECT max(({newest})) FROM states s").fetchone()  # noqa: S608 - our own text
        older = self.older.span()
        return max(int(row[0] or 0), older[1] if older is not None else 0)

    def operators(self, feed: str) -> tuple[str, ...]:
        """Operators that have rounds of this feed."""
        has_rounds = "SELECT 1 FROM rounds r WHERE r.operator = s.operator AND r.feed = s.feed"
        sql = f"SELECT operator FROM states s WHERE feed = ? AND EXISTS ({has_rounds}) ORDER BY operator"  # noqa: S608 - ours
        return tuple(r[0] for r in self.connection.execute(sql, (feed,)))

    def result(self, operator: str, feed: str, round_s: int) -> Result | None:
        """One operator's stored result of one round."""
        sql = "SELECT kind, body FROM rounds WHERE operator = ? AND feed = ? AND round_s = ?"
        row = self.connection.execute(sql, (operator, feed, round_s)).fetchone()
        return stored_result(row[0], self.packs.plain(row[1])) if row else None

    def newest(self, feed: str, before_s: int = 1 << 40) -> Result | None:
        """One operator's result of the newest stored round of a feed before a time."""
        sql = "SELECT kind, body FROM rounds WHERE operator = ? AND feed = ? AND round_s < ? ORDER BY round_s DESC LIMIT 1"
        rows = [self.connection.execute(sql, (name, feed, before_s)).fetchone() for name in self.operators(feed)]
        results = [stored_result(row[0], self.packs.plain(row[1])) for row in rows if row]
        return max(results, key=lambda r: r.round_time_s, default=None)

    def round_span(self, operator: str, feed: str) -> tuple[int, int] | None:
        """The oldest and the newest round of an operator and feed that is stored with its inputs; None where none is."""
        sql = "SELECT min(round_s), max(round_s) FROM rounds WHERE operator = ? AND feed = ?"
        first, last = self.connection.execute(sql, (operator, feed)).fetchone()
        return None if first is None else (int(first), int(last))

    def rounds_between(self, operator: str, feed: str, first_s: int, last_s: int) -> int:
        """How many rounds are stored of an operator and feed, both ends included; nothing of them is decoded."""
        sql = "SELECT count(*) FROM rounds WHERE operator = ? AND feed = ? AND round_s BETWEEN ? AND ?"
        return int(self.connection.execute(sql, (operator, feed, first_s, last_s)).fetchone()[0])

    def results_since(
        self, operator: str, feed: str, first_s: int, last_s: int, limit: int = -1
    ) -> list[tuple[bytes, Result]]:
        """Stored bytes and results of one operator and feed, ascending, both ends included; the first ``limit`` of them."""
        sql = (
            "SELECT kind, body FROM rounds WHERE operator = ? AND feed = ? AND round_s BETWEEN ? AND ?"
            " ORDER BY round_s LIMIT ?"
        )
        rows = self.connection.execute(sql, (operator, feed, first_s, last_s, limit))
        bodies = ((kind, self.packs.plain(body)) for kind, body in rows)
        return [(body, stored_result(kind, body)) for kind, body in bodies]

    def checkpoint(self, operator: str, feed: str, round_s: int) -> tuple[int, FeedState] | None:
        """The newest checkpoint at or before a round: its round and the state before it."""
        sql = (
            "SELECT round_s, body FROM checkpoints WHERE operator = ? AND feed = ? AND round_s <= ?"
            " ORDER BY round_s DESC LIMIT 1"
        )
        row = self.connection.execute(sql, (operator, feed, round_s)).fetchone()
        return (int(row[0]), parse(FeedState, row[1])) if row else None

    def checkpoints(self, operator: str, feed: str, until_s: int) -> list[FeedState]:
        """The states before rounds that were kept as checkpoints, up to a round, those of disowned rounds too."""
        sql = "SELECT body FROM checkpoints WHERE operator = ? AND feed = ? AND round_s <= ?"
        bodies = [r[0] for r in self.connection.execute(sql, (operator, feed, until_s))]
        withdrawn = self.withdrawn.rows("checkpoint", feed, until_s)
        return [parse(FeedState, b) for b in (*bodies, *(r.body for r in withdrawn if r.operator == operator))]

    def rounds_of(self, operator: str, feed: str) -> int:
        """How many rounds of a feed an operator has made, dropped ones too."""
        return self._counts.get((operator, feed), 0)

    def spec(self, spec_hash: str) -> FeedSpec:
        """A spec by its hash; DatabaseError if it was never stored."""
        row = self.connection.execute("SELECT body FROM specs WHERE hash = ?", (spec_hash,)).fetchone()
        if row is None:
            raise DatabaseError(f"no spec with hash {spec_hash}: the database is incomplete")
        return parse(FeedSpec, row[0])

    def mark_orphaned(self, chain_id: int, first_block: int, last_block: int, note: str) -> int:
        """Mark rounds that used reads of blocks which a reorganisation took away; returns how many.

        Each feed's rounds are read from the newest back, until one that used older blocks of the chain only.
        """
        marked = []
        for operator, feed in self._counts:
            quiet = 0
            for round_s, body in self.connection.execute(_NEWEST_FIRST, (operator, feed)):
                used = blocks_used(self.packs.plain(body), chain_id)
                if any(first_block <= block <= last_block for block in used):
                    marked.append((note, operator, feed, round_s))
                quiet = 0 if used else quiet + 1
                if quiet >= self.limits.quiet_rounds or (used and max(used) < first_block):
                    break
        update = "UPDATE rounds SET orphaned = ? WHERE operator = ? AND feed = ? AND round_s = ?"
        with self.connection:
            self.connection.execute("BEGIN IMMEDIATE")
            self.connection.executemany(update, marked)
        return len(marked)


def blocks_used(body: bytes, chain_id: int) -> list[int]:
    """Blocks of a chain that a stored result used."""
    if b'"chain_id":%d' % chain_id not in bytes(body):
        return []
    outcomes = json.loads(body)["outcomes"]
    return [int(o["block"]) for o in outcomes if o.get("chain_id") == chain_id and o.get("block") is not None]


def stored_result(kind: str, body: bytes) -> Result:
    """A round or an abstention from its bytes."""
    return parse(FeedRound, body) if kind == "round" else parse(Abstained, body)
