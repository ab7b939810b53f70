"""Two endpoints of which one is behind: what it does not know yet is neither lost nor replaced."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from demo.world import anvil
from feeds.chains.jsonrpc import quantity
from feeds.units import WAD
from oracle.chain.quorum_rpc import ChainError, QuorumRpc
from oracle.chain.rpc_answers import read_hash, read_head, read_receipt
from oracle.model.publication import PushState
from tests.oracle.push.fault_world import CONFIRMATIONS, PATIENT_MS, FaultWorld
from tests.oracle.push.lagging_node import LaggingNode
from tests.oracle.push.push_world import CALM, put_store

pytestmark = pytest.mark.chain
UNKNOWN = "0x" + "77" * 32


@asynccontextmanager
async def world(folder: Path, *nodes: dict[str, Any]) -> AsyncIterator[tuple[FaultWorld, list[LaggingNode]]]:
    with anvil.running() as node:
        proxies = [LaggingNode(node.url, **options) for options in nodes]
        for proxy in proxies:
            await proxy.start()
        try:
            place = await put_store(node.url, tuple(p.url for p in proxies), folder)
            async with FaultWorld(place, 0, timeout_ms=PATIENT_MS) as made:
                await made.rpc("evm_setAutomine", False)
                await made.rpc("anvil_mine", "0x40")
                made.now_s = int((await made.rpc("eth_getBlockByNumber", "latest", False))["timestamp"], 16)
                await made.targets[0].tick()
                yield made, proxies
        finally:
            for proxy in proxies:
                await proxy.stop()


async def landed_on_chain(world: FaultWorld) -> set[str]:
    hashes = set()
    for number in range(int(await world.rpc("eth_blockNumber"), 16) + 1):
        block = await world.rpc("eth_getBlockByNumber", hex(number), True)
        hashes |= {t["hash"] for t in block["transactions"] if t["from"] == world.clients[0].payer}
    return hashes


@pytest.mark.parametrize("lag", [1, 3, CONFIRMATIONS + 4])
async def test_the_journal_says_what_the_chain_says_though_the_quicker_endpoint_is_behind(
    tmp_path: Path, lag: int
) -> None:
    async with world(tmp_path, {"lag": lag}, {"slow_s": 0.01}) as (here, _):
        for second in range(30):
            here.now_s += 1
            if second % 2 == 0:
                await here.round({**CALM, "ETH/USD": (2_000 * WAD + second * 12 * WAD, 0)})
            await here.targets[0].tick()
            await here.mine()
        await here.settle(CONFIRMATIONS + 2)
        rows = here.databases[0].pushes("t")
        assert len(rows) >= 8
        assert Counter(r.state for r in rows) == {"landed": len(rows)}
        assert {r.tx_hash for r in rows} == await landed_on_chain(here)
        assert all(r.final for r in rows)
        assert max(Counter(here.events[0].landed).values()) == 1, "told once each"
        assert here.events[0].failed == []
        assert here.targets[0].pusher.foreign_nonces == 0


async def test_the_endpoint_that_knows_falls_silent_and_the_other_is_not_believed(tmp_path: Path) -> None:
    async with world(tmp_path, {"lag": 4}, {"slow_s": 0.01}) as (here, (_, ahead)):
        here.now_s += 1
        await here.round(CALM)
        await here.targets[0].tick()
        await here.mine()
        await here.targets[0].tick()
        (row,) = here.databases[0].pushes("t")
        assert row.state == "landed"
        ahead.silent = frozenset({"eth_getTransactionReceipt", "eth_getBlockByNumber", "eth_getTransactionCount"})
        for _ in range(6):
            here.now_s += 1
            await here.targets[0].tick()
        assert here.databases[0].pushes("t") == [row], "a view from before it landed is no view"
        ahead.silent = frozenset({"eth_getTransactionReceipt"})
        await here.targets[0].tick()
        assert here.databases[0].pushes("t") == [row]
        ahead.silent = frozenset()
        await here.settle(CONFIRMATIONS + 1)
        (row,) = here.databases[0].pushes("t", (PushState.LANDED,))
        assert (row.final, here.events[0].landed) == (1, [row.tx_hash])


async def test_not_there_counts_only_from_who_has_come_that_far(tmp_path: Path) -> None:
    async with world(tmp_path, {"lag": 3}, {}) as (here, (_, ahead)):
        nodes = here.clients[0].nodes
        asked = ("eth_getTransactionCount", (here.clients[0].payer, "latest"), quantity)
        nonce, (head, _) = await nodes.newest_view(read_head, asked)
        assert (nonce, head) == (0, int(await here.rpc("eth_blockNumber"), 16)), "the higher of two"
        assert await nodes.agreed_or_absent("eth_getTransactionReceipt", UNKNOWN, read=read_receipt) is None
        newest = await here.rpc("eth_getBlockByNumber", "latest", False)
        assert await nodes.agreed_or_absent("eth_getBlockByNumber", hex(head), False, read=read_hash) == newest["hash"]
        ahead.silent = frozenset({"eth_getTransactionReceipt"})
        with pytest.raises(ChainError, match=f"too few have reached block {head}"):
            await nodes.agreed_or_absent("eth_getTransactionReceipt", UNKNOWN, read=read_receipt)


async def test_an_endpoint_that_does_not_answer_a_look_is_not_waited_for(tmp_path: Path) -> None:
    async with world(tmp_path, {}, {}) as (here, (_, mute)):
        mute.slow_s = 300.0
        nodes = QuorumRpc(here.clients[0].nodes.urls, chain_id=31337, timeout_ms=200_000)
        try:
            async with asyncio.timeout(60):  # it would answer after 300 s, and be given up after 200
                await nodes.newest_view(read_head)
                assert await nodes.agreed_or_absent("eth_getTransactionReceipt", UNKNOWN, read=read_receipt) is None
        finally:
            await nodes.close()
            mute.slow_s = 0.0
