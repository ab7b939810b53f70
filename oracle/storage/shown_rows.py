"""What a page asks of what is stored: prices at moments, the newest changes of a feed's status, what was pushed of it."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from oracle.model.canonical_json import parse
from oracle.model.publication import PushState, Record, Transition
from oracle.model.types import Report
from oracle.report.wire import decode_item, split_items
from oracle.storage.packs import Packs
from oracle.storage.signed_rows import signed_row

_LOOKED_AT = 2_000
"""Rows of a target's journals that are searched for a feed: each has many feeds, or few."""
_IN_STEP = "SELECT body FROM records WHERE feed = ? AND round_s > ? AND round_s <= ? ORDER BY round_s DESC LIMIT 1"
_CHANGES = "SELECT body FROM transitions WHERE feed = ? ORDER BY at_ms DESC LIMIT ?"
_NEWEST_SEALED = "SELECT * FROM {} WHERE target = ? ORDER BY round_s DESC LIMIT 1"
_PUSHES = (
    "SELECT made_ms, round_s, items, state, landed_ms, tx_hash, block, gas_used, note, why FROM pushes"
    " WHERE target = ? ORDER BY made_ms DESC, id DESC LIMIT ?"
)
_NOT_PUSHED = (
    "SELECT at_ms, round_s, items, NULL, NULL, NULL, NULL, NULL, error, why FROM not_pushed"
    " WHERE target = ? ORDER BY at_ms DESC LIMIT ?"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedPush:
    """What became of one feed in a push, or why it was due and not pushed.

    Attributes:
        target: of which store.
        made_ms: when it was signed, or found due.
        report: what was pushed of the feed; None where nobody signed a batch with it.
        feeds: how many feeds the push has; they share its gas.
        state: of the transaction; None: none was made.
        landed_ms: when it was seen in the chain; ``tx_hash``, ``block``, ``gas_used``: as far as known.
        note: what went wrong, "" if nothing did. ``why``: why this feed was due.
    """

    target: str
    made_ms: int
    report: Report | None
    feeds: int
    state: PushState | None
    landed_ms: int | None = None
    tx_hash: str | None = None
    block: int | None = None
    gas_used: int | None = None
    note: str = ""
    why: str = ""


class ShownRows:
    """The reads of a database that are made for a page."""

    connection: sqlite3.Connection
    packs: Packs

    def at_times(self, feed: str, times_s: Sequence[int], step_s: int) -> list[Record | None]:
        """The newest record of each step that ends at one of these times; None where there is none."""
        rows = (self.connection.execute(_IN_STEP, (feed, t - step_s, t)).fetchone() for t in times_s)
        return [None if row is None else parse(Record, self.packs.plain(row[0])) for row in rows]

    def changes(self, feed: str, limit: int) -> list[Transition]:
        """The newest changes of a feed's status, the newest first."""
        return [parse(Transition, r[0]) for r in self.connection.execute(_CHANGES, (feed, limit))]

    def pushes_of(self, feed: str, target: str, limit: int) -> list[FeedPush]:
        """The newest pushes with a feed, and when it was due and not pushed, the newest first."""
        index = self._index(feed, target)
        if index is None:
            return []
        found = [
            *self._pushes(_PUSHES, feed, target, index, limit),
            *self._pushes(_NOT_PUSHED, feed, target, index, limit),
        ]
        return sorted(found, key=lambda p: p.made_ms, reverse=True)[:limit]

    def _index(self, feed: str, target: str) -> int | None:
        """A feed's number at a target, as the newest sealed round that is kept says."""
        for table in ("agreements", "kept_agreements"):
            row = self.connection.execute(_NEWEST_SEALED.format(table), (target,)).fetchone()
            if row is not None:
                feeds, indexes = parse(tuple[tuple[str, ...], tuple[int, ...]], signed_row(self.packs, row).indexes)
                return dict(zip(feeds, indexes, strict=True)).get(feed)
        return None

    def _pushes(self, sql: str, feed: str, target: str, index: int, limit: int) -> list[FeedPush]:
        found: list[FeedPush] = []
        for row in self.connection.execute(sql, (target, _LOOKED_AT)):
            items, why = split_items(bytes(row[2])), _why(row[9], feed)
            unsigned = why is not None and not items
            if index not in items and not unsigned:
                continue
            found.append(
                FeedPush(
                    target=target, made_ms=row[0], feeds=len(items), why=why or "",
                    report=None if unsigned else decode_item(items[index], row[1])[1],
                    state=PushState(row[3]) if row[3] else None, landed_ms=row[4], tx_hash=row[5], block=row[6],
                    gas_used=row[7], note=row[8] or "",
                )
            )  # fmt: skip
            if len(found) == limit:
                break
        return found


def _why(text: str, feed: str) -> str | None:
    """The reason of one feed in ``FEED: reason; FEED: reason``; None where it is not named."""
    return next((part.removeprefix(f"{feed}: ") for part in text.split("; ") if part.startswith(f"{feed}: ")), None)
