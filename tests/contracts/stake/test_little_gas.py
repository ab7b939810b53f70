"""A call with too little gas is refused by name, and as a whole: laws of docs/invariants.md, each under its name there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from eth_abi.abi import encode
from eth_utils.crypto import keccak

from oracle.chain.store_abi import abi_type
from tests.contracts.evm_process import STRANGER, Evm
from tests.contracts.stake.penalty_world import Lie, PenaltyWorld
from tests.contracts.stake.stake_world import EPOCH_S, ETHER, StakeWorld, error_in, operator
from tests.contracts.stake.symbiotic_world import ANN, DAY_S, REWARDS, WAD, SymbioticWorld


def refusals(evm: Evm, to: str, name: str, *args: Any, gas: Sequence[int], sender: str = STRANGER) -> list[str]:
    """How a call ends with each of these amounts of gas: its error, or nothing."""
    entry = evm.abis[to][name]
    kinds = [abi_type(i) for i in entry["inputs"]]
    data = keccak(text=f"{name}({','.join(kinds)})")[:4] + encode(kinds, args)
    told = []
    for amount in gas:
        before = evm.evm.snapshot()
        try:
            evm.evm.message_call(sender, to, data, gas=amount)
            told.append("")
        except RuntimeError as e:
            told.append(error_in(str(e)))
        finally:
            evm.evm.revert(before)
            evm.evm.reset_transient_storage()
    return told


def test_too_little_gas_for_a_record_freezes_no_set() -> None:
    """Between what the sources need and what the set's data contract costs, the freeze is refused, and the next one is taken."""
    world = StakeWorld(source_gas=50_000)
    world.enter_all(90, 80, 70, 60, 50, 40, 30)
    world.change()
    world.tell(operator(7), 35 * ETHER)
    world.evm.jump(EPOCH_S)
    before = world.members(world.epoch)
    told = refusals(world.evm, world.set, "rotate", gas=range(100_000, 1_000_000, 3_000))
    assert "NoRecord" in told
    assert told[-1] == ""
    assert told == sorted(told, key=lambda error: error == ""), "more gas never refuses what less gas does"
    assert world.members(world.epoch) == before
    world.rotate()


def test_penalties_say_what_gas_they_need() -> None:
    """The error says which; with that much at that place the call goes on."""
    world = PenaltyWorld((3, 2, 2, 1), sources=2)
    case_id = world.lied(1)
    world.lied(2)
    told = refusals(world.evm, world.penalties, "topUp", case_id, gas=range(60_000, 5_000_000, 40_000))
    assert "TooLittleGas" in told
    assert told[-1] == ""
    told = refusals(world.evm, world.penalties, "prove", *world.words(Lie(keys=(3, 3))), 0, gas=[600_000, 7_000_000])
    assert told == ["TooLittleGas", ""]


def test_a_vault_that_could_not_be_read_or_paid_for_lack_of_gas_is_named() -> None:
    world = SymbioticWorld()
    made = world.counted({ANN: 1}, 100 * WAD)
    world.act(world.set, "freeze", 1, ANN)
    world.evm.jump(DAY_S)
    read = refusals(world.evm, world.source, "stakeOf", ANN, gas=range(30_000, 600_000, 10_000))
    assert "TooLittleGas" in read
    assert read[-1] == ""
    world.wrap(REWARDS, WAD)
    world.act(world.wdiv, "transfer", world.source, WAD, sender=REWARDS)
    gas = range(300_000, 3_000_000, 50_000)
    paid = refusals(world.evm, world.source, "reward", 1, ANN, world.wdiv, WAD, gas=gas, sender=REWARDS)
    assert "TooLittleGas" in paid
    assert paid[-1] == ""
    assert made.vault
