"""The stream of sealed rounds over a real server and a real database: rounds that real operators sealed, and their replay."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest

from oracle.serve import round_stream
from oracle.serve.events import StreamLimits
from oracle.serve.history import HistoryReaders
from oracle.serve.interface import Update
from oracle.serve.openapi.schemas import SCHEMAS
from oracle.serve.server import Server, serve
from oracle.storage.database import Database
from tests.oracle.serve.endpoint_client import faults
from tests.oracle.serve.reader_work import in_threads
from tests.oracle.serve.service_world import ROUND_S, ServiceWorld

pytestmark = pytest.mark.loopback
LIMITS = StreamLimits(readers=40, heartbeat_s=0.2, grace_s=0.5)


class Served:
    """A process with a database in a file, and readers of its stream."""

    def __init__(self, folder: Path) -> None:
        path = folder / "rounds.db"
        readers = HistoryReaders(path, executor=in_threads)
        self.world = ServiceWorld(folder, Database(path), readers=readers, started=False)
        self.server: Server | None = None
        self.session = aiohttp.ClientSession()

    async def start(self) -> None:
        self.server = await serve(
            self.world.service, host="127.0.0.1", port=0, now_ms=lambda: self.world.at_ms, metrics=bytes, limits=LIMITS
        )

    async def close(self) -> None:
        await self.session.close()
        if self.server is not None:
            await self.server.close()
        self.world.database.close()

    @asynccontextmanager
    async def reading(self, query: str = "", headers: Mapping[str, str] | None = None) -> AsyncIterator[Events]:
        assert self.server is not None
        url = f"{self.server.url}/v1/rounds/stream{query}"
        async with self.session.get(url, headers=headers) as answer:
            assert (answer.status, answer.content_type) == (200, "text/event-stream")
            yield Events(answer)


class Events:
    """What one reader gets."""

    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self.answer = answer

    async def next(self) -> tuple[int, dict[str, Any]]:
        async with asyncio.timeout(30):
            while True:
                lines = (await self.answer.content.readuntil(b"\n\n")).decode().splitlines()
                if not lines[0].startswith(":"):
                    assert lines[1] == "event: round"
                    return int(lines[0].removeprefix("id: ")), orjson.loads(lines[2].removeprefix("data: "))

    async def ids(self, count: int) -> list[int]:
        return [(await self.next())[0] for _ in range(count)]


@pytest.fixture
async def process(tmp_path: Path) -> AsyncIterator[Served]:
    made = Served(tmp_path)
    for n in range(3):
        made.world.round(ROUND_S + 10 * n)
    await made.start()
    yield made
    await made.close()


async def test_a_round_comes_with_all_that_proves_it_and_all_that_is_published_of_it(process: Served) -> None:
    async with process.reading() as events:
        round_s, body = await events.next()
        assert round_s == body["sealed"]["round"] == ROUND_S + 20
        assert faults(body, SCHEMAS["RoundEvent"]) == []
        assert {r["feed"] for r in body["records"]} == {"wdivETH/ETH", "ETH/USD", "wdivETH/USD"}
        assert body["abstaining"] == []
        assert process.server is not None
        async with process.session.get(f"{process.server.url}/v1/rounds/{round_s}/sealed") as answer:
            assert body["sealed"] == await answer.json()
        async with process.session.get(f"{process.server.url}/v1/prices/wdivETH/ETH") as answer:
            shown = await answer.json()
    record = next(r for r in body["records"] if r["feed"] == "wdivETH/ETH")
    assert {k: record[k] for k in record if k in shown} == {k: shown[k] for k in record if k in shown}


async def test_replay_begins_after_the_last_id_and_goes_on_live_without_a_gap_or_a_double(process: Served) -> None:
    for query, headers in ((f"?after={ROUND_S}", {}), ("?after=7", {"Last-Event-ID": str(ROUND_S)})):
        async with process.reading(query, headers) as events:
            assert await events.ids(2) == [ROUND_S + 10, ROUND_S + 20]
    async with process.reading("?after=0") as early, process.reading() as live:
        assert await early.ids(1) == [ROUND_S]
        process.world.round(ROUND_S + 30)
        process.world.round(ROUND_S + 40)
        assert await early.ids(4) == [ROUND_S + 10 * n for n in (1, 2, 3, 4)]
        assert await live.ids(3) == [ROUND_S + 10 * n for n in (2, 3, 4)]


async def test_a_round_that_was_learned_late_comes_when_it_is_known_and_in_replay(process: Served) -> None:
    late_s = ROUND_S + 5
    agreement = process.world.database.agreement(ROUND_S + 10, "main")
    assert agreement is not None
    async with process.reading() as events:
        assert await events.ids(1) == [ROUND_S + 20]
        process.world.database.save_round([], [replace(agreement, round_time_s=late_s)], [], [])
        process.world.service._notify(Update(stored=True))
        assert await events.ids(1) == [late_s]
    async with process.reading(headers={"Last-Event-ID": str(ROUND_S + 20)}) as again:
        assert await again.ids(1) == [late_s]
    async with process.reading(headers={"Last-Event-ID": str(late_s)}) as again:
        process.world.round(ROUND_S + 30)
        assert await again.ids(1) == [ROUND_S + 30]


async def test_feeds_without_a_price_are_named_with_the_reason_in_replay_too(process: Served) -> None:
    done = process.world.round(ROUND_S + 30, price="0.2")
    assert done.records
    async with process.reading() as events:
        _, body = await events.next()
    kept = process.world.database.sealed_after("main", 0, 10)[-1]
    assert [s["feed"] for s in body["abstaining"]] == [s.feed for s in kept.silent]
    shown = {f: a for f in process.world.service.specs() if (a := process.world.service.abstaining(f)) is not None}
    assert {s["feed"]: (s["code"], s["text"]) for s in body["abstaining"]} == {
        f: (a.why.name, a.text) for f, a in shown.items()
    }


async def test_one_connection_has_so_many_rounds_and_the_next_one_goes_on(
    process: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(round_stream, "MOST_ROUNDS", 2)
    monkeypatch.setattr(round_stream, "_AT_ONCE", 2)
    async with process.reading("?after=0") as events:
        assert await events.ids(2) == [ROUND_S, ROUND_S + 10]
        async with asyncio.timeout(30):
            assert await events.answer.content.read() == b""
    async with process.reading(headers={"Last-Event-ID": str(ROUND_S + 10)}) as events:
        assert await events.ids(1) == [ROUND_S + 20]


async def test_a_place_that_is_none_is_refused(process: Served) -> None:
    assert process.server is not None
    url = f"{process.server.url}/v1/rounds/stream"
    for query, headers in (("?after=x", {}), ("?since=1", {}), ("?target=moon", {}), ("", {"Last-Event-ID": "x"})):
        async with process.session.get(url + query, headers=headers) as answer:
            assert (answer.status, (await answer.json())["error"]["code"]) == (400, "bad_parameter")


async def test_readers_are_limited_and_end_with_the_server(process: Served) -> None:
    assert process.server is not None
    url = f"{process.server.url}/v1/rounds/stream"
    opened = [await process.session.get(url) for _ in range(LIMITS.readers // 4)]
    async with process.session.get(url) as answer:
        assert (answer.status, (await answer.json())["error"]["code"]) == (503, "no_stream")
    async with asyncio.timeout(30):
        await process.server.close()
    for answer in opened:
        answer.close()
    process.server = None


async def test_a_database_of_before_hands_on_what_it_has(tmp_path: Path) -> None:
    path = tmp_path / "rounds.db"
    database = Database(path)
    world = ServiceWorld(tmp_path, database)
    world.round(ROUND_S + 10)
    for name in ("TRIGGER outbox_in", "TABLE outbox", "TABLE outbox_readers"):
        database.connection.execute(f"DROP {name}")
    database.connection.execute("PRAGMA user_version = 2")
    database.close()
    again = Database(path)
    assert [r.round_time_s for r in again.sealed_after("main", 0, 9)] == [ROUND_S, ROUND_S + 10]
    again.move_reader("nats", 5)
    again.move_reader("nats", 3)
    assert (again.read_up_to("nats"), again.read_up_to("other")) == (5, None)
    again.close()
