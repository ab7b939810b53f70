"""What a contract of stake was made with can be read from it: all of it, as it was given."""

from __future__ import annotations

from typing import Any

from tests.contracts.evm_process import STRANGER, Evm
from tests.contracts.stake import eigen_world, rewards_world, symbiotic_world
from tests.contracts.stake.eigen_world import EigenWorld
from tests.contracts.stake.rewards_world import RewardsWorld
from tests.contracts.stake.stake_world import ANSWER_S, DELAY_S, EPOCH_S, JOIN_S, OBSERVED_S, TIMELOCK, ZERO, StakeWorld
from tests.contracts.stake.symbiotic_world import SymbioticWorld


def plain(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


def reads(evm: Evm, at: str, told: dict[str, Any]) -> None:
    """Each of these functions answers what was told."""
    found = {name: plain(evm.ok(at, name)) for name in told}
    assert found == {name: plain(value) for name, value in told.items()}


def test_a_set_tells_its_rules_and_what_goes_on() -> None:
    world = StakeWorld()
    reads(world.evm, world.set, world.settings | {"book": world.book, "store": world.store, "windows": world.windows})
    reads(world.evm, world.set, {"keepsS": OBSERVED_S + 2 * EPOCH_S, "answerS": ANSWER_S})
    reads(world.evm, world.set, {"maxCandidates": 7 + 8, "migratesTo": ZERO, "migratesAt": 0})
    reads(world.evm, world.set, {"frozenAt": 0, "scheduledAt": 0, "scheduledEpoch": 0, "hasMigrated": False})
    reads(world.evm, world.windows, {"set": world.set, "freezes": 0, "moment": 0, "sources": tuple(world.sources)})
    (one, *_) = world.enter_all(90, 80, 70)
    joined_s = int(world.evm.ok(world.set, "candidateOf", one)[1])
    assert world.evm.now - JOIN_S == joined_s
    epoch = world.rotate()
    now_s = world.evm.now
    reads(world.evm, world.set, {"frozenAt": now_s, "scheduledAt": now_s + DELAY_S, "scheduledEpoch": epoch})
    reads(world.evm, world.windows, {"freezes": 1})
    world.evm.ok(world.set, "startMigration", STRANGER, sender=TIMELOCK)
    at_s = now_s + ANSWER_S + 1
    reads(world.evm, world.set, {"migratesTo": STRANGER, "migratesAt": at_s})
    assert world.evm.ok(world.set, "captureOf", epoch, STRANGER) == 0


def test_rewards_tell_what_they_pay_and_where() -> None:
    world = RewardsWorld()
    assets = ["0x" + a.hex() for a in world.assets]
    told = {"set": world.set, "store": world.store, "absenceJailS": rewards_world.JAIL_S}
    reads(world.evm, world.at, told)
    assert [plain(a) for a in world.evm.ok(world.at, "allAssets")] == [plain(a) for a in assets]
    assert [plain(s) for s in world.evm.ok(world.at, "allSources")] == [plain(s) for s in world.sources]
    assert [world.evm.ok(world.at, "isAsset", a) for a in (*assets, STRANGER)] == [True] * len(assets) + [False]
    assert not world.evm.ok(world.at, "isPaid", bytes(32))


def test_stake_in_eigenlayer_tells_what_it_is_over() -> None:
    world = EigenWorld()
    told = {
        "allocations": world.core.allocations, "delegation": world.core.delegation, "coordinator": world.core.rewards,
        "book": world.book, "values": world.values, "directory": world.directory, "weth": world.weth,
        "setId": eigen_world.SET_ID, "secondsPerBlock": eigen_world.BLOCK_S,
    }  # fmt: skip
    reads(world.evm, world.source, told)
    assert world.evm.ok(world.source, "blocks") > 0


def test_stake_in_symbiotic_tells_what_it_takes() -> None:
    world = SymbioticWorld()
    reads(world.evm, world.source, {
        "lastStepS": symbiotic_world.LAST_STEP_S,
        "maxCommissionBps": symbiotic_world.MAX_COMMISSION_BPS, "MAX_EARNERS": 128,
    })  # fmt: skip
    reads(world.evm, world.vaults, {
        "network": world.source, "subnetwork": world.subnetwork, "factory": world.core.vault_factory,
        "values": world.values, "minReachS": symbiotic_world.REACH_S, "disputeS": symbiotic_world.DISPUTE_S,
        "sharedBps": symbiotic_world.SHARED_BPS, "minValue": symbiotic_world.MIN_VALUE, "maxCounted": 5, "maxListed": 10,
    })  # fmt: skip
    listed = [world.evm.ok(world.vaults, "isBurner", b) for b in (symbiotic_world.BURNER, STRANGER)]
    assert listed == [True, False]
    assert world.evm.ok(world.source, "unpaid", STRANGER, STRANGER, 1) == 0
