"""What a node asks of operators: bounded, of nobody else, with their name, and a report only where its signatures are enough."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import coincurve
import orjson
import pytest
from aiohttp import web
from yarl import URL

from oracle.chain.store_reads import StoreReads
from oracle.follow.store_sets import StoreSets
from oracle.node.relay import TOLD_BY, OperatorRelay, relaying
from oracle.node.report_check import ReportCheck
from oracle.serve.evidence import batch_document
from oracle.serve.server import serve
from oracle.sign.eip712 import address_of, batch_digest, sign_compact
from oracle.sign.messages import SignedBatch
from oracle.sign.signed_batch import packed_signatures
from tests.oracle.follow.follow_world import REPORT_KEYS, Site, site, until
from tests.oracle.node.served_node import OWN, node
from tests.oracle.round.round_world import SPECS
from tests.oracle.serve.service_world import ROUND_S

pytestmark = [pytest.mark.chain, pytest.mark.loopback]
FEED = "wdivETH/ETH"


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with site(tmp_path_factory.mktemp("site")) as made:
        made.round()
        yield made


class Told:
    """An operator that answers as it is told to. ``asked``: paths with their query, and its headers."""

    def __init__(self, answer: Any, status: int = 200) -> None:
        self.answer, self.status = answer, status
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.url = ""

    async def say(self, request: web.Request) -> web.StreamResponse:
        self.asked.append((request.path_qs, dict(request.headers)))
        if callable(self.answer):
            await self.answer()
        return web.Response(
            body=self.answer if isinstance(self.answer, bytes) else orjson.dumps(self.answer), status=self.status
        )


@asynccontextmanager
async def operator(answer: Any, status: int = 200) -> AsyncIterator[Told]:
    made = Told(answer, status)
    app = web.Application()
    app.router.add_get("/{any:.*}", made.say)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield made
    await runner.cleanup()


@asynccontextmanager
async def relayed(here: Site, *operators: str) -> AsyncIterator[tuple[str, OperatorRelay]]:
    """A node's endpoint that asks these operators; its address."""
    store = StoreReads([here.url], here.domain)
    async with node(here) as own:
        relay = OperatorRelay(operators, own.session, lambda _: True, ReportCheck(StoreSets(store, here.now_ms)).check)
        server = await serve(
            own.service, host="127.0.0.1", port=0, now_ms=here.now_ms, metrics=bytes,
            elsewhere=relaying(relay, "ask them", "home", SPECS),
        )  # fmt: skip
        yield server.url, relay
        await server.close()
        await relay.close()
    await store.close()


async def get(url: str, **headers: str) -> tuple[int, Any, str]:
    async with (
        aiohttp.ClientSession() as session,
        session.get(URL(url, encoded=True), headers=headers) as answer,
    ):
        return answer.status, orjson.loads(await answer.read()), answer.headers.get(TOLD_BY, "")


async def test_the_first_good_answer_counts_and_says_whose_it_is(here: Site) -> None:
    async with operator(b"<html>") as broken, operator({"error": {"code": "unknown_round"}}, 404) as poor:
        async with operator({"its": "word"}) as good, relayed(here, broken.url, poor.url, good.url) as (url, relay):
            status, body, told_by = await get(f"{url}{OWN}/explain?round=7")
            assert (status, body, told_by) == (200, {"its": "word"}, good.url.removeprefix("http://"))
            assert good.asked[0][0] == f"{OWN}/explain?round=7"
            assert relay.counts == {"told": 1}
        async with relayed(here, broken.url, poor.url) as (url, _):
            assert (await get(f"{url}{OWN}/explain"))[:2] == (404, {"error": {"code": "unknown_round"}})
        async with relayed(here, broken.url) as (url, relay):
            status, body, _ = await get(f"{url}{OWN}/explain")
            assert (status, body["error"]["code"]) == (503, "not_here")
            assert broken.url.removeprefix("http://") in body["error"]["hint"]
            assert relay.counts == {"failed": 1}


