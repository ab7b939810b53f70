"""What the timelock may do: laws of docs/invariants.md, each under its name there."""

from __future__ import annotations

import pytest
from eth_abi import encode
from eth_utils.crypto import keccak

import contracts
from oracle.chain.store_abi import abi_type
from tests.contracts.evm_process import GUARDIAN, OWNER, STRANGER
from tests.contracts.stake.stake_world import ANSWER_S, TIMELOCK, ZERO, StakeWorld, operator

GOVERNED = {"register", "pause", "resume", "setGuardian"}
ZEROS = {"address": ZERO, "uint48": 0, "uint96": 0, "bytes32": bytes(32), "bool": False, "uint8": 0, "uint16": 0}


@pytest.fixture
def world() -> StakeWorld:
    return StakeWorld()


def call(name: str, kinds: list[str], *arguments: object) -> bytes:
    return keccak(text=f"{name}({','.join(kinds)})")[:4] + encode(kinds, arguments)


def test_governance_never_names_signers(world: StakeWorld) -> None:
    """Of all functions of the store the timelock calls four, none of which has to do with signers or owners."""
    forwarded = set()
    for entry in contracts.load("PriceStore").abi:
        if entry["type"] != "function":
            continue
        kinds = [abi_type(i) for i in entry["inputs"]]
        arguments = [[] if "[]" in k else ZEROS.get(k, b"" if k == "bytes" else 0) for k in kinds]
        error, _ = world.evm.call(world.set, "govern", call(entry["name"], kinds, *arguments), sender=TIMELOCK)
        if error != "NotGoverned":
            forwarded.add(entry["name"])
    assert forwarded == GOVERNED
    for short in (b"", b"\0\0", b"\0\0\0"):
        assert world.evm.call(world.set, "govern", short, sender=TIMELOCK)[0] == "NotGoverned"


def test_the_timelock_registers_pauses_and_resumes(world: StakeWorld) -> None:
    world.register()
    world.evm.ok(world.set, "govern", call("pause", ["uint16[]"], [0]), sender=TIMELOCK)
    assert world.evm.ok(world.store, "paused", 0)
    world.evm.ok(world.set, "govern", call("resume", ["uint16[]"], [0]), sender=TIMELOCK)
    assert not world.evm.ok(world.store, "paused", 0)
    assert world.evm.ok(world.store, "guardian") == GUARDIAN
    world.evm.ok(world.set, "govern", call("setGuardian", ["address"], STRANGER), sender=TIMELOCK)
    assert world.evm.ok(world.store, "guardian") == STRANGER
    told = world.evm.call(world.set, "govern", call("pause", ["uint16[]"], [9]), sender=TIMELOCK)
    assert told[0] == "UnknownIndex", "the store's own error"


def test_nobody_else_governs(world: StakeWorld) -> None:
    for who in (OWNER, GUARDIAN, STRANGER, operator(1)):
        assert world.evm.call(world.set, "govern", call("pause", ["uint16[]"], []), sender=who)[0] == "NotTimelock"
        assert world.evm.call(world.set, "startMigration", who, sender=who)[0] == "NotTimelock"
        assert world.evm.call(world.set, "finishMigration", sender=who)[0] == "NotTimelock"


def test_everybody_can_leave_before_the_store_has_another_owner(world: StakeWorld) -> None:
    """The delay is longer than what anybody who signs has to answer for, also one who signs until the announcement."""
    who = world.enter_all(90, 80, 70, 60)
    world.rotate()
    world.evm.ok(world.set, "startMigration", STRANGER, sender=TIMELOCK)
    announced_s = world.evm.now
    world.evm.jump(ANSWER_S)
    assert world.evm.call(world.set, "finishMigration", sender=TIMELOCK)[0] == "NoMigration"
    assert world.evm.ok(world.set, "boundUntil", who[0]) <= announced_s + ANSWER_S
    world.evm.jump(1)
    assert world.evm.call(world.store, "acceptOwnership", sender=STRANGER)[0] == "NotOwner"
    world.evm.ok(world.set, "finishMigration", sender=TIMELOCK)
    assert world.evm.ok(world.store, "owner") == world.set
    world.evm.ok(world.store, "acceptOwnership", sender=STRANGER)
    assert world.evm.ok(world.store, "owner") == STRANGER
    assert world.rotation()[0] == "NotSetOwner"
    world.evm.ok(world.store, "transferOwnership", world.set, sender=STRANGER)
    assert world.evm.call(world.set, "acceptStore")[0] == "AlreadyMigrated"
    assert world.evm.call(world.set, "finishMigration", sender=TIMELOCK)[0] == "NoMigration"


def test_a_migration_is_taken_back_by_another_one_or_by_none(world: StakeWorld) -> None:
    world.evm.ok(world.set, "startMigration", STRANGER, sender=TIMELOCK)
    world.evm.ok(world.set, "startMigration", ZERO, sender=TIMELOCK)
    world.evm.jump(ANSWER_S + 1)
    assert world.evm.call(world.set, "finishMigration", sender=TIMELOCK)[0] == "NoMigration"
    world.evm.ok(world.set, "startMigration", STRANGER, sender=TIMELOCK)
    world.evm.jump(ANSWER_S)
    world.evm.ok(world.set, "startMigration", OWNER, sender=TIMELOCK)
    world.evm.jump(1)
    assert world.evm.call(world.set, "finishMigration", sender=TIMELOCK)[0] == "NoMigration", "its delay is its own"
