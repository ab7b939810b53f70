"""POST /v1/query: the one path with a body answers as the question does, within its bounds; the answer is as it is described."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Executor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from oracle.node.relay import relaying
from oracle.query.plan import QueryLimits
from oracle.serve.front_door import tokens_of
from oracle.serve.history import HistoryReaders
from oracle.serve.openapi.document import DOCUMENT
from oracle.serve.openapi.schemas import SCHEMAS
from oracle.serve.questions import MOST_BYTES, Questions
from tests.oracle.cli.command import run
from tests.oracle.query.query_world import INTERVAL_S, S0, asked, filled, world
from tests.oracle.round.round_world import SPECS
from tests.oracle.serve.endpoint_client import OWN, Client, faults, served
from tests.oracle.serve.memory_service import MemoryService
from tests.oracle.serve.reader_work import in_threads

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
async def endpoint(
    database: Path | None, *, executor: Callable[[int], Executor] | None = in_threads, **options: Any
) -> AsyncIterator[Client]:
    readers = None if database is None else HistoryReaders(database, executor=executor)
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


async def test_the_command_asks_a_process_whose_readers_are_processes(database: Path) -> None:
    words = ("query", "ETH/USD", "--method", "twap_arithmetic", "--window", "60", "--json")
    question = {"method": "twap_arithmetic", "window_s": 60}
    async with endpoint(database, executor=None) as client:
        done = await asyncio.to_thread(run, *words, "--url", client.server.url)
        wrong = await asyncio.to_thread(run, "query", "ETH/USD", "--method", "medain", "--url", client.server.url)
    assert json.loads(done.stdout) == await asyncio.to_thread(asked, database, world(), question)
    assert (wrong.exit_code, "did you mean 'median'?" in wrong.output) == (2, True)
    gone = await asyncio.to_thread(run, "query", "ETH/USD", "--url", client.server.url)
    assert gone.exit_code == 1


def test_a_question_costs_more_than_any_read() -> None:
    assert tokens_of(PATH) == 40 > tokens_of(f"{OWN}/history")
