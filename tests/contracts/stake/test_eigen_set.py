"""The real set over stake in EigenLayer: who registers there is a candidate, and weighs what can be slashed there."""

from __future__ import annotations

import contracts
from oracle.sign.eip712 import address_of
from tests.contracts.evm_process import GUARDIAN, KEYS, OWNER, STRANGER
from tests.contracts.stake.eigen_world import ETHER, OPERATORS, PENALTIES, REACH_S, REWARDS, STAKERS, WHOLE, EigenWorld
from tests.contracts.stake.stake_world import (
    ANSWER_S,
    DELAY_S,
    EPOCH_S,
    JOIN_S,
    LONGEST_S,
    MAX_AGE_S,
    OVERLAP_S,
    SETTINGS,
)

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
        rules = tuple((SETTINGS | {"sourceGas": SOURCE_GAS}).values())
        self.set = evm.create(contracts.load("StakedSet"), self.store, self.book, [self.source], rules, OWNER)
        for one in (self.book, self.source, self.set):
            evm.ok(one, "connect", self.set, PENALTIES, REWARDS)
        evm.ok(self.store, "transferOwnership", self.set)
        evm.ok(self.set, "acceptStore", sender=STRANGER)

    def rotated(self) -> dict[str, int]:
        """Weights by operator of the set that was frozen."""
        evm = self.evm
        evm.jump(max(0, int(evm.ok(self.set, "nextRotateAt")) - evm.now))
        epoch = evm.ok(self.set, "rotate", sender=STRANGER)
        _, operators, weights = evm.ok(self.set, "membersOf", epoch)
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
