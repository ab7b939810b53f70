"""What a process that starts asks of earlier blocks, on a real node: depth rented for that moment does not count whole."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest

from demo.world import anvil, npm
from feeds.chain_follower import ChainPlan, Follower, IngestHooks
from feeds.chains import multicall
from feeds.chains.abi import address, calldata
from feeds.chains.pool_history import BLOCKS, SAMPLE_BLOCKS, UNKNOWN_SHARE
from feeds.decode import abi_words
from feeds.observe import Observer, Source
from feeds.types import Call, Kind, Observation, Pair, Quote, Read
from feeds.units import WAD, Wad
from tests.feeds.chains.rpc_servers import CHAIN_ID, QUICK, Server, ask, refusal
from tests.feeds.local_venues import until, wall_ms

pytestmark = pytest.mark.chain
PAIR = Pair(base="X", quote="ETH")
NUMBER = Call(to=address(multicall.ADDRESS), data=calldata("getBlockNumber()"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Deepening:
    """A pool whose depth is the number of the block."""

    def read(self) -> Read:
        (number,) = yield (NUMBER,)
        return Quote(price_wad=Wad(WAD), depth_wad=abi_words.uint_at(abi_words.returned(number)))


@pytest.fixture(params=[BLOCKS + 40, BLOCKS - 40])
def node(request: pytest.FixtureRequest) -> Iterator[anvil.Anvil]:
    with anvil.running() as started:
        runtime = ask(started.url, "eth_call", {"data": npm.multicall3()}, "latest")
        ask(started.url, "anvil_setCode", multicall.ADDRESS, runtime)
        ask(started.url, "anvil_mine", hex(request.param))
        yield started


def head(node: anvil.Anvil) -> int:
    return int(ask(node.url, "eth_blockNumber"), 16)


@contextlib.asynccontextmanager
async def following(url: str, session: aiohttp.ClientSession) -> AsyncIterator[Observer]:
    sources = [
        Source(
            feed="X/ETH", name="pool", pair=PAIR, group="chain:a", kind=Kind.MARKET, max_age_s=10**6, chain="a",
            adapter=Deepening(),
        )
    ]  # fmt: skip
    observer = Observer(sources)
    hooks = IngestHooks(
        on_news=lambda _: None,
        on_stated=lambda *_: None,
        on_date=lambda *_: None,
        on_head=lambda *_: None,
        on_reorg=lambda *_: None,
    )
    plan = ChainPlan(chain_id=CHAIN_ID, endpoints=(url,), multicall=multicall.ADDRESS, limits=QUICK, poll_ms=20)
    follower = Follower("a", plan, sources, observer, session=session, now_ms=wall_ms, hooks=hooks)
    task = asyncio.create_task(follower.run())
    try:
        yield observer
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def depth(observer: Observer) -> int | None:
    (out,) = observer.observe("X/ETH", wall_ms())
    return out.depth_wad if isinstance(out, Observation) else None


async def test_the_first_read_counts_with_the_depth_of_the_blocks_before(
    node: anvil.Anvil, session: aiohttp.ClientSession
) -> None:
    """Of a chain that is younger than a past the first read counts whole: there is nothing to ask."""
    number = head(node)
    usual = number - BLOCKS // SAMPLE_BLOCKS // 2 * SAMPLE_BLOCKS if number >= BLOCKS else number
    async with following(node.url, session) as observer:
        await until(lambda: depth(observer) is not None)
        assert depth(observer) == usual


async def test_a_node_without_old_state_leaves_the_pool_to_show_its_past(
    node: anvil.Anvil, session: aiohttp.ClientSession
) -> None:
    number = head(node)
    newest = ask(node.url, "eth_getBlockByNumber", "latest", False)["hash"]

    def pruned(asked: dict[str, Any], answer: Any) -> Any:
        old = asked["method"] == "eth_call" and asked["params"][1]["blockHash"] != newest
        return refusal("missing trie node 0 (path ) state is not available") if old else answer

    server = await Server(node.url, session, fault=pruned).start()
    async with following(server.url, session) as observer:
        await until(lambda: depth(observer) is not None)
        assert depth(observer) == (number // UNKNOWN_SHARE if number >= BLOCKS else number)
    assert server.runner is not None
    await server.runner.cleanup()
