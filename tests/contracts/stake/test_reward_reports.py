"""What a report of rewards is to others: its digest, its grounds on chain, and its tree."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from eth_abi import encode
from eth_account import Account
from eth_account.messages import encode_typed_data
from eth_hash.auto import keccak

from oracle.rewards.grounds import check_grounds
from oracle.rewards.merkle import MerkleTree
from oracle.rewards.report import ETHER, RewardLeaf
from oracle.sign.epoch_words import RewardsWord
from tests.contracts.contract_tools import compact, compiled
from tests.contracts.evm_process import Evm
from tests.contracts.stake.rewards_world import RewardsWorld, text

FUNDED = 10**18


def test_grounds_are_on_chain_so_that_anybody_computes_the_report_again() -> None:
    world = RewardsWorld()
    assert world.fund(1, ETHER, FUNDED) == ""
    world.next_epoch()
    report = world.report(1)
    assert world.post(report) == ""
    (log,) = (e for e in world.evm.evm.result.logs if len(e.topics) == 2)
    data = bytes(log.data[1])
    assert report.grounds.raw in data
    assert check_grounds(world.frozen(1), report.grounds.raw) == report.grounds


def test_a_report_is_eip_712_as_any_wallet_has_it() -> None:
    """The digest of Python, Solidity and eth_account's general encoder are one."""
    world = RewardsWorld()
    absent = tuple(sorted(world.operators[:2]))
    said = RewardsWord(domain=world.domain, epoch=7, root=keccak(b"root"), absent=absent, grounds=keccak(b"grounds"))
    listed = [text(o) for o in said.absent]
    fields = [("epoch", "uint48"), ("root", "bytes32"), ("absent", "address[]"), ("grounds", "bytes32")]
    domain = [("name", "string"), ("version", "string"), ("chainId", "uint256"), ("verifyingContract", "address")]
    typed = {
        "types": {
            k: [{"name": n, "type": t} for n, t in v] for k, v in (("EIP712Domain", domain), ("Rewards", fields))
        },
        "primaryType": "Rewards",
        "domain": {"name": "lrt-oracle", "version": "1", "chainId": 1, "verifyingContract": world.store},
        "message": {"epoch": 7, "root": said.root, "absent": listed, "grounds": said.grounds},
    }
    key = "0x" + "11" * 32
    signed = Account.sign_message(encode_typed_data(full_message=typed), key)
    assert bytes(signed.message_hash) == keccak(said.preimage())
    assert world.evm.ok(world.at, "digestOf", 7, said.root, listed, said.grounds) == keccak(said.preimage())
    assert compact(key, keccak(said.preimage()))[:32] == signed.r.to_bytes(32, "big")


PROOF_CHECK = "tests/contracts/solidity/ProofCheck.sol"
PUBLISHED_ROWS = (("0x" + "11" * 20, 5 * 10**18), ("0x" + "22" * 20, 25 * 10**17))
PUBLISHED_ROOT = "d4dee0beab2d53f2cc83e567171bd2820e49898130a22622b10ead383e90bd77"


@pytest.mark.parametrize("count", [1, 2, 3, 7, 31])
def test_the_tree_is_openzeppelin_s(count: int) -> None:
    """Its own contract takes each proof, and no other leaf by it."""
    rng = random.Random(count)
    leaves = [
        RewardLeaf(
            3, rng.randbytes(20), rng.randrange(8), rng.choice([ETHER, rng.randbytes(20)]), rng.randrange(10**30)
        )
        for _ in range(count)
    ]
    tree = MerkleTree([leaf.hash for leaf in leaves])
    evm = Evm()
    at = evm.create(compiled(PROOF_CHECK)["ProofCheck"])
    for leaf in leaves:
        proof = list(tree.proof(leaf.hash))
        assert evm.ok(at, "verify", proof, tree.root, leaf.hash)
        assert not evm.ok(at, "verify", proof, tree.root, replace(leaf, amount=leaf.amount + 1).hash)


def test_the_tree_of_their_documents_has_their_root() -> None:
    leaves = [keccak(keccak(encode(["address", "uint256"], row))) for row in PUBLISHED_ROWS]
    assert MerkleTree(leaves).root.hex() == MerkleTree(leaves[::-1]).root.hex() == PUBLISHED_ROOT
