"""Real nodes over a real oracle and NATS: every path as the operator answers it, a page that does not lie, and kills that lose nothing."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import signal
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest

from feeds.chains.abi import checksummed
from oracle.serve.openapi.document import DOCUMENT
from oracle.serve.openapi.schemas import SCHEMAS
from oracle.serve.web import QUERY_PATH
from oracle.sign.eip712 import Domain, recover, sealed_digest
from oracle.storage.database import Database
from tests.e2e.e2e_tools import PATIENCE_S
from tests.e2e.node_world import Lasting, NodeWorld, balancer, node_world
from tests.oracle.nats.nats_process import server_path
from tests.oracle.serve.browser import CHROMIUM, tab
from tests.oracle.serve.endpoint_client import faults

pytestmark = [pytest.mark.e2e, pytest.mark.chain, pytest.mark.loopback]
KILLS = int(os.environ.get("LRT_ORACLE_TEST_NODE_KILLS", "1"))
"""Of each: the node, the oracle, NATS."""
FEED = "/v1/prices/wdivETH/ETH"
TARGET, THRESHOLD = "local", 2
NOT_HERE = ("/v1/prices?live=1", f"{FEED}?live=1", f"{FEED}/explain", f"{FEED}/report", f"{FEED}/pushes?limit=3")
OWN = {
    "Price": {"onchain", "onchain_missing", "risk", "risk_codes"},
    "Security": {"signers"},
    "Trends": {"feeds"},
    "Health": {
        "clock_offset_ms", "feeds", "node", "started_at_ms", "targets", "round", "round_lag_ms", "warnings", "degraded",
    },
    "Operators": {"operators", "rounds", "round", "clock_offset_ms", "warnings"},
}  # fmt: skip
"""By kind of document what a node sees for itself, or does not know: all else is as the operator has it."""


async def test_nodes_answer_as_the_operator_and_lose_nothing_by_kills(tmp_path: Path) -> None:
    """One world, since each takes a while to start: paths, page, a balancer, kills, and an end in order."""
    async with node_world(tmp_path / "world", nats=True) as world:
        await world.until_serving(world.oracle)
        plain = await world.node("plain", [world.oracle.url])
        relaying = await world.node("relaying", [world.oracle.url], relay=True)
        for each in (plain, relaying):
            await world.until_serving(each)
        await every_path(world, plain, relaying)
        await through_a_balancer(world, plain, relaying, tmp_path / "nginx")
        await by_kills(world, plain)
        await a_page_that_does_not_lie(world, plain, tmp_path / "profile")
        for each in (plain, relaying):
            assert await each.end(signal.SIGTERM) == 0
            assert "Traceback" not in each.log


# --- every path ------------------------------------------------------------------------------------------------------


async def every_path(world: NodeWorld, plain: Lasting, relaying: Lasting) -> None:
    asked = {
        "/v1/feeds": "", "/v1/prices": "", "/v1/prices/{base}/{quote}": "", "/v1/trends": "", "/v1/operators": "",
        "/healthz": "", "/readyz": "", "/openapi.json": "", "/v1/prices/{base}/{quote}/security": "",
        "/v1/prices/{base}/{quote}/changes": "", "/v1/prices/{base}/{quote}/history": "until",
        "/v1/prices/{base}/{quote}/twap": "end", "/v1/rounds/{round}/sealed": "round",
    }  # fmt: skip
    others = {"/metrics", "/v1/stream", "/v1/rounds/stream", QUERY_PATH}
    relayed = {f"/v1/prices/{{base}}/{{quote}}/{last}" for last in ("explain", "report", "pushes")}
    assert asked.keys() | others | relayed == DOCUMENT["paths"].keys(), "a new path: say here how a node answers it"
    round_s = await world.until_serving(plain, await world.until_serving(relaying) + 2) - 1
    queries = {"until": f"?until_ms={round_s}000", "end": f"?window_s=4&end_ms={round_s}000"}
    for template, kind in asked.items():
        path = template.format(base="wdivETH", quote="ETH", round=round_s) + queries.get(kind, "")
        schema = DOCUMENT["paths"][template]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
        name = schema.get("$ref", "").rsplit("/", 1)[-1]
        for each in (plain, relaying):
            theirs, ours = await of_one_round(world, each, path)
            assert not name or not faults(ours, SCHEMAS[name]), path
            compare(name, theirs, ours, path)
    for path in NOT_HERE:
        status, said, _ = await world.get(plain.url + path)
        assert (status, said["error"]["code"]) == (404, "not_here"), path
        assert world.oracle.url.removeprefix("http://") in said["error"]["hint"]
        status, said, answer = await world.get(relaying.url + path)
        assert (status, answer.headers["Lrt-Told-By"]) == (200, world.oracle.url.removeprefix("http://")), path
    for each in (plain, relaying):
        async with world.session.post(each.url + QUERY_PATH, json={"base": "wdivETH", "quote": "ETH"}) as answer:
            said = (await answer.json())["error"]
            assert (answer.status, said["code"]) == (404, "not_here")
            assert world.oracle.url.removeprefix("http://") in said["hint"]
    explained = [(await world.get(f"{p.url}{FEED}/explain?round={round_s}"))[1] for p in (world.oracle, relaying)]
    assert explained[0] == explained[1]
    for path, code in ((f"{FEED}?x=1", 400), (f"{FEED}/report?target=none", 400), ("/v1/prices/a/b/explain", 404)):
        assert (await world.get(relaying.url + path))[0] == code, path
    exposed = (await world.get(plain.url + "/metrics"))[1].decode()
    assert "lrt_oracle_follow_lag_seconds" in exposed
    assert "lrt_oracle_nats_up 1.0" in (await world.get(world.oracle.url + "/metrics"))[1].decode() or not server_path()


async def of_one_round(world: NodeWorld, node: Lasting, path: str) -> tuple[Any, Any]:
    """What the operator and a node answer while both have the same round."""
    for _ in range(300):
        (_, before, _), (status, theirs, _) = [await world.get(world.oracle.url + p) for p in ("/v1/prices", path)]
        own, ours, _ = await world.get(node.url + path)
        (_, here, _), (_, after, _) = [await world.get(u + "/v1/prices") for u in (node.url, world.oracle.url)]
        assert (status, own) == (200, 200), (path, ours)
        if before["round"] == after["round"] == here["round"]:
            return theirs, ours
        await asyncio.sleep(0.05)
    raise AssertionError(f"never the same round: {path}")


def compare(name: str, theirs: Any, ours: Any, path: str) -> None:
    if name in {"Feeds", "Prices"}:
        shown = {each["feed"] for each in ours[name.lower()]}
        theirs[name.lower()] = [each for each in theirs[name.lower()] if each["feed"] in shown]
        assert len(shown) == 7, "all but what is not on chain"
    if name == "Feeds":
        for each in (*theirs["feeds"], *ours["feeds"]):
            each.pop("budget")  # its ages are those of the moment
    if name == "Prices":
        pairs = list(zip(theirs.pop("prices"), ours.pop("prices"), strict=True))
        for one, two in pairs:
            compare("Price", one, two, path)
            theirs_held, ours_held = ([o["target"] for o in p["onchain"]] for p in (one, two))
            assert theirs_held == ours_held, "what the store holds, as the node reads it"
    left_out = OWN.get(name, set())
    assert {k: v for k, v in ours.items() if k not in left_out} == {
        k: v for k, v in theirs.items() if k not in left_out
    }, path
    if name == "Operators":
        assert [o["address"] for o in ours["operators"]] == [o["address"] for o in theirs["operators"]]
        assert [o["hour"]["signed_bps"] is not None for o in ours["operators"]] == [True] * 3
    if name == "Health":
        assert [t["target"] for t in ours["targets"]] == [TARGET]
        assert ours["node"]["sources"][0]["connected"]


# --- a balancer ------------------------------------------------------------------------------------------------------


async def through_a_balancer(world: NodeWorld, plain: Lasting, relaying: Lasting, folder: Path) -> None:
    """A reader that is moved from one node to the other, since that one is gone, has every round and each once."""
    if shutil.which("nginx") is None:
        return
    async with balancer(folder, [plain.port, relaying.port]) as url:
        reader = Reader(url + "/v1/rounds/stream")
        async with reader.reading(world.session):
            await reader.until(3)
            gone = next([n for n in (plain, relaying) if await readers_of(world, n)].__iter__())
            await gone.end(signal.SIGKILL)
            await reader.until(len(reader.rounds) + 3)
        assert reader.breaks
        assert_whole(world, reader.rounds)
        await gone.start()
        await world.until_serving(gone, reader.rounds[-1])
        path = f"/v1/rounds/{reader.rounds[0]}/sealed"
        answers = [await world.get(n.url + path) for n in (plain, relaying)]
        assert len({a.headers["ETag"] for _, _, a in answers}) == 1
        status, _, _ = await world.get(url + path, **{"If-None-Match": answers[0][2].headers["ETag"]})
        assert status == 304


async def readers_of(world: NodeWorld, node: Lasting) -> bool:
    return "lrt_oracle_follow_stream_readers 1.0" in (await world.get(node.url + "/metrics"))[1].decode()


class Reader:
    """A client of a stream of sealed rounds that connects again with the last id that it has. ``documents``: by round."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.rounds: list[int] = []
        self.documents: dict[int, Any] = {}
        self.breaks = 0

    @asynccontextmanager
    async def reading(self, session: aiohttp.ClientSession) -> AsyncIterator[None]:
        running = asyncio.create_task(self._read(session))
        try:
            yield
        finally:
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running

    async def _read(self, session: aiohttp.ClientSession) -> None:
        while True:
            headers = {"Last-Event-ID": str(self.rounds[-1])} if self.rounds else {}
            with suppress(aiohttp.ClientError, asyncio.IncompleteReadError, TimeoutError):
                async with session.get(self._url, headers=headers, timeout=aiohttp.ClientTimeout(total=None)) as answer:
                    await self._take(answer)
            self.breaks += 1
            await asyncio.sleep(0.1)

    async def _take(self, answer: aiohttp.ClientResponse) -> None:
        if answer.status != 200:
            return
        while True:
            block = await answer.content.readuntil(b"\n\n")
            if not block.startswith(b":"):
                fields = dict(line.split(b": ", 1) for line in block.strip().split(b"\n"))
                self.rounds.append(int(fields[b"id"]))
                self.documents[self.rounds[-1]] = orjson.loads(fields[b"data"])

    async def until(self, count: int) -> None:
        for _ in range(int(PATIENCE_S / 0.1)):
            if len(self.rounds) >= count:
                return
            await asyncio.sleep(0.1)
        raise AssertionError(f"{len(self.rounds)} of {count} rounds")


