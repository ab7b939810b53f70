"""Targets side by side: several chains, a backup, an urgent depeg, a poor key, a refusal that is written down."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import coincurve
import pytest
from structlog.testing import capture_logs

from demo.world import anvil
from demo.world.chain import account
from feeds.units import WAD
from oracle.chain.store_client import Unfit
from oracle.deploy.deployer import Deployer
from oracle.deploy.store_settings import StoreSettings
from oracle.model.publication import PushState
from oracle.model.status import Status
from oracle.push.due import PushPolicy
from oracle.report.wire import split_items
from oracle.sign.eip712 import address_of
from tests.oracle.push.fault_proxy import FaultyNode
from tests.oracle.push.fault_world import KEYS, MAX_PUSH_AGE_S, PATIENT_MS, FaultWorld, Place
from tests.oracle.push.push_world import CALM, RATE, push_once, put_store, world_in

pytestmark = pytest.mark.chain


async def test_one_chain_s_trouble_never_delays_another(tmp_path: Path) -> None:
    with anvil.running(extra=("--chain-id", "31338")) as other:
        proxy = FaultyNode(other.url, 1)
        await proxy.start()
        try:
            async with world_in(tmp_path) as here:
                there = await put_store(other.url, (proxy.url,), tmp_path, backwards=True)
                second = here.add("two.db", name="u", place=there)
                await second.start()  # only a round that its operators sealed for it is pushed there
                await push_once(here)
                for _ in range(4):
                    await second.tick()
                stored = {f: second.stored[i] for f, i in second.indexes.items()}
                assert second.indexes != here.targets[0].indexes, "the other store numbers its feeds in another order"
                assert stored == {f: here.targets[0].stored[i] for f, i in here.targets[0].indexes.items()}
                proxy.hold()
                moved = {**CALM, "ETH/USD": (2_100 * WAD, 0)}
                here.now_s += 2
                await here.round(moved)
                stuck = asyncio.create_task(second.tick())
                await here.targets[0].tick()
                await here.mine()
                await here.targets[0].tick()
                assert here.targets[0].counts["landed"] == 2
                proxy.release()
                await stuck
        finally:
            await proxy.stop()


async def test_a_backup_fires_only_when_the_primary_has_not(tmp_path: Path) -> None:
    async with world_in(tmp_path) as here:
        place = replace(here.place, gas_key=bytes(account(3).key).hex())
        backup = here.add("backup.db", place=place, policy=PushPolicy(offset_s=8))
        for _ in range(20):
            await here.step(mine=True)
        assert here.targets[0].counts["landed"] >= 2
        assert backup.counts["submitted"] == 0
        assert here.databases[1].pushes("t") == []
        primary = here.targets.pop(0)
        quiet_since_s = max(r.round_s for r in here.databases[0].pushes("t", (PushState.LANDED,)))
        for _ in range(40):
            await here.step(mine=True)
        fired = here.databases[1].pushes("t")
        assert fired
        assert fired[0].round_s >= quiet_since_s + 8
        assert [r.state for r in fired[:-1]] == ["landed"] * (len(fired) - 1)
        here.targets.insert(0, primary)


async def test_two_targets_of_one_config_at_one_store_have_one_round_that_either_pushes(tmp_path: Path) -> None:
    """A backup for the gas key: its operators sign once, the round is stored for both, and the backup pushes what is sealed."""
    async with world_in(tmp_path) as here:
        place = replace(here.place, gas_key=bytes(account(3).key).hex())
        backup = here.add("backup.db", name="backup", place=place, policy=PushPolicy(offset_s=8))
        await backup.start()
        await push_once(here)
        assert here.done is not None
        sealed = [o.sealed for o in here.done.outcomes.values()]
        assert len(sealed) == 2
        assert sealed[0] == sealed[1]
        primary = here.targets.pop(0)
        for _ in range(40):
            await here.step(mine=True)
        assert backup.counts["landed"] >= 1
        assert here.events[1].failed == []
        here.targets.insert(0, primary)


async def test_a_depeg_does_not_wait_for_a_calm_push_that_is_stuck(tmp_path: Path) -> None:
    async with world_in(tmp_path) as here:
        await push_once(here)
        calm = {**CALM, "ETH/USD": (2_020 * WAD, 0)}
        here.now_s += 2
        await here.round(calm)
        await here.targets[0].tick()
        fallen = {**calm, "wdivETH/ETH": (RATE * 94 // 100, RATE)}
        for _ in range(3):
            here.now_s += 2
            await here.round(fallen)
            await here.targets[0].tick()
        rows = here.databases[0].pushes("t", (PushState.SENT,))
        assert len({r.nonce for r in rows}) == 1
        assert len({r.items for r in rows}) == 2, "one depeg went out, over the calm one and not twice"
        await here.mine()
        await here.targets[0].tick()
        states = {r.state for r in here.databases[0].pushes("t") if r.nonce == rows[0].nonce}
        assert states == {"landed", "replaced"}
        index = here.targets[0].indexes["wdivETH/ETH"]
        assert here.targets[0].stored[index].status is Status.DEPEG
        landed = here.databases[0].pushes("t", (PushState.LANDED,))[-1]
        assert landed.why.startswith("wdivETH/ETH: status ok to depeg")
        assert set(split_items(landed.items)) == {0, 1}
        assert here.targets[0].onchain["wdivETH/ETH"].why == "status ok to depeg"


async def test_a_poor_key_is_seen_before_and_said_when_it_is_empty(tmp_path: Path) -> None:
    async with world_in(tmp_path) as here:
        payer = here.clients[0].payer
        await here.rpc("anvil_setBalance", payer, hex(10**15))
        here.now_s += 60  # the balance is looked at once a minute
        await push_once(here)
        wei, pushes = here.events[0].balances[-1]
        assert (wei <= 10**15, 0 < pushes < 100) == (True, True)
        await here.rpc("anvil_setBalance", payer, "0x1")
        await push_once(here, {**CALM, "ETH/USD": (2_200 * WAD, 0)})
        assert here.databases[0].pushes("t")[-1].state == "prepared"
        assert "no_funds" in here.events[0].failed
        await here.rpc("anvil_setBalance", payer, hex(10**18))
        await here.settle(2)
        assert here.databases[0].pushes("t")[-1].state == "landed"


async def test_without_the_gas_key_a_target_with_open_pushes_connects_shows_the_store_and_says_that_nobody_watches(
    tmp_path: Path,
) -> None:
    async with world_in(tmp_path) as here:
        await push_once(here)
        here.now_s += 2
        await here.round({**CALM, "ETH/USD": (2_100 * WAD, 0)})
        await here.targets[0].tick()
        dry = here.add("one.db", dry=True)
        with capture_logs() as logs:
            await dry.start()
            for _ in range(3):
                here.now_s += 2
                await here.round(CALM)
                await dry.tick()
        assert dry.connected
        assert (dry.status().sends, dry.status().looked_at_ms) == (False, here.now_s * 1_000)
        assert set(dry.onchain) == set(CALM)
        assert here.events[1].failed == []
        (logged,) = [line for line in logs if line["log_level"] == "warning"]
        assert (logged["event"], logged["pushes"]) == (
            "pushes are open and cannot be watched without the gas key",
            1,
        )
        assert "set LRT_ORACLE_GAS_PASSPHRASE" in logged["why"]
        await here.mine()
        await here.targets[0].tick()
        assert here.databases[0].pushes("t")[1].state == "landed", "whoever has the key settles it"


async def test_a_refusal_is_typed_and_written_down(tmp_path: Path) -> None:
    async with world_in(tmp_path) as here:
        await push_once(here)
        await here.rpc("anvil_setNextBlockBaseFeePerGas", hex(10**12))
        await here.mine()
        here.now_s += 2
        await here.round({**CALM, "ETH/USD": (2_200 * WAD, 0)})
        await here.targets[0].tick()
        (refused,) = here.databases[0].not_pushed("t")
        assert "max_fee_gwei is 60" in refused.error
        assert refused.why == "ETH/USD: market moved 1000 bps"
        assert here.events[0].failed == ["FeeTooHigh"]
        assert len(here.databases[0].pushes("t")) == 1


async def test_gas_of_a_push_is_shared_by_its_feeds(tmp_path: Path) -> None:
    async with world_in(tmp_path) as here:
        await push_once(here)
        (row,) = here.databases[0].pushes("t", (PushState.LANDED,))
        spent = here.databases[0].gas_spent("t", 0)
        assert row.gas_used is not None
        assert spent == {0: -(-row.gas_used // 2), 1: -(-row.gas_used // 2)}


async def test_a_store_that_contradicts_the_config_stops_the_start(tmp_path: Path) -> None:
    """A feed with other prices than it was registered with, and one that is not there, are told before anything runs."""
    with anvil.running() as node:
        deployer = Deployer(node.url, coincurve.PrivateKey(bytes(account(0).key)))
        signers = tuple(address_of(k) for k in KEYS.values())
        settings = StoreSettings(signers=signers, weights=(1, 1, 1), threshold=2, max_push_age_s=MAX_PUSH_AGE_S)
        made = await deployer.deploy(settings, [], salt="contradicts")
        place = Place(
            seed=0, node=node.url, endpoints=(node.url,), chain_id=made.chain_id, store=made.store,
            gas_key=bytes(account(2).key).hex(), folder=str(tmp_path),
        )  # fmt: skip
        async with FaultWorld(place, 1_800_000_000, timeout_ms=PATIENT_MS) as world:
            with pytest.raises(Unfit, match="not registered in the store"):
                await world.targets[0].start()
            await deployer.register(made.store, "wdivETH/ETH", market=True, redemption=True)
            await deployer.register(made.store, "ETH/USD", market=True, redemption=True)
            with pytest.raises(Unfit, match="ETH/USD is registered with market price and redemption rate"):
                await world.targets[0].start()
        await deployer.close()
