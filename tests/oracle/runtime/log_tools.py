"""The log of a test: everything that is written while it runs."""

from __future__ import annotations

import contextlib
import json
import logging
import sys
import threading
from collections.abc import Iterator
from io import StringIO
from typing import Any

import structlog

from oracle.runtime import logs
from oracle.runtime.logs import LogFormat, LogLevel, LogPipe


class TestLog:
    """What was written so far.

    Args:
        pipe: through which it went.
        stream: where it went.
    """

    __test__ = False

    def __init__(self, pipe: LogPipe, stream: StringIO) -> None:
        self.pipe, self._stream = pipe, stream

    def text(self) -> str:
        """All of it."""
        return self._stream.getvalue()

    def lines(self) -> list[dict[str, Any]]:
        """Its lines as programs read them: every one must be a document."""
        return [json.loads(line) for line in self.text().splitlines()]


@contextlib.contextmanager
def piped(form: LogFormat = LogFormat.JSON, level: LogLevel = LogLevel.INFO) -> Iterator[TestLog]:
    """Log as a process does, and leave the log of the test run as it was."""
    root, before = logging.getLogger(), structlog.get_config()
    kept = root.handlers[:], root.level, sys.excepthook, threading.excepthook, sys.unraisablehook
    stream = StringIO()
    try:
        yield TestLog(logs.set_up_log(form, level, stream), stream)
    finally:
        logs.stop_log()
        root.handlers[:], root.level, sys.excepthook, threading.excepthook, sys.unraisablehook = kept
        structlog.configure(**before)
