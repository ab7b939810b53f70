"""Which rounds the store holds, looked at on its chain: records that were pushed are kept for good."""

from __future__ import annotations

import asyncio

import structlog

from oracle.archive.link import connected, fault_text, faults
from oracle.archive.writer import ArchiveWriter
from oracle.chain.quorum_rpc import ChainError
from oracle.chain.store_reads import StoreReads

_NOTE = "INSERT INTO pushed (domain, feed, round_s) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING"
_log = structlog.get_logger("oracle.archive.seen_on_chain")


class SeenOnChain:
    """Looks at the store.

    Args:
        dsn: of the archive.
        writer: that writes there.
        store: whose slots are read.
        every_s: between two looks; of two pushes in between only the second is seen.
    """

    def __init__(self, dsn: str, writer: ArchiveWriter, store: StoreReads, *, every_s: float) -> None:
        self._dsn, self._writer, self._store, self._every_s = dsn, writer, store, every_s
        self._seen: dict[str, int] = {}

    async def run(self) -> None:
        """Look for ever."""
        while True:
            await self._writer.ready.wait()
            try:
                await self.look()
            except ChainError as e:
                _log.info("what was pushed cannot be looked at", why=str(e)[:300])
            except faults() as e:
                _log.info("what was pushed cannot be noted", why=fault_text(e))
            await asyncio.sleep(self._every_s)

    async def look(self) -> None:
        """Note what the store holds now and did not at the last look."""
        feeds = await self._store.feeds()
        held = await asyncio.gather(*(self._store.stored(i) for i in feeds.values()))
        news = {
            feed: report.round_time_s
            for feed, report in zip(feeds, held, strict=True)
            if report is not None and self._seen.get(feed) != report.round_time_s
        }
        if not news:
            return
        connection = await connected(self._dsn)
        try:
            await connection.executemany(_NOTE, [(self._writer.domain_id, f, t) for f, t in news.items()])
        finally:
            connection.terminate()
        self._seen |= news
