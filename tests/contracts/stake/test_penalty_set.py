"""`Penalties` with the real set, book and store: a proof cuts the operator from its sets, and a give-back lets it join again.

The source of stake is a stand-in that holds ether.
"""

from __future__ import annotations

from typing import Any

import pytest
from eth_utils.crypto import keccak

import contracts
from oracle.sign.eip712 import Domain, batch_bytes, sign_compact
from tests.contracts.contract_tools import WAD, Item
from tests.contracts.evm_process import GUARDIAN, OWNER, STRANGER, Evm, word_digest, word_evidence
from tests.contracts.stake.penalty_world import ARBITER, standin
from tests.contracts.stake.stake_world import (
    DAY_S,
    DELAY_S,
    ETHER,
    FOUNDERS,
    JOIN_S,
    LONGEST_S,
    MAX_AGE_S,
    OVERLAP_S,
    REWARDS,
    SETTINGS,
    SOURCE_GAS,
    ZERO,
    StakeWorld,
    address,
    operator,
    windows_of,
)

DISPUTE_S = 3 * DAY_S
STAKE = 100 * ETHER


class JudgedSet(StakeWorld):
    """Five operators of as much stake, who have signed since epoch 2."""

    def __init__(self) -> None:
        self.evm = evm = Evm()
        self.settings, self.source_gas = dict(SETTINGS), SOURCE_GAS
        roles = (OWNER, GUARDIAN, MAX_AGE_S, DELAY_S, OVERLAP_S, LONGEST_S)
        founders = [address(k) for k in FOUNDERS]
        self.store = evm.create(contracts.load("PriceStore"), roles, [(1, 9_999, 1)], founders, [1, 1, 1], 2, 3)
        self.book = evm.create(contracts.load("KeyBook"), OWNER)
        self.sources = [evm.create(standin("SourceStandIn"), 2**256 - 1)]
        self.set = evm.create(contracts.load("StakedSet"), *self.arguments())
        self.windows = windows_of(evm, self.set)
        terms = (DISPUTE_S, DAY_S, WAD // 100, 30 * DAY_S, 500)
        args = (self.set, self.book, self.sources, ARBITER, terms, [(1, self.store)])
        self.judge = evm.create(contracts.load("Penalties"), *args)
        evm.ok(self.sources[0], "connect", self.judge, self.set)
        for one in (self.set, self.book):
            evm.ok(one, "connect", self.set, self.judge, REWARDS)
        evm.ok(self.store, "transferOwnership", self.set)
        evm.ok(self.set, "acceptStore", sender=STRANGER)
        self.keys: dict[str, Any] = {}
        self.made = 0
        self.members_all = [operator(n) for n in range(1, 6)]
        for who in self.members_all:
            self.new_key(who)
            bond = keccak(text="bond(address)")[:4] + bytes.fromhex(who[2:]).rjust(32, b"\0")
            evm.pay(OWNER, self.sources[0], bond, STAKE)
            evm.ok(self.set, "join", sender=who)
        evm.jump(JOIN_S)
        self.change()

    def lied(self, who: str, epoch: int, **words: Any) -> tuple[str, Any]:
        """Two words of an operator for an epoch and a round; the error, or evidence and case."""
        domain = Domain(chain_id=1, store=bytes.fromhex(self.store[2:]))
        key = self.keys[self.evm.ok(self.book, "keyOf", who)]
        told = []
        for market in (WAD, WAD + 1):
            batch = batch_bytes(epoch, words.get("round_s", self.evm.now), Item(0, market=market).packed())
            told.append(word_evidence(0, batch, sign_compact(key, word_digest(domain, 0, batch))))
        return self.evm.call(self.judge, "prove", *told, 0, sender=STRANGER)

    def weights_now(self) -> list[int]:
        return list(self.evm.ok(self.store, "signerSet")[3])


@pytest.fixture(scope="module")
def world() -> JudgedSet:
    return JudgedSet()


def test_a_key_that_was_given_back_signs_no_more() -> None:
    """Who was cleared joins with another key; the one that it lied with, stolen or not, gets no weight again."""
    world = JudgedSet()
    liar, evm = world.members_all[0], world.evm
    old = evm.ok(world.book, "keyOf", liar)
    error, proven = world.lied(liar, world.rotate_at_once() - 1)
    assert error == ""
    assert evm.ok(world.book, "keyOf", liar) == ZERO
    evm.ok(world.judge, "giveBack", proven[1], sender=ARBITER)
    evm.jump(1)
    assert evm.call(world.set, "join", sender=liar)[0] == "NoKey"
    again = world.consent(liar, world.keys[old])
    assert evm.call(world.book, "setKey", again, sender=liar)[0] == "KeyIsTaken"
    new = world.new_key(liar)
    evm.ok(world.set, "join", sender=liar)
    evm.jump(JOIN_S)
    epoch = world.change()
    keys, operators, _ = world.members(epoch)
    assert dict(zip(operators, keys, strict=True))[liar] == new
    assert old not in keys


def test_a_liar_is_cut_from_every_set_and_joins_again_only_after_a_give_back(world: JudgedSet) -> None:
    liar, evm = world.members_all[0], world.evm
    coming = world.rotate_at_once()
    error, proven = world.lied(liar, coming - 1)
    assert error == ""
    assert sorted(world.weights_now()) == [0] + [STAKE] * 4
    assert evm.ok(world.set, "isCandidate", liar) is False
    assert evm.call(world.set, "join", sender=liar)[0] == "InJail"
    world.arm()
    assert sorted(world.weights_now()) == [0] + [STAKE] * 4, "the set that was to come had it too"
    world.change()
    assert world.weights_now() == [STAKE] * 4
    evm.ok(world.judge, "giveBack", proven[1], sender=ARBITER)
    world.new_key(liar)
    evm.ok(world.set, "join", sender=liar)
    evm.jump(JOIN_S)
    epoch = world.change()
    assert len(world.weights_now()) == 5
    error, again = world.lied(liar, epoch)
    assert (error, again[1] != proven[1]) == ("", True)
    assert 0 in world.weights_now()
