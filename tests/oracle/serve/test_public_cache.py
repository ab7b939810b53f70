"""What a cache in front may keep, over real connections; and nginx as that cache, with the shipped configuration."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from feeds.units import MS
from oracle.model.status import Why
from oracle.serve.documents import Abstaining
from oracle.serve.freshness import FOR_GOOD, PAST, Freshness
from oracle.serve.interface import Update
from tests.oracle.serve.endpoint_client import NOW_MS, OWN, Client, served
from tests.oracle.serve.memory_service import ROUND_S, MemoryService, filled, record
from tests.oracle.serve.shipped_nginx import needs_nginx, nginx

pytestmark = pytest.mark.loopback
INTERVAL_S = 10
UNTIL_NEXT = "public, max-age=5, s-maxage=5, stale-while-revalidate=1"
OF_NOW = {"Cache-Control", "Date", "Content-Length"}


@asynccontextmanager
async def endpoint(service: MemoryService | None = None) -> AsyncIterator[Client]:
    async with asyncio.timeout(60):
        async for client in served(service or filled(), interval_s=INTERVAL_S, cors_origins=("*",)):
            client.service.notify(Update(round_time_s=ROUND_S))
            yield client


@pytest.mark.parametrize(
    ("passed_ms", "left_s"),
    [(0, 10), (1, 9), (5_000, 5), (9_001, 0), (9_999, 0), (10_000, 0), (12_000, 0), (19_000, 0)],
)
def test_an_answer_is_kept_until_the_next_round_is_due_and_a_late_round_keeps_nothing(
    passed_ms: int, left_s: int
) -> None:
    fresh = Freshness(INTERVAL_S, lambda: ROUND_S * MS + passed_ms)
    assert fresh.left_s() == 0, "no round is known"
    fresh.learn(ROUND_S)
    assert fresh.left_s() == left_s
    assert fresh.newest() == f"public, max-age={left_s}, s-maxage={max(1, left_s)}, stale-while-revalidate=1"


def test_what_is_settled_is_kept_for_good() -> None:
    fresh = Freshness(INTERVAL_S, lambda: NOW_MS)
    old_s = NOW_MS // MS - 150
    assert [fresh.of_round(old_s), fresh.of_round(old_s + 1) == FOR_GOOD, fresh.of_round(None) == FOR_GOOD] == [
        FOR_GOOD,
        False,
        False,
    ]
    assert [fresh.until(old_s * MS), fresh.until(old_s * MS + 1) == PAST, fresh.until(None) == PAST] == [
        PAST,
        False,
        False,
    ]


@pytest.mark.parametrize(
    ("path", "keep"),
    [
        (OWN, UNTIL_NEXT),
        ("/v1/prices", UNTIL_NEXT),
        ("/v1/feeds", UNTIL_NEXT),
        ("/v1/operators", UNTIL_NEXT),
        (f"{OWN}/history", UNTIL_NEXT),
        (f"{OWN}/history?until_ms=9999", PAST),
        (f"{OWN}/twap?window_s=20", UNTIL_NEXT),
        (f"{OWN}/explain", UNTIL_NEXT),
        (f"{OWN}/report", UNTIL_NEXT),
        (f"{OWN}/security", UNTIL_NEXT),
        (f"{OWN}?live=1", "no-cache"),
        ("/", "public, max-age=0, s-maxage=60"),
        ("/openapi.json", "public, max-age=0, s-maxage=60"),
        ("/healthz", "no-store"),
        ("/metrics", "no-store"),
        ("/v1/prices/no/feed", "no-store"),
    ],
)
async def test_every_answer_says_how_long_it_may_be_kept(path: str, keep: str) -> None:
    async with endpoint() as client:
        _, _, answer = await client.get(path)
        assert answer.headers["Cache-Control"] == keep
        assert "Vary" not in answer.headers
        assert answer.headers["Access-Control-Allow-Origin"] == "*"


async def test_a_round_that_is_settled_never_changes() -> None:
    service = filled()
    service.rounds["wdivETH/ETH"] = [record("wdivETH/ETH", ROUND_S - 600)]
    async with endpoint(service) as client:
        _, _, answer = await client.get(f"{OWN}/explain?round={ROUND_S - 600}")
        assert answer.headers["Cache-Control"] == FOR_GOOD
        assert answer.headers["Last-Modified"] == "Tue, 14 Nov 2023 22:03:20 GMT"


async def test_the_short_way_and_the_long_way_give_the_same_answer() -> None:
    async with endpoint() as client, endpoint() as another:
        ready, routed = await client.get(OWN), await client.get(f"{OWN}?live=0")
        assert (ready[:2], dict(ready[2].headers)) == (
            routed[:2],
            {**routed[2].headers, "Date": ready[2].headers["Date"]},
        )
        tag = ready[2].headers["ETag"]
        assert (await another.get(OWN))[2].headers["ETag"] == tag, "another process with the same round"
        kept = [await client.get(p, headers={"If-None-Match": tag}) for p in (OWN, f"{OWN}?live=0")]
        assert [(s, b) for s, b, _ in kept] == [(304, b"")] * 2
        heads = [{k: v for k, v in a.headers.items() if k not in OF_NOW} for _, _, a in kept]
        assert heads[0] == heads[1] == {k: v for k, v in ready[2].headers.items() if k not in OF_NOW}
        _, text, _ = await client.get("/metrics")
        assert 'lrt_oracle_http_answers_total{answer="ready"} 2.0' in text.decode()


async def test_a_ready_answer_is_never_an_old_one() -> None:
    async with endpoint() as client:
        service = client.service
        first = (await client.get(OWN))[1]["market"]
        service.put(record("wdivETH/ETH", ROUND_S + 10, market="1.0402"))
        assert ((await client.get(OWN))[1]["market"], first) == ("1.040200000000000000", "1.040000000000000000")
        service.abstentions["wdivETH/ETH"] = Abstaining(why=Why.STALE, text="old", since_ms=1)
        assert (await client.get(OWN))[1]["abstaining"]["text"] == "old"
        service.abstentions["wdivETH/ETH"] = Abstaining(why=Why.STALE, text="older", since_ms=1)
        assert (await client.get(OWN))[1]["abstaining"]["text"] == "older"
        del service.feeds["wdivETH/ETH"]
        assert (await client.error(OWN))[:2] == (404, "unknown_feed")


async def test_pages_of_any_origin_may_get_and_nothing_else() -> None:
    asked = {"Origin": "https://any.example", "Access-Control-Request-Method": "GET"}
    async with endpoint() as client:
        status, _, answer = await client.get(OWN, "OPTIONS", headers=asked)
        assert (status, answer.headers["Access-Control-Allow-Methods"]) == (204, "GET, HEAD")
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert "Access-Control-Allow-Credentials" not in answer.headers
        assert (await client.error(OWN, "POST"))[:2] == (405, "method_not_allowed")
    async for closed in served(filled()):
        assert "Access-Control-Allow-Origin" not in (await closed.get(OWN))[2].headers


def reached(text: bytes) -> int:
    """Requests for prices that reached the endpoint."""
    rows = [r for r in text.decode().splitlines() if r.startswith("lrt_oracle_http_answers_total")]
    return sum(int(float(r.rsplit(" ", 1)[1])) for r in rows)


@needs_nginx
async def test_a_cache_in_front_answers_nearly_all(tmp_path: Path) -> None:
    """400 readers of two answers within a round: nginx asks for each a few times; streams and what is the operator's pass by."""
    async with endpoint() as client, nginx(tmp_path, client.server.url) as url:
        before = reached((await client.get("/metrics"))[1])
        async with aiohttp.ClientSession() as session:

            async def tag_of(path: str) -> str:
                async with session.get(url + path) as answer:
                    assert answer.status == 200
                    return answer.headers["ETag"]

            tags = [await asyncio.gather(*(tag_of(p) for p in (OWN, "/v1/feeds") * 20)) for _ in range(10)]
            after = reached((await client.get("/metrics"))[1]) - 1
            assert len({t for some in tags for t in some}) == 2
            assert after - before <= 12, f"{after - before} of 400 reached the endpoint"
            async with session.get(url + OWN, headers={"If-None-Match": tags[0][0]}) as known:
                assert known.status == 304
            async with session.get(f"{url}/v1/stream") as stream:
                assert (await stream.content.readline()) == b"event: final\n"
            hidden = [(await session.get(url + p)).status for p in ("/metrics", "/readyz")]
            assert hidden == [404, 404]
