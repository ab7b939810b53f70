"""Numbers in cells: exact, with a point or, where that is the only way to read a file, a comma for decimals."""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from typing import Any

from feeds.units import WAD
from lab.tables.times import TableError

MISSING = frozenset({"", "na", "n/a", "nan", "null", "none", "-", "--", "#n/a", "."})
"""Cells that say that there is no number (in lower case)."""
_MOST = Decimal(10) ** 40
"""Nothing has a larger price, and the integer of a cell like `1e999999` would not fit into memory."""
_COMMA = re.compile(r"[+-]?\d+,\d+")
_THREE = 3


class NumberColumn:
    """Reads the numbers of one file; remembers whether a comma has been its decimal sign.

    Args:
        file: its name, for what is said.
        decimal_comma: whether a comma may be one: the cells are separated by something else.
    """

    def __init__(self, file: str, *, decimal_comma: bool) -> None:
        self._file, self._may_be_comma = file, decimal_comma
        self._point_line = self._comma_line = 0
        self._in_doubt: tuple[int, str] | None = None
        self._is_certain = False

    def wad(self, cell: Any, line: int, column: str) -> int | None:
        """A cell as an exact wad, rounded down; None where it is empty. A float of a Parquet file is taken by its shortest text.

        Raises:
            TableError: it is no number that can be a price, a rate or an amount.
        """
        text = "" if cell is None else str(cell).strip()
        try:
            number = Decimal(text)
        except InvalidOperation:
            if text.lower() in MISSING:
                return None
            number = self._with_comma(text, line, column)
        else:
            if number.is_nan():
                return None
            if "." in text and not self._point_line:
                self._point_line = line
        if not number.is_finite():
            raise self._fault(text, line, column, "is not a finite number")
        if not -_MOST <= number <= _MOST:
            raise self._fault(text, line, column, "is too large for a price, a rate or an amount")
        return int(number * WAD)

    def _with_comma(self, text: str, line: int, column: str) -> Decimal:
        if not self._may_be_comma or not _COMMA.fullmatch(text):
            why = "is not a number: write it without signs and thousands separators, as 1234.5; a comma is read as a decimal sign where cells are separated by ; or tabs"
            raise self._fault(text, line, column, why)
        self._comma_line = self._comma_line or line
        whole, _, places = text.partition(",")
        if len(places) == _THREE and whole.strip("+-0"):
            self._in_doubt = self._in_doubt or (line, text)
        else:
            self._is_certain = True
        return Decimal(text.replace(",", "."))

    def check(self) -> None:
        """After the last cell: whether all of them could be read in one way.

        Raises:
            TableError: points and commas, or commas that may separate thousands.
        """
        if self._comma_line and self._point_line:
            first, other = max(self._comma_line, self._point_line), min(self._comma_line, self._point_line)
            raise TableError(
                f"{self._file}:{first}: decimals have a point and, in line {other}, a comma: write one of them"
            )
        if self._in_doubt is not None and not self._is_certain:
            line, text = self._in_doubt
            raise TableError(
                f"{self._file}:{line}: {text!r} may be thousands or decimals: write {text.replace(',', '.')}, or without the comma"
            )

    def _fault(self, text: str, line: int, column: str, why: str) -> TableError:
        return TableError(f"{self._file}:{line}: {text[:40]!r} in column {column!r} {why}")
