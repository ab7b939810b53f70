"""A node with an archive answers of times beyond its memory what an operator answers, and says so where the archive is away."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest

from oracle.archive.reading import ArchiveReader
from oracle.archive.upkeep import Upkeep
from oracle.archive.writer import ArchiveWriter
from oracle.chain.store_reads import StoreReads
from oracle.follow.follower import RoundFollower
from oracle.follow.operator_stream import OperatorStream
from oracle.follow.store_sets import StoreSets
from oracle.node.node_service import NodeService
from oracle.serve.server import serve
from tests.oracle.archive.postgres_process import PostgresProcess, needs_postgres
from tests.oracle.follow.follow_world import KEEP_S, LIMITS, Process, Site, site, until
from tests.oracle.round.round_world import SPECS
from tests.oracle.serve.service_world import ROUND_S

pytestmark = [pytest.mark.chain, pytest.mark.loopback, needs_postgres]
OWN = "/v1/prices/wdivETH/ETH"
MEMORY_S = 60
ROUNDS = 40
LAST_S = ROUND_S + 10 * (ROUNDS - 1)


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Site]:
    with site(tmp_path) as made:
        for n in range(ROUNDS):
            made.round(("1.04", "1.02", "0.8", "1.0401")[n // 5 % 4])
        yield made


class ArchivedNode:
    """A node with a minute of memory, and an archive that takes the same rounds."""

    def __init__(self, url: str, writer: ArchiveWriter, reader: ArchiveReader, session: aiohttp.ClientSession) -> None:
        self.url, self.writer, self.reader, self.session = url, writer, reader, session

    async def get(self, path: str) -> tuple[int, Any, Any]:
        return await asked(self.session, self.url + path)


async def asked(session: aiohttp.ClientSession, url: str) -> tuple[int, Any, Any]:
    async with session.get(url) as answer:
        return answer.status, orjson.loads(await answer.read()), answer.headers


@asynccontextmanager
async def archived_node(here: Site, one: Process, dsn: str) -> AsyncIterator[ArchivedNode]:
    async with AsyncExitStack() as opened:
        session = await opened.enter_async_context(aiohttp.ClientSession())
        store = StoreReads([here.url], here.domain)
        opened.push_async_callback(store.close)
        follower = RoundFollower(
            "main",
            StoreSets(store, here.now_ms),
            SPECS,
            [OperatorStream(one.url, 0, session)],
            now_ms=here.now_ms,
            keep_s=KEEP_S,
        )
        writer = ArchiveWriter(dsn, here.domain, interval_s=10, ranks={}, oldest_s=lambda: 0)
        reader = ArchiveReader(dsn, here.domain, "main", look_s=0.1)
        opened.push_async_callback(reader.close)
        follower.takers.append(writer.take)
        service = NodeService(
            "main", SPECS, follower, interval_s=10, keep_s=MEMORY_S, now_ms=here.now_ms, risks={}, archive=reader
        )
        tasks = [asyncio.create_task(t) for t in (writer.run(), follower.run())]
        await until(lambda: follower.newest_s == LAST_S and not writer.waiting, "all are written")
        await reader.start()
        server = await serve(service, host="127.0.0.1", port=0, now_ms=here.now_ms, metrics=bytes, limits=LIMITS)
        opened.push_async_callback(server.close)
        yield ArchivedNode(server.url, writer, reader, session)
        for task in tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


ASKED = (
    "history", "history?limit=3", "history?limit=9", f"history?until_ms={LAST_S * 1000 - 30_000}&limit=20",
    f"history?since_ms={ROUND_S * 1000 + 1}&until_ms={ROUND_S * 1000 + 90_000}", f"history?since_ms={LAST_S * 1000 - 40_000}",
    "history?until_ms=1000", "twap?window_s=30", "twap?window_s=300", f"twap?window_s=100&end_ms={ROUND_S * 1000 + 150_000}",
    "twap?window_s=390&of=redemption", "changes", "changes?limit=3",
)  # fmt: skip


async def test_beyond_its_memory_a_node_answers_as_the_operator_does(here: Site, dsn: str) -> None:
    async with here.process() as one, archived_node(here, one, dsn) as node:
        feeds = (OWN, "/v1/prices/ETH/USD", "/v1/prices/wdivETH/USD")
        paths = [f"{feed}/{rest}" for feed in feeds for rest in ASKED]
        paths += ["/v1/trends?span_s=3600", f"/v1/rounds/{ROUND_S}/sealed", f"/v1/rounds/{LAST_S}/sealed"]
        for path in paths:
            theirs, ours = await asked(node.session, one.url + path), await node.get(path)
            assert ours[:2] == theirs[:2], path
        rounds = (await node.get(f"{OWN}/history"))[1]["rounds"]
        assert [r["round"] for r in rounds] == [ROUND_S + 10 * n for n in range(ROUNDS)]
        assert len((await node.get(f"{OWN}/changes"))[1]["changes"]) > 3


async def test_while_the_archive_is_away_what_is_newer_is_answered_and_the_rest_says_when_to_ask_again(
    here: Site,
) -> None:
    server = PostgresProcess()
    await server.start()
    dsn = await server.new_database()
    async with here.process() as one, archived_node(here, one, dsn) as node:
        assert (await node.get(f"{OWN}/history"))[0] == 200
        await server.kill()
        for path in (f"{OWN}/history", f"{OWN}/twap?window_s=300", f"{OWN}/changes"):
            status, body, headers = await node.get(path)
            assert (status, body["error"]["code"], headers["Retry-After"]) == (503, "archive_away", "10"), path
            assert body["error"]["message"] == "older rounds are in an archive that does not answer"
        since_ms = (LAST_S - MEMORY_S) * 1_000
        assert f"since_ms={since_ms}" in body["error"]["hint"]
        status, body, _ = await node.get(f"{OWN}/history?since_ms={since_ms}")
        assert (status, len(body["rounds"])) == (200, 7)
        assert (await node.get(f"{OWN}/twap?window_s=20"))[0] == 200
        assert (await node.get("/v1/trends?span_s=3600"))[0] == 200
        await until(lambda: node.reader.error, "it is seen")
        assert any("archive" in w for w in (await node.get("/readyz"))[1]["warnings"])
        await server.start()
        await until(lambda: not node.reader.error, "it is back")
        assert (await node.get(f"{OWN}/history"))[0] == 200
    await server.end()


async def test_of_days_that_were_dropped_minutes_and_what_is_kept_for_good_are_answered(here: Site, dsn: str) -> None:
    async with here.process() as one, archived_node(here, one, dsn) as node:
        before = (await node.get(f"{OWN}/history"))[1]["rounds"]
        upkeep = Upkeep(
            dsn, node.writer, keep_days=2, minutes_days=60, now_s=lambda: LAST_S + 4 * 86_400, every_s=3_600
        )
        running = asyncio.create_task(upkeep.run())
        await until(lambda: upkeep.dropped, "the day is dropped")
        running.cancel()
        await until(lambda: node.reader.bounds is not None and node.reader.bounds.kept_since_s, "the node sees it")
        status, body, _ = await node.get(f"{OWN}/history?until_ms={(LAST_S - MEMORY_S) * 1_000}")
        kept = [r["round"] for r in body["rounds"]]
        assert (status, body["full_rate_since"] > LAST_S) == (200, True)
        assert kept
        changed = [b["round"] for a, b in itertools.pairwise(before) if a["status"] != b["status"]]
        assert kept == [r for r in changed if r < LAST_S - MEMORY_S]
        assert {r["step_s"] for r in body["roll_ups"]} == {60}
        assert sum(r["rounds"] for r in body["roll_ups"]) >= ROUNDS - 7
        assert (await node.get(f"{OWN}/twap?window_s=300"))[0] == 404
