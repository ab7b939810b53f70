"""EigenStake against those who mean no good, and parts of EigenLayer that fail."""

from __future__ import annotations

from typing import Any

import pytest
from eth_abi.abi import encode
from eth_utils.crypto import keccak

import contracts
from demo.world import eigenlayer
from oracle.sign.announcement import Announcement, announcement_preimage, signed_announcement
from oracle.sign.eip712 import Domain, address_of
from tests.contracts.evm_process import KEYS, OWNER, signature
from tests.contracts.stake.eigen_world import (
    BURNS_GAS,
    DELAY,
    ETHER,
    FIRST_BLOCK,
    NO_CONSENT,
    OPERATORS,
    PENALTIES,
    REVERTS,
    REWARDS,
    SAYS_A_LOT,
    SAYS_HALF_A_WORD,
    SAYS_THE_MOST,
    SET_ID,
    STAKERS,
    STORE,
    WHOLE,
    EigenWorld,
    case,
    core_error,
    registration,
)

OPERATOR, OTHER, STAKER, OTHER_STAKER = *OPERATORS[:2], *STAKERS[:2]
NOBODY = "0x" + "00" * 20
DEPOSIT = 100 * ETHER


def staked(**changes: Any) -> EigenWorld:
    """An operator with the same of all three strategies behind it."""
    world = EigenWorld(**changes)
    for staker, strategy in zip(STAKERS, world.strategies.ascending(), strict=False):
        world.deposit(staker, strategy, DEPOSIT)
    world.joined(OPERATOR, 0, *((s, WHOLE) for s in world.strategies.ascending()))
    for staker in STAKERS[:3]:
        world.delegate(staker, OPERATOR)
    world.evm.mine()
    return world


# ------------------------------------------------------------------------------------------------------- registration


def test_nobody_registers_without_the_keys_consent() -> None:
    world = EigenWorld()
    for operator in (OPERATOR, OTHER):
        world.enlist(operator)
    good = world.consent(OPERATOR, 0)
    stolen = ("0x" + address_of(KEYS[1]).hex(), *good[1:])
    assert world.register(OPERATOR, registration(stolen)) == "NoConsent"
    assert world.register(OTHER, registration(good)) == "NoConsent", "it says whom it speaks for"
    assert world.register(OPERATOR, registration(world.consent(OPERATOR, 0, nonce=1))) == "WrongNonce"
    old = world.consent(OPERATOR, 0, expiry=world.evm.now - 1)
    assert world.register(OPERATOR, registration(old)) == "ConsentIsOver"
    assert world.register(OPERATOR, registration(NO_CONSENT)) == "NoKey"
    for garbage in (b"", b"\x01", bytes(31), bytes(160), keccak(text="garbage") * 6, b"\xff" * 4_000):
        assert world.register(OPERATOR, garbage) != ""
    assert world.evm.ok(world.set, "isCandidate", OPERATOR) is False
    assert world.register(OPERATOR, registration(good)) == ""
    assert world.evm.ok(world.book, "operatorOf", good[0]).lower() == OPERATOR
    assert world.evm.ok(world.set, "isCandidate", OPERATOR) is True
    assert world.register(OTHER, registration(world.consent(OTHER, 0))) == "KeyIsTaken"
    assert world.register(OTHER, world.data(OTHER, 1)) == ""


