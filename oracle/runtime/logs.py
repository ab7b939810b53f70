"""One log for the process: its own lines, those of libraries, warnings, and exceptions that nobody caught, all through one pipe."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from types import TracebackType
from typing import Any, TextIO, cast

import structlog

from oracle.runtime.log_faults import Line, LogFaults
from oracle.runtime.log_output import LogOutput
from oracle.runtime.log_secrets import SecretFilter, secret_variables
from oracle.runtime.log_text import ConsoleText, ExcInfo, json_line, trace_of

_OWN = frozenset({"oracle", "feeds", "contracts", "demo", "lab"})
_LOOK_S = 1.0
STARTS = "oracle.start"
"""The part that tells of the start and the end: shown at every level, unless its own says otherwise."""


class LogFormat(StrEnum):
    """How lines are written. ``auto``: for people on a terminal, for programs elsewhere."""

    AUTO = "auto"
    JSON = "json"
    CONSOLE = "console"


class LogLevel(StrEnum):
    """From which level on lines are written."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"

    @property
    def number(self) -> int:
        """As :mod:`logging` counts."""
        return int(getattr(logging, self.name))


@dataclass(frozen=True, slots=True)
class PartLogger:
    """Stands in for the logger of a part; its lines never reach it."""

    name: str

    def _nothing(self, *_: Any, **__: Any) -> None:
        """Lines leave through the pipe."""

    debug = info = warning = error = critical = _nothing


class LogPipe:
    """Where every line goes through.

    Args:
        stream: where they end.
    """

    def __init__(self, stream: TextIO) -> None:
        self.secrets, self.in_answers, self.faults = SecretFilter(), SecretFilter(), LogFaults()
        self._lock = threading.RLock()
        self._out = LogOutput(stream)
        self._is_tty = stream.isatty()
        self._levels: dict[str, int] = {}
        self._own_level = logging.WARNING
        self.is_json = False
        self._console = ConsoleText(colours=self._is_tty and not os.environ.get("NO_COLOR"))

    def set_format(self, form: LogFormat) -> None:
        """How lines are written from now on."""
        self.is_json = form is LogFormat.JSON or (form is LogFormat.AUTO and not self._is_tty)

    def set_levels(self, level: LogLevel, parts: Mapping[str, LogLevel]) -> None:
        """From which level on lines are written from now on.

        Args:
            level: of this program; lines of libraries are written from WARNING on, or from this level if it is higher.
            parts: of parts, by the beginning of the name of their module or library; the longest beginning counts.
        """
        with self._lock:
            self._own_level = level.number
            self._levels = {STARTS: logging.INFO, **{name: part.number for name, part in parts.items()}}
        foreign = [n for part, n in self._levels.items() if part.split(".")[0] not in _OWN]
        logging.getLogger().setLevel(min([logging.WARNING, *foreign]))

    def put(self, part: str, level: str, line: Line) -> None:
        """A line of a part."""
        with self._lock:
            ends, is_news = "ends" in line, line.pop("news", False)
            number = int(getattr(logging, level.upper()))
            if number < self._least(part) and not ends:
                return
            error = _exc_info(line.pop("exc_info", None))
            kept: Line | None = {"level": level, "part": part, "event": line.pop("event", ""), **line}
            if error is not None and kept is not None:
                kept["exception_type"] = getattr(error[0], "__name__", "")
            if ends:
                kept = self.faults.over(cast("Line", kept))
            elif number >= logging.WARNING and not is_news:
                kept = self.faults.take(cast("Line", kept))
            if kept is not None:
                self._write(kept if error is None else {**kept, "exception": trace_of(error)})

    def look(self) -> None:
        """Write what is due of faults that last, and of those that are over."""
        with self._lock:
            for line in self.faults.due():
                self._write(line)

    def end(self) -> None:
        """Write what is not told yet of faults that last."""
        with self._lock:
            for line in self.faults.last():
                self._write(line)

    def _least(self, part: str) -> int:
        named = [name for name in self._levels if part == name or part.startswith(f"{name}.")]
        if named:
            return self._levels[max(named, key=len)]
        return self._own_level if part.split(".", maxsplit=1)[0] in _OWN else max(logging.WARNING, self._own_level)

    def _write(self, line: Line) -> None:
        stamp = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        shown = {"timestamp": stamp, **{k: v for k, v in line.items() if k != "fingerprint" and v is not None}}
        text = json_line(shown) if self.is_json else self._console.line(shown)
        self._out.write(self.secrets.clean(text) + "\n")
        self._out.flush()


