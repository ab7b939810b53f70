"""The real set over stake in EigenLayer: who registers there is a candidate, and weighs what can be slashed there."""

from __future__ import annotations

import pytest

import contracts
from oracle.sign.eip712 import Domain, address_of, batch_bytes
from tests.contracts.contract_tools import Item
from tests.contracts.evm_process import GUARDIAN, KEYS, OWNER, STRANGER, signature, word_digest, word_evidence
from tests.contracts.stake.eigen_world import ETHER, OPERATORS, PENALTIES, REACH_S, REWARDS, STAKERS, WHOLE, EigenWorld
from tests.contracts.stake.stake_world import (
    ANSWER_S,
    DAY_S,
    DELAY_S,
    EPOCH_S,
    JOIN_S,
    LONGEST_S,
    MAX_AGE_S,
    OVERLAP_S,
    SETTINGS,
    with_gas,
)

DISPUTE_S = 3 * DAY_S
SOURCE_GAS = 400_000
"""What `stakeOf` may have: for a reading of three strategies, and one that uses all it is given."""


class StakedEigen(EigenWorld):
    """A store that the set owns, with EigenLayer as the set's only source."""

    def connect_set(self) -> None:
        evm = self.evm
        signers = ["0x" + address_of(k).hex() for k in KEYS[:3]]
        roles = (OWNER, GUARDIAN, MAX_AGE_S, DELAY_S, OVERLAP_S, LONGEST_S)
        self.store = evm.create(contracts.load("PriceStore"), roles, [(1, 9_999, 1)], signers, [1, 1, 1], 2, 3)
        self.source = evm.create(contracts.load("EigenStake"), self.settings(), self.listed())
        rules = tuple(SETTINGS.values())
        self.set = evm.create(
            contracts.load("StakedSet"), self.store, self.book, with_gas([self.source], SOURCE_GAS), rules, OWNER
        )
        for one in (self.book, self.source, self.set):
            evm.ok(one, "connect", self.set, self.judge(), REWARDS)
        evm.ok(self.store, "transferOwnership", self.set)
        evm.ok(self.set, "acceptStore", sender=STRANGER)

    def judge(self) -> str:
        """Who takes stake: an account in place of the penalties contract."""
        return PENALTIES

    def rotated(self) -> dict[str, int]:
        """Weights by operator of the set that was frozen."""
        evm = self.evm
        evm.jump(max(0, int(evm.ok(self.set, "nextRotateAt")) - evm.now))
        self.epoch = int(evm.ok(self.set, "rotate", sender=STRANGER))
        _, operators, weights = evm.ok(self.set, "membersOf", self.epoch)
        return dict(zip(operators, weights, strict=True))


def test_who_registers_in_eigenlayer_weighs_what_can_be_slashed_there() -> None:
    world = StakedEigen()
    evm, strategies = world.evm, world.strategies
    for i, (operator, staker) in enumerate(zip(OPERATORS, STAKERS, strict=True)):
        world.enlist(operator)
        assert world.allocate(operator, *((s, WHOLE) for s in strategies.ascending())) == ""
        early = world.register(operator, world.data(operator, i))
        assert early == "TooLittleStake", "what it has must be there when it registers"
        world.deposit(staker, strategies.wdiveth if i % 2 else strategies.native, (40 + i) * ETHER)
        world.delegate(staker, operator)
        assert world.register(operator, world.data(operator, i)) == ""
        assert evm.ok(world.set, "isCandidate", operator) is True
    assert REACH_S > ANSWER_S, "a penalty comes in time"
    evm.jump(JOIN_S)
    assert world.rotated() == {o: (40 + i) * ETHER for i, o in enumerate(OPERATORS)}
    # one leaves: it is no candidate from then on, and what it signed before can be slashed
    capture = evm.now
    assert world.deregister(OPERATORS[3]) == ""
    assert evm.ok(world.set, "isCandidate", OPERATORS[3]) is False
    evm.jump(EPOCH_S)
    assert set(world.rotated()) == set(OPERATORS[:3])
    assert world.slashable(OPERATORS[3], capture) == 43 * ETHER
    # another is jailed, and does not come back through EigenLayer
    evm.ok(world.set, "jail", OPERATORS[2], evm.now + 365 * EPOCH_S, sender=PENALTIES)
    assert world.deregister(OPERATORS[2]) == ""
    evm.mine(100_801)
    assert world.register(OPERATORS[2], world.data(OPERATORS[2], 5)) == "InJail"
    assert world.register(OPERATORS[3], world.data(OPERATORS[3], 6)) == ""
    assert evm.ok(world.set, "isCandidate", OPERATORS[3]) is True


class JudgedEigen(StakedEigen):
    """With the real penalties too."""

    penalties = ""

    def judge(self) -> str:
        domain = (1, self.store)
        terms = (DISPUTE_S, DAY_S, WHOLE // 20, 7 * DAY_S, 500)
        if not self.penalties:
            parts = (self.set, self.book, [self.source], GUARDIAN, terms, [domain])
            self.penalties = self.evm.create(contracts.load("Penalties"), *parts)
        return self.penalties

    def word(self, key: int, market: int) -> tuple[int, int, bytes, bytes, bytes]:
        """A batch of the newest epoch with one price."""
        domain = Domain(chain_id=1, store=bytes.fromhex(self.store[2:]))
        batch = batch_bytes(self.epoch, self.evm.now // 10 * 10, Item(0, market=market).packed())
        return word_evidence(0, batch, signature(key, word_digest(domain, 0, batch)))


@pytest.mark.parametrize("given_back", [False, True])
def test_who_says_two_things_is_slashed_in_eigenlayer_after_the_dispute(*, given_back: bool) -> None:
    world = JudgedEigen()
    evm, strategy = world.evm, world.strategies.wdiveth
    for i, (operator, staker) in enumerate(zip(OPERATORS, STAKERS, strict=True)):
        world.enlist(operator)
        assert world.allocate(operator, (strategy, WHOLE)) == ""
        world.deposit(staker, strategy, 40 * ETHER)
        world.delegate(staker, operator)
        assert world.register(operator, world.data(operator, i)) == ""
    evm.jump(JOIN_S)
    assert world.rotated() == dict.fromkeys(OPERATORS, 40 * ETHER)
    evm.jump(DAY_S)
    _, case_id = evm.ok(world.penalties, "prove", world.word(1, 10**18), world.word(1, 2 * 10**18), 0, sender=STRANGER)
    lost = 40 * ETHER // 20
    assert world.stake(OPERATORS[1]) == 40 * ETHER - lost
    assert evm.ok(world.set, "isCandidate", OPERATORS[1]) is False
    assert world.deregister(OPERATORS[1]) == "", "it goes, and what it did stays with it"
    assert evm.call(world.penalties, "carryOut", case_id)[0] == "NotNow"
    if given_back:
        evm.ok(world.penalties, "giveBack", case_id, sender=GUARDIAN)
    evm.jump(DISPUTE_S)
    if not given_back:
        evm.ok(world.penalties, "carryOut", case_id, sender=STRANGER)
    left = 40 * ETHER - (0 if given_back else lost)
    assert [world.withdrawable(s, strategy) for s in STAKERS[:2]] == [40 * ETHER, left]
    assert int(evm.ok(world.core.strategies, "getBurnableShares", strategy)) == 40 * ETHER - left
