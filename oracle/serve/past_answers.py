"""What happened, for a page: the course of all feeds at a glance, changes of a feed's status, its pushes.

As in ``answers``: functions of the stored rounds, run away from the event loop. The course of all feeds is asked for by every
page and is the same for all: it is read once a step.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial

from feeds.units import MS
from oracle.model.publication import Record
from oracle.model.spec import Mode
from oracle.report.compose import price_of
from oracle.serve.documents import Document, price_text, transition_document
from oracle.serve.evidence import report_document
from oracle.serve.interface import PriceInterface, StoredRounds
from oracle.serve.web import Body
from oracle.storage.shown_rows import FeedPush

TREND_SPANS_S = ("3600", "86400")
MOST_PAST = 200
_POINTS = 48


def changes_answer(stored: StoredRounds, *, feed: str, limit: int) -> Body:
    """The newest changes of a feed's status, the newest first."""
    found = stored.changes(feed, limit + 1)
    changes = [transition_document(t) for t in found[:limit]]
    return Body.json({"feed": feed, "more": len(found) > limit, "changes": changes})


def pushes_answer(stored: StoredRounds, *, feed: str, mode: Mode, targets: Sequence[str], limit: int) -> Body:
    """The newest pushes of a feed to these targets, the newest first."""
    found = [p for target in targets for p in stored.pushes_of(feed, target, limit)]
    found.sort(key=lambda p: p.made_ms, reverse=True)
    return Body.json({"feed": feed, "pushes": [_push_document(p, mode) for p in found[:limit]]})


def trends_answer(stored: StoredRounds, *, feeds: Sequence[str], span_s: int, until_s: int) -> Body:
    """The course of these feeds: the newest round of each step."""
    step_s = span_s // _POINTS
    times_s = range(until_s - (_POINTS - 1) * step_s, until_s + 1, step_s)
    courses = [
        {"feed": f, "points": [_point(r) for r in stored.at_times(f, times_s, step_s)]} for f in feeds
    ]  # fmt: skip
    return Body.json({"span_s": span_s, "step_s": step_s, "until": until_s, "feeds": courses})


class Trends:
    """The course of all feeds, read once for all who ask in one step.

    Args:
        service: where the stored rounds are.
        now_ms: the clock, Unix ms.
    """

    def __init__(self, service: PriceInterface, now_ms: Callable[[], int]) -> None:
        self._service, self._now_ms = service, now_ms
        self._read: dict[int, tuple[int, asyncio.Task[Body]]] = {}

    async def body(self, span_s: int) -> Body:
        """The course over a span.

        Raises:
            HttpProblem: 503 where too many reads are running.
        """
        step_s = span_s // _POINTS
        until_s = self._now_ms() // MS // step_s * step_s
        known_s, reading = self._read.get(span_s, (0, None))
        failed = reading is not None and reading.done() and reading.exception() is not None
        if reading is None or known_s != until_s or failed:
            read = partial(trends_answer, feeds=tuple(self._service.specs()), span_s=span_s, until_s=until_s)
            reading = asyncio.ensure_future(self._service.read_stored(read))
            self._read[span_s] = (until_s, reading)
        return await asyncio.shield(reading)  # a reader that leaves does not cancel it for the others


def _point(record: Record | None) -> Document | None:
    if record is None:
        return None
    price = None if record.report.repeats_prices else price_text(record.price_wad)
    return {"price": price, "deviation_bps": record.deviation_bps, "status": record.report.status.word}


def _push_document(push: FeedPush, mode: Mode) -> Document:
    return {
        "target": push.target,
        "at_ms": push.made_ms,
        "state": push.state.value if push.state is not None else "not_sent",
        "price": price_text(price_of(push.report, mode)) if push.report is not None else None,
        "item": report_document(push.report) if push.report is not None else None,
        "feeds": push.feeds,
        "landed_at_ms": push.landed_ms,
        "block": None if push.block is None else str(push.block),
        "tx_hash": push.tx_hash,
        "gas_used": push.gas_used,
        "why": push.why,
        "note": push.note,
    }
