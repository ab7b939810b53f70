"""Records that are too old to be kept one by one: they become minutes, minutes become hours, hours end.

Every step is one transaction that takes rows away and puts what is left of them where it belongs, so that a crash leaves each
record either there or counted, never both. A record that is learned later is taken in by the next step. Records at which the
status changed, and those that this process pushed to a chain, are kept whole beside that.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence

from oracle.model.canonical_json import parse
from oracle.model.publication import Record
from oracle.model.roll_up import HOUR_S, MINUTE_S, RollUp, of_record
from oracle.report.wire import split_items
from oracle.storage.packer import drop_packs
from oracle.storage.packs import Packs
from oracle.storage.roll_up_rows import ROW_S, add_roll_ups, roll_ups_in
from oracle.storage.series import names_in
from oracle.storage.signed_rows import feeds_of_indexes

_RECORDS_A_ROW = 15
"""A row of roll-ups is as much work as so many records."""
_RECORDS = "SELECT round_s, body FROM records WHERE feed = ? AND round_s < ? ORDER BY round_s LIMIT ?"
_DROP_RECORDS = "DELETE FROM records WHERE feed = ? AND round_s <= ?"
_PUSHED = (
    "SELECT round_s, items FROM pushes WHERE target = ? AND state = 'landed' AND round_s BETWEEN ? AND ? UNION ALL"
    " SELECT round_s, items FROM pushes WHERE target = ? AND final = 0 AND state != 'landed' AND round_s BETWEEN ? AND ?"
)
"""Those, too, of which it is not known yet whether they landed: the process may have been away for longer than records stay."""
_ROWS = "SELECT start_s, body FROM roll_ups WHERE step_s = ? AND feed = ? AND start_s < ? ORDER BY start_s LIMIT ?"
_DROP_ROWS = "DELETE FROM roll_ups WHERE step_s = ? AND feed = ? AND start_s < ?"
_LAST = (
    "SELECT start_s, body FROM roll_ups WHERE step_s = ? AND feed = ? AND start_s <= ? ORDER BY start_s DESC LIMIT 1"
)


class Thinner:
    """What is left to thin out. A crash loses the aim and nothing else.

    Args:
        conn: the database, in autocommit mode.
        packs: its packs.
    """

    def __init__(self, conn: sqlite3.Connection, packs: Packs) -> None:
        self._conn, self._packs = conn, packs
        self._left: dict[int, list[str]] = {}
        self._before: dict[int, int] = {}

    @property
    def busy(self) -> bool:
        """Whether there may be something left to thin out."""
        return any(self._left.values())

    def aim(self, records_s: int, minutes_s: int, hours_s: int) -> None:
        """Set what the next steps thin out: records, minutes and hours from before these times, in whole hours and days."""
        self._before = {
            0: records_s - records_s % HOUR_S,
            **{s: t - t % ROW_S[s] for s, t in ((MINUTE_S, minutes_s), (HOUR_S, hours_s))},
        }
        rolled_up = {
            step_s: [f for (f,) in self._conn.execute("SELECT DISTINCT feed FROM roll_ups WHERE step_s = ?", (step_s,))]
            for step_s in (MINUTE_S, HOUR_S)
        }
        self._left = {0: names_in(self._conn, "records", "feed"), **rolled_up}

    def step(self, limit: int) -> int:
        """Thin out so many records of one feed at most, or so many rows of its roll-ups; returns how many, 0 once all is done."""
        for step_s, feeds in self._left.items():
            while feeds:
                done = self._records(feeds[-1], limit) if step_s == 0 else self._roll_ups(step_s, feeds[-1], limit)
                if done:
                    return done
                feeds.pop()
        return 0

    def _records(self, feed: str, limit: int) -> int:
        rows = self._conn.execute(_RECORDS, (feed, self._before[0], limit)).fetchall()
        if not rows:
            return 0
        bodies = {round_s: self._packs.plain(body) for round_s, body in rows}
        records = {round_s: parse(Record, body) for round_s, body in bodies.items()}
        last_s = rows[-1][0]
        with self._conn:
            self._conn.execute("BEGIN IMMEDIATE")
            kept = dict.fromkeys(self._changes(feed, list(records.items())), "status")
            kept |= dict.fromkeys(self._pushed(feed, rows[0][0], last_s), "pushed")
            self._conn.executemany(
                "INSERT OR IGNORE INTO kept_records VALUES (?, ?, ?, ?)",
                [(feed, r, why, bodies[r]) for r, why in kept.items() if r in bodies],
            )
            add_roll_ups(self._conn, feed, MINUTE_S, map(of_record, records.values()))
            self._conn.execute(_DROP_RECORDS, (feed, last_s))
            drop_packs(self._conn, "records", (feed,), last_s + 1)
        return len(rows)

    def _roll_ups(self, step_s: int, feed: str, limit: int) -> int:
        """Minutes become hours; hours are dropped."""
        rows = self._conn.execute(_ROWS, (step_s, feed, self._before[step_s], limit // _RECORDS_A_ROW or 1)).fetchall()
        if not rows:
            return 0
        with self._conn:
            self._conn.execute("BEGIN IMMEDIATE")
            if step_s == MINUTE_S:
                add_roll_ups(
                    self._conn, feed, HOUR_S, [p for start_s, body in rows for p in roll_ups_in(body, start_s)]
                )
            self._conn.execute(_DROP_ROWS, (step_s, feed, rows[-1][0] + 1))
        return len(rows)

    def _changes(self, feed: str, records: Sequence[tuple[int, Record]]) -> Iterator[int]:
        """Rounds at which the status is another one than before."""
        before = self._last_before(feed, records[0][0])
        status = None if before is None else before.status
        for round_s, record in records:
            if record.report.status is not status:
                yield round_s
            status = record.report.status

    def _last_before(self, feed: str, round_s: int) -> RollUp | None:
        for step_s in ROW_S:
            for start_s, body in self._conn.execute(_LAST, (step_s, feed, round_s)):
                earlier = [p for p in roll_ups_in(body, start_s) if p.last_s < round_s]
                if earlier:
                    return earlier[-1]
        return None

    def _pushed(self, feed: str, first_s: int, last_s: int) -> set[int]:
        """Rounds whose value of this feed landed on a chain, or may have. Where it is not known which feeds a push carried, it counts."""
        found = set()
        for target in names_in(self._conn, "pushes", "target"):
            for round_s, items in self._conn.execute(_PUSHED, (target, first_s, last_s) * 2).fetchall():
                names = feeds_of_indexes(self._conn, self._packs, target, round_s)
                if not names or feed in {names.get(i) for i in split_items(items)}:
                    found.add(round_s)
        return found
