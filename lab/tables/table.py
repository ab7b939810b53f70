"""A table of one's own, CSV or Parquet: read once, row by row, and every fault is one line that says where and what to write."""

from __future__ import annotations

import csv
import io
from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from lab.tables.cells import MISSING, NumberColumn
from lab.tables.times import TableError, TimeColumn
from oracle.model.suggest import nearest

SUFFIXES = (".csv", ".tsv", ".txt", ".parquet")
_DELIMITERS = ",;\t|"
_MOST_FIELD = 1 << 16
_SNIFFED = 1 << 16
_UTF16 = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
_MOST_NAMES = 50
IDENTITIES = frozenset({
    "symbol", "pair", "ticker", "asset", "coin", "token", "base", "market", "instrument", "venue", "exchange", "source", "feed",
    "name", "file", "chain", "network", "pool",
})  # fmt: skip
"""Columns that say whose number a row has: several of one are not one series."""
_LISTED = 6
ANY = "*"


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """The rows of one column that have a number: ascending, each time once."""

    times_ms: array[int]
    values: list[int]


@dataclass(slots=True, kw_only=True)
class Table:
    """What was read.

    ``rows``: how many were kept; ``unit``: of their times; ``notes``: a sentence for everything that was put in order or left out.
    """

    name: str
    rows: int
    unit: str
    columns: dict[str, Column]
    notes: list[str] = field(default_factory=list)


def header_of(file: Path) -> list[str]:
    """The names of a file's columns, in order.

    Raises:
        TableError: it is no table, or has no names.
    """
    return next(_rows(file))[1]


def read_table(file: Path, time: str, columns: Sequence[str], only: tuple[str, str] | None = None) -> Table:
    """Read some columns over time.

    Args:
        file: .csv, .tsv, .txt or .parquet.
        time: the column with the times.
        columns: those with numbers; a cell without one is no row of its column.
        only: (column, text): rows with another text there are left out; the text `*`: all of them are one and the same.

    Raises:
        TableError: what is wrong, in which line, and what to write.
    """
    rows = _rows(file)
    _, names, delimiter = next(rows)
    places = {name: _place(file, names, name) for name in (time, *columns)}
    times, numbers = TimeColumn(file.name), NumberColumn(file.name, decimal_comma=delimiter not in (",", ""))
    values: dict[str, list[int | None]] = {name: [] for name in columns}
    filtered = None if only is None or only[1] == ANY else _place(file, names, only[0])
    texts = _Identities(names, {places[time], *(places[c] for c in columns)}, only[0] if only else "")
    at, wanted = places[time], [(name, places[name], values[name]) for name in columns]
    left_out = empty = 0
    for line, cells, _ in rows:
        if len(cells) < len(names) or any(str(c).strip() for c in cells[len(names) :]):
            raise TableError(
                f"{file.name}:{line}: {len(cells)} cells, the first line has {len(names)}: correct the row"
            )
        if filtered is not None and only is not None and str(cells[filtered]).strip() != only[1]:
            left_out += 1
            continue
        texts.add(cells)
        found = [numbers.wad(cells[place], line, name) for name, place, _ in wanted]
        if all(f is None for f in found) and str(cells[at] if cells[at] is not None else "").strip().lower() in MISSING:
            empty += 1
            continue
        times.add(cells[at], line)
        for (_, _, kept), number in zip(wanted, found, strict=True):
            kept.append(number)
    numbers.check()
    texts.check(file.name)
    if not times.times_ms:
        why = f"no row has {only[1]!r} in {only[0]!r}" if only and left_out else "has no rows"
        raise TableError(f"{file.name} {why}")
    table = Table(name=file.name, rows=len(times.times_ms), unit=times.unit(), columns={})
    if left_out:
        table.notes.append(f"{left_out} rows of another {only[0] if only else ''} left out")
    if empty:
        table.notes.append(f"{empty} empty rows left out")
    if times.without_zone:
        table.notes.append("times without a zone are taken as UTC")
    _in_order(table, times.times_ms, values)
    return table


def _in_order(table: Table, times: array[int], values: dict[str, list[int | None]]) -> None:
    """Sort, keep the last of the rows of one time, and say so."""
    unsorted = sum(b < a for a, b in pairwise(times))
    order: Sequence[int] = range(len(times))
    if unsorted:
        order = sorted(order, key=times.__getitem__)
        table.notes.append(f"{unsorted} rows are earlier than the one before: sorted")
    same = other = 0
    for a, b in pairwise(order):
        if times[a] == times[b]:
            same += 1
            other += any(kept[a] != kept[b] for kept in values.values())
    if same:
        said = f"{same} rows have the time of another" + (
            f", {other} of them with other numbers: the last counts" if other else ""
        )
        table.notes.append(said)
    for name, kept in values.items():
        column = Column(times_ms=array("q"), values=[])
        absent = 0
        for place in order:
            value = kept[place]
            if value is None:
                absent += 1
            elif column.times_ms and column.times_ms[-1] == times[place]:
                column.values[-1] = value
            else:
                column.times_ms.append(times[place])
                column.values.append(value)
        kept.clear()
        if absent and column.values:
            table.notes.append(f"{absent} cells of {name!r} without a number")
        table.columns[name] = column


