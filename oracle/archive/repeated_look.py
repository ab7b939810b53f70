"""A part of an archive that looks at PostgreSQL again and again, each time with a connection of its own."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from typing import Any

import structlog

from oracle.archive.link import connected, fault_text, faults
from oracle.archive.writer import ArchiveWriter
from oracle.runtime.log_limit import LogBudget


class RepeatedLook(ABC):
    """Looks as soon as the archive can be written to, and then at an interval.

    Args:
        dsn: of the archive.
        writer: that writes there.
        every_s: between two looks.

    Attributes:
        fails: the line of the log when a look fails.
        error: what is wrong; "" while nothing is.
    """

    fails: str

    def __init__(self, dsn: str, writer: ArchiveWriter, every_s: float) -> None:
        self._dsn, self._writer, self._every_s = dsn, writer, every_s
        self._told = LogBudget()
        self._log = structlog.get_logger(type(self).__module__)
        self.error = ""

    @abstractmethod
    async def look(self, connection: Any) -> None:
        """Look once."""

    async def run(self) -> None:
        """Look for ever."""
        while True:
            await self._writer.ready.wait()
            try:
                connection = await connected(self._dsn)
                try:
                    await self.look(connection)
                finally:
                    connection.terminate()
            except faults() as e:
                self.error = fault_text(e)
                if (more := self._told.more(type(e).__name__)) is not None:
                    self._log.warning(self.fails, why=self.error, more_since_the_last_line=more)
            else:
                self.error = ""
            await asyncio.sleep(self._every_s)
