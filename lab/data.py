"""Recorded series: CSV, or Parquet where pyarrow is installed, with a column map. Numbers stay exact."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from feeds.units import MS, WAD

_SECONDS_BELOW = 10**11
"""A time below this is in seconds, at or above in milliseconds: 10^11 s is the year 5138, 10^11 ms the year 1973."""
_LAST_MS = 253_402_300_799_999
"""The end of the year 9999, the last one that a date can have."""
_MOST = Decimal(10) ** 40
"""Nothing has a larger price, and the integer of a cell like `1e999999` would not fit into memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """(Unix ms, wad), ascending; duplicate rows are dropped, rows out of order are sorted."""

    values: tuple[tuple[int, int], ...]
    shares: tuple[tuple[int, int], ...] = ()


def read_series(file: Path, time: str, value: str, share: str | None = None) -> Series:
    """Read one column over time. A row whose cell is empty is skipped.

    Args:
        file: .csv or .parquet.
        time: the column with Unix seconds or ms, or an ISO text.
        value: the column with the price or rate.
        share: the column with the share of the token in a pool, 0 to 1.

    Raises:
        ValueError: no such column, or a cell that is not a number; says which.
    """
    rows = read_rows(file)
    if not rows:
        raise ValueError(f"{file.name} has no rows")
    for column in (time, value, *((share,) if share else ())):
        if column not in rows[0]:
            raise ValueError(f"{file.name} has no column {column!r}; it has {', '.join(map(repr, rows[0]))}")
    values: dict[int, int] = {}
    shares: dict[int, int] = {}
    for number, row in enumerate(rows, start=2):
        where = f"{file.name}:{number}"
        for column, kept in ((value, values), (share, shares)):
            if column is not None and str(row[column] if row[column] is not None else "").strip():
                kept[unix_ms(row[time], where)] = wad(row[column], where)
    return Series(values=tuple(sorted(values.items())), shares=tuple(sorted(shares.items())))


def read_rows(file: Path) -> list[dict[str, Any]]:
    """All rows of a CSV or Parquet file by column name."""
    if file.suffix == ".parquet":
        try:
            from pyarrow import parquet  # noqa: PLC0415 - an optional extra
        except ImportError:
            raise ValueError(
                "Parquet needs pyarrow: pip install 'lrt-oracle[parquet]', or export the file as CSV"
            ) from None
        table = parquet.read_table(file)
        return [dict(row) for row in table.to_pylist()]
    with file.open(encoding="utf-8-sig", newline="") as text:
        return [{k.strip(): v for k, v in row.items() if k} for row in csv.DictReader(text)]


def columns_of(file: Path) -> list[str]:
    """The columns of a file, in order."""
    rows = read_rows(file)
    if not rows:
        raise ValueError(f"{file.name} has no rows")
    return list(rows[0])


def unix_ms(cell: Any, where: str) -> int:
    """Unix ms of a cell: a number of seconds or milliseconds, an ISO text, or a date and time; from 1970 to the year 9999.

    Raises:
        ValueError: it is not a time, or not within that; says where.
    """
    text = str(cell).strip()
    try:
        number = Decimal(text)
    except InvalidOperation:
        at_ms = _dated_ms(cell, where)
    else:
        if not number.is_finite():
            raise ValueError(f"{where}: {text[:40]!r} is not a time")
        whole = int(min(max(number, Decimal(-1)), Decimal(_LAST_MS + 1)))
        at_ms = whole * MS if whole < _SECONDS_BELOW else whole
    if not 0 <= at_ms <= _LAST_MS:
        raise ValueError(
            f"{where}: {text[:40]!r} is not a time from 1970 to the year 9999: write Unix seconds or milliseconds (divide"
            " microseconds by 1000), or a date and time"
        )
    return at_ms


def _dated_ms(cell: Any, where: str) -> int:
    at = cell
    if not isinstance(cell, datetime):
        try:
            at = datetime.fromisoformat(str(cell).strip())
        except ValueError:
            raise ValueError(f"{where}: {str(cell).strip()[:40]!r} is not a time") from None
    return int(at.replace(tzinfo=at.tzinfo or UTC).timestamp() * MS)


def wad(cell: Any, where: str) -> int:
    """A cell as an exact wad, rounded down. A float of a Parquet file is taken by its shortest text."""
    try:
        number = Decimal(str(cell).strip())
    except InvalidOperation:
        raise ValueError(f"{where}: {str(cell)[:40]!r} is not a number") from None
    if not number.is_finite():
        raise ValueError(f"{where}: {str(cell)[:40]!r} is not a finite number")
    if not -_MOST <= number <= _MOST:
        raise ValueError(f"{where}: {str(cell)[:40]!r} is too large for a price, a rate or an amount")
    return int(number * WAD)
