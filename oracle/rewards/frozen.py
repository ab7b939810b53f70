"""An epoch as its set was frozen on chain. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from oracle.sign.eip712 import Domain
from oracle.sign.messages import SignerSet


@dataclass(frozen=True, kw_only=True)
class FrozenEpoch:
    """The set of an epoch, which no removal changes.

    Attributes:
        domain: store and chain.
        epoch: of the store.
        keys: report keys, ascending as in the store.
        operators: whose they are.
        weights: at the freeze.
        threshold: T.
        capture_s: the earliest at which stake of a member was seen for it: when it was frozen, or up to an hour before, Unix s.
    """

    domain: Domain
    epoch: int
    keys: tuple[bytes, ...]
    operators: tuple[bytes, ...]
    weights: tuple[int, ...]
    threshold: int
    capture_s: int

    @cached_property
    def total(self) -> int:
        """W."""
        return sum(self.weights)

    def weight_of(self, key: bytes) -> int:
        """Of a report key; 0 of a stranger."""
        return self.weights[self.keys.index(key)] if key in self.keys else 0

    @property
    def signers(self) -> SignerSet:
        """The same as signatures are gathered for it."""
        return SignerSet(
            domain=self.domain, epoch=self.epoch, signers=self.keys, weights=self.weights, threshold=self.threshold
        )
