"""Contracts that answer as ours and are others, or do not work together, are told: on the real ones of all three sources."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache

import pyrevm
import pytest
from eth_abi.abi import encode

import contracts
from oracle.chain.known_code import immutable_address, immutable_places, is_code_of
from oracle.chain.quorum_rpc import ChainError
from oracle.chain.store_abi import call_of
from oracle.stake.secured.code import strange_contracts
from oracle.stake.secured.price import price_security
from oracle.stake.secured.text import security_lines
from tests.contracts.evm_process import STRANGER
from tests.contracts.stake.story_sources import KINDS, SOURCE_GAS, SymbioticPart
from tests.contracts.stake.story_world import ARBITER, DISPUTE_S, EXECUTION_S, FINDER_BPS, JAIL_S, LEAST, StoryWorld
from tests.oracle.stake.evm_nodes import EvmNodes, code_at, found, reads_of


@cache
def begun() -> StoryWorld:
    world = StoryWorld(KINDS["all three"], SOURCE_GAS["all three"])
    assert world.begin() == 2
    return world


@pytest.fixture
def world() -> Iterator[StoryWorld]:
    with begun().branch():
        yield begun()


def strange(world: StoryWorld) -> tuple[str, ...]:
    reads = reads_of(world.evm)
    return asyncio.run(strange_contracts(reads, found(reads, world.store), (world.values.lower(),)))


def math_of(world: StoryWorld) -> str:
    return immutable_address("StakedSet", code_at(world.evm.evm, world.set), "math")


def vaults_of(world: StoryWorld) -> str:
    return next(p.vaults for p in world.parts if isinstance(p, SymbioticPart))


CONTRACTS: dict[str, Callable[[StoryWorld], str]] = {
    "StakedSet": lambda w: w.set,
    "KeyBook": lambda w: w.book,
    "Penalties": lambda w: w.penalties,
    "Rewards": lambda w: w.rewards,
    "CollateralValues": lambda w: w.values,
    "DelegatedStake": lambda w: w.sources[0],
    "SymbioticStake": lambda w: w.sources[1],
    "EigenStake": lambda w: w.sources[2],
    "StakeWindows": lambda w: w.windows,
    "SymbioticVaults": vaults_of,
    "WeightMath": math_of,
}


def test_what_was_deployed_from_here_is_known(world: StoryWorld) -> None:
    assert strange(world) == ()


@pytest.mark.parametrize("contract", CONTRACTS)
def test_each_contract_with_other_code_is_told(world: StoryWorld, contract: str) -> None:
    """A byte at its end, by which it answers all the same."""
    at, evm = CONTRACTS[contract](world), world.evm.evm
    code = code_at(evm, at)
    assert is_code_of(contract, code)
    other = code[:-1] + bytes([code[-1] ^ 1])
    evm.insert_account_info(at, pyrevm.AccountInfo(nonce=1, code=other))
    try:
        told = strange(world)
        reads = reads_of(world.evm)
        lines = security_lines(asyncio.run(price_security(reads, found(reads, world.store))))
    finally:  # no branch takes this back
        evm.insert_account_info(at, pyrevm.AccountInfo(nonce=1, code=code))
    assert f"{at.lower()} answers as a {contract} and has other code" in " ".join(told)
    assert "NOT THE CONTRACTS THAT IT SEEMS" in lines[9]


def test_penalties_that_nobody_obeys_are_told(world: StoryWorld) -> None:
    """Real ones over the same set and sources, to which none of these was joined."""
    told = (DISPUTE_S, EXECUTION_S, LEAST, JAIL_S, FINDER_BPS)
    args = (world.set, world.book, world.sources[:2], ARBITER, told, [(1, world.store)])
    other = world.evm.create(contracts.load("Penalties"), *args).lower()
    reads = reads_of(world.evm)
    system = replace(found(reads, world.store), penalties=other)
    said = asyncio.run(strange_contracts(reads, system, ()))
    assert [s.split(" of ")[1].split(" ")[0] for s in said[:-1]] == [a.lower() for a in (world.book, *world.sources)]
    assert said[-1] == f"the penalties do not reach {world.sources[2].lower()}: nothing is taken there"


@pytest.mark.parametrize(
    ("contract", "function", "args", "types", "answer"),
    [
        ("StakedSet", "epochS", (), ("uint256",), (0,)),
        ("StakedSet", "membersOf", (2,), ("address[]", "address[]", "uint96[]"), ((STRANGER,), (), ())),
        ("StakedSet", "membersOf", (2,), ("address[]", "address[]", "uint96[]"), ([STRANGER] * 40, [STRANGER] * 40, [1] * 40)),
    ],
)  # fmt: skip
def test_answers_that_ours_never_give_are_an_error_of_their_own(
    world: StoryWorld, contract: str, function: str, args: tuple[int, ...], types: tuple[str, ...], answer: tuple[object, ...]
) -> None:  # fmt: skip
    """A contract of somebody's own says what it likes: no length, sum or division of it ends `check`."""
    reads = reads_of(world.evm)
    system, nodes = found(reads, world.store), reads.nodes
    assert isinstance(nodes, EvmNodes)
    nodes.forged["0x" + call_of(contract, function, args)[0].hex()] = encode(types, answer)
    if len(answer) > 1 and isinstance(answer[0], list):  # forty members with weight
        nodes.forged["0x" + call_of("PriceStore", "signerSet", ())[0].hex()] = encode(
            ["uint48", "uint96", "address[]", "uint96[]"], (2, 30, [STRANGER], [1])
        )
    with pytest.raises(ChainError, match="answer what ours never do"):
        asyncio.run(price_security(reads, system))


def test_immutables_are_arguments_and_nothing_else_is() -> None:
    runtime = contracts.load("KeyBook").runtime
    start, length = immutable_places("KeyBook")["maker"][0]
    made = runtime[:start] + bytes.fromhex(STRANGER[2:]).rjust(length, b"\0") + runtime[start + length :]
    assert is_code_of("KeyBook", made)
    assert immutable_address("KeyBook", made, "maker") == STRANGER
    assert not is_code_of("KeyBook", made + b"\0")
    assert not is_code_of("KeyBook", b"")