def test_nobody_is_registered_but_by_eigenlayer_and_for_our_set() -> None:
    world = EigenWorld()
    evm, source = world.evm, world.source
    world.enlist(OPERATOR)
    data = world.data(OPERATOR, 0)
    for sender in (OPERATOR, OWNER, PENALTIES, REWARDS):
        assert evm.call(source, "registerOperator", OPERATOR, source, [SET_ID], data, sender=sender)[0] == "NotAllowed"
        assert evm.call(source, "deregisterOperator", OPERATOR, source, [SET_ID], sender=sender)[0] == "NotAllowed"
    core = world.core.allocations
    assert world.register(OPERATOR, data, [SET_ID + 1]) == core_error("InvalidOperatorSet")
    assert world.register(OPERATOR, data, [SET_ID, SET_ID]) == core_error("AlreadyMemberOfSet")
    assert world.register(OPERATOR, data, []) == "NotOurSet"
    # another service names us its registrar, or borrows our id
    evm.ok(core, "updateAVSMetadataURI", OWNER, "")
    assert evm.call(core, "setAVSRegistrar", OWNER, source)[0] == core_error("InvalidAVSRegistrar")
    evm.ok(core, "createOperatorSets", OWNER, [(SET_ID, world.strategies.ascending())])
    assert world.register(OPERATOR, data, avs=OWNER) != ""
    assert evm.ok(world.set, "isCandidate", OPERATOR) is False
    # nobody but the service acts for it
    assert evm.call(core, "setAVSRegistrar", source, OWNER)[0] == core_error("InvalidPermissions")
    assert evm.call(core, "createOperatorSets", source, [(SET_ID + 1, [])])[0] == core_error("InvalidPermissions")
    slash = (OPERATOR, SET_ID, [world.strategies.wdiveth], [WHOLE], "")
    assert evm.call(core, "slashOperator", source, slash)[0] == core_error("InvalidPermissions")
    # whatever EigenLayer came to ask
    evm.replace_code(core, "")
    for avs, ids in ((OWNER, [SET_ID]), (source, [SET_ID + 1]), (source, []), (source, [SET_ID, SET_ID])):
        assert evm.call(source, "registerOperator", OPERATOR, avs, ids, data, sender=core)[0] == "NotOurSet"


def test_who_is_jailed_does_not_come_back_by_another_door() -> None:
    world = EigenWorld()
    world.enlist(OPERATOR)
    world.evm.ok(world.set, "setJailed", OPERATOR, True)
    assert world.register(OPERATOR, world.data(OPERATOR, 0)) not in {"", "NotOurSet"}
    assert world.evm.ok(world.book, "keyOf", OPERATOR) == NOBODY, "and nothing of it stays"


def announcement(key: int) -> bytes:
    said = Announcement(counter=5, network_key=b"\x33" * 20, urls=("wss://a.example:7100",), certificate=b"\x44" * 32)
    domain = Domain(chain_id=1, store=bytes.fromhex(STORE[2:]))
    return signed_announcement(
        address_of(KEYS[key]), said, signature(key, keccak(announcement_preimage(domain, said)))
    ).raw


def test_an_announcement_is_handed_on_and_a_bad_one_keeps_nobody_out() -> None:
    world = EigenWorld()
    evm = world.evm
    for key, told in enumerate((announcement(0), b"", b"nonsense" * 50)):
        world.enlist(OPERATORS[key])
        assert world.register(OPERATORS[key], world.data(OPERATORS[key], key, told)) == ""
    keys = ["0x" + address_of(KEYS[key]).hex() for key in range(3)]
    assert [p[0] for p in evm.ok(world.directory, "announcedBy", STORE, keys)] == [5, 0, 0]
    evm.replace_code(world.directory, BURNS_GAS)
    world.enlist(OPERATORS[3])
    assert world.register(OPERATORS[3], world.data(OPERATORS[3], 3, announcement(3))) == ""
    assert evm.ok(world.set, "isCandidate", OPERATORS[3]) is True


def test_nobody_is_kept_in() -> None:
    """EigenLayer of v1.4 lets an operator out only if the registrar does not revert."""
    world = EigenWorld()
    evm = world.evm
    for key, operator in enumerate(OPERATORS[:3]):
        world.joined(operator, key, (world.strategies.wdiveth, WHOLE))
    evm.ok(world.set, "setBroken", True)
    assert world.deregister(OPERATORS[0]) == ""
    assert evm.ok(world.set, "isCandidate", OPERATORS[0]) is True
    evm.replace_code(world.set, BURNS_GAS)
    assert world.deregister(OPERATORS[1]) == ""
    evm.replace_code(world.set, REVERTS)
    assert world.deregister(OPERATORS[2]) == ""
    evm.replace_code(world.core.allocations, "")
    for ids in ([], [SET_ID, 1], [1]):
        evm.ok(world.source, "deregisterOperator", OPERATOR, world.source, ids, sender=world.core.allocations)


# ------------------------------------------------------------------------------------------------------ parts that fail


