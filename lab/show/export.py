"""Published records as a table that replay reads: ``time`` (Unix seconds), ``price`` (market), ``redemption``, and the published status."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path

from feeds.units import wad_text
from oracle.model.publication import Record

COLUMNS = ("time", "price", "redemption", "published", "spread_bps", "status", "reasons")


def write(records: Iterable[Record], file: Path) -> int:
    """Write one row for each record, oldest first; returns how many. A price that a feed does not have is an empty cell."""
    rows = sorted(records, key=lambda r: r.report.round_time_s)
    with file.open("w", encoding="utf-8", newline="") as text:
        out = csv.writer(text, lineterminator="\n")
        out.writerow(COLUMNS)
        out.writerows(map(_row, rows))
    return len(rows)


def _row(record: Record) -> tuple[object, ...]:
    report = record.report
    return (
        report.round_time_s,
        wad_text(report.market_wad) if report.market_wad else "",
        wad_text(report.redemption_wad) if report.redemption_wad else "",
        wad_text(record.price_wad) if record.price_wad else "",
        report.spread_bps,
        report.status.word,
        " ".join(r.code.name for r in record.reasons),
    )