def sealed_in(world: NodeWorld, first_s: int, last_s: int) -> list[int]:
    """What the operator's database has of sealed rounds."""
    database = Database(world.stand.folder / "oracle.db")
    try:
        rows = database.sealed_after(TARGET, 0, 1 << 20)
        return sorted(r.round_time_s for r in rows if first_s <= r.round_time_s <= last_s)
    finally:
        database.close()


def assert_whole(world: NodeWorld, rounds: list[int]) -> None:
    assert [r for r, n in Counter(rounds).items() if n > 1] == [], "none twice"
    assert sorted(rounds) == sealed_in(world, rounds[0], max(rounds)), "none missing"


# --- kills -----------------------------------------------------------------------------------------------------------


async def by_kills(world: NodeWorld, node: Lasting) -> None:
    """SIGKILL at random moments: a reader of the node has every sealed round in the end, each once, and all are proven."""
    rng = random.Random(15)
    victims = [v for v in ("node", "oracle", "nats") if v != "nats" or world.nats is not None]
    turns = [v for v in victims for _ in range(KILLS)]
    rng.shuffle(turns)
    reader = Reader(node.url + "/v1/rounds/stream")
    async with reader.reading(world.session):
        await reader.until(2)
        for victim in turns:
            await asyncio.sleep(rng.uniform(0.1, 3.0))
            await kill(world, node, victim)
            await asyncio.sleep(rng.uniform(0.1, 3.0))
        have = await world.until_serving(world.oracle, reader.rounds[-1] + 1)
        for _ in range(int(PATIENCE_S / 0.1)):
            if reader.rounds[-1] >= have:
                break
            await asyncio.sleep(0.1)
    assert reader.rounds[-1] >= have
    assert_whole(world, reader.rounds)
    proven(world, reader.documents)
    anew = Reader(f"{node.url}/v1/rounds/stream?after={reader.rounds[0] - 1}")
    async with anew.reading(world.session):
        await anew.until(len(reader.rounds))
    assert_whole(world, anew.rounds)
    if KILLS > 1:
        gaps = sum(b - a - 1 for a, b in pairwise(sorted(reader.rounds)))
        figures = f"{len(reader.rounds)} rounds, {reader.breaks} breaks of the reader, {gaps} s without a sealed round"
        print(f"kills {dict(Counter(turns))}: {figures}")  # noqa: T201 - what the long form is run for


