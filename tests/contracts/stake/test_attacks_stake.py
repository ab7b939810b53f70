"""Attacks that cross the borders of the stake contracts: each was tried because it might have worked."""

from __future__ import annotations

from typing import Any

import pytest
from eth_abi import encode
from eth_utils.crypto import keccak

import contracts
from oracle.chain.store_abi import abi_type
from tests.contracts.contract_tools import WAD, compiled
from tests.contracts.evm_process import OWNER
from tests.contracts.stake.delegated_world import ETHER
from tests.contracts.stake.penalty_delegations import DELEGATED, OWN, DelegatedPenalties
from tests.contracts.stake.penalty_world import LEAST, TAKEN, Lie, operator
from tests.contracts.stake.stake_world import PENALTIES, REWARDS, StakeWorld, windows_of, with_gas
from tests.contracts.stake.symbiotic_world import ANN, BOB, CURATOR, RITA, SymbioticWorld

PAYEE = "tests/contracts/solidity/AttackStandIns.sol"
PUT = (OWN + DELEGATED + WAD) * LEAST // WAD


class PaidLiar:
    """Operator 1 has lied, and a contract of its own that delegates to it is paid a reward in ether."""

    def __init__(self) -> None:
        self.world = world = DelegatedPenalties()
        self.evm = evm = world.evm
        self.purse = evm.create(compiled(PAYEE)["BusyPayee"])
        evm.ok(world.token, "transfer", self.purse, WAD)
        self.run(world.token, "approve", world.source, WAD)
        self.run(world.source, "deposit", operator(1), WAD)
        world.freeze(1)
        evm.pay(OWNER, world.source, self.data(world.source, "reward", 1, operator(1), ETHER, WAD), WAD)

    def data(self, to: str, name: str, *args: Any) -> bytes:
        kinds = [abi_type(i) for i in self.evm.abis[to][name]["inputs"]]
        return keccak(text=f"{name}({','.join(kinds)})")[:4] + encode(kinds, args)

    def run(self, to: str, name: str, *args: Any) -> None:
        self.evm.ok(self.purse, "run", to, self.data(to, name, *args))

    def when_paid(self, name: str, *args: Any) -> bool:
        """Have itself paid, and call the penalties from within; whether that call went through."""
        self.evm.ok(self.purse, "prepare", self.world.penalties, self.data(self.world.penalties, name, *args))
        self.evm.call(self.purse, "run", self.world.source, self.data(self.world.source, "claim", ETHER, operator(1)))
        return bool(self.evm.ok(self.purse, "wasDone"))


@pytest.fixture
def liar() -> PaidLiar:
    return PaidLiar()


def test_no_liar_proves_itself_while_its_source_is_locked(liar: PaidLiar) -> None:
    """The source would refuse to put anything aside, and the evidence would be used up."""
    world = liar.world
    pool = OWN + DELEGATED + WAD
    assert not liar.when_paid("prove", *world.words(Lie(keys=(1, 1))), 0)
    world.prove(Lie(keys=(1, 1)))
    assert world.events("SourceFailed") == []
    assert liar.evm.ok(world.source, "poolOf", operator(1))[0] == pool - PUT


def test_nobody_carries_out_a_penalty_while_its_source_is_locked(liar: PaidLiar) -> None:
    """Nothing would be taken, and the pool's deposits and exits would wait."""
    world = liar.world
    case_id = world.prove(Lie(keys=(1, 1)))
    world.end_dispute(case_id)
    assert not liar.when_paid("carryOut", case_id)
    world.carry_out(case_id)
    assert world.events("Settled")[0][1] == (TAKEN, PUT)


def test_a_receiver_of_ether_may_be_a_contract(liar: PaidLiar) -> None:
    """What is too little for a penalty is enough for a wallet that keeps books of its own."""
    liar.run(liar.world.source, "claim", ETHER, operator(1))
    assert liar.world.balance(liar.purse) > 0


def test_a_vault_is_read_with_the_gas_that_the_set_gives() -> None:
    """The real set over the real core: to ask for the most that a read could use would have been more than a source is given."""
    symbiotic = SymbioticWorld()
    symbiotic.counted({ANN: WAD})
    for _ in range(3):
        symbiotic.counted({BOB: WAD})
    world = StakeWorld(symbiotic.evm)
    world.new_key(ANN)
    rules = tuple(world.settings.values())
    decides = world.evm.create(
        contracts.load("StakedSet"), world.store, world.book, with_gas([symbiotic.source], 310_000), rules, OWNER
    )
    world.evm.ok(decides, "connect", decides, PENALTIES, REWARDS)
    assert world.evm.call(decides, "join", sender=ANN)[0] == ""
    windows = windows_of(world.evm, decides)
    assert world.evm.ok(windows, "windowOf", symbiotic.source, ANN)[0] == symbiotic.stake(ANN) > 0


@pytest.mark.parametrize("way", ["a withdrawal", "a curator"])
def test_what_leaves_in_the_second_of_a_freeze_is_slashable_for_it(way: str) -> None:
    """Symbiotic keeps the last value of each second: whoever froze stakes and left in one transaction would have weight for nothing."""
    world = SymbioticWorld()
    made = world.counted({ANN: WAD}, 100 * WAD)
    world.evm.jump(100)
    assert world.stake(ANN) == 50 * WAD
    frozen_at = world.evm.now
    if way == "a curator":
        world.act(made.delegator, "setOperatorNetworkShares", world.subnetwork, ANN, 0, sender=CURATOR)
        world.evm.jump(1)
        world.act(made.delegator, "setOperatorNetworkShares", world.subnetwork, ANN, WAD, sender=CURATOR)
    else:
        world.act(made.vault, "withdraw", RITA, 100 * WAD, sender=RITA)
    world.evm.jump(1)
    assert world.slashable(ANN, frozen_at) == 100 * WAD


def test_what_comes_in_the_second_of_a_freeze_does_not_count_at_it() -> None:
    """A capture is slashed by the second before it, so nothing counts that was not there then."""
    world = SymbioticWorld()
    made = world.counted({ANN: WAD}, 100 * WAD)
    world.act(made.delegator, "setOperatorNetworkShares", world.subnetwork, ANN, 0, sender=CURATOR)
    world.evm.jump(100)
    world.act(made.delegator, "setOperatorNetworkShares", world.subnetwork, ANN, WAD, sender=CURATOR)
    assert world.stake(ANN) == 0
    world.evm.jump(1)
    assert world.stake(ANN) == 50 * WAD
