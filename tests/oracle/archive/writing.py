"""An archive's writer that runs, over a real PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

from oracle.archive.writer import ArchiveWriter
from oracle.follow.follower import VerifiedRound
from tests.oracle.archive.archive_world import DOMAIN
from tests.oracle.follow.follow_world import until


@asynccontextmanager
async def writing(dsn: str, oldest_s: int = 0) -> AsyncIterator[ArchiveWriter]:
    made = ArchiveWriter(dsn, DOMAIN, interval_s=10, ranks={"one": 0, "two": 1}, oldest_s=lambda: oldest_s)
    running = asyncio.create_task(made.run())
    try:
        yield made
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


async def written(dsn: str, rounds: Sequence[VerifiedRound], **how: Any) -> ArchiveWriter:
    """All of them, on disk."""
    async with writing(dsn, **how) as writer:
        for each in rounds:
            await writer.take(each)
        await until(lambda: not writer.waiting, "all is written")
        return writer
