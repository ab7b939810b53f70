"""Several endpoints asked the same: the majority is believed, who lies is named and left alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import aiohttp
import orjson
import pytest
import pytest_asyncio
from aiohttp import web

from feeds.errors import Disagreed
from tests.feeds.chains.rpc_servers import (
    BLOCK,
    QUICK,
    TIME,
    WAD,
    Clock,
    Server,
    ask,
    code,
    on,
    price,
    reader,
    refusal,
)

pytestmark = pytest.mark.chain
TWO = replace(QUICK, agree=2)


@pytest_asyncio.fixture
async def three(chain: str, session: aiohttp.ClientSession) -> AsyncIterator[list[Server]]:
    servers = [await Server(chain, session).start() for _ in range(3)]
    yield servers
    for one in servers:
        assert one.runner is not None
        await one.runner.cleanup()


def lie(asked: dict[str, Any], answer: Any) -> Any:
    """A server that adds one to the last word of what a contract answers."""
    if asked["method"] != "eth_call":
        return answer
    text = answer["result"]
    return {**answer, "result": text[:-64] + f"{int(text[-64:], 16) + 1:064x}"}


@pytest.mark.parametrize("liar", [0, 1, 2])
async def test_a_liar_is_outvoted_named_and_left_alone_for_long(
    three: list[Server], session: aiohttp.ClientSession, liar: int
) -> None:
    clock = Clock()
    reads = reader(session, *(s.url for s in three), clock=clock, limits=TWO)
    three[liar].fault = lie
    for _ in range(3):
        head = await reads.head()
        done = await reads.read(head, {"a": BLOCK.read()})
        assert price(done.results["a"]) == head.number * WAD
        ask(three[0].node, "anvil_mine", "0x1")
    states = reads.stats.endpoints
    if liar == 2:
        assert reads.stats.lies == 0, "the third is only asked when the first two disagree"
        return
    assert [s.lies for s in states] == [int(i == liar) for i in range(3)]
    assert isinstance(states[liar].error, Disagreed)
    three[liar].seen.clear()
    clock.ms += QUICK.quarantine_ms - 60_000
    await reads.head()
    assert three[liar].seen == []
    three[liar].fault = None
    clock.ms += 120_000
    await reads.head()
    assert three[liar].seen == ["eth_chainId", "eth_getBlockByNumber"]
    assert reads.stats.endpoints[liar].usable


async def test_one_who_lies_again_is_left_alone_for_longer(three: list[Server], session: aiohttp.ClientSession) -> None:
    clock = Clock()
    reads = reader(session, *(s.url for s in three), clock=clock, limits=TWO)
    three[0].fault = lie
    for quarantines in (1, 2, 3):
        await reads.read(await reads.head(), {"a": BLOCK.read()})
        assert reads.stats.endpoints[0].lies == quarantines
        clock.ms += (QUICK.quarantine_ms << (quarantines - 1)) - 1
        three[0].seen.clear()
        ask(three[0].node, "anvil_mine", "0x1")
        await reads.read(await reads.head(), {"a": BLOCK.read()})
        assert three[0].seen == []
        clock.ms += 2


async def test_two_that_differ_are_no_answer(three: list[Server], session: aiohttp.ClientSession) -> None:
    reads = reader(session, three[0].url, three[1].url, limits=TWO)
    three[0].fault = lie
    done = await reads.read(await reads.head(), {"a": BLOCK.read(), "b": TIME.read()})
    assert {code(r) for r in done.results.values()} == {"DISAGREED"}
    assert [s.lies for s in reads.stats.endpoints] == [0, 0], "nobody knows which of the two it is"


async def test_one_of_two_down_is_no_agreement(three: list[Server], session: aiohttp.ClientSession) -> None:
    reads = reader(session, three[0].url, three[1].url, limits=TWO)
    head = await reads.head()
    three[1].fault = lambda *_: web.Response(status=503)
    done = await reads.read(head, {"a": BLOCK.read()})
    assert code(done.results["a"]) == "DISAGREED"
    with pytest.raises(Disagreed):
        await reads.head()


async def test_a_head_that_one_alone_has_is_not_used(three: list[Server], session: aiohttp.ClientSession) -> None:
    """A liar that runs ahead, or invents a block, does not choose the block at which all are read."""

    def ahead(answer: Any) -> Any:
        block = dict(answer["result"])
        block |= {"number": hex(int(block["number"], 16) + 9), "hash": "0x" + "ab" * 32}
        return {**answer, "result": block}

    def invented(answer: Any) -> Any:
        return {**answer, "result": {**answer["result"], "hash": "0x" + "cd" * 32}}

    real = int(ask(three[0].node, "eth_blockNumber"), 16)
    faults: tuple[Callable[[Any], Any], ...] = (ahead, invented)
    for fault in faults:
        for liar in range(3):
            reads = reader(session, *(s.url for s in three), limits=TWO)
            three[liar].fault = on("eth_getBlockByNumber", fault)
            head = await reads.head()
            done = await reads.read(head, {"a": BLOCK.read()})
            three[liar].fault = None
            assert head.number == real
            assert price(done.results["a"]) == real * WAD


@pytest.mark.parametrize("said", ["header not found", "execution reverted", "out of gas"])
async def test_one_endpoint_that_refuses_is_not_a_vote(
    three: list[Server], session: aiohttp.ClientSession, said: str
) -> None:
    reads = reader(session, *(s.url for s in three), limits=TWO)
    head = await reads.head()
    three[0].fault = on("eth_call", lambda _: refusal(said))
    done = await reads.read(head, {"a": BLOCK.read()})
    assert price(done.results["a"]) == head.number * WAD
    assert reads.stats.splits == 0


async def test_what_is_too_much_for_all_is_still_asked_in_halves(
    three: list[Server], session: aiohttp.ClientSession
) -> None:
    def small(asked: dict[str, Any], answer: Any) -> Any:
        return refusal("response size too large") if len(orjson.dumps(asked)) > 3_000 else answer

    for server in three:
        server.fault = small
    reads = reader(session, *(s.url for s in three), limits=TWO)
    head = await reads.head()
    done = await reads.read(head, {str(i): BLOCK.read() for i in range(8)})
    assert {price(r) for r in done.results.values()} == {head.number * WAD}
    assert reads.stats.splits > 0


async def test_an_endpoint_that_often_fails_comes_last_until_that_is_forgotten(
    three: list[Server], session: aiohttp.ClientSession
) -> None:
    clock = Clock()
    reads = reader(session, three[0].url, three[1].url, clock=clock)
    await reads.head()
    three[0].fault = lambda *_: web.Response(status=503)
    await reads.head()
    three[0].fault = None
    clock.ms += 10_000
    await reads.head()
    assert reads.stats.endpoints[0].score < 100
    three[0].seen.clear()
    await reads.read(await reads.head(), {"a": BLOCK.read()})
    assert "eth_call" not in three[0].seen
    clock.ms += QUICK.forget_ms
    await reads.read(await reads.head(), {"a": BLOCK.read()})
    assert "eth_call" in three[0].seen


async def test_an_old_block_under_a_new_time_is_a_lie(three: list[Server], session: aiohttp.ClientSession) -> None:
    """The hash is real and all can read it, so the values agree: what is not true is when."""
    ask(three[0].node, "anvil_mine", "0x5", "0x3c")
    newest = ask(three[0].node, "eth_getBlockByNumber", "latest", False)
    old = ask(three[0].node, "eth_getBlockByNumber", hex(int(newest["number"], 16) - 4), False)
    three[0].fault = on("eth_getBlockByNumber", lambda answer: {**answer, "result": {**newest, "hash": old["hash"]}})
    late = ask(three[0].node, "eth_getBlockByNumber", hex(int(newest["number"], 16) - 1), False)
    three[2].fault = on("eth_getBlockByNumber", lambda answer: {**answer, "result": late})
    reads = reader(session, *(s.url for s in three), limits=TWO)
    head = await reads.head()
    assert head.block_hash == old["hash"]
    done = await reads.read(head, {"a": BLOCK.read()})
    assert code(done.results["a"]) == "DISAGREED"
    assert [s.lies for s in reads.stats.endpoints] == [1, 0, 0]
    three[2].fault = None
    honest = await reads.read(await reads.head(), {"a": BLOCK.read()})
    assert price(honest.results["a"]) == int(newest["number"], 16) * WAD


async def test_honest_endpoints_that_are_slower_than_one_are_not_shut_out(
    three: list[Server], session: aiohttp.ClientSession
) -> None:
    async def late(answer: Any) -> Any:
        await asyncio.sleep(0.1)
        return answer

    for slow in three[1:]:
        slow.fault = lambda _, answer: late(answer)
    reads = reader(session, *(s.url for s in three), limits=replace(TWO, grace_ms=20))
    for _ in range(4):
        head = await reads.head()
        done = await reads.read(head, {"a": BLOCK.read()})
        assert price(done.results["a"]) == head.number * WAD
