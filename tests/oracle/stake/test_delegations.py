"""What a source tells of what was delegated to an operator, on the real contracts of Symbiotic and EigenLayer in an EVM of this process."""

from __future__ import annotations

import asyncio
from typing import Any

import pyrevm

from demo.world.symbiotic import DelegatorKind
from feeds.units import MS
from oracle.serve.openapi.schemas import SCHEMAS
from oracle.serve.operator_documents import operators_document
from oracle.serve.stake_documents import stake_parts
from oracle.stake.case_memory import CaseMemory
from oracle.stake.delegations import NOT_TOLD, delegations
from oracle.stake.discover import SourceKind, StakeSource
from oracle.stake.follow import StakeView
from oracle.stake.overview import overview
from oracle.stake.secured.price import price_security
from tests.contracts.evm_process import Evm
from tests.contracts.stake.eigen_world import ETHER, OPERATORS, STAKERS, WHOLE, EigenWorld
from tests.contracts.stake.story_sources import COMMISSION_BPS, KINDS, SOURCE_GAS
from tests.contracts.stake.story_world import OPERATORS as STORY_OPERATORS
from tests.contracts.stake.story_world import StoryWorld
from tests.contracts.stake.symbiotic_world import ANN, BOB, DAY_S, SymbioticWorld
from tests.oracle.serve.endpoint_client import faults
from tests.oracle.stake.evm_nodes import found, reads_of

REVERTS = "60006000fd"


def told(evm: Evm, source: str, kind: SourceKind, operator: str) -> dict[str, Any]:
    return asyncio.run(delegations(reads_of(evm), StakeSource(at=source.lower(), kind=kind), operator.lower()))


def vaults_of(world: SymbioticWorld, *operators: str) -> list[int | None]:
    return [told(world.evm, world.source, SourceKind.SYMBIOTIC, o)["vaults"] for o in operators]


def test_vaults_that_give_an_operator_stake_are_counted_and_no_others() -> None:
    world = SymbioticWorld()
    assert vaults_of(world, ANN, BOB) == [0, 0]
    shared = world.counted({ANN: 1, BOB: 1}, kind=DelegatorKind.NETWORK_RESTAKE)
    assert vaults_of(world, ANN, BOB) == [1, 1]
    world.counted({ANN: 1}, kind=DelegatorKind.OPERATOR_NETWORK, operator=ANN, network=world.source)
    assert vaults_of(world, ANN, BOB) == [2, 1]
    world.leave(ANN, shared.vault)
    world.evm.jump(1)
    assert vaults_of(world, ANN, BOB) == [1, 1], "who has opted out of a vault has no stake there"


def test_a_commission_at_symbiotic_is_told_with_the_vaults() -> None:
    world = SymbioticWorld()
    world.counted({ANN: 1}, kind=DelegatorKind.NETWORK_RESTAKE)
    world.act(world.source, "setCommission", 700, sender=ANN)
    world.evm.jump(7 * DAY_S)
    ann = told(world.evm, world.source, SourceKind.SYMBIOTIC, ANN)
    assert ann == NOT_TOLD | {"commission_bps": 700, "vaults": 1}


def test_vaults_of_which_one_does_not_answer_are_not_counted_at_all() -> None:
    world = SymbioticWorld()
    made = [world.counted({ANN: 1}, kind=DelegatorKind.NETWORK_RESTAKE) for _ in range(2)]
    world.evm.evm.insert_account_info(made[0].delegator, pyrevm.AccountInfo(nonce=1, code=bytes.fromhex(REVERTS)))
    assert vaults_of(world, ANN) == [None], "1 would say that the other one gives nothing"


def test_ether_of_validators_at_eigenlayer_is_told_beside_the_stake() -> None:
    world, operators = EigenWorld(), OPERATORS[:3]
    strategies = world.strategies
    for i, operator in enumerate(operators):
        world.joined(operator, i, *((s, WHOLE) for s in strategies.ascending()))
    _restake(world, STAKERS[0], operators[0], (strategies.native, 32), (strategies.wdiveth, 5))
    _restake(world, STAKERS[1], operators[1], (strategies.wdiveth, 7))
    native = [told(world.evm, world.source, SourceKind.EIGENLAYER, o)["native"] for o in (*operators, STAKERS[3])]
    assert native == [str(32 * ETHER), "0", "0", "0"]
    liquid, of_validators = world.by_kind(operators[0])
    assert (str(of_validators), liquid > 0) == (native[0], True)
    world.evm.replace_code(strategies.wdiveth, REVERTS)
    assert told(world.evm, world.source, SourceKind.EIGENLAYER, operators[0]) == NOT_TOLD, "not known is not nothing"


def _restake(world: EigenWorld, staker: str, operator: str, *deposits: tuple[str, int]) -> None:
    for strategy, amount in deposits:
        world.deposit(staker, strategy, amount * ETHER)
    world.delegate(staker, operator)
    world.evm.jump(1)


def shown(world: StoryWorld) -> dict[str, Any]:
    """What the endpoint and the page show of a look."""
    reads = reads_of(world.evm)
    system = found(reads, world.store)

    async def look() -> StakeView:
        seen, security = await overview(reads, system, CaseMemory()), await price_security(reads, system)
        return StakeView(target="home", found=seen, security=security, read_ms=world.evm.now * MS)

    document = operators_document(None, stake_parts(asyncio.run(look()), None, world.evm.now * MS))
    assert faults(document, SCHEMAS["Operators"]) == []
    stake = document["stake"]
    assert isinstance(stake, dict)
    return stake


def test_the_endpoint_shows_each_source_of_each_operator_with_what_it_tells() -> None:
    world = StoryWorld(KINDS["all three"], SOURCE_GAS["all three"])
    assert world.begin() == 2
    stake = shown(world)
    rows = {o["operator"].lower(): o["sources"] for o in stake["operators"]}
    assert set(rows) == {o.lower() for o in STORY_OPERATORS}
    served = {o.lower() for o in world.parts[1].served}
    for operator, sources in rows.items():
        pool, vaults, eigen = sources
        assert [s["kind"] for s in sources] == ["delegated", "symbiotic", "eigenlayer"]
        assert int(pool["tokens"]) > 0 == int(pool["aside_tokens"])
        assert (vaults["vaults"], vaults["commission_bps"]) == ((1, COMMISSION_BPS) if operator in served else (0, 0))
        assert (int(vaults["stake_wei"]) > 0) == (operator in served)
        assert (eigen["native_wei"], eigen["vaults"]) == ("0", None)
        assert {pool["native_wei"], vaults["native_wei"], pool["vaults"], eigen["commission_bps"]} == {None}
    assert 0 < len(served) < len(rows), "some have no vault"
