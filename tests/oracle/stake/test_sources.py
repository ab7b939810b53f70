"""Which kind a source is, and what is to be done at Symbiotic and EigenLayer: on their real contracts, on an EVM in this process."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from eth_abi.abi import decode

from demo.world.symbiotic import DelegatorKind
from oracle.stake.commission import CommissionPlanner
from oracle.stake.discover import SourceKind, StakeSystem, source_kind
from oracle.stake.elsewhere import FOR, elsewhere
from oracle.stake.hand import StakeStep
from oracle.stake.plans import NothingToDo
from tests.contracts.evm_process import Evm
from tests.contracts.stake.delegated_world import DelegatedWorld
from tests.contracts.stake.eigen_world import EigenWorld
from tests.contracts.stake.symbiotic_world import ANN, MAX_COMMISSION_BPS, SymbioticWorld
from tests.oracle.stake.evm_nodes import reads_of, system_of


def told(evm: Evm, source: str, kind: SourceKind) -> dict[str, str]:
    assert asyncio.run(source_kind(reads_of(evm), source)) is kind
    found = {}
    for what in FOR:
        rows = asyncio.run(elsewhere(reads_of(evm), system_of(source, kind), what, ANN))
        found[what] = "".join(rows)
        assert len(rows) == (0 if (kind, what) == (SourceKind.SYMBIOTIC, "commission") else 1), "that is done here"
    return found


def test_a_pool_of_delegations_is_known_and_needs_nobody_else() -> None:
    world = DelegatedWorld()
    assert asyncio.run(source_kind(reads_of(world.evm), world.source)) is SourceKind.DELEGATED
    system = system_of(world.source, SourceKind.DELEGATED)
    assert asyncio.run(elsewhere(reads_of(world.evm), system, "join", ANN)) == []
    assert asyncio.run(source_kind(reads_of(world.evm), world.token)) is SourceKind.UNKNOWN


def test_what_is_done_at_symbiotic_is_said_with_its_addresses() -> None:
    world = SymbioticWorld()
    vault = world.counted({ANN: 10**18}, kind=DelegatorKind.NETWORK_RESTAKE).vault.lower()
    said = told(world.evm, world.source, SourceKind.SYMBIOTIC)
    assert all(vault in said[w] for w in ("join", "delegate", "undelegate", "claim"))
    assert world.operator_rewards.lower() in said["claim"]
    assert f"optIn({world.source.lower()})" in said["join"]
    assert f"optOut({world.source.lower()})" in said["leave"]


def test_what_is_done_at_eigenlayer_is_said_and_its_data_is_taken() -> None:
    world = EigenWorld()
    evm, operator = world.evm, "0x" + "0a" * 20
    said = told(evm, world.source, SourceKind.EIGENLAYER)
    assert world.core.allocations.lower() in said["join"].lower()
    assert world.core.delegation.lower() in said["delegate"].lower()
    assert world.core.rewards.lower() in said["claim"].lower()
    data = bytes.fromhex(said["join"].split("data 0x")[1].split(";")[0])
    world.enlist(operator)
    assert world.register(operator, data) == "NoKey"
    evm.ok(world.book, "setKey", world.consent(operator, 3), sender=operator)
    assert world.register(operator, data) == ""
    assert evm.ok(world.book, "keyOf", operator) == world.consent(operator, 3)[0]


def commission_steps(evm: Evm, system: StakeSystem, bps: int) -> list[StakeStep]:
    return asyncio.run(CommissionPlanner(reads_of(evm), system, ANN.lower()).steps(bps, None))


def test_a_commission_at_symbiotic_waits_and_is_taken_back_as_said() -> None:
    world = SymbioticWorld()
    evm, system = world.evm, system_of(world.source, SourceKind.SYMBIOTIC)
    with pytest.raises(NothingToDo, match="is not enrolled, so it keeps nothing"):
        commission_steps(evm, system, 500)
    world.counted({ANN: 10**18}, kind=DelegatorKind.NETWORK_RESTAKE)
    with pytest.raises(NothingToDo, match=f"write --commission-bps {MAX_COMMISSION_BPS} or less"):
        commission_steps(evm, system, MAX_COMMISSION_BPS + 1)
    (step,) = commission_steps(evm, system, 500)
    assert "keeps 5 % of rewards from " in step.text
    assert "0 % until then" in step.text
    assert "`stake commission --commission-bps 0` until then; later another one counts 7 days and 0 hours" in step.undo
    (bps,) = decode(["uint16"], step.data[4:])
    evm.ok(world.source, "setCommission", bps, sender=ANN)
    (back,) = commission_steps(evm, system, 0)
    evm.ok(world.source, "setCommission", *decode(["uint16"], back.data[4:]), sender=ANN)
    evm.jump(8 * 86_400)
    assert evm.ok(world.source, "commissionOf", ANN) == 0


def test_where_all_stake_is_at_eigenlayer_no_step_is_ours() -> None:
    world = EigenWorld()
    assert commission_steps(world.evm, system_of(world.source, SourceKind.EIGENLAYER), 500) == []
    nowhere = replace(system_of(world.source, SourceKind.EIGENLAYER), sources=())
    assert commission_steps(world.evm, nowhere, 500) == []
