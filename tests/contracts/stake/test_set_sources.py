"""What sources of stake can do to the set, and what they cannot. Laws of docs/invariants.md, each under its name there."""

from __future__ import annotations

from typing import Any

import pytest
from eth_abi import encode
from eth_utils.crypto import keccak

from oracle.chain.store_abi import abi_type
from tests.contracts.contract_tools import compiled, error_of
from tests.contracts.evm_process import STRANGER
from tests.contracts.stake.stake_world import (
    ANSWERS,
    BOMB,
    BURNS,
    DAY_S,
    ENTERS,
    EPOCH_S,
    ETHER,
    JOIN_S,
    LONG,
    MEMBER,
    OBSERVED_S,
    REVERTS,
    SHORT,
    SOURCES,
    TOO_LITTLE,
    StakeWorld,
    error_in,
    operator,
)

BAD = {"reverts": REVERTS, "burns": BURNS, "bomb": BOMB, "short": SHORT, "enters": ENTERS, "long": LONG}
TRANSACTION_GAS = 2**24
"""The most that a transaction may use on Ethereum (EIP-7825)."""
COLD_GAS = 1_500_000
"""More than first accesses cost, which this EVM does not charge again in a later call."""
MOST_GAS = 7_000_000
"""The most that all sources may be given for one operator."""


@pytest.fixture
def world() -> StakeWorld:
    return StakeWorld(capBps=10_000)


def sent(world: StakeWorld, to: str, name: str, *args: Any) -> str:
    """The error of a call with as much gas as a transaction may have, less first accesses."""
    entry = world.evm.abis[to][name]
    kinds = [abi_type(i) for i in entry["inputs"]]
    data = keccak(text=f"{name}({','.join(kinds)})")[:4] + encode(kinds, args)
    try:
        world.evm.evm.message_call(STRANGER, to, data, gas=TRANSACTION_GAS - COLD_GAS)
    except RuntimeError as e:
        return error_in(str(e))
    return ""


def stakes(world: StakeWorld) -> dict[str, int]:
    return {who: row.stake for who, row in world.preview()[0].items()}


def test_a_deposit_for_the_call_counts_nothing(world: StakeWorld) -> None:
    """Stake that is there while somebody rotates, and before and after it is not."""
    who = world.enter_all(90, 80, 70, 60)
    world.change()
    world.evm.jump(EPOCH_S)
    borrower = world.evm.create(compiled(SOURCES)["Borrower"])
    world.evm.ok(borrower, "rotateWith", world.sources[0], who[0], 9_000 * ETHER, world.set)
    assert world.weights(3)[who[0]] == 90 * ETHER
    world.arm()
    assert stakes(world)[who[0]] == 90 * ETHER, "nor in the next epoch: it has gone by then"


def test_a_deposit_counts_from_the_second_freeze_on(world: StakeWorld) -> None:
    who = world.enter_all(90, 80, 70, 60)
    world.change()
    world.tell(who[0], 100 * ETHER)
    for expected in (90, 100):
        assert world.weights(world.change())[who[0]] == expected * ETHER


def test_a_weight_is_the_lowest_that_anybody_saw(world: StakeWorld) -> None:
    """Of a source since the last freeze; what left for a moment begins anew."""
    who = world.enter_all(90, 80, 70, 60)
    world.change()
    world.tell(who[0], 40 * ETHER)
    world.evm.ok(world.windows, "observe", [who[0], STRANGER], sender=STRANGER)
    world.tell(who[0], 200 * ETHER)
    world.evm.ok(world.windows, "observe", [who[0]], sender=STRANGER)
    assert stakes(world)[who[0]] == 40 * ETHER
    assert world.weights(world.change())[who[0]] == 40 * ETHER
    assert stakes(world)[who[0]] == 200 * ETHER, "and the window after begins with what was there at the freeze"


def test_going_and_coming_back_forgets_no_low(world: StakeWorld) -> None:
    who = world.enter_all(90, 80, 70, 60)
    world.change()
    world.tell(who[0], 40 * ETHER)
    world.evm.ok(world.windows, "observe", [who[0]])
    world.tell(who[0], 90 * ETHER)
    for act in ("leave", "join"):
        world.evm.ok(world.set, act, sender=who[0])
    world.evm.jump(JOIN_S)
    assert stakes(world)[who[0]] == 40 * ETHER


@pytest.mark.parametrize("manner", BAD.values(), ids=BAD)
def test_a_source_that_reverts_keeps_its_weight_for_one_epoch(world: StakeWorld, manner: int) -> None:
    """Or takes too much gas, answers too much or too little, or tries to enter the set. Then it counts nothing."""
    who = world.enter_all(90, 80, 70, 60, 50)
    world.change()
    world.tell(who[0], 95 * ETHER)
    world.behave(who[0], manner)
    world.evm.ok(world.windows, "observe", [who[0]])
    assert world.weights(world.change())[who[0]] == 90 * ETHER
    assert world.evm.ok(world.windows, "windowOf", world.sources[0], who[0])[:4] == (90 * ETHER, 90 * ETHER, 3, True)
    assert world.preview()[0][who[0]].place == TOO_LITTLE
    assert who[0] not in world.weights(world.change())
    world.behave(who[0], ANSWERS)
    world.change()
    assert stakes(world)[who[0]] == 95 * ETHER, (
        "it begins anew: nothing at the freeze that hears it again, all from then on"
    )


