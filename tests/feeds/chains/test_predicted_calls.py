"""Calls of the second phase that are foreseen: one request instead of two, and never another answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import aiohttp
import pytest

from feeds.chains import multicall
from feeds.chains.abi import address, calldata
from feeds.chains.endpoint import Head
from feeds.chains.reader import ChainReader
from feeds.decode import abi_words
from feeds.errors import FeedError, Reverted
from feeds.types import Call, Quote, Read
from feeds.units import Wad
from tests.feeds.chains.rpc_servers import QUICK, WAD, Server, price, reader

pytestmark = pytest.mark.chain
TO = address(multicall.ADDRESS)
NUMBER = Call(to=TO, data=calldata("getBlockNumber()"))
TIME = Call(to=TO, data=calldata("getCurrentBlockTimestamp()"))
CHAIN = Call(to=TO, data=calldata("getChainId()"))


def thing(*second: Call, third: bool = False, fails: bool = False) -> Read:
    """Price: the block's number; depth: the sum of what the second phase answers."""
    (number,) = yield (NUMBER,)
    if fails:
        raise Reverted("test")
    more = yield second
    if third:
        yield (NUMBER,)
    total = sum(abi_words.uint_at(abi_words.returned(r)) for r in more)
    return Quote(price_wad=Wad(abi_words.uint_at(abi_words.returned(number)) * WAD), depth_wad=total)


async def asked(server: Server, reads: ChainReader, head: Head, *made: Read) -> tuple[int, list[Quote | FeedError]]:
    """Requests that a read took, and its results."""
    before = len(server.seen)
    done = await reads.read(head, {str(i): read for i, read in enumerate(made)})
    return len(server.seen) - before, [done.results[str(i)] for i in range(len(made))]


async def test_what_is_asked_twice_in_turn_goes_along_with_the_first_request(
    server: Server, session: aiohttp.ClientSession
) -> None:
    reads = reader(session, server.url)
    head = await reads.head()
    for requests in (2, 2, 1, 1):
        took, results = await asked(server, reads, head, thing(TIME, CHAIN), thing(CHAIN))
        assert took == requests
        assert [price(r) for r in results] == [head.number * WAD] * 2
        depths = [r.depth_wad for r in results if isinstance(r, Quote)]
        assert depths == [head.time_ms // 1_000 + 31337, 31337]
    assert reads.stats.bugs == 0


async def test_what_changes_is_asked_anew_and_never_answered_with_the_old(
    server: Server, session: aiohttp.ClientSession
) -> None:
    reads = reader(session, server.url)
    head = await reads.head()
    answers = {TIME: head.time_ms // 1_000, CHAIN: 31337, NUMBER: head.number}
    for call, requests in (
        (TIME, 2),
        (TIME, 2),
        (TIME, 1),
        (CHAIN, 2),
        (TIME, 2),
        (NUMBER, 2),
        (NUMBER, 2),
        (NUMBER, 1),
    ):
        took, (result,) = await asked(server, reads, head, thing(call))
        assert isinstance(result, Quote)
        assert (took, result.depth_wad) == (requests, answers[call])


@pytest.mark.parametrize("agree", [1, 2])
async def test_a_source_that_fails_or_asks_a_third_time_costs_itself_only(
    server: Server, second: Server, session: aiohttp.ClientSession, agree: int
) -> None:
    makers: list[Callable[[], Read]] = [
        lambda: thing(TIME),
        lambda: thing(CHAIN, third=True),
        lambda: thing(CHAIN),
    ]
    reads = reader(session, server.url, second.url, limits=replace(QUICK, agree=agree))
    head = await reads.head()
    for _ in range(4):
        _, results = await asked(server, reads, head, *(make() for make in makers))
        assert "more than 2 times" in str(results[1])
        assert [r.depth_wad for r in results if isinstance(r, Quote)] == [head.time_ms // 1_000, 31337]
    took, results = await asked(server, reads, head, thing(TIME, fails=True), thing(CHAIN), thing(CHAIN))
    assert took == 1
    assert isinstance(results[0], Reverted)
    assert [r.depth_wad for r in results if isinstance(r, Quote)] == [31337, 31337]
