"""What members tell each other of an epoch's report, as bytes: msgpack arrays with a tag. Every field is bounded before it is kept.

Nothing here needs its sender to be believed: each word proves itself by the signatures of report keys of the epoch's set, so it does
not matter who hands it on.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, TypeAlias

import msgspec

from feeds.errors import LrtOracleError
from oracle.agree.messages import ADDRESS_BYTES, HASH_BYTES, MOST_MEMBERS, AddressBytes, HashBytes, SignatureBytes
from oracle.agree.wire import MOST_EPOCH_WORD
from oracle.sign.eip712 import Domain
from oracle.sign.epoch_words import RewardsWord, VoteKind

_Bytes = Annotated[bytes, msgspec.Meta(max_length=MOST_EPOCH_WORD)]
_Attempt = Annotated[int, msgspec.Meta(ge=0, le=(1 << 16) - 1)]
_Signatures = Annotated[tuple[tuple[AddressBytes, SignatureBytes], ...], msgspec.Meta(max_length=MOST_MEMBERS)]
_Absent = Annotated[tuple[AddressBytes, ...], msgspec.Meta(max_length=MOST_MEMBERS)]


class RefusedWord(StrEnum):
    """Why a word about an epoch counts for nothing."""

    UNREADABLE = "it is no word about an epoch"
    UNKNOWN_EPOCH = "of an epoch that has not ended, or is settled, by what is known here"
    STRANGER = "of nobody in the epoch's set"
    BAD_SIGNATURE = "a signature in it is not its member's"
    BAD_GROUNDS = "its grounds do not bear a report"
    BAD_ATTENDANCE = "a word of who was there in it is not sound"
    NOT_THE_LEADER = "its sender does not lead this attempt here: clocks or rewards.attempt_s differ, or it lies"
    AHEAD = "of an attempt that has not begun: clocks or rewards.attempt_s differ, or it lies"
    TOO_LITTLE_WEIGHT = "it shows grounds without the weight behind them"
    TOO_MANY = "more words than an honest member has to say in an attempt"


class UnsoundRootWord(LrtOracleError, ValueError):
    """A word about an epoch counts for nothing: why."""

    def __init__(self, why: RefusedWord, more: str = "") -> None:
        super().__init__(f"{why.name.lower()}: {why}{f' ({more})' if more else ''}")
        self.why = why


class AttendedWords(msgspec.Struct, frozen=True, array_like=True, tag=1):
    """Who was there, by what members say: words as they are in grounds, one after the other."""

    words: _Bytes


class RootVotes(msgspec.Struct, frozen=True, array_like=True, tag=2):
    """Votes of one kind for one report in one attempt; with weight T they are a certificate, and then ``grounds`` come along.

    ``content``: digest of the report.
    """

    kind: VoteKind
    attempt: _Attempt
    content: HashBytes
    signatures: _Signatures
    grounds: _Bytes = b""


class RootProposal(msgspec.Struct, frozen=True, array_like=True, tag=3):
    """A leader's proposal: grounds, from which everybody computes the report, and its digest under the leader's signature.

    ``ready``: a certificate of an earlier attempt, for what is proposed again.
    """

    attempt: _Attempt
    content: HashBytes
    grounds: _Bytes
    signature: SignatureBytes
    ready: RootVotes | None = None


class RootSigned(msgspec.Struct, frozen=True, array_like=True, tag=4):
    """A report key's signature over the report itself: what the contract counts."""

    address: AddressBytes
    root: HashBytes
    absent: _Absent
    grounds: HashBytes
    signature: SignatureBytes

    def said(self, domain: Domain, epoch: int) -> RewardsWord:
        """What it signs."""
        return RewardsWord(domain=domain, epoch=epoch, root=self.root, absent=self.absent, grounds=self.grounds)


class RootAsk(msgspec.Struct, frozen=True, array_like=True, tag=5):
    """Please send what is known of the epoch: what was decided, its grounds, and who has signed it."""


RootWord: TypeAlias = AttendedWords | RootVotes | RootProposal | RootSigned | RootAsk
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(RootWord)


def encode_word(word: RootWord) -> bytes:
    """The bytes of a word."""
    return _encoder.encode(word)


def decode_word(body: bytes) -> RootWord:
    """Read them back.

    Raises:
        UnsoundRootWord: they are none.
    """
    try:
        word: RootWord = _decoder.decode(body)
    except (msgspec.DecodeError, ValueError, RecursionError) as e:
        raise UnsoundRootWord(RefusedWord.UNREADABLE, str(e)[:200]) from None
    if isinstance(word, RootSigned) and not _is_formed(word):
        raise UnsoundRootWord(RefusedWord.UNREADABLE, "a root and a hash have 32 bytes, an operator has 20")
    return word


def _is_formed(word: RootSigned) -> bool:
    return all(len(h) == HASH_BYTES for h in (word.root, word.grounds)) and all(
        len(a) == ADDRESS_BYTES for a in word.absent
    )


class RootFault(StrEnum):
    """What two words of one key about an epoch show. No contract takes them as evidence: they are kept and shown."""

    TWO_ATTENDANCES = "two_attendances"
    TWO_PROPOSALS = "two_root_proposals"
    TWO_READIES = "two_root_readies"
    TWO_COMMITS = "two_root_commits"
    TWO_ROOTS = "two_roots"


@dataclass(frozen=True, slots=True, kw_only=True)
class RootEvidence:
    """Two words of one key that do not go together, as they can be checked again."""

    kind: RootFault
    address: bytes
    text: str
    first: bytes
    second: bytes
