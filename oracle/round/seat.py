"""What the members of a round sign for: a store's signer set and its feeds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Self, TypeAlias

from oracle.sign.messages import SignerSet
from oracle.sign.succession import Succession

MembersAt: TypeAlias = Callable[[int], tuple[SignerSet, tuple[bytes, ...]] | None]
"""The set of a round_time, and the order in which its members lead; None where that is not known."""


def _nobody_else(_round_time_s: int) -> None:
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class SignerSeat:
    """What the members sign for: a target, its signer set, and the index of each feed there.

    ``after``: the set whose rounds are those from ``from_s`` (Unix s) on; None while none is known to follow. ``order``: in
    which its members lead; () for the one that follows from the set alone. ``members``: tells set and order of a round where
    operators of other processes must come to the same; None where it cannot tell, or there are none.
    """

    target: str
    signers: SignerSet
    indexes: Mapping[str, int]
    after: SignerSet | None = None
    from_s: int = 0
    order: tuple[bytes, ...] = ()
    members: MembersAt = field(default=_nobody_else, compare=False)

    def at(self, round_time_s: int) -> Self:
        """The seat with the set whose round that is: the rule by which pushes go too."""
        members = self.members(round_time_s)
        if members is not None:
            return replace(self, signers=members[0], order=members[1], after=None)
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
