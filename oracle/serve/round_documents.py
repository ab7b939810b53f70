"""A sealed round as it is handed on: what proves it, the records of it, and which feeds it has no price of. Pure.

They are functions of stored rounds, run away from the event loop: arguments and results can be sent to another process.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import orjson

from oracle.model.publication import Record, Silent
from oracle.serve.documents import Document, history_document, reasons_document
from oracle.serve.interface import StoredRounds
from oracle.serve.operator_documents import sealed_document
from oracle.sign.messages import Agreement


@dataclass(frozen=True, slots=True)
class RoundFrame:
    """A sealed round as one line of JSON. ``sequence``: its place in the order of storing."""

    sequence: int
    round_time_s: int
    data: bytes


def round_document(agreement: Agreement, records: Sequence[Record], silent: Sequence[Silent]) -> Document:
    """A sealed round as it is handed on."""
    return {
        "sealed": sealed_document(agreement),
        "records": [record_document(r) for r in records],
        "abstaining": [{"feed": s.feed, "code": s.why.name, "text": s.text} for s in silent],
    }


def record_document(record: Record) -> Document:
    """A record with all that is published of it."""
    return {
        "feed": record.feed,
        **history_document(record),
        "mode": record.mode.value,
        "ramp_ppm": record.ramp_ppm,
        "reasons": reasons_document(record.reasons),
        "operators": list(record.operators),
        "legs": list(record.legs),
    }


def frames_after(
    stored: StoredRounds, *, target: str, sequence: int, limit: int, feeds: Sequence[str]
) -> list[RoundFrame]:
    """The sealed rounds of a target that were stored after one, in that order.

    Args:
        stored: the stored rounds.
        target: whose.
        sequence: of the last one that is known.
        limit: at most so many.
        feeds: all feeds, crosses too.
    """
    return list(_frames(stored, target, sequence, limit, feeds))


def _frames(stored: StoredRounds, target: str, sequence: int, limit: int, feeds: Sequence[str]) -> Iterator[RoundFrame]:
    for row in stored.sealed_after(target, sequence, limit):
        agreement = stored.agreement(row.round_time_s, target)
        if agreement is None:
            continue
        found = (stored.record(f, row.round_time_s) for f in feeds)
        records = [r for r in found if r is not None and r.seal is not None and r.seal.target == target]
        data = orjson.dumps(round_document(agreement, records, row.silent))
        yield RoundFrame(row.sequence, row.round_time_s, data)


def first_place(stored: StoredRounds, *, target: str, after_s: int | None) -> tuple[int, int]:
    """Where a reader begins that has all rounds up to one; by default it begins with the newest round.

    Returns:
        The number after which it goes on, and a round that is awaited: where the reader's is newer than all that are known here,
        what comes before it is what the reader has. 0: none is.
    """
    if after_s is None:
        return max(0, stored.newest_sequence(target) - 1), 0
    return stored.sequence_of(target, after_s), after_s if (stored.newest_sealed_s(target) or 0) < after_s else 0
