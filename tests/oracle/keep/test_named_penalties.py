"""The contract that takes evidence is the one that the set of the store names; a config need not, and one that does is compared."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from oracle.chain.quorum_rpc import ChainError
from oracle.check.watch_ready import watch_problems_on_chain
from oracle.config.sections import Config, parse
from oracle.watch.configured import proof_contract
from oracle.watch.proof_contract import ProofContract
from oracle.watch.prover import Prover
from tests.oracle.keep.keeper_world import KeeperWorld
from tests.oracle.watch.watch_world import memory_rows

pytestmark = pytest.mark.chain
POOR = "ab" * 20


def config(world: KeeperWorld, penalties: str = "", keyfile: Path | None = None) -> Config:
    watch: dict[str, object] = {"penalties": penalties} if penalties else {}
    if keyfile is not None:
        keyfile.write_text(json.dumps({"address": POOR}))
        watch["gas_keyfile"] = str(keyfile)
    home = {"chain": "local", "store": world.contracts.store.address}
    chain = {"chain_id": 31_337, "endpoints": [world.url]}
    return parse({"chains": {"local": chain}, "targets": {"home": home}, "watch": watch})


async def test_the_contract_that_takes_evidence_is_the_one_that_the_set_names(world: KeeperWorld) -> None:
    contract = proof_contract(config(world), None)
    assert contract is not None
    prover = Prover(contract, memory_rows())
    try:
        assert contract.address == b"", "not before it is asked for"
        assert await prover.operators([b"\x01" * 20]) == {}
        assert "0x" + contract.address.hex() == world.contracts.penalties.address.lower()
        assert "finder" in await contract.reward_text()
    finally:
        await contract.close()


async def test_where_signers_have_no_stake_nothing_is_proven_and_nothing_fails(world: KeeperWorld) -> None:
    contract = ProofContract((world.url,), 31_337, b"", None, max_fee_gwei=1)
    prover = Prover(contract, memory_rows())
    try:
        assert await contract.is_there() is False
        assert await prover.operators([b"\x01" * 20]) == {}
        await prover.tick()
        with pytest.raises(ChainError, match="stake; else set"):
            await contract.reward_text()
    finally:
        await contract.close()


async def test_check_compares_the_penalties_of_the_config_with_those_of_the_set(
    world: KeeperWorld, tmp_path: Path
) -> None:
    right, other = world.contracts.penalties.address, world.contracts.set.address
    assert await watch_problems_on_chain(config(world)) == []
    assert await watch_problems_on_chain(config(world, right)) == []
    wrong = await watch_problems_on_chain(config(world, other))
    assert [p.key for p in wrong] == ["watch.penalties"] * 2, "it takes no evidence either"
    assert right.lower() in wrong[0].text
    (poor,) = await watch_problems_on_chain(config(world, keyfile=tmp_path / "w.json"))
    assert (poor.key, "has no ether" in poor.text) == ("watch.gas_keyfile", True)
