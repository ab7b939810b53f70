"""Where log lines go. A line that cannot be written, on a disk that is full, is lost: it takes nothing else along."""

from __future__ import annotations

from io import TextIOBase
from typing import TextIO


class LogOutput(TextIOBase):
    """Passes text on.

    Args:
        stream: to it.

    Attributes:
        lost: how many writes failed.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.lost = 0

    def write(self, text: str, /) -> int:
        """Write, or count it as lost."""
        try:
            return self._stream.write(text)
        except OSError:
            self.lost += 1
            return len(text)

    def flush(self) -> None:
        """Hand on what is buffered, or count it as lost."""
        try:
            self._stream.flush()
        except OSError:
            self.lost += 1
