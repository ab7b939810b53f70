"""Times in a column: one unit for a file, found from the size of its numbers, and a fault that names the row that is in another."""

from __future__ import annotations

import re
from array import array
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from feeds.errors import LrtOracleError
from feeds.units import MS

_DAY_MS = 86_400 * MS
_EXCEL_EPOCH_DAYS = 25_569
"""Days from 1899-12-30, from which spreadsheets count, to 1970."""
_EIGHT = 8
_DOTTED = re.compile(r"(\d{1,2})\.(\d{1,2})\.(\d{4})(?!\d)")
"""31.12.2022: a day before its month, wherever dots are written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeUnit:
    """A unit of time and the numbers that can be meant in it; no number can be meant in two."""

    name: str
    least: int
    most: int
    numerator: int
    denominator: int


UNITS = (
    TimeUnit(name="Excel days", least=27_000, most=80_000, numerator=_DAY_MS, denominator=1),
    TimeUnit(name="Unix seconds", least=10**8, most=10**10, numerator=MS, denominator=1),
    TimeUnit(name="Unix milliseconds", least=10**11, most=10**13, numerator=1, denominator=1),
    TimeUnit(name="Unix microseconds", least=10**14, most=10**16, numerator=1, denominator=MS),
    TimeUnit(name="Unix nanoseconds", least=10**17, most=10**19, numerator=1, denominator=MS * MS),
)
"""From 1973 to the year 2286 (Excel: 2119)."""
_EARLIEST_MS, _LATEST_MS = 10**11, 10**13
DATES = "dates and times"
_HINT = "write Unix seconds, or a date and time as 2022-05-12T06:44:00Z"


class TableError(LrtOracleError, ValueError):
    """A file or a cell cannot be used: which, and what to write."""


class TimeColumn:
    """Collects the times of a file and says in which unit they are."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._first_of: dict[str, tuple[int, str]] = {}
        self._count_of: dict[str, int] = {}
        self.times_ms = array("q")
        self.without_zone = False

    def add(self, cell: Any, line: int) -> None:
        """The next row's time.

        Raises:
            TableError: it is none.
        """
        unit, at_ms = self._read(cell, line)
        if unit not in self._first_of:
            self._first_of[unit] = (line, str(cell).strip()[:40])
        self._count_of[unit] = self._count_of.get(unit, 0) + 1
        self.times_ms.append(at_ms)

    def unit(self) -> str:
        """The unit of all of them.

        Raises:
            TableError: some are in another than most.
        """
        if not self._count_of:
            return DATES
        ranked = sorted(self._count_of, key=lambda u: (-self._count_of[u], self._first_of[u]))
        if len(ranked) > 1:
            odd = min(ranked[1:], key=lambda u: self._first_of[u])
            line, text = self._first_of[odd]
            raise TableError(
                f"{self._file}:{line}: {text!r} is in {odd}, while {self._count_of[ranked[0]]} of {len(self.times_ms)} rows are in"
                f" {ranked[0]}: write all times in one unit"
            )
        return ranked[0]

    def _read(self, cell: Any, line: int) -> tuple[str, int]:
        text = str(cell).strip()
        if isinstance(cell, datetime):
            return DATES, self._from_text(cell.isoformat(), line)
        if len(text) == _EIGHT and text.isdecimal() and text[:2] in ("19", "20"):
            return DATES, self._from_text(text, line)
        try:
            number = Decimal(text)
        except InvalidOperation:
            return DATES, self._from_text(text, line)
        if number.is_finite():
            for unit in UNITS:
                if unit.least <= number <= unit.most:
                    at_ms = int(number * unit.numerator) // unit.denominator
                    return unit.name, at_ms - (_EXCEL_EPOCH_DAYS * _DAY_MS if unit is UNITS[0] else 0)
        raise TableError(f"{self._file}:{line}: {text[:40]!r} is not a time: {_HINT}")

    def _from_text(self, text: str, line: int) -> int:
        dotted = _DOTTED.match(text)
        iso = text if dotted is None else f"{dotted[3]}-{int(dotted[2]):02d}-{int(dotted[1]):02d}{text[dotted.end() :]}"
        plain = iso.removesuffix("UTC").removesuffix("GMT").strip() + ("Z" if iso.endswith(("UTC", "GMT")) else "")
        try:
            at = datetime.fromisoformat(plain.replace("/", "-") if plain[:4].isdecimal() else plain)
        except ValueError:
            raise TableError(f"{self._file}:{line}: {text[:40]!r} is not a time: {_HINT}") from None
        return self._dated(at, text, line)

    def _dated(self, at: datetime, text: str, line: int) -> int:
        self.without_zone = self.without_zone or at.tzinfo is None
        at_ms = int(at.replace(tzinfo=at.tzinfo or UTC).timestamp() * MS)
        if not _EARLIEST_MS <= at_ms <= _LATEST_MS:
            raise TableError(
                f"{self._file}:{line}: {text[:40]!r} is not from 1973 to 2286: correct it, or leave the row out"
            )
        return at_ms
