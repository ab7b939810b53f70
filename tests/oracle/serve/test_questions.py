"""POST /v1/query: the one path with a body answers as the question does, within its bounds; the answer is as it is described."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientResponse, ClientSession
from yarl import URL

from oracle.node.relay import relaying
from oracle.query.plan import QueryLimits
from oracle.serve import questions
from oracle.serve.front_door import tokens_of
from oracle.serve.history import HistoryReaders
from oracle.serve.openapi.document import DOCUMENT
from oracle.serve.openapi.schemas import SCHEMAS
from oracle.serve.questions import MOST_BYTES, Questions
from tests.oracle.cli.command import run
from tests.oracle.query.markets_world import Markets
from tests.oracle.query.query_world import INTERVAL_S, S0, asked, filled, world
from tests.oracle.round.round_world import SPECS
from tests.oracle.serve.endpoint_client import OWN, Client, faults, served
from tests.oracle.serve.memory_service import MemoryService
from tests.oracle.serve.reader_work import in_threads
from tests.oracle.serve.shipped_nginx import needs_nginx, nginx

pytestmark = pytest.mark.loopback
PATH, ROUNDS = "/v1/query", 40
LAST = S0 + (ROUNDS - 1) * INTERVAL_S
PAIR = {"base": "ETH", "quote": "USD"}


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("questions") / "o.db"
    filled(path, world(), ROUNDS)
    return path


@asynccontextmanager
async def endpoint(database: Path | None, **options: Any) -> AsyncIterator[Client]:
    readers = None if database is None else HistoryReaders(database, executor=in_threads)
    answer = None if readers is None else Questions(world(), readers, QueryLimits(rounds=200, points=50)).answer
    async with asynccontextmanager(served)(MemoryService(SPECS), answer=answer, **options) as client:
        yield client
    if readers is not None:
        readers.close()


async def test_an_answer_is_the_question_s_and_as_described(database: Path) -> None:
    question = {**PAIR, "from_s": LAST - 100, "to_s": LAST + 20, "step_s": 20, "sources": [{"venue": "kraken"}]}
    assert faults(question, SCHEMAS["Query"]) == []
    async with endpoint(database) as client:
        status, body, answer = await client.get(PATH, "POST", json=question)
        assert (status, answer.headers["Cache-Control"]) == (200, "no-store")
        assert body == await asyncio.to_thread(asked, database, world(), question)
        one = (await client.get(PATH, "POST", json=PAIR))[1]
    for shown in (body, one):
        assert faults(shown, SCHEMAS["QueryAnswer"]) == []
    assert one["answer"]["round"] == LAST
    assert body["points"][-1]["price"] is None
    assert set(DOCUMENT["paths"][PATH]) == {"post"}


@pytest.mark.parametrize(
    ("sent", "status", "code", "hint"),
    [
        ({"data": b"{"}, 415, "body_refused", "Content-Type: application/json"),
        ({"data": b"{", "headers": {"Content-Type": "application/json"}}, 400, "bad_query", "one JSON object"),
        ({"json": []}, 400, "bad_query", ""),
        ({"json": {**PAIR, "metod": "median"}}, 400, "bad_query", ""),
        ({"json": {**PAIR, "to_s": 5}}, 400, "not_kept", "a time in between"),
        ({"json": {**PAIR, "from_s": S0, "step_s": 1}}, 400, "query_too_costly", "step_s = "),
        ({"json": {**PAIR, "feed": "x" * MOST_BYTES}}, 413, "body_refused", "fewer"),
    ],
)
async def test_a_question_is_refused_with_what_to_ask(
    database: Path, sent: dict[str, Any], status: int, code: str, hint: str
) -> None:
    async with endpoint(database) as client:
        found = await client.error(PATH, "POST", **sent)
        assert found[:2] == (status, code)
        assert hint in found[2]


async def test_no_other_path_takes_a_body_and_this_one_nothing_but_post(database: Path) -> None:
    async with endpoint(database, cors_origins=("https://a.example",)) as client:
        assert (await client.error(OWN, "POST", json=PAIR))[:2] == (413, "body_refused")
        assert (await client.error(PATH))[:2] == (405, "method_not_allowed")
        assert (await client.get(PATH))[2].headers["Allow"] == "POST"
        asks = {"Origin": "https://a.example", "Access-Control-Request-Method": "POST"}
        answer = (await client.get(PATH, "OPTIONS", headers=asks))[2]
        assert answer.headers["Access-Control-Allow-Methods"] == "POST"
        assert "Content-Type" in answer.headers["Access-Control-Allow-Headers"]


async def test_where_there_are_no_inputs_the_answer_is_not_here() -> None:
    async with endpoint(None) as client:
        assert (await client.error(PATH, "POST", json=PAIR))[:2] == (404, "not_here")


async def test_a_node_names_those_who_can_answer() -> None:
    elsewhere = relaying(None, "ask ops.example:8551", "local", SPECS)
    async with endpoint(None, elsewhere=elsewhere) as client:
        found = await client.error(PATH, "POST", json=PAIR)
    assert found == (404, "not_here", "ask ops.example:8551")


async def test_the_command_says_what_the_endpoint_says(database: Path) -> None:
    async with endpoint(database) as client:
        wrong = await asyncio.to_thread(run, "query", "ETH/USD", "--method", "medain", "--url", client.server.url)
        live = await asyncio.to_thread(run, "query", "ETH/USD", "--live", "--url", client.server.url)
    assert (wrong.exit_code, "did you mean 'median'?" in wrong.output) == (2, True)
    assert (live.exit_code, "a database alone" in live.output) == (2, True)
    gone = await asyncio.to_thread(run, "query", "ETH/USD", "--url", client.server.url)
    assert gone.exit_code == 1


@needs_nginx
async def test_the_shipped_nginx_is_closed_to_questions(database: Path, tmp_path: Path) -> None:
    async with endpoint(database) as client, nginx(tmp_path, client.server.url) as url, ClientSession() as session:
        for method in ("POST", "GET", "OPTIONS"):
            async with session.request(method, url + PATH, json=PAIR) as answer:
                assert (await said(answer))[:2] == (404, "not_here")


@needs_nginx
async def test_one_line_opens_the_shipped_nginx_to_questions_and_bounds_them(database: Path, tmp_path: Path) -> None:
    async with (
        endpoint(database, cors_origins=("https://a.example",)) as client,
        nginx(tmp_path, client.server.url, questions=True) as url,
        ClientSession() as session,
    ):

        async def post(reader: str, document: Any = PAIR) -> tuple[int, Any, Any]:
            async with session.post(url + PATH, json=document, headers={"X-Test-Reader": reader}) as answer:
                return answer.status, await answer.json(), answer.headers

        status, found, headers = await post("192.0.2.1")
        assert (status, headers["Cache-Control"]) == (200, "no-store")
        assert "X-Cache" not in headers
        assert found == await asyncio.to_thread(asked, database, world(), {})
        assert (await post("192.0.2.2", {**PAIR, "metod": "median"}))[1]["error"]["code"] == "bad_query"
        assert [(await post("192.0.2.3"))[0] for _ in range(3)] == [200, 200, 429]
        assert (await post("192.0.2.4"))[0] == 200, "another one's"
        asks = {"Origin": "https://a.example", "Access-Control-Request-Method": "POST", "X-Test-Reader": "192.0.2.5"}
        async with session.options(url + PATH, headers=asks) as answer:
            assert answer.headers["Access-Control-Allow-Methods"] == "POST"
        async with session.get(url + PATH, headers={"X-Test-Reader": "192.0.2.6"}) as answer:
            assert (await said(answer))[:2] == (405, "method_not_allowed")
            assert answer.headers["Allow"] == "POST"
        long = {**PAIR, "feed": "x" * MOST_BYTES}
        async with session.post(url + PATH, json=long, headers={"X-Test-Reader": "192.0.2.7"}) as answer:
            assert await said(answer) == (413, "body_refused", "name fewer sources")
        async with session.post(url + OWN, json=PAIR) as answer:
            assert (await said(answer))[:2] == (405, "method_not_allowed")


async def said(answer: ClientResponse) -> tuple[int, str, str]:
    """An error of nginx itself."""
    body = await answer.json()
    assert faults(body, SCHEMAS["Error"]) == []
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    return answer.status, body["error"]["code"], body["error"]["hint"]


async def test_a_question_that_does_not_come_is_given_up(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(questions, "BODY_S", 0.2)
    async with endpoint(database) as client:
        reader, writer = await asyncio.open_connection("127.0.0.1", URL(client.server.url).port)
        head = f"POST {PATH} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 40\r\n\r\n"
        writer.write(head.encode() + b'{"base"')
        async with asyncio.timeout(60):
            answer = await reader.readuntil(b"}}")
            assert await reader.read() == b"", "what comes later is no request"
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert b"the question did not come within 0.2 s" in answer
        writer.close()
        assert (await client.get(PATH, "POST", json=PAIR))[0] == 200


async def test_a_question_of_this_moment_is_answered_by_readers_of_another_process(tmp_path: Path) -> None:
    process = Markets(tmp_path / "o.db")
    process.play(0, 8)
    process.silent.add("kraken")
    moments = process.moments(later_ms=6_000)
    readers = HistoryReaders(process.path)
    answer = Questions(process.resolved, readers, moments=moments).answer
    async with asynccontextmanager(served)(MemoryService(SPECS), answer=answer) as client:
        words = ("query", "stETH/ETH", "--source", "venue=okx", "--source", "venue=coinbase", "--json")
        live = await asyncio.to_thread(run, *words, "--url", client.server.url)
        stored = await asyncio.to_thread(run, *words, "--stored", "--url", client.server.url)
    readers.close()
    found, older = json.loads(live.stdout), json.loads(stored.stdout)
    assert faults(found, SCHEMAS["QueryAnswer"]) == []
    chosen = {"sources": [{"venue": "okx"}, {"venue": "coinbase"}]}
    assert found == await asyncio.to_thread(lambda: process.asked("stETH/ETH", moments, **chosen))
    assert (found["live"], found["computed_at_ms"]) == (True, process.now_ms)
    assert (older["live"], older["answer"]["round"]) == (False, process.round_s)


def test_a_question_costs_more_than_any_read() -> None:
    assert tokens_of(PATH) == 40 > tokens_of(f"{OWN}/history")
