"""What members say to each other in one round: the messages of a QBFT instance with weights. Frozen; no I/O.

Source of the rules: H. Moniz, "The Istanbul BFT Consensus Algorithm", arXiv 2002.03613 (QBFT): algorithms 1 to 3. Names there
and here: PRE-PREPARE is `Propose`, PREPARE is `Ready`, COMMIT is `Commit`, ROUND-CHANGE is `Advance`, a quorum is weight T. What
QBFT calls a round is a *step* here, for a round is a price's: steps 2 a and 2 a + 1 are attempt a, led by one member. The
second step of an attempt proposes the same values again without the feeds on which members part, see `Propose.readies`.

`Ready`, `Propose` and `Advance` are signed with a network key, values and `Commit` with report keys. A message on its way is
only bytes and claims; `Heard` is one whose signatures were verified where it came in.
"""

from __future__ import annotations

from enum import IntEnum
from functools import lru_cache
from typing import Annotated, TypeAlias

import msgspec
from eth_hash.auto import keccak

from oracle.report.wire import ITEM_BYTES
from oracle.sign.messages import SignedValues

NO_CERTIFICATE = -1
"""In the place of a step: none."""
HASH_BYTES, ADDRESS_BYTES, SIGNATURE_BYTES = 32, 20, 64
MOST_MEMBERS = 255
"""As many as a store has signers at most."""
MOST_FEEDS = 4_096
"""More than any store has: what a word of somebody else may list."""
AddressBytes = Annotated[bytes, msgspec.Meta(max_length=ADDRESS_BYTES)]
HashBytes = Annotated[bytes, msgspec.Meta(max_length=HASH_BYTES)]
SignatureBytes = Annotated[bytes, msgspec.Meta(max_length=SIGNATURE_BYTES)]
ItemBytes = Annotated[bytes, msgspec.Meta(max_length=MOST_FEEDS * ITEM_BYTES)]
FeedIndexes = Annotated[tuple[int, ...], msgspec.Meta(max_length=MOST_FEEDS)]
FeedPairs = Annotated[tuple[tuple[int, int], ...], msgspec.Meta(max_length=MOST_FEEDS)]
OfMembers = msgspec.Meta(max_length=MOST_MEMBERS)
"""One of each member at most. Every field of a word is bounded where it is decoded, before anything is kept of it."""
_encode = msgspec.msgpack.Encoder().encode


class FeedRefusal(IntEnum):
    """Why a member does not vouch for one feed of a proposal."""

    NO_OWN_VIEW = 1
    OUT_OF_BOUND = 2
    EQUIVOCATION = 3
    NOT_AS_PUBLISHED = 4

    @property
    def text(self) -> str:
        """In words."""
        return _REFUSALS[self]


_REFUSALS = {
    FeedRefusal.NO_OWN_VIEW: "it has no own price",
    FeedRefusal.OUT_OF_BOUND: "too far from its own view, or of another status",
    FeedRefusal.EQUIVOCATION: "its key has signed something else for this round",
    FeedRefusal.NOT_AS_PUBLISHED: "a halt that does not repeat what was last sealed",
}


class Content(msgspec.Struct, frozen=True, array_like=True):
    """What a step is about: the values used, and what follows from them.

    Attributes:
        values: report address and hash of the values of each member used, ascending by address.
        items: of every feed that weight T has values of, less those dropped, ascending by index.
        dropped: feeds left out because too few vouch for them.
    """

    values: Annotated[tuple[tuple[AddressBytes, HashBytes], ...], OfMembers]
    items: ItemBytes
    dropped: FeedIndexes = ()

    def hash(self) -> bytes:
        """32 bytes; its terms and round are bound by every signature over it."""
        return _content_hash(self)


@lru_cache(maxsize=1 << 7)
def _content_hash(content: Content) -> bytes:
    return keccak(_encode(content))


class Ready(msgspec.Struct, frozen=True, array_like=True, tag=1):
    """PREPARE: the proposal of this step recomputes, and the member vouches for all of its feeds but those refused.

    ``refused``: feed index and FeedRefusal of each, ascending.
    """

    address: AddressBytes
    step: int
    content: HashBytes
    refused: FeedPairs = ()
    signature: SignatureBytes = b""

    @property
    def refused_feeds(self) -> frozenset[int]:
        """Indexes that it does not vouch for."""
        return frozenset(i for i, _ in self.refused)


class Certificate(msgspec.Struct, frozen=True, array_like=True):
    """Prepared: members of weight T are ready, and members of weight T vouch for each feed."""

    step: int
    content: Content
    readies: Annotated[tuple[Ready, ...], OfMembers]


