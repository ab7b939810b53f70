"""What the members of a round sign for: a store's signer set and its feeds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self

from oracle.sign.messages import SignerSet
from oracle.sign.succession import Succession


@dataclass(frozen=True, slots=True, kw_only=True)
class SignerSeat:
    """What the members sign for: a target, its signer set, and the index of each feed there.

    ``after``: the set whose rounds are those from ``from_s`` (Unix s) on; None while none is known to follow.
    """

    target: str
    signers: SignerSet
    indexes: Mapping[str, int]
    after: SignerSet | None = None
    from_s: int = 0

    def at(self, round_time_s: int) -> Self:
        """The seat with the set whose round that is: the rule by which pushes go too."""
        signers = Succession(present=self.signers, after=self.after, from_s=self.from_s).at(round_time_s)
        return self if signers is self.signers else replace(self, signers=signers, after=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class HomeStore:
    """The store whose operators seal what is published.

    ``feeds``: those that they sign. ``networked``: whether operators of other processes are among them.
    """

    target: str
    feeds: frozenset[str]
    networked: bool = False
