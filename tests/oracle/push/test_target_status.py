"""How a target says that it stands, over a real store: what hangs, who is missing, what is late; each with a control."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from demo.world import anvil
from feeds.units import MS
from oracle.chain.rpc_answers import BlockHead
from oracle.chain.store_client import StoreClient
from oracle.push.settings import TargetPace
from oracle.sign.eip712 import address_of
from tests.oracle.push.fault_proxy import FaultyNode
from tests.oracle.push.fault_world import KEYS, RULES, SPECS, FaultWorld
from tests.oracle.push.push_world import call_store, push_once, put_store, world_in
from tests.oracle.runtime.log_tools import piped

pytestmark = pytest.mark.chain
HEARTBEAT_S = SPECS["ETH/USD"].heartbeat_s
GRACE_S = 2 * RULES.bump_after_s + 10
"""Of a round and two bumps: that is more than the heartbeat, and less than the store takes batches for."""


def faults(here: FaultWorld, place: int = 0) -> list[str]:
    return [text for _, text in here.targets[place].status().faults(here.now_s * MS)]


async def test_all_is_well_once_every_feed_has_landed_and_not_before(tmp_path: Path) -> None:
    async with world_in(tmp_path) as here:
        assert [f.split(": ")[1].split(",")[0] for f in faults(here)] == [f"{f} is not on chain yet" for f in SPECS]
        await push_once(here)
        assert faults(here) == []
        status = here.targets[0].status()
        assert (status.sends, status.connected, status.looked_at_ms) == (True, True, here.now_s * MS)
        assert status.quorum is not None
        assert (status.quorum.weight, status.quorum.threshold, status.quorum.missing) == (3, 2, ())
        assert not list(status.warnings(here.now_s * MS))


async def test_what_is_older_on_chain_than_heartbeat_and_a_push_is_late(tmp_path: Path) -> None:
    async with world_in(tmp_path) as here:
        await push_once(here)
        landed_s = here.now_s
        for name in ("alpha", "beta"):
            here.journals[name].mute((landed_s + HEARTBEAT_S + GRACE_S + 3) * MS)
        while here.now_s + 2 <= landed_s + HEARTBEAT_S + GRACE_S:
            await push_once(here)
            assert not [f for f in faults(here) if "s old on chain" in f]
        await push_once(here)
        late = [f for f in faults(here) if "s old on chain" in f]
        assert late == [
            f"target t: {f} is {here.now_s - landed_s} s old on chain, its heartbeat is 16 s" for f in SPECS
        ]
        await push_once(here)  # their silence is over
        assert faults(here) == []


async def test_who_can_not_sign_is_named_and_counts_where_the_others_do_not_suffice(tmp_path: Path) -> None:
    async with world_in(tmp_path) as here:
        await push_once(here)
        here.journals["gamma"].mute(1 << 60)
        assert (faults(here), list(here.targets[0].status().warnings(here.now_s * MS))) == (
            [],
            ["target t: gamma is mute"],
        )
        here.journals["beta"].mute(1 << 60)
        (text,) = faults(here)
        assert text.endswith("have weight 1, a push needs 2; beta is mute; gamma is mute")


async def test_an_operator_of_less_weight_than_the_threshold_is_never_ready(tmp_path: Path) -> None:
    async with world_in(tmp_path) as here:
        await push_once(here)
        here.operators = here.operators[:1]
        alone = here.add("alone.db")
        await alone.tick()
        assert faults(here) == []
        (text,) = faults(here, 1)
        strangers = [f"0x{addresses} (weight 1) does not sign here" for addresses in _addresses()[1:]]
        assert text == ("target t: no quorum: those that sign have weight 1, a push needs 2; " + "; ".join(strangers))


def _addresses() -> list[str]:
    return [address_of(key).hex() for key in KEYS.values()]


async def test_a_hanging_endpoint_shows_and_a_look_at_nothing_is_no_look(tmp_path: Path) -> None:
    with anvil.running() as node:
        proxy = FaultyNode(node.url, 1)
        await proxy.start()
        try:
            place = await put_store(node.url, (proxy.url,), tmp_path)
            async with FaultWorld(place, 0, timeout_ms=1_000) as here:
                await here.rpc("evm_setAutomine", False)
                here.now_s = int((await here.rpc("eth_getBlockByNumber", "latest", False))["timestamp"], 16)
                await here.targets[0].tick()
                await push_once(here)
                assert faults(here) == []
                looked = here.targets[0].status().looked_at_ms
                proxy.hold()
                with piped() as log:
                    for _ in range(4):
                        here.now_s += 8
                        await here.targets[
                            0
                        ].tick()  # nothing is under way and nothing is new: nobody is asked at first
                assert len(here.events[0].looks_failed) >= 2
                assert len([line for line in log.lines() if line["event"].startswith("no push this time")]) == 1
                assert here.targets[0].status().looked_at_ms == looked
                assert [f for f in faults(here) if "its chain was not seen for 32 s" in f]
                assert here.events[0].looks_failed, "no look waits without end"
                proxy.release()
                await push_once(here)
                assert faults(here) == []
        finally:
            await proxy.stop()


class StuckClient(StoreClient):
    """A client that reads no head while it is stuck; ``asked``: how often it was asked for one then."""

    stuck = False
    asked = 0

    async def head(self) -> BlockHead:
        if self.stuck:
            self.asked += 1
            await asyncio.Event().wait()
        return await super().head()


async def test_an_endpoint_that_answers_each_request_late_can_not_hold_a_look_for_ever(tmp_path: Path) -> None:
    async with world_in(tmp_path, client_class=StuckClient) as here:
        target, client = here.targets[0], here.clients[0]
        assert isinstance(client, StuckClient)
        await push_once(here)
        usual, target.pace, client.stuck = target.pace, TargetPace(tick_s=0.05), True
        here.now_s += 2
        await here.round({"wdivETH/ETH": (10**18, 10**18), "ETH/USD": (2_000 * 10**18, 0)})
        async with asyncio.timeout(30):
            await target.tick()
        assert (client.asked, here.events[0].looks_failed, here.events[0].failed) == (1, ["TimeoutError"], [])
        target.pace, client.stuck = usual, False
        await push_once(here)
        assert target.counts["landed"] >= 2, "what the limit cut short is taken up again"


async def test_a_paused_feed_is_late_and_says_why(tmp_path: Path) -> None:
    async with world_in(tmp_path) as here:
        target = here.targets[0]
        await push_once(here)
        await call_store(here, "pause", [target.indexes["ETH/USD"]])
        for _ in range((HEARTBEAT_S + GRACE_S) // 2 + 2):
            await push_once(here)
        (text,) = faults(here)
        assert "ETH/USD is " in text
        assert text.endswith("the guardian paused the feed")


async def test_what_transactions_cost_and_which_may_still_land_is_told(tmp_path: Path) -> None:
    async with world_in(tmp_path) as here:
        here.now_s += 2
        await here.round({"wdivETH/ETH": (10**18, 10**18), "ETH/USD": (2_000 * 10**18, 0)})
        before_wei = await here.clients[0].balance_wei()
        await here.targets[0].tick()
        assert (here.targets[0].status().pending, here.events[0].spent_wei) == (1, [])
        await here.mine()
        await here.targets[0].tick()
        assert here.targets[0].status().pending == 0
        assert here.events[0].spent_wei == [before_wei - await here.clients[0].balance_wei()] != [0]
