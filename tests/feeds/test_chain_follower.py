"""One chain followed on a real node: announced heads, restarts, finality, the sequencer, blocks that were taken back."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest

from demo.world import anvil, npm
from feeds.chain_follower import ChainPlan, Follower, IngestHooks
from feeds.chains import multicall
from feeds.chains.endpoint import Head
from feeds.chains.reader import ChainRead
from feeds.chains.sequencer import Sequencer
from feeds.observe import Block, Observer, Source
from feeds.types import Failure, Kind, Observation, Pair
from tests.feeds.chains.rpc_servers import BLOCK, CHAIN_ID, QUICK, TIME, WAD, ask
from tests.feeds.local_venues import until, wall_ms

pytestmark = pytest.mark.chain
PAIR = Pair(base="X", quote="ETH")
UPTIME = "0x00000000000000000000000000000000000000f1"


def prepared(node: anvil.Anvil) -> None:
    runtime = ask(node.url, "eth_call", {"data": npm.multicall3()}, "latest")
    ask(node.url, "anvil_setCode", multicall.ADDRESS, runtime)


@pytest.fixture
def node() -> Iterator[anvil.Anvil]:
    with anvil.running(extra=("--slots-in-an-epoch", "2")) as started:
        prepared(started)
        ask(started.url, "anvil_mine", "0x8")
        yield started


@dataclass
class Run:
    """A follower under way, and what it told."""

    observer: Observer
    heads: list[Head] = field(default_factory=list)
    reorgs: list[tuple[int, int]] = field(default_factory=list)
    follower: Follower | None = None

    def block(self, name: str) -> int | str:
        """Block number that a source read, or its error's code."""
        out = next(o for o in self.observer.observe("X/ETH", wall_ms()) if o.source == name)
        if isinstance(out, Failure):
            return out.error.code
        assert isinstance(out, Observation)
        return out.price_wad // WAD


def source(name: str, adapter: Any, block: Block = Block.LATEST) -> Source:
    return Source(
        feed="X/ETH", name=name, pair=PAIR, group="chain:a", kind=Kind.MARKET, max_age_s=10**6, chain="a",
        adapter=adapter, block=block,
    )  # fmt: skip


@contextlib.asynccontextmanager
async def following(url: str, session: aiohttp.ClientSession, *sources: Source, **plan: Any) -> AsyncIterator[Run]:
    run = Run(Observer(sources))

    def on_head(_: str, head: Head, __: ChainRead) -> None:
        run.heads.append(head)

    hooks = IngestHooks(
        on_news=lambda _: None,
        on_stated=lambda *_: None,
        on_date=lambda *_: None,
        on_head=on_head,
        on_reorg=lambda _, first, last: run.reorgs.append((first, last)),
    )
    chain = ChainPlan(
        chain_id=CHAIN_ID, endpoints=(url,), multicall=multicall.ADDRESS, limits=QUICK, **{"poll_ms": 20, **plan}
    )
    run.follower = Follower("a", chain, sources, run.observer, session=session, now_ms=wall_ms, hooks=hooks)
    tasks = [asyncio.create_task(make()) for make in run.follower.tasks().values()]
    try:
        yield run
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def number(url: str) -> int:
    return int(ask(url, "eth_blockNumber"), 16)


async def test_an_announced_head_is_read_without_waiting_for_the_poll(
    node: anvil.Anvil, session: aiohttp.ClientSession
) -> None:
    never = {"poll_ms": 3_600_000, "announcers": (node.ws_url,)}
    async with following(node.url, session, source("n", BLOCK), **never) as run:
        await until(lambda: run.block("n") == number(node.url))
        await asyncio.sleep(0.3)  # subscribed by now
        for _ in range(3):
            ask(node.url, "anvil_mine", "0x1")
            wanted = number(node.url)
            await until(lambda wanted=wanted: run.block("n") == wanted)


async def test_a_subscription_survives_the_restart_of_its_node(session: aiohttp.ClientSession) -> None:
    port = anvil.free_port()
    with anvil.running(port=port) as first:
        prepared(first)
        ask(first.url, "anvil_mine", "0x4")
        plan = {"poll_ms": 400, "announcers": (f"ws://127.0.0.1:{port}",)}
        async with following(first.url, session, source("n", BLOCK), **plan) as run:
            await until(lambda: run.block("n") == number(first.url))
            first.kill()
            await asyncio.sleep(0.3)
            with anvil.running(port=port) as second:
                prepared(second)
                ask(second.url, "anvil_mine", "0x20")
                await until(lambda: run.block("n") == number(second.url))
                heads = run.follower.heads if run.follower else None
                assert heads is not None
                await until(lambda: heads.connects >= 2)
                before = heads.announced

                def announced() -> bool:
                    ask(second.url, "anvil_mine", "0x1")
                    return heads.announced > before

                await until(announced)
                await until(lambda: run.block("n") == number(second.url))


