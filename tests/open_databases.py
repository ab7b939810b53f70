"""A database that the program opened is closed by the program: one that is dropped open fails the test, as Python 3.13 warns of it.

One that a test opened itself is closed when the test drops it, whatever the Python.
"""

from __future__ import annotations

import sqlite3
import sys
import warnings
from functools import partial
from pathlib import Path
from typing import Any

_OF_TESTS = str(Path(__file__).resolve().parent)
_HANDS_ON = frozenset({"__init__", "connect", "open_journal", "_opened"})
"""Functions that open for their caller, who is to close."""
_WORKERS = "_read_in_worker"
"""Opens for as long as its process lasts. In tests that have threads in its place the thread ends first."""
_connect = sqlite3.connect


class TrackedDatabase(sqlite3.Connection):
    """Knows who opened it, and whether it was closed."""

    _is_open = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._opened_by = _opener()
        self._is_open = True

    def close(self) -> None:
        """Close it."""
        super().close()
        self._is_open = False

    def __del__(self) -> None:
        if not self._is_open:
            return
        try:
            super().close()
        except sqlite3.ProgrammingError:  # it belongs to another thread
            return
        if self._opened_by:
            warnings.warn(f"unclosed database, opened by {self._opened_by}", ResourceWarning, source=self, stacklevel=2)


def _opener() -> str:
    """Which line of the program opened it; "" of a test's."""
    frame = sys._getframe(2)
    while frame.f_back is not None and frame.f_code.co_name in _HANDS_ON:
        frame = frame.f_back
    name = frame.f_code.co_filename
    if frame.f_code.co_name == _WORKERS:
        return ""
    return "" if name.startswith(_OF_TESTS) else f"{name}:{frame.f_lineno} {frame.f_code.co_name}"


def track_databases() -> None:
    """From now on every connection of this process is tracked."""
    sqlite3.connect = partial(_connect, factory=TrackedDatabase)  # type: ignore[assignment]
