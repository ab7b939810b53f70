"""A process that is behind says so in each answer, nobody keeps these, and behind a balancer another one is asked."""

from __future__ import annotations

from pathlib import Path

import aiohttp
import pytest

from feeds.units import MS
from oracle.serve.freshness import Freshness
from oracle.serve.interface import Update
from tests.oracle.serve.endpoint_client import NOW_MS, OWN
from tests.oracle.serve.late_endpoint import INTERVAL_S, endpoint
from tests.oracle.serve.memory_service import ROUND_S
from tests.oracle.serve.shipped_nginx import needs_nginx, nginx

pytestmark = pytest.mark.loopback
LATE_S = ROUND_S - 30
BEHIND_S = NOW_MS // MS - LATE_S
ONLY_NEW = {"Lrt-Not-Behind": "1"}
OF_NEWEST = (OWN, f"{OWN}?live=0", "/v1/prices", "/v1/operators", f"{OWN}/history", f"{OWN}/security", f"{OWN}/explain")
PAST = f"{OWN}/history?until_ms=9999"


@pytest.mark.parametrize(
    ("round_s", "passed_ms", "behind_s"),
    [
        (0, 0, 0),
        (0, 5_000, 5),
        (ROUND_S, 0, None),
        (ROUND_S, 32_999, None),
        (ROUND_S, 33_000, 33),
        (ROUND_S, -33_000, 0),
    ],
)
def test_a_process_is_behind_from_three_rounds_on_and_before_its_first(
    round_s: int, passed_ms: int, behind_s: int | None
) -> None:
    fresh = Freshness(INTERVAL_S, lambda: ROUND_S * MS + passed_ms, stored_s=ROUND_S)
    if round_s:
        fresh.learn(round_s)
    assert fresh.behind_s() == behind_s
    assert Freshness(None, lambda: ROUND_S * MS).behind_s() is None, "no interval is known"


@pytest.mark.parametrize("path", OF_NEWEST)
async def test_an_answer_that_is_behind_says_so_and_is_not_kept_and_who_wants_none_gets_503(path: str) -> None:
    async with endpoint(LATE_S) as client:
        status, _, answer = await client.get(path)
        kept = answer.headers["Cache-Control"], answer.headers.get("Lrt-Behind")
        assert (status, kept) == (200, ("no-store", str(BEHIND_S)))
        assert (await client.error(path, headers=ONLY_NEW))[:2] == (503, "behind")
        _, _, answer = await client.get(path, headers=ONLY_NEW)
        assert (answer.headers["Retry-After"], answer.headers["Lrt-Behind"]) == ("10", str(BEHIND_S))
        client.service.notify(Update(round_time_s=ROUND_S))
        status, _, answer = await client.get(path, headers=ONLY_NEW)
        assert (status, "Lrt-Behind" in answer.headers) == (200, False)
        assert answer.headers["Cache-Control"].startswith("public")


async def test_what_no_round_changes_is_answered_by_one_that_is_behind_too() -> None:
    async with endpoint(LATE_S) as client:
        for path in (PAST, "/openapi.json", "/", "/healthz"):
            status, _, answer = await client.get(path, headers=ONLY_NEW)
            assert (status, "Lrt-Behind" in answer.headers) == (200, False), path
        assert (await client.error("/v1/stream", headers=ONLY_NEW))[:2] == (503, "behind")
        assert (await client.error(f"/v1/rounds/{ROUND_S + 1}/sealed", headers=ONLY_NEW))[:2] == (503, "behind")
        assert (await client.error(f"/v1/rounds/{ROUND_S + 1}/sealed"))[:2] == (404, "unknown_round")


@needs_nginx
async def test_old_prices_and_new_ones_never_take_turns_behind_the_shipped_balancer(tmp_path: Path) -> None:
    async with (
        endpoint(LATE_S) as old, endpoint(ROUND_S) as new,
        nginx(tmp_path, old.server.url, new.server.url) as url, aiohttp.ClientSession() as session,
    ):  # fmt: skip
        for n in range(12):
            async with session.get(f"{url}{OWN}/history?limit={n + 1}") as answer:
                assert (answer.status, "Lrt-Behind" in answer.headers) == (200, False), "the one that is up to date"
            async with session.get(f"{url}/v1/stream") as stream:
                assert stream.status == 200


@needs_nginx
async def test_where_all_are_behind_a_reader_of_the_balancer_is_told_so(tmp_path: Path) -> None:
    async with (
        endpoint(LATE_S) as one, endpoint(LATE_S) as other,
        nginx(tmp_path, one.server.url, other.server.url) as url, aiohttp.ClientSession() as session,
    ):  # fmt: skip
        for _ in range(3):
            async with session.get(url + OWN) as answer:
                assert (answer.status, (await answer.json())["error"]["code"]) == (503, "behind")
                assert answer.headers["Retry-After"] == "10"
        one.service.notify(Update(round_time_s=ROUND_S))
        async with session.get(url + OWN) as answer:
            assert answer.status == 200, "at once, when one has come round"
