"""A target beside others: what it shows of its store, what it holds back, and that nobody else's trouble mutes it."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path

import coincurve
import pytest

from demo.world import anvil
from demo.world.chain import account
from feeds.units import MS, WAD
from oracle.deploy.deployer import Deployer
from oracle.deploy.store_settings import StoreSettings
from oracle.model.publication import PushState
from oracle.model.status import Status
from oracle.model.target_status import SignerQuorum
from oracle.report.compose import price_of
from oracle.sign.eip712 import address_of
from tests.oracle.push.fault_world import KEYS, MAX_PUSH_AGE_S, PATIENT_MS, SPECS, FaultWorld, Place
from tests.oracle.push.push_world import CALM, RATE, call_store, push_once, world_in

pytestmark = pytest.mark.chain
STRANGERS = tuple(coincurve.PrivateKey(bytes([90 + i]) * 32) for i in range(3))


async def put_store(url: str, folder: Path, signers: tuple[bytes, ...], salt: str) -> Place:
    deployer = Deployer(url, coincurve.PrivateKey(bytes(account(0).key)))
    settings = StoreSettings(signers=signers, weights=(1, 1, 1), threshold=2, max_push_age_s=MAX_PUSH_AGE_S)
    made = await deployer.deploy(settings, [], salt=salt)
    for feed, spec in SPECS.items():
        await deployer.register(made.store, feed, market=spec.has_market, redemption=spec.has_redemption)
    await deployer.close()
    return Place(
        seed=0, node=url, endpoints=(url,), chain_id=made.chain_id, store=made.store,
        gas_key=bytes(account(2).key).hex(), folder=str(folder),
    )  # fmt: skip


async def rounds(here: FaultWorld, number: int, priced: dict[str, tuple[int, int]]) -> None:
    for _ in range(number):
        await push_once(here, priced)


@pytest.mark.parametrize(("feed", "far"), [("ETH/USD", (2_400 * WAD, 0)), ("wdivETH/ETH", (RATE * 80 // 100, RATE))])
async def test_a_price_that_the_store_holds_back_is_not_paid_for_again(
    tmp_path: Path, feed: str, far: tuple[int, int]
) -> None:
    """All three have a seat and only two sign, less than what a far price needs: the push that starts the wait is all."""
    async with world_in(tmp_path) as here:
        target = here.targets[0]
        await push_once(here)
        here.journals["gamma"].mute((here.now_s + 25) * MS)  # for the twelve rounds that follow
        moved = {**CALM, feed: far}
        await rounds(here, 3, moved)  # the wait has begun, and a depeg has had its dwell
        index = target.indexes[feed]
        assert price_of(target.stored[index], SPECS[feed].mode) == CALM[feed][0], "held back by the store"
        before = len(here.databases[0].pushes("t", (PushState.LANDED,)))
        await rounds(here, 4, moved)
        assert len(here.databases[0].pushes("t", (PushState.LANDED,))) == before
        assert "the store takes the least far at" in target.held[feed]
        await rounds(here, 5, moved)
        assert len(here.databases[0].pushes("t", (PushState.LANDED,))) > before, "the heartbeat goes on"
        await push_once(here, moved)
        assert price_of(target.stored[index], SPECS[feed].mode) == far[0], "three signatures move it at once"


async def test_a_feed_paused_before_its_first_price_is_held_and_the_other_goes(tmp_path: Path) -> None:
    async with world_in(tmp_path) as here:
        target = here.targets[0]
        await call_store(here, "pause", [target.indexes["ETH/USD"]])
        await rounds(here, 3, CALM)
        assert target.held == {"ETH/USD": "the guardian paused the feed"}
        assert here.databases[0].not_pushed("t") == []
        assert len(here.databases[0].pushes("t")) == 1
        await call_store(here, "resume", [target.indexes["ETH/USD"]])
        await push_once(here)
        assert target.stored[target.indexes["ETH/USD"]].market_wad == 2_000 * WAD


async def test_a_store_that_does_not_know_the_operators_mutes_no_other_one(tmp_path: Path) -> None:
    """The first target of the config has another signer set: the second one is pushed to all the same."""
    with anvil.running() as node:
        theirs = await put_store(node.url, tmp_path, tuple(address_of(k) for k in STRANGERS), "theirs")
        ours = await put_store(node.url, tmp_path, tuple(address_of(k) for k in KEYS.values()), "ours")
        async with FaultWorld(theirs, 0, timeout_ms=PATIENT_MS) as here:
            gas_key = bytes(account(3).key).hex()
            second = here.add("two.db", name="second", place=replace(ours, gas_key=gas_key))
            await here.rpc("evm_setAutomine", False)
            here.now_s = int((await here.rpc("eth_getBlockByNumber", "latest", False))["timestamp"], 16)
            for target in here.targets:
                await target.tick()
            for _ in range(2):
                await push_once(here)
                await second.tick()
            assert second.counts["landed"] == 1
            assert here.targets[0].counts["submitted"] == 0
            record = here.databases[0].record("ETH/USD")
            assert record is not None
            assert (record.signed_at_ms, record.seal) == (None, None), "what is published is sealed at home or nowhere"
            assert here.done is not None
            assert here.done.outcomes["second"].signed == ("alpha", "beta", "gamma")
            assert here.done.unsealed == "", "a store that knows none of them seals nothing, and is not waited for"
            assert second.status().quorum == SignerQuorum(weight=3, threshold=2, missing=())


async def test_what_somebody_else_pushed_is_shown(tmp_path: Path) -> None:
    async with world_in(tmp_path) as here:
        first = here.targets[0]
        second = here.add("two.db", place=replace(here.place, gas_key=bytes(account(3).key).hex()))
        second.can_send = False
        await push_once(here)
        await second.tick()
        (row,) = here.databases[0].pushes("t", (PushState.LANDED,))
        own, other = first.onchain["ETH/USD"], second.onchain
        assert (own.tx_hash, own.landed_at_ms, own.why) == (row.tx_hash, row.landed_ms, "first")
        await push_once(here)  # a round on: the dry one has read the store
        await second.tick()
        assert other is not second.onchain
        shown = second.onchain["ETH/USD"]
        assert (shown.round_time_s, shown.price_wad) == (own.round_time_s, 2_000 * WAD)
        assert (shown.tx_hash, shown.landed_at_ms, shown.why) == (None, None, "")
        first.can_send, second.can_send = False, True
        moved = {**CALM, "ETH/USD": (2_100 * WAD, 0)}
        here.now_s += 2
        await here.round(moved)
        await second.tick()
        await here.mine()
        await second.tick()
        await push_once(here, moved)
        newer = first.onchain["ETH/USD"]
        assert newer == replace(second.onchain["ETH/USD"], tx_hash=None, landed_at_ms=None, why=""), (
            "the first shows the second's push, and takes no credit"
        )
        assert newer.price_wad == 2_100 * WAD
        assert first.onchain["wdivETH/ETH"].tx_hash == row.tx_hash, "what still stands is still its own"
        assert "signed_elsewhere" not in here.events[0].failed + here.events[1].failed, "they share their journals"


async def test_the_same_keys_with_other_journals_are_noticed_when_their_round_lands(tmp_path: Path) -> None:
    """A copy of the folder on another machine: each of the two signs with a good conscience."""
    copy = tmp_path / "copy"
    copy.mkdir()
    async with world_in(tmp_path) as here:
        await push_once(here)
        place = replace(here.place, folder=str(copy), gas_key=bytes(account(3).key).hex())
        async with FaultWorld(place, here.now_s, timeout_ms=PATIENT_MS) as there:
            await there.targets[0].tick()
            there.now_s = here.now_s + 2
            await push_once(there, {**CALM, "ETH/USD": (2_100 * WAD, 0)})
            assert there.targets[0].counts["landed"] == 1
            here.now_s = there.now_s
            assert here.events[0].failed == []
            await push_once(here)
            assert here.events[0].failed == ["signed_elsewhere"]
            await push_once(here)
            assert here.events[0].failed == ["signed_elsewhere"], "each round of the other is told once"


async def test_a_locked_database_is_told_and_the_next_round_goes_out(tmp_path: Path) -> None:
    async with world_in(tmp_path) as here:
        target, store = here.targets[0], here.databases[0]
        store.connection.execute("PRAGMA busy_timeout = 0")
        here.now_s += 2
        await here.round(CALM)
        other = sqlite3.connect(tmp_path / "one.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        await target.tick()
        assert (target.counts["failed"], here.events[0].failed) == (1, ["database"])
        other.execute("ROLLBACK")
        other.close()
        assert store.pushes("t") == []
        await push_once(here)
        assert target.counts["landed"] == 1
        assert target.stored[target.indexes["ETH/USD"]].status is Status.OK


async def test_a_round_that_comes_during_a_look_is_looked_at_next(tmp_path: Path) -> None:
    """A depeg that comes while a slow chain is read for the calm round before must not wait for the round after it."""
    async with world_in(tmp_path) as here:
        target = here.targets[0]
        await push_once(here)

        here.now_s += 2
        await here.round(CALM)
        here.now_s += 2
        moved = await here.agree({**CALM, "ETH/USD": (2_100 * WAD, 0)})
        here.now_s -= 2

        def moved_meanwhile() -> None:
            here.after_decision = lambda: None
            here.now_s += 2
            here.offer(moved)

        here.after_decision = moved_meanwhile
        await target.tick()
        assert target.counts["submitted"] == 1, "nothing was due in the calm one"
        await target.tick()
        assert target.counts["submitted"] == 2
