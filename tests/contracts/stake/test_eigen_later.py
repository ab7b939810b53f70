"""EigenStake against both shapes of EigenLayer's core: what v1.4 lacks is a stand-in's part (``EigenLaterStandIn``).

What differs later, and what it means here: ``slashOperator`` returns (slashId, shares) under the same selector, not read here; a
set has one slasher, which is named when it is made (``namesSlasher``), and the old way makes the service the slasher, so both
work until the old one is gone. KeyRegistrar, certificates and redistribution (``EigenKeysStandIn``) are not used: keys are in the
book, where they rotate, the store takes signatures itself, and what is slashed is burned. Only a service can turn them on for its
set, and ours has no way to.
"""

from __future__ import annotations

from typing import Any

import pytest

import contracts
from demo.world.eigenlayer import NATIVE_STRATEGY
from tests.contracts.contract_tools import compiled
from tests.contracts.evm_process import OWNER
from tests.contracts.stake.eigen_world import (
    BLOCK_S,
    ETHER,
    OPERATORS,
    PENALTIES,
    REWARDS,
    SET_ID,
    STORE,
    WHOLE,
    EigenWorld,
    MiningEvm,
    case,
    core_error,
    registration,
)

OPERATOR = OPERATORS[0]
NOBODY = "0x" + "00" * 20


class LaterWorld(EigenWorld):
    """The stand-in for the later core, and our source over it."""

    def __init__(self, *, tells: bool, old_way_gone: bool, names_slasher: bool) -> None:
        evm = self.evm = MiningEvm()
        standin = compiled("tests/contracts/solidity/EigenLaterStandIn.sol")["EigenLaterStandIn"]
        self.later = evm.create(standin, tells, old_way_gone)
        self.book = evm.create(contracts.load("KeyBook"), OWNER)
        self.set = evm.create(compiled("tests/contracts/solidity/EigenSetStandIn.sol")["EigenSetStandIn"], STORE)
        evm.ok(self.book, "connect", self.set, PENALTIES, REWARDS)
        settings = (
            OWNER,
            self.later,
            self.later,
            self.book,
            OWNER,
            NOBODY,
            NOBODY,
            SET_ID,
            BLOCK_S,
            names_slasher,
            "about:",
        )
        self.source = evm.create(contracts.load("EigenStake"), settings, [(NATIVE_STRATEGY, NOBODY)])
        evm.ok(self.set, "addSource", self.source)

    def connect(self) -> str:
        return self.evm.call(self.source, "connect", self.set, PENALTIES, REWARDS)[0]

    def register(self, operator: str, data: bytes, *_: object, **__: object) -> str:
        return self.evm.call(self.later, "registerForOperatorSets", operator, self.source, [SET_ID], data)[0]


SHAPES = [
    (tells, gone, names) for tells in (False, True) for gone, names in ((False, False), (False, True), (True, True))
]


