"""A tree of hashes over what is owed, and the way from each leaf to its root. Pure.

It is the tree that OpenZeppelin's StandardMerkleTree makes: leaves are hashed twice and sorted, siblings are hashed in ascending order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from eth_hash.auto import keccak

EMPTY_ROOT = keccak(b"")
"""Of an epoch that owes nothing: no leaf leads there."""


@dataclass(frozen=True)
class MerkleTree:
    """The tree over distinct leaf hashes, 32 bytes each, in any order."""

    leaves: Sequence[bytes]

    @cached_property
    def _nodes(self) -> list[bytes]:
        """The root first; the children of node i are 2 i + 1 and 2 i + 2, and the leaves come last, the lowest at the very end."""
        nodes = [b""] * (len(self.leaves) - 1) + sorted(self.leaves, reverse=True)
        for i in reversed(range(len(self.leaves) - 1)):
            nodes[i] = _parent(nodes[2 * i + 1], nodes[2 * i + 2])
        return nodes

    @property
    def root(self) -> bytes:
        """32 bytes."""
        return self._nodes[0] if self.leaves else EMPTY_ROOT

    def proof(self, leaf: bytes) -> tuple[bytes, ...]:
        """The siblings on the way from a leaf up to the root.

        Raises:
            ValueError: it is none of the leaves.
        """
        nodes, proof = self._nodes if self.leaves else [], []
        i = nodes.index(leaf, max(len(self.leaves) - 1, 0))
        while i:
            proof.append(nodes[i + 1 if i % 2 else i - 1])
            i = (i - 1) // 2
        return tuple(proof)


def _parent(a: bytes, b: bytes) -> bytes:
    return keccak(min(a, b) + max(a, b))