async def kill(world: NodeWorld, node: Lasting, victim: str) -> None:
    if victim == "nats":
        assert world.nats is not None
        await world.nats.kill()
        await world.until(
            f"{world.oracle.url}/readyz", lambda _, b: any("NATS" in w for w in b["warnings"]), "the oracle says so"
        )
        await world.nats.start()
        return
    process = node if victim == "node" else world.oracle
    assert await process.end(signal.SIGKILL) == -signal.SIGKILL, process.log[-2_000:]
    await process.start()
    await world.until(f"{process.url}/healthz", lambda status, _: status == 200, f"{victim} is back")


def proven(world: NodeWorld, documents: Mapping[int, Any]) -> None:
    """Held against what the operator stored, and against the keys themselves."""
    database = Database(world.stand.folder / "oracle.db")
    try:
        for round_s, document in documents.items():
            sealed, stored = document["sealed"], database.agreement(round_s, TARGET)
            assert stored is not None
            items = bytes.fromhex(sealed["items"][2:])
            assert items == stored.items
            domain = Domain(chain_id=int(sealed["chain_id"]), store=bytes.fromhex(sealed["store"][2:]))
            digest = sealed_digest(domain, int(sealed["epoch"]), round_s, sealed["step"], items)
            signed = [s for s in sealed["signers"] if s["signature"]]
            assert len({s["address"] for s in signed}) >= THRESHOLD
            for one in signed:
                assert checksummed(recover(digest, bytes.fromhex(one["signature"][2:]))) == one["address"]
    finally:
        database.close()


# --- the page --------------------------------------------------------------------------------------------------------


async def a_page_that_does_not_lie(world: NodeWorld, node: Lasting, profile: Path) -> None:
    if CHROMIUM is None:
        return
    source = world.oracle.url.removeprefix("http://")
    async with tab(profile) as page:
        await page.open(f"{node.url}/")
        await page.until("document.getElementById('link').className === 'link open'")
        await page.until("document.getElementById('node').innerText.includes('up to date')")
        assert source in await page.text()
        await world.oracle.end(signal.SIGKILL)
        await page.until("document.getElementById('link').className === 'link lost'")
        await page.until(f"document.getElementById('node').innerText.includes('{source}: not connected')")
        assert "This node is behind, or nobody seals" in await page.text()