def test_a_source_that_answers_again_loses_nothing(world: StakeWorld) -> None:
    who = world.enter_all(90, 80, 70, 60)
    world.change()
    world.behave(who[0], REVERTS)
    world.change()
    world.behave(who[0], ANSWERS)
    assert world.weights(world.change())[who[0]] == 90 * ETHER


def test_no_weight_is_kept_longer_than_two_epochs() -> None:
    """However late anybody rotates: sources must reach back over what is kept, see every_source_must_reach_far_enough."""
    for late, kept in ((0, True), (1, False)):
        world = StakeWorld(sources=2)
        who = world.enter_all(100, 100, 100, 100)
        for one in who:
            world.tell(one, 100 * ETHER, 1)
            world.evm.ok(world.windows, "observe", [one])
        world.change()
        world.change()
        assert world.preview()[0][who[0]].stake == 200 * ETHER
        froze = world.evm.ok(world.set, "frozenAt")
        world.behave(who[0], REVERTS, 1)
        keeps = world.evm.ok(world.set, "keepsS")
        assert keeps == OBSERVED_S + 2 * DAY_S
        world.evm.jump(froze + keeps - OBSERVED_S + late - world.evm.now)
        assert world.preview()[0][who[0]].stake == (200 if kept else 100) * ETHER
        world.rotate()
        assert world.evm.ok(world.windows, "windowOf", world.sources[1], who[0])[1] == (100 * ETHER if kept else 0)


def test_one_source_that_fails_takes_no_other_with_it() -> None:
    world = StakeWorld(sources=2, capBps=10_000)
    who = world.enter_all(90, 80, 70, 60)
    for w in who:
        world.tell(w, 30 * ETHER, source=1)
    world.change()
    world.change()
    assert stakes(world)[who[0]] == 120 * ETHER
    for w in who:
        world.behave(w, BURNS, source=1)
    for expected in (120, 90):
        assert stakes(world)[who[0]] == expected * ETHER
        world.change()


def test_a_caller_with_little_gas_makes_no_source_fail(world: StakeWorld) -> None:
    """Whatever gas an inner call is given: either nothing happens, or every source was heard."""
    who = world.enter_all(90, 80, 70, 60)
    world.change()
    world.evm.jump(EPOCH_S)
    stingy = world.evm.create(compiled(SOURCES)["Stingy"])
    calls = {
        "rotate": (world.set, keccak(text="rotate()")[:4]),
        "observe": (world.windows, keccak(text="observe(address[])")[:4] + encode(["address[]"], [who])),
        "both": (world.set, keccak(text="observeAndRotate(address[])")[:4] + encode(["address[]"], [who])),
        "remove": (world.set, keccak(text="remove(address)")[:4] + encode(["address"], [who[0]])),
    }
    for name, (to, data) in calls.items():
        told = set()
        for gas in range(20_000, 3_000_000, 60_000):
            before = world.evm.evm.snapshot()
            done, answer = world.evm.ok(stingy, "call", to, data, gas)
            told.add("" if done else error_of(answer.hex())[0])
            windows = [world.evm.ok(world.windows, "windowOf", world.sources[0], w) for w in who]
            assert not any(w[3] or (w[4] and not w[5]) for w in windows), (name, gas)
            assert [w[0] for w in windows] == [s * ETHER for s in (90, 80, 70, 60)]
            world.evm.evm.revert(before)
        assert {"GasTooLow", "NothingToRemove" if name == "remove" else ""} <= told


@pytest.mark.parametrize("sources", [1, 4])
def test_rotate_fits_in_a_transaction_whatever_sources_do(sources: int) -> None:
    """All candidates' sources burn all that they are given, as much as can be: two operators are observed at once, and it is made."""
    world = StakeWorld(sources=sources, maxMembers=31, source_gas=MOST_GAS // sources, capBps=10_000)
    who = world.enter_all(*range(100, 100 + 39))
    world.change()
    world.evm.jump(EPOCH_S)
    for w in who:
        for i in range(sources):
            world.behave(w, BURNS, source=i)
    assert sent(world, world.set, "rotate") == "GasTooLow"
    for pair in zip(who[::2], [*who[1::2], who[0]], strict=True):
        assert sent(world, world.windows, "observe", list(pair)) == ""
        assert world.evm.gas_used > 2 * MOST_GAS
    assert sent(world, world.set, "rotate") == ""
    assert world.evm.gas_used < TRANSACTION_GAS // 2
    assert len(world.members(3)[0]) == 31


def test_stake_beyond_all_ether_counts_as_that(world: StakeWorld) -> None:
    """Weights of all members fit in the store's 96 bits, whatever sources say."""
    world.enter_all(90, 80, 70)
    world.new_key(who := operator(4))
    world.tell(who, 2**256 - 1)
    world.evm.ok(world.set, "join", sender=who)
    world.evm.jump(JOIN_S)
    assert stakes(world)[who] == 2**88 - 1
    assert world.weights(world.change())[who] == 2**88 - 1


def test_who_joins_while_a_source_is_silent_has_nothing_there() -> None:
    world = StakeWorld(sources=2, capBps=10_000)
    who = operator(1)
    world.new_key(who)
    world.tell(who, 50 * ETHER, source=0)
    world.tell(who, 70 * ETHER, source=1)
    world.behave(who, REVERTS, source=1)
    world.evm.ok(world.set, "join", sender=who)
    world.behave(who, ANSWERS, source=1)
    world.evm.jump(JOIN_S)
    row = world.preview()[0][who]
    assert (row.place, row.stake) == (MEMBER, 50 * ETHER)
