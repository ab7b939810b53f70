"""Views are poked once for each change, whoever pushes it: we, a searcher who copies, a stranger who carries reports."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from demo.world.chain import account
from feeds.units import WAD
from oracle.chain.multicall_push import unwrap
from oracle.chain.store_abi import event_topic
from oracle.model.publication import PushState
from oracle.model.status import Status
from tests.oracle.push.fault_world import FaultWorld
from tests.oracle.push.push_world import (
    CALM,
    DOWN,
    FALLEN,
    FEED,
    UP,
    land,
    offer,
    place_with,
    poked,
    views_of,
    world_at,
)

pytestmark = pytest.mark.chain


def stranger(here: FaultWorld) -> FaultWorld:
    """Somebody else with the same signed reports, who carries each of them to the store and pokes nothing."""
    place = replace(here.place, views=(), gas_key=bytes(account(3).key).hex())
    here.add("other.db", place=place)
    return here


async def copy_in_front(here: FaultWorld) -> int:
    """A searcher: what of ours waits in the memory pool, its inner push alone and for a higher tip; how many there were."""
    pool = (await here.rpc("txpool_content"))["pending"]
    mine = account(4).address.lower()
    waiting = [tx for txs in pool.values() for tx in txs.values() if tx["from"].lower() != mine]
    pushes = [(tx, unwrap(bytes.fromhex(tx["input"][2:]))[0]) for tx in waiting]
    nonce = int(await here.rpc("eth_getTransactionCount", account(4).address, "latest"), 16)
    for tx, push in ((tx, push) for tx, push in pushes if push):
        fields = {
            "to": here.place.store, "data": push, "nonce": nonce, "chainId": here.place.chain_id, "gas": 300_000,
            "maxFeePerGas": int(tx["maxFeePerGas"], 16) + 10**9,
            "maxPriorityFeePerGas": int(tx["maxPriorityFeePerGas"], 16) + 10**6, "value": 0,
        }  # fmt: skip
        raw = account(4).sign_transaction(fields).raw_transaction
        await here.rpc("eth_sendRawTransaction", "0x" + bytes(raw).hex())
    return sum(bool(push) for _, push in pushes)


async def every_poke(here: FaultWorld) -> list[int]:
    """Ways of all pokes of the view, in order."""
    topic = "0x" + event_topic("ModeView", "Poked").hex()
    query = {"fromBlock": "0x0", "address": here.place.views[0], "topics": [topic]}
    return [int(log["data"][66:], 16) for log in await here.rpc("eth_getLogs", query)]


@pytest.mark.parametrize("who", ["we", "a searcher who copies", "a stranger who carries"])
async def test_whoever_pushes_each_change_is_poked_once(tmp_path: Path, who: str) -> None:
    async with place_with(tmp_path) as place, world_at(place) as here:
        first = stranger(here).targets.pop() if who == "a stranger who carries" else None
        copied = 0
        for priced in [CALM] * 4 + [FALLEN] * 12 + [CALM] * 12:
            here.now_s += 2
            await here.round(priced)
            if first is not None:  # its transaction is in the chain before our tick
                first.offer(here.done)
                await first.tick()
                await here.mine()
                await first.tick()
            await here.targets[0].tick()
            if who == "a searcher who copies":
                copied += await copy_in_front(here)
            await here.mine()
            await here.targets[0].tick()
        ours = here.databases[0].pushes("t")
        assert await every_poke(here) == [DOWN, UP, DOWN]
        assert {r.state for r in ours} <= {"landed", "overtaken", "poked"}
        assert here.events[0].unpoked == []
        assert ("overtaken" in {r.state for r in ours}) is (copied > 0) is (who == "a searcher who copies")
        if first is not None:
            assert {r.state for r in ours} == {"poked"}, "nothing was left to push"
            await first.close()
        for row in ours:
            ok = (await here.rpc("eth_getTransactionReceipt", row.tx_hash))["status"] == "0x1"
            assert ok or not views_of(row), "a transaction with pokes is never paid for in vain"


async def test_a_copied_push_pokes_in_its_own_transaction_and_is_no_landing_of_ours(tmp_path: Path) -> None:
    async with place_with(tmp_path) as place, world_at(place) as here:
        await offer(here, CALM)
        await land(here)
        await offer(here, FALLEN, 3)
        assert await copy_in_front(here) == 1
        await land(here)
        row = here.databases[0].pushes("t")[-1]
        assert (row.state, here.events[0].failed) == ("overtaken", ["overtaken"])
        assert [p[2] for p in await poked(here, row)] == [UP]
        assert here.targets[0].counts["landed"] == 1
        assert here.targets[0].stored[here.targets[0].indexes[FEED]].status is Status.DEPEG


async def test_a_plain_push_that_was_copied_costs_less_than_its_landing_does(tmp_path: Path) -> None:
    async with place_with(tmp_path, views=0) as place, world_at(place) as here:
        await offer(here, CALM)
        await land(here)
        await offer(here, FALLEN)
        assert await copy_in_front(here) == 1
        await land(here)
        row = here.databases[0].pushes("t")[-1]
        assert row.state == "overtaken"
        block = await here.rpc("eth_getBlockByNumber", hex(row.block or 0), True)
        theirs, own = [await here.rpc("eth_getTransactionReceipt", tx["hash"]) for tx in block["transactions"]]
        assert (theirs["from"], own["from"]) == (account(4).address.lower(), here.clients[0].payer)
        assert int(own["gasUsed"], 16) < int(theirs["gasUsed"], 16)


async def test_what_another_one_pushed_is_poked_with_the_next_push(tmp_path: Path) -> None:
    async with place_with(tmp_path) as place, world_at(place) as here:
        await offer(here, CALM)
        await land(here)
        other = stranger(here).targets[-1]
        own = here.targets.pop(0)
        await other.tick()
        await offer(here, FALLEN, 3)
        await here.mine()
        await other.tick()
        here.targets.insert(0, own)
        assert views_of(here.databases[1].pushes("t", (PushState.LANDED,))[-1]) == ()
        await offer(here, {**FALLEN, "ETH/USD": (2_100 * WAD, 0)})
        row = await land(here)
        assert "status" not in row.why, "the store has the depeg already"
        assert [p[2] for p in await poked(here, row)] == [UP]