async def test_each_source_is_read_at_the_block_it_wants(node: anvil.Anvil, session: aiohttp.ClientSession) -> None:
    sources = (
        source("latest", BLOCK), source("safe", BLOCK, Block.SAFE), source("finalized", BLOCK, Block.FINALIZED),
    )  # fmt: skip
    async with following(node.url, session, *sources) as run:
        for _ in range(3):
            ask(node.url, "anvil_mine", "0x4")
            tags = {t: int(ask(node.url, "eth_getBlockByNumber", t, False)["number"], 16) for t in Block}
            await until(lambda tags=tags: {t.value: run.block(t.value) for t in Block} == tags)
            assert tags[Block.FINALIZED] < tags[Block.SAFE] < tags[Block.LATEST]
        old = next(o for o in run.observer.observe("X/ETH", wall_ms()) if o.source == "finalized")
        assert isinstance(old, Observation)
        assert old.block == tags[Block.FINALIZED]
        assert all(h.number == tags[Block.LATEST] or h.number < tags[Block.LATEST] for h in run.heads)


def uptime(node: anvil.Anvil, answer: int, started_s: int) -> None:
    """Code that answers latestRoundData with these values: PUSH32 and MSTORE for each word, then RETURN."""
    words = (1, answer, started_s, started_s, 1)
    body = b"".join(b"\x7f" + w.to_bytes(32, "big") + b"\x60" + bytes([32 * i]) + b"\x52" for i, w in enumerate(words))
    ask(node.url, "anvil_setCode", UPTIME, "0x" + (body + b"\x60\xa0\x60\x00\xf3").hex())
    ask(node.url, "anvil_mine", "0x1")


async def test_nothing_counts_while_the_sequencer_is_down_nor_in_the_grace_time(
    node: anvil.Anvil, session: aiohttp.ClientSession
) -> None:
    now_s = int(ask(node.url, "eth_getBlockByNumber", "latest", False)["timestamp"], 16)
    uptime(node, 0, now_s - 7_200)
    plan = {"sequencer": Sequencer(sequencer_feed=UPTIME, sequencer_grace_s=3_600)}
    async with following(node.url, session, source("n", BLOCK), source("t", TIME), **plan) as run:
        await until(lambda: run.block("n") == number(node.url))
        uptime(node, 1, now_s)
        await until(lambda: run.block("n") == "SEQUENCER_DOWN")
        uptime(node, 0, now_s)
        await until(lambda: run.heads[-1].number == number(node.url))
        assert run.block("n") == "SEQUENCER_DOWN"
        ask(node.url, "evm_increaseTime", 3_601)
        ask(node.url, "anvil_mine", "0x1")
        await until(lambda: run.block("n") == number(node.url))
        ask(node.url, "anvil_setCode", UPTIME, "0x60006000fd")
        ask(node.url, "anvil_mine", "0x1")
        await until(lambda: run.heads[-1].number == number(node.url))
        assert run.block("t") != "SEQUENCER_DOWN", "one failed read is no outage"
        ask(node.url, "anvil_mine", "0x1")
        await until(lambda: run.block("t") == "SEQUENCER_DOWN")


async def test_nothing_counts_before_the_uptime_feed_has_answered(
    node: anvil.Anvil, session: aiohttp.ClientSession
) -> None:
    """A chain that makes no block, or a process that reads one alone, would never see a second failure."""
    plan = {"sequencer": Sequencer(sequencer_feed=UPTIME, sequencer_grace_s=0)}
    ask(node.url, "anvil_setCode", UPTIME, "0x")
    async with following(node.url, session, source("n", BLOCK), **plan) as run:
        await until(lambda: bool(run.heads))
        assert run.block("n") == "SEQUENCER_DOWN"
        uptime(node, 0, 1)
        ask(node.url, "anvil_mine", "0x1")
        await until(lambda: run.block("n") == number(node.url))


async def test_blocks_that_were_taken_back_are_told(node: anvil.Anvil, session: aiohttp.ClientSession) -> None:
    async with following(node.url, session, source("n", BLOCK)) as run:
        for _ in range(4):
            ask(node.url, "anvil_mine", "0x1")
            await until(lambda: run.block("n") == number(node.url))
        top = number(node.url)
        ask(node.url, "anvil_reorg", 2, [])
        ask(node.url, "anvil_mine", "0x1")
        await until(lambda: bool(run.reorgs))
        assert run.reorgs[0] == (top - 1, top)
