"""Runs an archive: follows operators, writes what verifies, and keeps it in order, until it is stopped."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import aiohttp
import structlog

from oracle.archive.archive_gauges import ArchiveGauges
from oracle.archive.gaps import GapFiller
from oracle.archive.link import check_archive_installed
from oracle.archive.parquet_files import ParquetFiles
from oracle.archive.seen_on_chain import SeenOnChain
from oracle.archive.status_page import StatusPage
from oracle.archive.upkeep import Upkeep
from oracle.archive.writer import ArchiveWriter
from oracle.assemble.following import Followed, followed, following_problems
from oracle.config.resolve import ResolvedConfig
from oracle.config.tables.schema import ConfigError, Problem

_HOUR_S, _MS = 3_600, 1_000
_OVERLAP_S = 3_600
"""A start asks for rounds from before the newest that it has: one that operators learned late came after later ones."""
_MOST_KNOWN = 2_048
"""Rounds whose agreements are in memory; the archive itself knows all of them."""
_log = structlog.get_logger("oracle.archive.archive_process")


@dataclass(frozen=True, slots=True)
class ArchivePace:
    """Seconds between two looks of each part."""

    gaps_s: float = 60.0
    upkeep_s: float = 30.0
    files_s: float = 60.0
    chain_s: float = 60.0


class ArchiveProcess:
    """One archive.

    Args:
        resolved: the checked config.
        now_ms: the clock, Unix ms.
        pace: of its parts.

    Attributes:
        url: of its status, while it runs.

    Raises:
        ConfigError: it is no archive's.
    """

    def __init__(self, resolved: ResolvedConfig, now_ms: Callable[[], int], pace: ArchivePace | None = None) -> None:
        config = resolved.config
        self._operators = config.archive.operators or config.node.operators
        problems = following_problems(resolved, self._operators, "archive.operators")
        if config.archive.dsn is None:
            problems.append(
                Problem("archive.dsn", "is missing: write the PostgreSQL database that the archive writes to")
            )
        if config.archive.parquet is not None and find_spec("pyarrow") is None:
            text = "needs the library of Parquet: pip install 'lrt-oracle[archive]', or leave it out"
            problems.append(Problem("archive.parquet", text))
        if problems:
            raise ConfigError(problems)
        self._resolved, self._now_ms, self._pace = resolved, now_ms, pace or ArchivePace()
        self._dsn = config.archive.dsn or ""
        self.url = ""

    async def run(self, stop: asyncio.Event) -> None:
        """Run until `stop` is set.

        Raises:
            ArchiveFault: the library is not installed.
        """
        check_archive_installed()
        async with AsyncExitStack() as opened:
            connector = aiohttp.TCPConnector(force_close=True)  # a stream that broke leaves nothing to use again
            session = await opened.enter_async_context(
                aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())
            )
            parts = await self._parts(session, opened)
            tasks = [asyncio.create_task(part) for part in parts]
            stopped = asyncio.create_task(stop.wait())
            try:
                done, _ = await asyncio.wait({*tasks, stopped}, return_when=asyncio.FIRST_COMPLETED)
                for task in done - {stopped}:
                    task.result()
            finally:
                for task in (*tasks, stopped):
                    task.cancel()
                with suppress(asyncio.CancelledError):
                    await asyncio.gather(*tasks, stopped, return_exceptions=True)

    async def _parts(self, session: aiohttp.ClientSession, opened: AsyncExitStack) -> list[Coroutine[Any, Any, None]]:
        """Everything of it that runs."""
        config, pace = self._resolved.config.archive, self._pace
        interval_s = self._resolved.config.oracle.round_interval_s
        made = followed(
            self._resolved, self._operators, opened, now_ms=self._now_ms, keep_s=config.follow_hours * _HOUR_S, session=session,
            most_known=_MOST_KNOWN,
        )  # fmt: skip
        ranks = {s.name: s.rank for s in made.follower.states}
        writer = ArchiveWriter(
            self._dsn, made.store.domain, interval_s=interval_s, ranks=ranks, oldest_s=lambda: upkeep.oldest_s
        )
        upkeep = Upkeep(
            self._dsn, writer, keep_days=config.keep_days, minutes_days=config.keep_minutes_days, now_s=self._now_s,
            every_s=pace.upkeep_s,
        )  # fmt: skip
        gaps = GapFiller(
            self._dsn, writer, made.follower, made.streams, since_s=self._asked_since_s, every_s=pace.gaps_s
        )
        files = None
        if config.parquet is not None:
            folder = Path(config.parquet)
            files = ParquetFiles(self._dsn, writer, folder, made.store.domain, now_s=self._now_s, every_s=pace.files_s)
        made.follower.takers.append(writer.take)
        gauges = ArchiveGauges(writer, gaps, upkeep, files)
        page = StatusPage(
            writer,
            gaps,
            upkeep,
            files,
            made.follower,
            metrics=gauges.render,
            now_ms=self._now_ms,
            interval_s=interval_s,
        )
        runner, self.url = await page.listen(config.host, config.port)
        opened.push_async_callback(runner.cleanup)
        _log.info("running", status=self.url, sources=sorted(ranks))
        chain = SeenOnChain(self._dsn, writer, made.store, every_s=pace.chain_s)
        parts = [writer.run(), upkeep.run(), gaps.run(), chain.run(), self._follow(made, writer)]
        return [*parts, files.run()] if files is not None else parts

    async def _follow(self, made: Followed, writer: ArchiveWriter) -> None:
        """Follow on from where the archive is, once that is known."""
        await writer.ready.wait()
        oldest_s = self._asked_since_s()
        await made.follower.run(max(oldest_s, writer.newest_s - _OVERLAP_S))

    def _now_s(self) -> int:
        return self._now_ms() // _MS

    def _asked_since_s(self) -> int:
        return self._now_s() - self._resolved.config.archive.follow_hours * _HOUR_S
