"""What hands rounds on to a real server, and what follows it there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from oracle.chain.store_reads import StoreReads
from oracle.follow.follower import RoundFollower, VerifiedRound
from oracle.follow.jetstream import JetStreamSource
from oracle.follow.store_sets import StoreSets
from oracle.nats.publisher import RoundPublisher, StreamPlan
from oracle.serve.history import HistoryReaders
from tests.oracle.follow.follow_world import KEEP_S, Process, Site
from tests.oracle.nats.nats_process import NatsProcess
from tests.oracle.round.round_world import SPECS
from tests.oracle.serve.reader_work import in_threads

PLAN = StreamPlan(name="ROUNDS", hours=168, megabytes=64)


@asynccontextmanager
async def publishing(process: Process, server: NatsProcess, plan: StreamPlan = PLAN) -> AsyncIterator[RoundPublisher]:
    """What hands a process's rounds on, while it runs."""
    readers = HistoryReaders(
        process.site.folder / f"process{process.site.processes.index(process)}.db", executor=in_threads
    )
    made = RoundPublisher(
        server.access, plan, {"main": process.site.domain}, tuple(SPECS), read=readers.read, cursors=process.database
    )
    running = asyncio.create_task(made.run())
    try:
        yield made
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
        readers.close()


@asynccontextmanager
async def following(here: Site, server: NatsProcess, taken: list[VerifiedRound]) -> AsyncIterator[RoundFollower]:
    store = StoreReads([here.url], here.domain)
    source = JetStreamSource(server.access, PLAN.name, here.domain, 0)
    made = RoundFollower("home", StoreSets(store, here.now_ms), SPECS, [source], now_ms=here.now_ms, keep_s=KEEP_S)

    async def keep(verified: VerifiedRound) -> None:
        taken.append(verified)

    made.takers.append(keep)
    running = asyncio.create_task(made.run())
    try:
        yield made
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
        await store.close()
