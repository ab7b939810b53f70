"""What an operator signs of an epoch that has ended: who was there, and what its members are owed. Pure.

No two operators heard the same signatures in time, so none of them can say by itself who was there: each signs what it has stored,
and what weight T of them say together is the same for everybody, see `oracle.rewards`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from eth_hash.auto import keccak

from oracle.sign.eip712 import BadSignature, Domain, attended_preimage, recover, rewards_preimage, vote_preimage

MOST_ROUNDS = (1 << 24) - 1
"""Of an epoch: more than five years of rounds of ten seconds."""
_COUNT = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochAttendance:
    """In how many rounds of an epoch an operator has seen the signature of each member before the next round began.

    Attributes:
        domain: store and chain.
        epoch: of the store.
        rounds: that it knows to be sealed.
        counts: of each signer of the set, in the store's order; none is above ``rounds``.
    """

    domain: Domain
    epoch: int
    rounds: int
    counts: tuple[int, ...]

    @property
    def counted(self) -> bytes:
        """The counts as they are signed: 3 bytes each, big endian."""
        return b"".join(c.to_bytes(_COUNT, "big") for c in self.counts)

    def preimage(self) -> bytes:
        """The 66 bytes whose keccak is signed."""
        return attended_preimage(self.domain, self.epoch, self.rounds, self.counted)


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedAttendance:
    """An attendance with its signer, 20 bytes, and the signature, r | vs."""

    said: EpochAttendance
    address: bytes
    signature: bytes

    def fault(self, members: int) -> str:
        """What is wrong with it in a set of so many members; "" where nothing is."""
        said = self.said
        if len(said.counts) != members or not all(0 <= c <= said.rounds <= MOST_ROUNDS for c in said.counts):
            return "it has not one count of each member, up to the number of rounds"
        try:
            signer = recover(keccak(said.preimage()), self.signature)
        except BadSignature as e:
            return str(e)
        return "" if signer == self.address else "it is signed by somebody else"


@dataclass(frozen=True, slots=True, kw_only=True)
class RewardsWord:
    """What weight T signs of an epoch: the root of what is owed, who was absent, and the hash of the grounds of both."""

    domain: Domain
    epoch: int
    root: bytes
    absent: tuple[bytes, ...]
    grounds: bytes

    def preimage(self) -> bytes:
        """The 66 bytes whose keccak is signed."""
        return rewards_preimage(self.domain, self.epoch, self.root, self.absent, self.grounds)


class VoteKind(IntEnum):
    """What a member says in the agreement on an epoch's report. Never renumbered: these are in journals and under signatures."""

    PROPOSE = 1
    READY = 2
    COMMIT = 3

    @property
    def text(self) -> str:
        """In words."""
        return {VoteKind.PROPOSE: "its proposal", VoteKind.READY: "that it is ready", VoteKind.COMMIT: "its commit"}[
            self
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochVote:
    """A word of the agreement on an epoch's report: of an attempt, and of the report with this digest. It owes nobody anything."""

    domain: Domain
    epoch: int
    kind: VoteKind
    attempt: int
    content: bytes

    def preimage(self) -> bytes:
        """The 66 bytes whose keccak is signed."""
        return vote_preimage(self.domain, self.epoch, self.kind, self.attempt, self.content)


def read_counts(raw: bytes) -> tuple[int, ...]:
    """Counts as they are signed, back again."""
    return tuple(int.from_bytes(raw[i : i + _COUNT], "big") for i in range(0, len(raw), _COUNT))
