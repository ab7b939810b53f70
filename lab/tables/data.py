"""A recorded series of a case: one column of a table over time. Numbers stay exact."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lab.tables.table import Column, read_table


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """(Unix ms, wad), ascending, each time once."""

    values: tuple[tuple[int, int], ...]
    shares: tuple[tuple[int, int], ...] = ()


def read_series(
    file: Path, time: str, value: str, share: str | None = None, only: tuple[str, str] | None = None
) -> Series:
    """Read one column over time. A row whose cell is empty is skipped.

    Args:
        file: a table (:mod:`lab.tables.table`).
        time: the column with the times.
        value: the column with the price or rate.
        share: the column with the share of the token in a pool, 0 to 1.
        only: (column, text) of the rows that count.

    Raises:
        TableError: what is wrong with the file, and where.
    """
    table = read_table(file, time, [value, *((share,) if share else ())], only)
    shares = table.columns[share] if share else None
    return Series(values=_pairs(table.columns[value]), shares=_pairs(shares) if shares else ())


def _pairs(column: Column) -> tuple[tuple[int, int], ...]:
    return tuple(zip(column.times_ms, column.values, strict=True))
