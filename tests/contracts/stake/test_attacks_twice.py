"""One vault's stake, shown for one operator after another while they are observed in parts: over Symbiotic's real core."""

from __future__ import annotations

import pytest

import contracts
from tests.contracts.contract_tools import WAD
from tests.contracts.evm_process import OWNER
from tests.contracts.stake.stake_world import JOIN_S, PENALTIES, REWARDS, StakeWorld, windows_of, with_gas
from tests.contracts.stake.symbiotic_world import ANN, BOB, CURATOR, SymbioticWorld

CARL = "0x" + "00" * 19 + "c1"
TOGETHER = (ANN, BOB, CARL)


def test_stake_that_moves_between_observations_counts_once() -> None:
    symbiotic = SymbioticWorld()
    evm = symbiotic.evm
    evm.evm.set_balance(CARL, 10**27)
    made = symbiotic.counted({ANN: WAD, BOB: WAD, CARL: WAD}, 300 * WAD)
    evm.jump(10)
    world = StakeWorld(evm)
    print("gas", [g for g in range(130_000, 400_000, 5_000) if symbiotic.with_gas(g, symbiotic.source, "stakeOf", ANN)][:1])
    rules = tuple((world.settings | {"capBps": 10_000, "minStake": 10 * WAD, "minMembers": 1}).values())
    decides = evm.create(
        contracts.load("StakedSet"), world.store, world.book, with_gas([symbiotic.source], 400_000), rules, OWNER
    )
    windows = windows_of(evm, decides)
    evm.ok(decides, "connect", decides, PENALTIES, REWARDS)

    def all_to(who: str) -> None:
        for one in TOGETHER:
            evm.call(made.delegator, "setOperatorNetworkShares", symbiotic.subnetwork, one, WAD * (one == who), sender=CURATOR)
        evm.jump(2)

    for one in TOGETHER:
        world.new_key(one)
        evm.ok(decides, "join", sender=one)
    evm.jump(JOIN_S)
    captures = {}
    for one in TOGETHER:
        all_to(one)
        evm.ok(windows, "observe", [one])
        captures[one] = evm.now
    rows = evm.ok(decides, "preview")[0]
    counted = sum(r[3] for r in rows)
    evm.jump(2)
    print([(r[3] / WAD, r[5] / WAD) for r in rows])
    taken = 0
    for i, one in enumerate(TOGETHER):
        print("slashable", symbiotic.slashable(one, captures[one]) / WAD)
        symbiotic.seize(one, captures[one], case=i + 1)
    for i, _one in enumerate(TOGETHER):
        before = symbiotic.balance(made.vault)
        symbiotic.take(case=i + 1)
        taken += before - symbiotic.balance(made.vault)
        print("taken", (before - symbiotic.balance(made.vault)) / WAD)
    print(counted / WAD, taken / WAD)
    assert counted <= taken
