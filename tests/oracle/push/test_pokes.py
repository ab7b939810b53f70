"""Views are poked by the push that turns their ramp: in its transaction, and never in its way."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from demo.world.deploy import MULTICALL3
from feeds.units import WAD
from oracle.chain.multicall_push import unwrap, wrap
from oracle.chain.rpc_answers import Broadcast
from oracle.chain.store_abi import calldata
from oracle.chain.store_client import StoreClient, StoreRefuses
from oracle.chain.transaction import Fees, data_of
from oracle.model.publication import PushRow, PushState
from tests.oracle.push.fault_world import PATIENT_MS, FaultWorld
from tests.oracle.push.poked_views import RAMP_S, ramp
from tests.oracle.push.push_world import (
    CALM,
    DOWN,
    FALLEN,
    UP,
    depeg,
    land,
    lower,
    offer,
    place_with,
    poked,
    views_of,
    world_at,
)

pytestmark = pytest.mark.chain
WHOLE = 1_000_000
REVERTS, STOPS = "0x60006000fd", "0x00"


async def time_of(here: FaultWorld, row: PushRow | None = None) -> int:
    block: Any = await here.rpc("eth_getBlockByNumber", "latest" if row is None else hex(row.block or 0), False)
    return int(block["timestamp"], 16)


def test_a_wrapped_push_is_read_as_the_push_and_a_plain_one_as_itself() -> None:
    push = calldata("push", (b"\1" * 40, b"\2" * 66))[0]
    views = (b"\3" * 20, b"\4" * 20)
    assert unwrap(wrap(b"\5" * 20, push, views)) == (push, views)
    assert unwrap(push) == (push, ())


async def test_the_push_that_turns_to_depeg_pokes_and_the_ramp_starts_there(tmp_path: Path) -> None:
    async with place_with(tmp_path) as place, world_at(place) as here:
        row = await depeg(here)
        assert views_of(row) == lower(place.views)
        ((view, ppm, way),) = await poked(here, row)
        at_s = await time_of(here, row)
        assert (view, ppm, way) == (place.views[0].lower(), (at_s - row.round_s) * WHOLE // RAMP_S, UP)
        await offer(here, FALLEN, 9)  # until the heartbeat: a depeg that goes on
        later = await land(here)
        assert later.round_s > row.round_s
        assert views_of(later) == (), "no turn, no poke"
        passed_s = await time_of(here) - at_s
        assert await ramp(place.node, place.views[0]) == ppm + passed_s * WHOLE // RAMP_S, "no round begins it anew"
        assert here.events[0].unpoked == []


async def test_without_a_poke_the_ramp_begins_anew_with_each_round(tmp_path: Path) -> None:
    """What the pokes are for: the same story with a view that is not in the config."""
    async with place_with(tmp_path) as place, world_at(replace(place, views=())) as here:
        assert views_of(await depeg(here)) == ()
        await offer(here, FALLEN, 9)
        later = await land(here)
        since_s = await time_of(here) - later.round_s
        assert await ramp(place.node, place.views[0]) == since_s * WHOLE // RAMP_S


async def test_a_quiet_push_does_not_poke_and_a_recovery_does(tmp_path: Path) -> None:
    async with place_with(tmp_path) as place, world_at(place) as here:
        await offer(here, CALM)
        assert views_of(await land(here)) == lower(place.views), "the first: nobody knows what the views know"
        await offer(here, {**CALM, "ETH/USD": (2_100 * WAD, 0)})
        quiet = await land(here)
        assert (await here.rpc("eth_getTransactionByHash", quiet.tx_hash))["to"] == place.store.lower()
        await offer(here, FALLEN, 3)
        assert [p[2] for p in await poked(here, await land(here))] == [UP]
        for _ in range(6):
            await offer(here, CALM)
            await land(here)
        ways = {
            r.why: [p[2] for p in await poked(here, r)] for r in here.databases[0].pushes("t", (PushState.LANDED,))[3:]
        }
        assert [way for why, way in ways.items() if "depeg to" in why] == [[0]]
        assert sum(map(len, ways.values())) == 1, "and nothing else does"


async def test_control_a_push_that_fails_inside_for_another_reason_counts_as_nothing_but_reverted(
    tmp_path: Path,
) -> None:
    async with place_with(tmp_path) as place, world_at(place) as here:
        await offer(here, CALM)
        await land(here)
        await offer(here, FALLEN, 3)
        here.now_s += 60  # the block comes when the store no longer takes that round
        await here.mine()
        await here.targets[0].tick()
        row = here.databases[0].pushes("t")[-1]
        receipt = await here.rpc("eth_getTransactionReceipt", row.tx_hash)
        assert (receipt["status"], row.state, views_of(row)) == ("0x1", "reverted", lower(place.views))
        assert [p[2] for p in await poked(here, row)] == [DOWN], "the store has no depeg"
        assert here.targets[0].counts["landed"] == 1
        await offer(here, FALLEN)
        assert [p[2] for p in await poked(here, await land(here))] == [UP], (
            "what the views know is not taken for granted"
        )


async def test_a_view_that_can_not_be_poked_is_left_out_and_hinders_nobody(tmp_path: Path) -> None:
    async with place_with(tmp_path, views=2) as place, world_at(place) as here:
        await here.rpc("anvil_setCode", place.views[1], REVERTS)
        row = await depeg(here)
        assert views_of(row) == lower(place.views[:1])
        assert len(await poked(here, row)) == 1
        assert set(here.events[0].unpoked) == set(lower(place.views[1:]))
        assert here.events[0].failed == []


async def test_a_view_that_reverts_in_the_block_itself_takes_no_push_with_it(tmp_path: Path) -> None:
    async with place_with(tmp_path, views=2) as place, world_at(place) as here:
        await offer(here, CALM)
        await here.rpc("anvil_setCode", place.views[0], REVERTS)
        with capture_logs() as logs:
            row = await land(here)
        assert views_of(row) == lower(place.views)
        assert [p[0] for p in await poked(here, row)] == [place.views[1].lower()]
        assert here.events[0].unpoked == [place.views[0].lower()]
        assert here.events[0].failed == []
        assert any("anybody may call poke()" in line["event"] for line in logs)


class DyingClient(StoreClient):
    """A client whose process ends before it broadcasts, once ``dies``."""

    dies = False

    async def broadcast(self, raw: bytes) -> Broadcast:
        if self.dies:
            raise asyncio.CancelledError
        return await super().broadcast(raw)


async def test_what_was_journalled_and_never_sent_is_sent_with_its_pokes_at_the_next_start(tmp_path: Path) -> None:
    async with place_with(tmp_path) as place:
        async with world_at(place, client_class=DyingClient) as here:
            client = here.clients[0]
            assert isinstance(client, DyingClient)
            client.dies = True
            with pytest.raises(asyncio.CancelledError):
                await offer(here, CALM)
            (row,) = here.databases[0].pushes("t")
            assert row.state == "prepared"
            now_s = here.now_s
        async with FaultWorld(place, now_s, timeout_ms=PATIENT_MS) as again:
            await again.targets[0].tick()
            landed = await land(again)
            assert (landed.id, landed.raw) == (row.id, row.raw)
            assert len(await poked(again, landed)) == 1
            assert len(again.databases[0].pushes("t")) == 1
            assert again.events[0].unpoked == []


async def test_a_raised_fee_keeps_the_pokes_and_one_of_the_two_lands(tmp_path: Path) -> None:
    async with place_with(tmp_path) as place, world_at(place) as here:
        await offer(here, CALM)
        for _ in range(3):
            here.now_s += 3
            await here.rpc("anvil_setNextBlockBaseFeePerGas", hex(30 * 10**9))
            await here.mine()
            await here.targets[0].tick()
        low, high = here.databases[0].pushes("t")
        assert data_of(low.raw) == data_of(high.raw)
        assert Fees.of(high.raw).tip_wei > Fees.of(low.raw).tip_wei
        await here.rpc("anvil_setNextBlockBaseFeePerGas", hex(10**9))
        landed = await land(here)
        assert len(await poked(here, landed)) == 1
        assert sorted(r.state for r in here.databases[0].pushes("t")) == ["landed", "replaced"]


async def test_the_store_s_own_reason_is_given_for_a_push_with_pokes(tmp_path: Path) -> None:
    async with place_with(tmp_path) as place, world_at(place) as here:
        row = await depeg(here)
        push, views = unwrap(data_of(row.raw))
        client = here.clients[0]
        with pytest.raises(StoreRefuses, match="NothingNew"):
            await client.prepare(push, 9, views=views)
        here.now_s += 100
        await here.mine()
        with pytest.raises(StoreRefuses, match=r"TooOld \(roundTime"):
            await client.prepare(push, 9, views=views)


async def test_without_multicall3_the_push_goes_alone_and_says_so(tmp_path: Path) -> None:
    async with place_with(tmp_path, multicall3=False) as place, world_at(place) as here:
        with capture_logs() as logs:
            await offer(here, CALM)
            row = await land(here)
        assert (await here.rpc("eth_getTransactionByHash", row.tx_hash))["to"] == place.store.lower()
        assert any("no Multicall3 on this chain" in line["event"] for line in logs)
        assert here.events[0].unpoked == list(lower(place.views))


async def test_a_success_without_the_store_s_event_is_no_landing_and_the_next_push_goes_alone(tmp_path: Path) -> None:
    async with place_with(tmp_path) as place, world_at(place) as here:
        await here.rpc("anvil_setCode", MULTICALL3, STOPS)
        await offer(here, CALM)
        await here.mine()
        await here.targets[0].tick()
        (row,) = here.databases[0].pushes("t")
        assert (await here.rpc("eth_getTransactionReceipt", row.tx_hash))["status"] == "0x1"
        assert (row.state, here.events[0].landed, here.events[0].failed) == ("reverted", [], ["reverted"])
        await offer(here, CALM)
        assert views_of(await land(here)) == ()


async def test_a_reorganisation_brings_the_poke_back_with_its_push(tmp_path: Path) -> None:
    async with place_with(tmp_path) as place, world_at(place) as here:
        row = await depeg(here)
        await here.rpc("anvil_reorg", 1, [])
        await here.targets[0].tick()
        assert here.databases[0].pushes("t")[-1].state == "sent"
        again = await land(here)
        assert (again.tx_hash, again.state) == (row.tx_hash, "landed")
        assert [p[2] for p in await poked(here, again)] == [UP]