@pytest.mark.parametrize("fault", [REVERTS, BURNS_GAS, SAYS_HALF_A_WORD, SAYS_THE_MOST, SAYS_A_LOT, ""])
@pytest.mark.parametrize("which", ["strategy", "token"])
def test_a_strategy_that_fails_takes_no_other_along(fault: str, which: str) -> None:
    """It is slashed with the others, and who has nothing in it does not notice. Whoever has: there is no answer, rather than less."""
    world = staked()
    strategies = world.strategies
    others = world.stake(OPERATOR) - DEPOSIT * 102 // 100
    assert others == 2 * DEPOSIT
    world.deposit(STAKERS[3], strategies.wdiveth, DEPOSIT)
    world.joined(OTHER, 1, (strategies.wdiveth, WHOLE), (strategies.lrt, WHOLE))
    world.delegate(STAKERS[3], OTHER)
    world.evm.mine()
    behind_other = world.stake(OTHER)
    world.evm.replace_code(strategies.lrt if which == "strategy" else world.lrt, fault)
    for name in ("stakeOf", "stakeByKind"):
        assert world.evm.call(world.source, name, OPERATOR)[0] == "UnreadableStrategy"
    assert world.stake(OTHER) == behind_other
    assert world.slashable(OPERATOR) == others
    assert world.seize(OPERATOR, WHOLE // 2, case(1)) == ("", others // 2)
    assert world.take(case(1)) == ("", others // 2)
    assert [world.magnitude(OPERATOR, s) for s in strategies.ascending()] == [WHOLE // 2] * 3


def test_a_strategy_may_use_all_that_it_is_given() -> None:
    """The gas for one reading is enough for a strategy and a token's contract that both use theirs up."""
    world = staked()
    whole = world.stake(OPERATOR)
    frugal = "6103e8"
    answer = f"69{100 * ETHER:020x}60005260206000f3"
    slow = f"5b5a{frugal}106000" + "57" + answer
    world.evm.replace_code(world.strategies.lrt, slow)
    assert world.stake(OPERATOR) == whole
    rate = f"69{102 * 10**16:020x}60005260206000f3"
    world.evm.replace_code(world.lrt, f"5b5a{frugal}106000" + "57" + rate)
    assert world.stake(OPERATOR) == whole


def test_too_little_gas_makes_no_stake_smaller() -> None:
    """Whoever calls with less gets an error."""
    world = staked()
    evm = world.evm
    whole = {"stakeOf": world.stake(OPERATOR), "slashableOf": world.slashable(OPERATOR)}
    calls = {
        "stakeOf": keccak(text="stakeOf(address)")[:4] + encode(["address"], [OPERATOR]),
        "slashableOf": keccak(text="slashableOf(address,uint48)")[:4]
        + encode(["address", "uint48"], [OPERATOR, evm.now]),
    }
    answered = set()
    for name, data in calls.items():
        for gas in range(60_000, 460_000, 1_500):
            try:
                told = int.from_bytes(evm.evm.message_call(STAKER, world.source, data, gas=gas), "big")
            except RuntimeError:
                continue
            finally:
                evm.evm.reset_transient_storage()
            answered.add(name)
            assert told == whole[name], gas
    assert answered == set(calls)


def test_what_eigenlayer_refuses_to_slash_is_tried_again() -> None:
    world = staked()
    evm, core, strategies = world.evm, world.core, world.strategies
    assert world.seize(OPERATOR, WHOLE // 2, case(1)) == ("", world.stake(OPERATOR))
    evm.ok(core.allocations, "pause", 1 << 1)
    assert world.take(case(1))[0] == "SlashingFailed"
    assert evm.call(world.source, "takeRest", case(1))[0] == "UnknownCase", "not before it was carried out"
    evm.ok(core.allocations, "unpause", 0)
    code = evm.evm.basic(core.pods).code
    evm.replace_code(core.pods, REVERTS)
    error, value = world.take(case(1))
    assert (error, value) == ("", (DEPOSIT + DEPOSIT * 102 // 100) // 2), "native ether is refused, the others are not"
    assert [world.magnitude(OPERATOR, s) for s in (strategies.wdiveth, strategies.native)] == [WHOLE // 2, WHOLE]
    assert world.restore(case(1)) == "UnknownCase", "it is being taken"
    assert evm.call(world.source, "takeRest", case(1))[0] == "SlashingFailed"
    evm.replace_code(core.pods, bytes(code or b"").hex())
    assert evm.call(world.source, "takeRest", case(1), sender=STAKER) == ("", DEPOSIT // 2)
    assert [world.magnitude(OPERATOR, s) for s in strategies.ascending()] == [WHOLE // 2] * 3
    assert evm.call(world.source, "takeRest", case(1))[0] == "UnknownCase"


IMPLEMENTATION = int.from_bytes(keccak(text="eip1967.proxy.implementation"), "big") - 1


@pytest.mark.parametrize("part", ["AllocationManager", "DelegationManager"])
def test_nothing_counts_once_what_leaves_is_slashable_for_less_long(part: str) -> None:
    """EigenLayer's governance can replace its contracts; a penalty would come too late then."""
    world = staked()
    evm, core = world.evm, world.core
    shared = (core.pausers, core.permissions)
    args: dict[str, tuple[Any, ...]] = {
        "AllocationManager": (core.delegation, *shared, DELAY // 2, 0, "v1.4.0"),
        "DelegationManager": (core.strategies, core.pods, core.allocations, *shared, DELAY // 2, "v1.4.0"),
    }
    proxy = core.allocations if part == "AllocationManager" else core.delegation
    assert world.stake(OPERATOR) > 0
    made = evm.create(eigenlayer.core(part), *args[part])
    evm.evm.insert_account_storage(proxy, IMPLEMENTATION, int(made, 16))
    assert world.stake(OPERATOR) == 0
    assert int(evm.ok(world.source, "reachS")) == DELAY // 2 * 12
    assert world.slashable(OPERATOR) > 0, "it can be slashed all the same"


# ----------------------------------------------------------------------------------------------------------- who may


def test_only_the_penalties_hold_and_take_and_only_the_rewards_pay() -> None:
    world = staked()
    evm, source = world.evm, world.source
    for sender in (OWNER, OPERATOR, STAKER, REWARDS):
        for name, args in (
            ("seize", (OPERATOR, WHOLE, evm.now, case(1))),
            ("take", (case(1), STAKER, 0)),
            ("restore", (case(1),)),
        ):
            assert evm.call(source, name, *args, sender=sender)[0] == "NotAllowed"
    for sender in (OWNER, OPERATOR, PENALTIES):
        assert evm.call(source, "reward", 1, OPERATOR, world.wdiveth, 1, sender=sender)[0] == "NotAllowed"
    assert evm.call(source, "connect", world.set, OWNER, OWNER)[0] == "BadConnection"
    assert evm.call(source, "takeRest", case(9))[0] == "UnknownCase"
    assert [world.take(case(9))[0], world.restore(case(9))] == ["UnknownCase"] * 2


def test_settings_that_cannot_be_meant_are_refused() -> None:
    world = EigenWorld()
    evm = world.evm
    listed, artifact = world.listed(), contracts.load("EigenStake")

    def refused(settings: tuple[Any, ...], strategies: list[tuple[str, str]]) -> bool:
        try:
            evm.create(artifact, settings, strategies)
        except RuntimeError as e:
            return keccak(text="BadSettings()")[:4].hex() in str(e)
        return False

    good = world.settings()
    assert not refused(good, listed)
    for name in ("book", "values"):
        assert refused(world.settings(**{name: NOBODY}), listed)
    assert refused(world.settings(secondsPerBlock=0), listed)
    (first, token), native = listed[0], (world.strategies.native, NOBODY)
    for wrong in (
        [],
        listed[::-1],
        [listed[0], listed[0]],
        [(first, world.weth)],
        [(first, NOBODY)],
        [(NOBODY, token)],
        [(native[0], token)],
        [*listed, *[("0x" + f"{i:02x}" * 20, token) for i in (0xF0, 0xF1)]],
    ):
        assert refused(good, wrong), wrong
    assert not refused(good, [native])
    assert world.evm.number >= FIRST_BLOCK
