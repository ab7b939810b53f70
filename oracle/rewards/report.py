"""What an epoch owes: from its grounds and its pots to leaves, root and proofs. Pure; exact integers, rounded down.

An operator's part of a pot is its frozen weight of W times its rounds of all that count, laid out over the sources in which its stake
lies. What its absence left, and what rounding did, stays in the pot and rolls over: nobody earns by another's absence.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from eth_abi.abi import encode
from eth_hash.auto import keccak

from oracle.rewards.credits import EpochCredits, absent_operators, epoch_credits
from oracle.rewards.grounds import CheckedGrounds
from oracle.rewards.merkle import MerkleTree
from oracle.sign.epoch_words import RewardsWord

ETHER = bytes(20)
"""The asset that is no token."""


@dataclass(frozen=True, slots=True, order=True)
class RewardLeaf:
    """What an operator is owed of an epoch in one source and asset: a leaf of the tree."""

    epoch: int
    operator: bytes
    source: int
    asset: bytes
    amount: int

    @property
    def hash(self) -> bytes:
        """As ``Rewards.leafOf`` answers it, 32 bytes."""
        types = ["uint48", "address", "uint256", "address", "uint256"]
        words = (self.epoch, self.operator, self.source, self.asset, self.amount)
        return keccak(keccak(encode(types, words)))


@dataclass(frozen=True, kw_only=True)
class EpochRewards:
    """What an epoch owes.

    Attributes:
        grounds: that it follows from.
        pots: by asset, 20 bytes.
        seen: who was there.
        leaves: ascending.
        absent: operators to be jailed for a short time, ascending.
    """

    grounds: CheckedGrounds
    pots: Mapping[bytes, int]
    seen: EpochCredits
    leaves: tuple[RewardLeaf, ...]
    absent: tuple[bytes, ...]

    @cached_property
    def tree(self) -> MerkleTree:
        """Over the leaves."""
        return MerkleTree(tuple(leaf.hash for leaf in self.leaves))

    @property
    def word(self) -> RewardsWord:
        """What weight T signs."""
        frozen = self.grounds.frozen
        return RewardsWord(
            domain=frozen.domain, epoch=frozen.epoch, root=self.tree.root, absent=self.absent, grounds=self.grounds.hash
        )

    def left(self, asset: bytes) -> int:
        """What of a pot nobody is owed."""
        return self.pots.get(asset, 0) - sum(leaf.amount for leaf in self.leaves if leaf.asset == asset)


def epoch_rewards(grounds: CheckedGrounds, pots: Mapping[bytes, int]) -> EpochRewards:
    """What an epoch owes, the same for everybody with these grounds.

    Args:
        grounds: checked.
        pots: by asset, all that the epoch was funded with, in the asset's smallest unit.
    """
    frozen = grounds.frozen
    seen = epoch_credits(frozen, grounds.grounds.words)
    return EpochRewards(
        grounds=grounds,
        pots=pots,
        seen=seen,
        leaves=tuple(sorted(_leaves(grounds, seen, pots))),
        absent=absent_operators(frozen, seen),
    )


def _leaves(grounds: CheckedGrounds, seen: EpochCredits, pots: Mapping[bytes, int]) -> Iterator[RewardLeaf]:
    frozen = grounds.frozen
    rows = zip(frozen.operators, frozen.weights, seen.credited, grounds.grounds.stakes, strict=True)
    for operator, weight, credited, stakes in rows:
        for source, stake in enumerate(stakes):
            for asset, pot in pots.items():
                parts = frozen.total * seen.rounds * sum(stakes)
                amount = pot * weight * credited * stake // parts if parts else 0
                if amount:
                    yield RewardLeaf(frozen.epoch, operator, source, asset, amount)
