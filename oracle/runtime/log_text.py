"""A line of the log as text: JSON for programs, aligned columns for people."""

from __future__ import annotations

import json
import math
import traceback
from collections.abc import Mapping
from enum import Enum
from types import TracebackType
from typing import Any

from oracle.runtime.log_faults import FaultIs

ExcInfo = tuple[type[BaseException] | None, BaseException | None, TracebackType | None]
_MOST_TRACE, _MOST_DEPTH = 20_000, 6
_EVENT_WIDTH = 44
_FIRST = ("timestamp", "level", "part", "event")
_WORDS = {"debug": "debug", "info": "info", "warning": "WARN", "error": "ERROR", "critical": "FATAL"}
_COLOURS = {
    "debug": "\x1b[2m",
    "info": "\x1b[32m",
    "warning": "\x1b[33m",
    "error": "\x1b[31m",
    "critical": "\x1b[1;31m",
}
_DIM, _BOLD, _PLAIN = "\x1b[2m", "\x1b[1m", "\x1b[0m"
_STATE = {FaultIs.LASTS: "still: ", FaultIs.OVER: "over: "}


def trace_of(error: ExcInfo) -> str:
    """The traceback of an exception, without local variables: those hold passphrases and keys."""
    return "".join(traceback.format_exception(*error)).rstrip("\n")[-_MOST_TRACE:]


def json_line(line: Mapping[str, Any]) -> str:
    """One JSON document without a line break, whatever the fields are."""
    return json.dumps({k: plain(v) for k, v in line.items()}, allow_nan=False)


def plain(value: Any, depth: int = 0) -> Any:
    """A value as JSON has it."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, Enum):
        return plain(value.value, depth)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if depth < _MOST_DEPTH and isinstance(value, Mapping):
        return {str(k): plain(v, depth + 1) for k, v in value.items()}
    if depth < _MOST_DEPTH and isinstance(value, list | tuple | set | frozenset):
        return [plain(v, depth + 1) for v in value]
    return _text(value)


def _text(value: Any) -> str:
    try:
        text = str(value)
    except Exception as e:  # noqa: BLE001 - an object that cannot be shown takes no line along
        text = f"<{type(value).__name__} that cannot be shown: {type(e).__name__}>"
    return text if len(text) <= _MOST_TRACE else text[:_MOST_TRACE] + "..."


class ConsoleText:
    """Lines for people: time, level, event, fields. A field that is a table, or a list of them, stands below, a row each.

    Args:
        colours: whether a terminal shows them.
    """

    def __init__(self, *, colours: bool) -> None:
        self._colours = colours

    def line(self, line: Mapping[str, Any]) -> str:
        """The line, with its rows and its traceback below."""
        level = str(line.get("level", "info"))
        state = "" if "ended" in line else _STATE.get(line.get("fault_is", FaultIs.NEW), "")
        event = state + _shown(line["event"], is_event=True)
        fields, rows = [], []
        for name, value in line.items():
            if name in {*_FIRST, "exception", "detail", "fault_is", "ended"} or value is None:
                continue
            if isinstance(value, Mapping):
                rows.append(f"{name:<10} {self._fields(value)}")
            elif isinstance(value, list | tuple) and value and all(isinstance(v, Mapping) for v in value):
                rows += [f"{name:<10} {self._fields(v)}" for v in value]
            else:
                fields.append(self._field(name, value))
        stamp = f"{str(line.get('timestamp', ''))[:19]}Z"
        head = f"{self._paint(_DIM, stamp)} {self._paint(_COLOURS[level], f'{_WORDS[level]:<5}')} "
        text = f"{head} {self._paint(_BOLD, f'{event:<{_EVENT_WIDTH}}')} {' '.join(fields)}".rstrip()
        below = [*rows, *_lines(line.get("detail")), *_lines(line.get("exception"))]
        return "\n".join([text, *(f"    {row}" for row in below)])

    def _fields(self, fields: Mapping[str, Any]) -> str:
        return " ".join(self._field(str(k), v) for k, v in fields.items() if v is not None)

    def _field(self, name: str, value: Any) -> str:
        return f"{self._paint(_DIM, name + '=')}{_shown(value)}"

    def _paint(self, colour: str, text: str) -> str:
        return f"{colour}{text}{_PLAIN}" if self._colours else text


def _lines(text: Any) -> list[str]:
    return [] if text is None else [_printable(row) for row in _text(text).split("\n")]


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "replace").decode("ascii") for c in text)


def _shown(value: Any, *, is_event: bool = False) -> str:
    """A value on one line: nothing that a peer says can make a line of its own, or paint the terminal."""
    if isinstance(value, list | tuple | set | frozenset):
        return ",".join(_shown(v) for v in value) or "none"
    text = _printable(_text(plain(value)))
    if is_event:
        return text
    if not text or any(c in text for c in ' "='):
        return '"' + text.replace('"', '\\"') + '"'
    return text
