"""Rounds that the archive does not have: known, told, and asked for at every operator that may still have them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import aiohttp
import structlog

from oracle.archive.link import connected, fault_text, faults
from oracle.archive.writer import ArchiveWriter
from oracle.follow.follower import RoundFollower
from oracle.follow.operator_stream import OperatorStream
from oracle.follow.sources import SourceFault
from oracle.follow.store_sets import SetUnknown

_TIMES = 3
"""So often all operators are asked for a gap: then nobody has it, and most likely nobody sealed it."""
_AT_ONCE, _SHOWN = 16, 10
_OPEN = "SELECT first_s, last_s, rounds, asked FROM gaps WHERE domain = $1 AND first_s >= $2 ORDER BY first_s DESC"
_ASKED = "UPDATE gaps SET asked = asked + 1 WHERE (domain, first_s, last_s) = ($1, $2, $3)"
_log = structlog.get_logger("oracle.archive.gaps")


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundGap:
    """Round times without a round. ``asked``: how often all operators were asked for it."""

    first_s: int
    last_s: int
    rounds: int
    asked: int

    @property
    def is_open(self) -> bool:
        """Whether it is still asked for."""
        return self.asked < _TIMES


class GapFiller:
    """Looks for gaps, and asks for them.

    Args:
        dsn: of the archive.
        writer: that writes what is found.
        follower: that verifies it.
        streams: whom to ask.
        since_s: from when on.
        every_s: between two looks.

    Attributes:
        gaps: the newest that are known, of the time that is asked for.
        missing: rounds in all of them.
    """

    def __init__(
        self, dsn: str, writer: ArchiveWriter, follower: RoundFollower, streams: Sequence[OperatorStream], *,
        since_s: Callable[[], int], every_s: float = 60.0,
    ) -> None:  # fmt: skip
        self._dsn, self._writer, self._follower, self._streams = dsn, writer, follower, tuple(streams)
        self._since_s, self._every_s = since_s, every_s
        self.gaps: tuple[RoundGap, ...] = ()
        self.missing = 0
        self._told: set[int] = set()

    async def run(self) -> None:
        """Look for ever."""
        is_first = True
        while True:
            await asyncio.sleep(self._every_s)
            await self._writer.ready.wait()
            try:
                connection = await connected(self._dsn)
                try:
                    await self._look(connection, anew=is_first)
                finally:
                    connection.terminate()
            except faults() as e:
                _log.info("gaps cannot be looked for", why=fault_text(e))
            else:
                is_first = False

    async def _look(self, connection: Any, *, anew: bool) -> None:
        """``anew``: operators may be others than before, and are asked for all of it."""
        domain, since_s = self._writer.domain_id, self._since_s()
        if anew:
            await connection.execute("UPDATE gaps SET asked = 0 WHERE domain = $1 AND first_s >= $2", domain, since_s)
        await self._note(connection, domain, since_s)
        for gap in [g for g in self.gaps if g.is_open][:_AT_ONCE]:
            answers = [await self._ask(stream, gap) for stream in self._streams]
            if answers and all(answers):
                await connection.execute(_ASKED, domain, gap.first_s, gap.last_s)
        await self._note(connection, domain, since_s)

    async def _note(self, connection: Any, domain: int, since_s: int) -> None:
        await connection.fetchval("SELECT note_gaps($1::smallint, $2::bigint)", domain, since_s)
        found = await connection.fetch(_OPEN, domain, since_s)
        self.gaps = tuple(RoundGap(**dict(row)) for row in found)
        self.missing = sum(g.rounds for g in self.gaps)
        news = [g for g in self.gaps if g.first_s not in self._told][:_SHOWN]
        self._told = {g.first_s for g in self.gaps}
        for gap in news:
            _log.warning(
                "rounds are missing in the archive", first=gap.first_s, last=gap.last_s, rounds=gap.rounds, news=True
            )

    async def _ask(self, stream: OperatorStream, gap: RoundGap) -> bool:
        """Whether an operator answered to the end."""
        try:
            await stream.ask(self._follower.hear, gap.first_s, gap.last_s)
        except (aiohttp.ClientError, OSError, TimeoutError, SourceFault, SetUnknown):
            return False
        return True