@pytest.mark.parametrize(("tells", "gone", "names"), SHAPES)
def test_the_same_contract_serves_both_shapes_of_the_core(*, tells: bool, gone: bool, names: bool) -> None:
    world = LaterWorld(tells=tells, old_way_gone=gone, names_slasher=names)
    evm = world.evm
    assert world.connect() == ""
    assert evm.ok(world.later, "slasher").lower() == world.source.lower()
    assert evm.call(world.source, "registerOperator", OPERATOR, world.source, [SET_ID], b"")[0] == "NotAllowed"
    assert world.register(OPERATOR, registration(world.consent(OPERATOR, 0))) == ""
    evm.ok(world.later, "delegate", OPERATOR, NATIVE_STRATEGY, 64 * ETHER)
    assert world.by_kind(OPERATOR) == (0, 64 * ETHER)
    assert world.seize(OPERATOR, WHOLE // 4, case(1)) == ("", 16 * ETHER)
    assert world.seize(OPERATOR, WHOLE // 2, case(2)) == ("", 24 * ETHER)
    assert world.stake(OPERATOR) == 24 * ETHER
    assert world.take(case(1)) == ("", 16 * ETHER)
    assert world.restore(case(2)) == ""
    assert world.stake(OPERATOR) == world.slashable(OPERATOR) == 48 * ETHER
    capture = evm.now
    evm.ok(world.later, "deregisterFromOperatorSets", OPERATOR, world.source, [SET_ID])
    assert evm.ok(world.set, "isCandidate", OPERATOR) is False
    assert (world.stake(OPERATOR), world.slashable(OPERATOR, capture)) == (0, 48 * ETHER)
    evm.mine(100)
    assert world.seize(OPERATOR, WHOLE, case(3), capture) == ("", 48 * ETHER)
    assert world.take(case(3)) == ("", 48 * ETHER)
    assert world.slashable(OPERATOR) == 0


def test_a_core_without_the_old_way_must_be_told_the_slasher() -> None:
    world = LaterWorld(tells=True, old_way_gone=True, names_slasher=False)
    assert world.connect() != ""
    assert world.evm.ok(world.later, "slasher") == NOBODY


def test_a_core_that_names_somebody_else_the_slasher_is_not_obeyed_silently() -> None:
    world = LaterWorld(tells=True, old_way_gone=False, names_slasher=True)
    assert world.connect() == ""
    assert world.register(OPERATOR, registration(world.consent(OPERATOR, 0))) == ""
    world.evm.ok(world.later, "delegate", OPERATOR, NATIVE_STRATEGY, ETHER)
    assert world.seize(OPERATOR, WHOLE, case(1)) == ("", ETHER)
    world.evm.ok(world.later, "setSlasher", OWNER)
    assert world.take(case(1))[0] == "SlashingFailed"
    world.evm.ok(world.later, "setSlasher", world.source)
    assert world.take(case(1)) == ("", ETHER)


@pytest.mark.parametrize("tells", [False, True])
def test_in_later_releases_too_what_is_slashed_is_burned(*, tells: bool) -> None:
    """In a step of its own, by anybody, which changes nothing here; nobody is paid."""
    world = LaterWorld(tells=tells, old_way_gone=True, names_slasher=True)
    assert world.connect() == ""
    assert world.register(OPERATOR, registration(world.consent(OPERATOR, 0))) == ""
    evm, later = world.evm, world.later
    evm.ok(later, "delegate", OPERATOR, NATIVE_STRATEGY, 64 * ETHER)
    (burned,) = {evm.ok(later, "getRedistributionRecipient", (who, SET_ID)) for who in (world.source, NOBODY)}
    for number, left in ((1, 48 * ETHER), (2, 36 * ETHER)):
        assert world.seize(OPERATOR, WHOLE // 4, case(number))[0] == ""
        assert world.take(case(number))[0] == ""
        assert evm.ok(later, "slashes") == number
        assert evm.ok(later, "waiting", number, NATIVE_STRATEGY) == left // 3
        assert world.stake(OPERATOR) == left
    for number in (2, 1, 1):
        evm.ok(later, "clearBurnOrRedistributableShares", (world.source, SET_ID), number)
        assert world.stake(OPERATOR) == world.slashable(OPERATOR) == 36 * ETHER
    assert [evm.ok(later, "paid", who) for who in (burned, world.source, OPERATOR, OWNER)] == [28 * ETHER, 0, 0, 0]


def test_nobody_else_speaks_for_the_set_in_later_releases() -> None:
    """No other slasher, no recipient, no second book of keys, no certificates: what EigenLayer lets the service do alone, ours never does."""
    world = LaterWorld(tells=True, old_way_gone=True, names_slasher=True)
    assert world.connect() == ""
    assert world.register(OPERATOR, registration(world.consent(OPERATOR, 0))) == ""
    evm, later = world.evm, world.later
    keys = evm.create(compiled("tests/contracts/solidity/EigenLaterStandIn.sol")["EigenKeysStandIn"])

    def turned_on(avs: str) -> list[tuple[str, str, tuple[Any, ...], str]]:
        """What turns each of them on for a service's set, and how somebody else is refused."""
        its, made = (avs, SET_ID), [(1, [NATIVE_STRATEGY], OWNER)]
        return [
            (later, "updateSlasher", (its, OWNER), "InvalidCaller"),
            (later, "createRedistributingOperatorSets", (avs, made, [OWNER]), "InvalidCaller"),
            (keys, "configureOperatorSet", (its, 1), "InvalidPermissions"),
            (keys, "createGenerationReservation", (its, OWNER, (OWNER, 0)), "InvalidPermissions"),
        ]

    for sender in (OWNER, OPERATOR, PENALTIES, REWARDS):
        for to, name, args, error in turned_on(world.source):
            assert evm.call(to, name, *args, sender=sender)[0] == core_error(error), (name, sender)
    key = (OPERATOR, (world.source, SET_ID), bytes(20), b"")
    assert evm.call(keys, "registerKey", *key, sender=OPERATOR)[0] == core_error("OperatorSetNotConfigured")
    certificate = ((world.source, SET_ID), b"", [1])
    error = evm.call(keys, "verifyCertificateProportion", *certificate)[0]
    assert error == core_error("ReferenceTimestampDoesNotExist")
    # a service that turns them on can
    evm.ok(later, "updateAVSMetadataURI", OWNER, "about:")
    for to, name, args, _ in turned_on(OWNER):
        assert evm.call(to, name, *args)[0] == "", name
    evm.ok(keys, "registerKey", OPERATOR, (OWNER, SET_ID), bytes(20), b"", sender=OPERATOR)
    assert evm.ok(keys, "verifyCertificateProportion", (OWNER, SET_ID), b"", [1])