class _Foreign(logging.Handler):
    """Lines of libraries: what follows the first line of a message is its detail."""

    def __init__(self, pipe: LogPipe) -> None:
        super().__init__()
        self._pipe = pipe

    def emit(self, record: logging.LogRecord) -> None:
        """Into the pipe. What tells faults apart is the message as it was written, not what was filled in."""
        try:
            event, _, detail = record.getMessage().partition("\n")
        except (TypeError, ValueError):
            event, detail = str(record.msg), ""
        error = record.exc_info[0].__name__ if record.exc_info and record.exc_info[0] else ""
        line: Line = {
            "event": event, "detail": detail.rstrip() or None, "exc_info": record.exc_info,
            "fingerprint": f"{str(record.msg).partition(chr(10))[0]} {error}".rstrip(),
        }  # fmt: skip
        self._pipe.put(record.name, _level_name(record.levelno), line)


_pipe: LogPipe | None = None


def set_up_log(form: LogFormat, level: LogLevel, stream: TextIO | None = None) -> LogPipe:
    """Let every line of this process go through one pipe; secrets of the environment are known to it.

    Args:
        form: how lines are written.
        level: of this program's own lines.
        stream: where they end; None: the error output.
    """
    global _pipe  # noqa: PLW0603 - one process has one log, as it has one error output
    pipe = _pipe = LogPipe(sys.stderr if stream is None else stream)
    pipe.secrets.learn(secret_variables(os.environ).values())
    pipe.set_format(form)
    structlog.configure(
        processors=[_into_pipe],
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG),
        logger_factory=lambda *names: PartLogger(str(names[0]) if names else "oracle"),
        cache_logger_on_first_use=False,
    )
    root = logging.getLogger()
    root.handlers[:] = [_Foreign(pipe)]
    pipe.set_levels(level, {})
    logging.captureWarnings(capture=True)
    sys.excepthook = _uncaught
    threading.excepthook = lambda args: _uncaught(args.exc_type, args.exc_value, args.exc_traceback)
    sys.unraisablehook = lambda args: _uncaught(args.exc_type, args.exc_value, args.exc_traceback)
    return pipe


def log_pipe() -> LogPipe | None:
    """The pipe of this process; None before it is set up."""
    return _pipe


def stop_log() -> None:
    """Leave the log as it was: what is left of it goes nowhere."""
    global _pipe  # noqa: PLW0603 - as above
    _pipe = None
    logging.captureWarnings(capture=False)


def set_levels(level: LogLevel, parts: Mapping[str, LogLevel]) -> None:
    """Change what is written while the process runs; see :meth:`LogPipe.set_levels`."""
    if _pipe is not None:
        _pipe.set_levels(level, parts)


def hide_in_log(values: Iterable[str]) -> None:
    """These are in no line from now on."""
    if _pipe is not None:
        _pipe.secrets.learn(values)


def hide_in_answers(values: Iterable[str]) -> None:
    """These are neither in a line nor in what commands print and the endpoint serves, from now on."""
    if _pipe is not None:
        kept = tuple(values)
        _pipe.secrets.learn(kept)
        _pipe.in_answers.learn(kept)


def without_secrets(answer: Any) -> Any:
    """An answer, or the document of one, without what :func:`hide_in_answers` names."""
    return answer if _pipe is None else _pipe.in_answers.known(answer)


def is_json_log() -> bool:
    """Whether the lines of the log are for programs."""
    return _pipe is not None and _pipe.is_json


async def tell_of_faults() -> None:
    """Write what is due of faults that last, without end; when it is cancelled, what is not told yet."""
    try:
        while _pipe is not None:
            _pipe.look()
            await asyncio.sleep(_LOOK_S)
    finally:
        if _pipe is not None:
            _pipe.end()


def _into_pipe(logger: PartLogger, level: str, line: Mapping[str, Any]) -> Any:
    if _pipe is not None:
        _pipe.put(logger.name, level, dict(line))
    raise structlog.DropEvent


def _uncaught(kind: type[BaseException], error: BaseException | None, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt) or _pipe is None:
        sys.__excepthook__(kind, error or kind(), trace)
        return
    text = "an exception that nobody caught: this is a bug of this program, please report it"
    _pipe.put("oracle", "critical", {"event": text, "error": repr(error), "exc_info": (kind, error, trace)})


def _level_name(number: int) -> str:
    named = (("debug", logging.DEBUG), ("info", logging.INFO), ("warning", logging.WARNING), ("error", logging.ERROR))
    return next((name for name, least in reversed(named) if number >= least), "debug")


def _exc_info(error: Any) -> ExcInfo | None:
    """What is known of an exception, in whatever form it was given."""
    if isinstance(error, BaseException):
        return type(error), error, error.__traceback__
    found = error if isinstance(error, tuple) else sys.exc_info() if error else None
    return found if found is not None and found[0] is not None else None
