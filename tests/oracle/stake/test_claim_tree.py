"""The tree of commissions against hashes that were worked out by hand."""

from __future__ import annotations

import pytest
from eth_utils.crypto import keccak

from oracle.stake.claim_tree import CommissionTree

ANN, BOB, CAT = ("0x" + c * 40 for c in "abc")


def leaf(operator: str, total: int) -> bytes:
    return keccak(keccak(bytes(12) + bytes.fromhex(operator[2:]) + total.to_bytes(32, "big")))


def pair(a: bytes, b: bytes) -> bytes:
    return keccak(min(a, b) + max(a, b))


def test_one_leaf_is_its_own_root() -> None:
    tree = CommissionTree([ANN], [7])
    assert tree.root == leaf(ANN, 7)
    assert tree.claim(ANN).proof == ()


def test_the_last_leaves_are_joined_first() -> None:
    """As in OpenZeppelin's tree of three leaves in their order: leaf 0 is the last node, the first two of them a pair."""
    a, b, c = leaf(ANN, 1), leaf(BOB, 2), leaf(CAT, 3)
    tree = CommissionTree([ANN, BOB, CAT], [1, 2, 3])
    assert tree.root == pair(pair(a, b), c)
    assert tree.claim(CAT.upper().replace("0X", "0x")).proof == (pair(a, b),)
    assert tree.claim(ANN).proof == (b, c)
    assert tree.claim(BOB).total == 2


def test_who_earned_nothing_is_told_what_to_do() -> None:
    with pytest.raises(LookupError, match="has no commission in this root"):
        CommissionTree([ANN], [1]).claim(BOB)