async def test_nobody_else_is_asked_whatever_a_client_writes(here: Site) -> None:
    async with operator({}) as theirs, operator({}) as another, relayed(here, theirs.url) as (url, _):
        host = URL(url)
        for target in (f"{another.url}{OWN}/explain", f"//{URL(another.url).authority}{OWN}/explain", f"{OWN}/explain"):
            reader, writer = await asyncio.open_connection(host.host, host.port)
            writer.write(f"GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
            await reader.read()
            writer.close()
            await writer.wait_closed()
        assert another.asked == []
        assert {path for path, _ in theirs.asked} == {f"{OWN}/explain"}
        for path in ("/v1/prices/no/feed/explain", "/v1/feeds", "/v1/prices", f"{OWN}/history"):
            await get(url + path)
        assert {path for path, _ in theirs.asked} == {f"{OWN}/explain"}


async def test_nodes_that_ask_each_other_do_not_ask_for_ever(here: Site) -> None:
    async with operator({}) as theirs, relayed(here, theirs.url) as (url, _):
        assert (await get(f"{url}{OWN}/explain"))[0] == 200
        assert theirs.asked[0][1]["Lrt-Relayed"] == "1"
        for hops, status in (("1", 200), ("2", 404), ("99", 404), ("x", 404)):
            assert (await get(f"{url}{OWN}/explain?round={hops if hops.isdigit() else 3}", **{"Lrt-Relayed": hops}))[
                0
            ] == status


async def test_an_answer_without_end_and_questions_without_end(here: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    async with operator(b"[" + b"0," * (3 << 20)) as large, relayed(here, large.url) as (url, _):
        status, body, _ = await get(f"{url}{OWN}/explain")
        assert (status, "more than" in body["error"]["message"]) == (503, True)
    monkeypatch.setattr("oracle.node.relay._WAITING", 2)
    over = asyncio.Event()
    async with operator(over.wait) as slow, relayed(here, slow.url) as (url, relay):
        asked = [asyncio.create_task(get(f"{url}{OWN}/explain?round={n}")) for n in (1, 2, 1)]
        await until(lambda: len(slow.asked) == 2, "both questions")
        status, body, _ = await get(f"{url}{OWN}/explain?round=3")
        assert (status, body["error"]["code"], relay.counts["busy"]) == (503, "busy", 1)
        slow.answer = {}
        over.set()
        await asyncio.gather(*asked, return_exceptions=True)
        assert len(slow.asked) == 2, "the same question is asked once"


def report(here: Site, keys: list[coincurve.PrivateKey], feed: str = FEED, round_s: int = ROUND_S) -> dict[str, Any]:
    """A signed report as an operator answers it."""
    agreement = here.done[0].agreements[0]
    index = dict(zip(agreement.feeds, agreement.indexes, strict=True))[feed]
    items = next(agreement.items[i : i + 30] for i in range(0, len(agreement.items), 30) if int.from_bytes(agreement.items[i : i + 2], "big") == index)  # fmt: skip
    digest = batch_digest(here.domain, 1, round_s, items)
    signed = {address_of(k): sign_compact(k, digest) for k in keys}
    batch = SignedBatch(
        domain=here.domain, epoch=1, round_time_s=round_s, items=items,
        signatures=packed_signatures(agreement.signers, signed), signers=tuple("abc"[: len(keys)]), addresses=tuple(signed),
    )  # fmt: skip
    return dict(batch_document(feed, batch))


async def test_a_report_counts_where_enough_of_the_chains_signers_signed_it(here: Site) -> None:
    good = report(here, REPORT_KEYS[:2])
    async with operator(good) as theirs, relayed(here, f"{theirs.url}/?target=theirs") as (url, _):
        status, body, told_by = await get(f"{url}{OWN}/report?target=home")
        assert (status, body, bool(told_by)) == (200, good, True)
        assert theirs.asked[0][0].endswith("/report?target=theirs"), "by the name that the store has there"
        assert (await get(f"{url}{OWN}/report?target=other"))[0] == 400
    lies = {"weight": report(here, REPORT_KEYS[:1]), "not of this feed": report(here, REPORT_KEYS, "ETH/USD")}
    lies["says in words"] = good | {"item": good["item"] | {"market": "9.050000000000000000"}}
    for field, value, why in (
        ("store", "0x" + "12" * 20, "another store"), ("calldata", good["calldata"][:-2] + "01", "another one"),
        ("signatures", "0x" + "ff" + good["signatures"][4:], "not its signer's"), ("epoch", "7", "of epoch"),
        ("index", 9, "not of this feed"), ("batch", "0x", "of epoch"),
    ):  # fmt: skip
        lies[why + field] = copy.deepcopy(good) | {field: value}
    for why, lie in lies.items():
        async with operator(lie) as liar, operator(good) as honest:
            async with relayed(here, liar.url) as (url, _):
                status, body, _ = await get(f"{url}{OWN}/report")
                assert (status, "does not verify" in str(body)) == (503, True), why
            async with relayed(here, liar.url, honest.url) as (url, _):
                assert (await get(f"{url}{OWN}/report"))[:2] == (200, good), why
