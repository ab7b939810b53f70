"""DelegatedStake under the real set, book, store and values: a weight never stands for shares that leave while it can sign.

What the token's contract says is a stand-in, so that it can break.
"""

from __future__ import annotations

import pytest
from eth_utils.crypto import keccak

import contracts
from tests.contracts.contract_tools import compiled
from tests.contracts.evm_process import GUARDIAN, OWNER, STRANGER, TREASURY, Evm
from tests.contracts.stake.delegated_world import DEMO
from tests.contracts.stake.stake_world import (
    ANSWERS,
    BURNS,
    DAY_S,
    DELAY_S,
    ETHER,
    FOUNDERS,
    JOIN_S,
    LONGEST_S,
    MAX_AGE_S,
    OVERLAP_S,
    PENALTIES,
    REVERTS,
    REWARDS,
    SETTINGS,
    SOURCE_GAS,
    SOURCES,
    StakeWorld,
    address,
    operator,
    windows_of,
)

GET_RATE = keccak(text="getRate()")[:4]
ANNA = operator(77)
OWN, DELEGATED = 60 * ETHER, 40 * ETHER


class DelegatedSet(StakeWorld):
    """Four operators, with tokens of their own and of Anna's."""

    def __init__(self) -> None:
        self.evm = evm = Evm()
        self.settings, self.source_gas = dict(SETTINGS), SOURCE_GAS
        roles = (OWNER, GUARDIAN, MAX_AGE_S, DELAY_S, OVERLAP_S, LONGEST_S)
        founders = [address(k) for k in FOUNDERS]
        self.store = evm.create(contracts.load("PriceStore"), roles, [(1, 9_999, 1)], founders, [1, 1, 1], 2, 3)
        self.book = evm.create(contracts.load("KeyBook"), OWNER)
        diva = evm.create(contracts.load("DivETH", DEMO))
        self.token = evm.create(contracts.load("WdivETH", DEMO), diva)
        self.rate = evm.create(compiled(SOURCES)["ToldRate"])
        listing = (self.token, self.rate, GET_RATE, 10_000, 1_000)
        self.values = evm.create(contracts.load("CollateralValues"), [listing])
        self.source = evm.create(
            contracts.load("DelegatedStake"), OWNER, self.token, self.values, TREASURY, DAY_S, 2_000, []
        )
        self.sources = [self.source]
        self.set = evm.create(contracts.load("StakedSet"), *self.arguments())
        self.windows = windows_of(evm, self.set)
        for one in (self.set, self.book, self.source):
            evm.ok(one, "connect", self.set, PENALTIES, REWARDS)
        evm.ok(self.store, "transferOwnership", self.set)
        evm.ok(self.set, "acceptStore", sender=STRANGER)
        self.keys, self.made = {}, 0
        evm.evm.message_call(OWNER, self.token, b"", value=1_000 * ETHER)
        self.members_all = [operator(n) for n in range(1, 5)]
        for who in self.members_all:
            self.new_key(who)
            evm.ok(self.source, "enroll", 0, sender=who)
            for restaker, amount in ((who, OWN), (ANNA, DELEGATED)):
                evm.ok(self.token, "transfer", restaker, amount)
                evm.ok(self.token, "approve", self.source, amount, sender=restaker)
                evm.ok(self.source, "deposit", who, amount, sender=restaker)
            evm.ok(self.set, "join", sender=who)
        evm.jump(JOIN_S)
        self.change()

    def refresh(self) -> None:
        self.evm.ok(self.values, "refresh", self.token, sender=STRANGER)


@pytest.mark.parametrize("manner", [ANSWERS, REVERTS, BURNS])
@pytest.mark.parametrize("recorded", [False, True])
def test_no_weight_is_kept_for_what_leaves(manner: int, *, recorded: bool) -> None:
    """The rate breaks, or does not, between a request and the freeze: what leaves is in no set that can still be proven."""
    world, who = DelegatedSet(), operator(1)
    evm = world.evm
    assert world.weights(2)[who] == OWN + DELEGATED
    evm.jump(3 * DAY_S // 4)
    if recorded:
        world.refresh()
    opens_at = evm.ok(world.source, "requestExit", who, DELEGATED, sender=ANNA)
    evm.ok(world.rate, "tell", ETHER, manner)
    evm.jump(2 * DAY_S - evm.ok(world.set, "keepsS"))
    epoch = world.rotate_at_once()
    counted = world.evm.ok(world.source, "stakeOf", who)
    assert counted == OWN
    assert world.weights(epoch)[who] == OWN
    assert evm.ok(world.set, "frozenOf", epoch)[1] >= opens_at, "words of this set can be proven after the exit"
    evm.jump(opens_at - evm.now)
    assert evm.ok(world.source, "withdraw", who, sender=ANNA) == DELEGATED


def test_a_rate_that_nobody_recorded_for_long_is_no_weight() -> None:
    world = DelegatedSet()
    world.evm.jump(2 * DAY_S)
    world.evm.ok(world.rate, "tell", ETHER, REVERTS)
    assert [world.evm.ok(world.source, "stakeOf", w) for w in world.members_all] == [0] * 4
    world.evm.ok(world.rate, "tell", ETHER, ANSWERS)
    assert world.evm.ok(world.source, "stakeOf", operator(1)) == OWN + DELEGATED


def test_a_caller_with_little_gas_gets_no_stake() -> None:
    """Otherwise it would decide by which rate a stake is valued, or that it is none."""
    world = DelegatedSet()
    world.evm.ok(world.rate, "tell", 2 * ETHER, ANSWERS)
    world.evm.jump(DAY_S)
    right = world.evm.ok(world.source, "stakeOf", operator(1))
    assert right > OWN + DELEGATED
    data = keccak(text="stakeOf(address)")[:4] + bytes.fromhex(operator(1)[2:]).rjust(32, b"\0")
    told: set[int | None] = set()
    for gas in range(30_000, 250_000, 1_000):
        try:
            answer = world.evm.evm.message_call(STRANGER, world.source, data, gas=gas, is_static=True)
        except RuntimeError:
            told.add(None)
        else:
            told.add(int.from_bytes(answer, "big"))
    assert told == {None, right}
