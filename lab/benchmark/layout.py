"""The files of a case, version 1: ``case.json``, ``quotes.csv``, ``truth.csv``. docs/benchmark.md says what each column means."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from feeds.errors import LrtOracleError
from feeds.units import MS, WAD, wad_text
from lab.scenario.attack import Attack
from lab.scenario.source_series import SeriesPath

FORMAT = "oracle-benchmark"
VERSION = 1
CASE, QUOTES, TRUTH = "case.json", "quotes.csv", "truth.csv"
QUOTE_COLUMNS = (
    "time",
    "feed",
    "source",
    "group",
    "kind",
    "state",
    "observed",
    "price",
    "bid",
    "ask",
    "depth",
    "share",
)
TRUTH_COLUMNS = ("time", "truth")
ANSWER_COLUMNS = ("time", "price", "spread_bps", "state")


class BenchmarkError(LrtOracleError, ValueError):
    """A folder, a file or an answer cannot be used: which, where, and what to write."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedCase:
    """A case as it is read back. Times in ms; ``truth`` and ``attacks`` since the case began."""

    name: str
    part: str
    honest: bool
    began_ms: int
    length_ms: int
    round_ms: int
    truth: SeriesPath | None
    attacks: tuple[Attack, ...] = ()


def write_rows(file: Path, columns: Sequence[str], rows: Iterator[Sequence[Any]]) -> int:
    """Write a CSV; returns how many rows."""
    count = 0
    with file.open("w", encoding="utf-8", newline="") as text:
        out = csv.writer(text, lineterminator="\n")
        out.writerow(columns)
        for row in rows:
            out.writerow(row)
            count += 1
    return count


def seconds(at_ms: int) -> str:
    """Unix seconds, with a fraction only where there is one."""
    whole, rest = divmod(at_ms, MS)
    return f"{whole}.{rest:03d}" if rest else str(whole)


def number(wad: int | None) -> str:
    """A wad as text; empty for None."""
    return "" if wad is None else wad_text(wad)


def read_case(folder: Path) -> PublishedCase:
    """Read what a scorer needs of a case.

    Raises:
        BenchmarkError: it is no case of this version.
    """
    file = folder / CASE
    try:
        found: Mapping[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        if (found["format"], found["version"]) != (FORMAT, VERSION):
            raise BenchmarkError(
                f"{file}: {found['format']} {found['version']}, this scorer reads {FORMAT} {VERSION}: export the cases anew"
            )
        began_ms = int(found["began"]) * MS
        return PublishedCase(
            name=str(found["name"]),
            part=str(found["part"]),
            honest=bool(found["honest"]),
            began_ms=began_ms,
            length_ms=int(found["length_s"]) * MS,
            round_ms=int(found["round_s"]) * MS,
            truth=_truth(folder / TRUTH, began_ms, str(found["truth_between"])),
            attacks=tuple(_attack(a, began_ms) for a in found.get("attacks", ())),
        )
    except (OSError, KeyError, TypeError, ValueError) as e:
        if isinstance(e, BenchmarkError):
            raise
        raise BenchmarkError(f"{file} is not a case of {FORMAT} {VERSION}: {type(e).__name__} {e}") from None


def attack_document(attack: Attack, began_ms: int) -> dict[str, Any]:
    """An attack as ``case.json`` has it: times in Unix seconds, its cost in base units, as exact text."""
    return {
        "from": (began_ms + attack.from_ms) // MS,
        "to": (began_ms + attack.to_ms) // MS,
        "sources": list(attack.sources),
        "moved_bps": attack.moved_bps,
        "cost": number(attack.cost_wad),
    }


def _attack(found: Mapping[str, Any], began_ms: int) -> Attack:
    return Attack(
        from_ms=int(found["from"]) * MS - began_ms,
        to_ms=int(found["to"]) * MS - began_ms,
        sources=tuple(map(str, found["sources"])),
        moved_bps=int(found["moved_bps"]),
        cost_wad=int(Decimal(found["cost"]) * WAD),
    )


def _truth(file: Path, began_ms: int, between: str) -> SeriesPath | None:
    points = tuple(
        (at_ms - began_ms, wad)
        for at_ms, (wad, *_) in rows_of(file, TRUTH_COLUMNS[:1], TRUTH_COLUMNS[1:])
        if wad is not None
    )
    return SeriesPath(points=points, between=between) if points else None


def rows_of(
    file: Path, time: Sequence[str], numbers: Sequence[str], words: Sequence[str] = ()
) -> Iterator[tuple[int, list[Any]]]:
    """Rows of a file: Unix ms, then its numbers in wad (None where empty), then its words in lower case.

    Columns that the file has not are empty; the first of ``numbers`` must be there.

    Raises:
        BenchmarkError: a line that cannot be read, or times that do not ascend.
    """
    try:
        with file.open(encoding="utf-8-sig", newline="") as text:
            reader = csv.DictReader(text)
            present = {name.strip().lower(): name for name in reader.fieldnames or ()}
            for column in (*time, *numbers[:1]):
                if column not in present:
                    raise BenchmarkError(
                        f"{file}: there is no column {column!r}; write {', '.join((*time, *numbers, *words))}"
                    )
            before = -1
            for row in reader:
                where = f"{file}:{reader.line_num}"
                at = _number(row[present[time[0]]], where, time[0])
                if at is None:
                    raise BenchmarkError(f"{where}: a row without a time")
                at_ms = at * MS // WAD
                if at_ms <= before:
                    raise BenchmarkError(f"{where}: times must ascend, in Unix seconds")
                before = at_ms
                found: list[Any] = [_number(row[present[n]], where, n) if n in present else None for n in numbers]
                yield at_ms, found + [(row[present[w]] or "").strip().lower() if w in present else "" for w in words]
    except (OSError, UnicodeDecodeError, csv.Error) as e:
        raise BenchmarkError(f"{file}: {e}") from None


def _number(cell: str | None, where: str, column: str) -> int | None:
    text = (cell or "").strip()
    if not text:
        return None
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise BenchmarkError(f"{where}: {text[:40]!r} in {column!r} is not a number") from None
    if not value.is_finite() or abs(value) > Decimal(10) ** 40:
        raise BenchmarkError(f"{where}: {text[:40]!r} in {column!r} is not a number that can be meant")
    return int(value * WAD)