class _Identities:
    """Columns that say whose number a row has, and what they say."""

    def __init__(self, names: Sequence[str], used: set[int], only: str) -> None:
        places = (i for i, n in enumerate(names) if n.lower() in IDENTITIES and i not in used and n != only)
        self._seen: dict[int, set[str]] = {i: set() for i in places}
        self._names = names

    def add(self, cells: Sequence[Any]) -> None:
        for place, seen in self._seen.items():
            if len(seen) < _MOST_NAMES:
                seen.add(str(cells[place] or "").strip())

    def check(self, file: str) -> None:
        for place, seen in self._seen.items():
            if len(seen) > 1:
                listed = ", ".join(sorted(seen)[:_LISTED]) + (", ..." if len(seen) > _LISTED else "")
                name = self._names[place]
                raise TableError(
                    f"{file} has rows of several in column {name!r} ({listed}): name one, as --only {name}={max(seen)}; if they are one"
                    f" and the same, --only {name}={ANY}"
                )


def _place(file: Path, names: Sequence[str], name: str) -> int:
    if name in names:
        return names.index(name)
    raise TableError(
        f"{file.name} has no column {name!r}; it has {', '.join(map(repr, names))}; {nearest(name, names)}"
    )


def _rows(file: Path) -> Iterator[tuple[int, list[Any], str]]:
    """The first line with the names, then every row with its line, and the delimiter."""
    if file.suffix == ".parquet":
        yield from _parquet(file)
        return
    encoding = _encoding(file)
    try:
        with file.open(encoding=encoding, newline="") as text:
            yield from _separated(file, text)
    except UnicodeDecodeError as e:
        raise TableError(f"{file.name} is neither UTF-8 nor UTF-16 (byte {e.start}): save it as UTF-8") from None
    except csv.Error as e:
        raise TableError(f"{file.name} is not a table: {e}") from None


def _encoding(file: Path) -> str:
    with file.open("rb") as raw:
        head = raw.read(_SNIFFED)
    if not head.strip():
        raise TableError(f"{file.name} has no rows")
    if head[:2] == b"PK":
        raise TableError(f"{file.name} is a spreadsheet or an archive: export it as CSV")
    if head[:2] == b"\x1f\x8b":
        raise TableError(f"{file.name} is compressed: unpack it with gunzip")
    if head[:2] in _UTF16:
        return "utf-16"
    zeros = head.count(b"\0")
    if zeros * 3 > len(head):
        return "utf-16-le" if head[1:2] == b"\0" else "utf-16-be"
    if zeros:
        raise TableError(f"{file.name} is not a text: export it as CSV")
    return "utf-8-sig"


def _separated(file: Path, text: io.TextIOBase) -> Iterator[tuple[int, list[Any], str]]:
    first, skipped = text.readline(), 0
    while first and (not first.strip() or first.lower().startswith("sep=") or first.startswith("#")):
        first, skipped = text.readline(), skipped + 1
    if not first.strip():
        raise TableError(f"{file.name} has no rows")
    delimiter = max(_DELIMITERS, key=first.count)
    names = [n.strip().strip("\ufeff") for n in next(csv.reader([first], delimiter=delimiter))]
    while names and not names[-1]:
        names.pop()
    _check_names(file, names, skipped + 1)
    yield skipped + 1, names, delimiter
    csv.field_size_limit(_MOST_FIELD)
    reader = csv.reader(text, delimiter=delimiter)
    for cells in reader:
        if cells and any(cells):
            yield skipped + 1 + reader.line_num, cells, delimiter


def _check_names(file: Path, names: Sequence[str], line: int) -> None:
    if names and all(not n or n[0] in "0123456789+-." for n in names):
        raise TableError(
            f"{file.name}:{line} has numbers where names of columns are expected: write a first line as time,price"
        )
    twice = [n for n, count in Counter(names).items() if count > 1 and n]
    if twice:
        raise TableError(
            f"{file.name}:{line}: two columns are named {twice[0]!r}: rename one; of two lines with names keep one"
        )


def _parquet(file: Path) -> Iterator[tuple[int, list[Any], str]]:
    try:
        from pyarrow import ArrowException, parquet  # noqa: PLC0415 - an optional extra
    except ImportError:
        raise TableError(
            "Parquet needs pyarrow: pip install 'lrt-oracle[parquet]', or export the file as CSV"
        ) from None
    try:
        opened = parquet.ParquetFile(file)
        names = [str(n) for n in opened.schema_arrow.names]
        yield 1, names, ""
        line = 1
        for batch in opened.iter_batches():
            for cells in zip(*(batch.column(i).to_pylist() for i in range(len(names))), strict=True):
                line += 1
                yield line, list(cells), ""
    except ArrowException as e:
        raise TableError(f"{file.name} is not Parquet: {str(e).splitlines()[0]}") from None