class Advance(msgspec.Struct, frozen=True, array_like=True):
    """ROUND-CHANGE: I go on to this step, sign nothing of earlier ones, and this is the highest certificate that I know.

    ``certified``: its step, NO_CERTIFICATE for none; ``content``: hash of its content.
    """

    address: AddressBytes
    step: int
    certified: int = NO_CERTIFICATE
    content: HashBytes = b""
    signature: SignatureBytes = b""


class Propose(msgspec.Struct, frozen=True, array_like=True, tag=2):
    """PRE-PREPARE of the leader of a step.

    Attributes:
        address: of the leader.
        step: from 0.
        content: what is proposed.
        advances: of weight T, for every step but the first.
        certificate: the highest that they know of; its content is proposed again.
        readies: of the step before, of weight T: from them follows what is dropped.
        signature: of the leader's network key over all of it.
    """

    address: AddressBytes
    step: int
    content: Content
    advances: Annotated[tuple[Advance, ...], OfMembers] = ()
    certificate: Certificate | None = None
    readies: Annotated[tuple[Ready, ...], OfMembers] = ()
    signature: SignatureBytes = b""


class Commit(msgspec.Struct, frozen=True, array_like=True, tag=3):
    """COMMIT: the report key's signature over `Sealed`, with the certificate that allows it, so that whoever hears it has it too."""

    address: AddressBytes
    certificate: Certificate
    seal: SignatureBytes


class SealedRound(msgspec.Struct, frozen=True, array_like=True, tag=4):
    """Decided: items of a round with signatures of weight T. These prove themselves.

    Its values, what was dropped and who vouched are proven by the readies alone; without them they are left empty, see
    `oracle.agree.verify.proven`.

    Attributes:
        epoch: of the signer set.
        round_time_s: of the round.
        content: what was agreed on.
        step: in which.
        signatures: report address, and its signature over `Sealed`, ascending by address.
        readies: of the certificate: who vouches for which feed.
    """

    epoch: int
    round_time_s: int
    content: Content
    step: int
    signatures: Annotated[tuple[tuple[AddressBytes, SignatureBytes], ...], OfMembers]
    readies: Annotated[tuple[Ready, ...], OfMembers] = ()

    @property
    def addresses(self) -> tuple[bytes, ...]:
        """Who signed."""
        return tuple(a for a, _ in self.signatures)

    @property
    def attempt(self) -> int:
        """Which attempt it took, from 1."""
        return self.step // 2 + 1


class Advancing(msgspec.Struct, frozen=True, array_like=True, tag=5):
    """An `Advance` on its way, with the certificate that it speaks of."""

    advance: Advance
    certificate: Certificate | None = None


class Want(msgspec.Struct, frozen=True, array_like=True, tag=6):
    """Please hand over values with these hashes; () for the sealed round, if there is one."""

    address: AddressBytes
    hashes: Annotated[tuple[HashBytes, ...], OfMembers] = ()


Message: TypeAlias = Propose | Ready | Advancing | Commit | SealedRound
"""What members tell each other besides their values, and what counts in an instance once it is verified."""


class Heard(msgspec.Struct, frozen=True):
    """A message that counts: `oracle.agree.verify` has checked its signatures, or it was made and signed here."""

    said: Message


@lru_cache(maxsize=1 << 8)
def values_hash(values: SignedValues) -> bytes:
    """What a proposal calls values by, 32 bytes: terms and items under the signature, and the signature."""
    return keccak(keccak(values.terms + keccak(values.items)) + values.signature)


def ready_digest(binding: bytes, round_time_s: int, said: Ready) -> bytes:
    """What a network key signs of it."""
    return _digest(b"ready", binding, round_time_s, (said.address, said.step, said.content, said.refused))


def advance_digest(binding: bytes, round_time_s: int, said: Advance) -> bytes:
    """What a network key signs of it."""
    return _digest(b"advance", binding, round_time_s, (said.address, said.step, said.certified, said.content))


def propose_digest(binding: bytes, round_time_s: int, said: Propose) -> bytes:
    """What a network key signs of it: its justification too, so that nobody can pass it on with another one."""
    justification = keccak(_encode((said.advances, said.certificate, said.readies)))
    return _digest(b"propose", binding, round_time_s, (said.address, said.step, said.content.hash(), justification))


def _digest(kind: bytes, binding: bytes, round_time_s: int, words: object) -> bytes:
    return keccak(b"lrt-oracle " + kind + binding + round_time_s.to_bytes(4, "big") + _encode(words))
