"""The tree of operators' commissions whose root Symbiotic's DefaultOperatorRewards keeps, and the proof that claims from it.

Leaves and pairs are those of OpenZeppelin's proofs: a leaf is the hash of the hash of (address, uint256), a pair is hashed with the
smaller one first. The tree is complete: of n leaves, leaf i is node 2n - 2 - i, and the children of node i are 2i + 1 and 2i + 2,
as in OpenZeppelin's own tree with leaves that are not sorted. ``SymbioticStake.publish`` makes it on chain and says the leaves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from eth_abi.abi import encode
from eth_utils.crypto import keccak


@dataclass(frozen=True, slots=True)
class CommissionClaim:
    """What an operator hands to ``claimRewards``: all it has ever earned of an asset, and the hashes beside its path."""

    total: int
    proof: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class CommissionTree:
    """The leaves of one root, in the order in which ``RootPublished`` says them: operators (hex) and their totals."""

    operators: Sequence[str]
    totals: Sequence[int]

    @property
    def root(self) -> bytes:
        """What the contract keeps."""
        return self._nodes()[0]

    def claim(self, operator: str) -> CommissionClaim:
        """Return an operator's claim; LookupError if it earned nothing yet."""
        places = [i for i, each in enumerate(self.operators) if each.lower() == operator.lower()]
        if not places:
            raise LookupError(
                f"{operator} has no commission in this root: was it published since the operator earned one?"
            )
        nodes, node = self._nodes(), 2 * len(self.operators) - 2 - places[0]
        proof: list[bytes] = []
        while node:
            proof.append(nodes[node + 1 if node % 2 else node - 1])
            node = (node - 1) // 2
        return CommissionClaim(self.totals[places[0]], tuple(proof))

    def _nodes(self) -> list[bytes]:
        pairs = zip(self.operators, self.totals, strict=True)
        leaves = [keccak(keccak(encode(["address", "uint256"], pair))) for pair in pairs]
        nodes = [b""] * (len(leaves) - 1) + leaves[::-1]
        for i in reversed(range(len(leaves) - 1)):
            nodes[i] = keccak(b"".join(sorted(nodes[2 * i + 1 : 2 * i + 3])))
        return nodes
