"""Messages of a round as bytes: msgpack arrays with a tag, in an envelope that names terms and round. Pure.

Bytes that do not decode to exactly one of these forms are refused with `BadPayload`; how long they may be is the
transport's to bound.
"""

from __future__ import annotations

from typing import Annotated, TypeAlias

import msgspec

from feeds.errors import LrtOracleError
from oracle.agree.messages import (
    AddressBytes,
    Advancing,
    Commit,
    FeedIndexes,
    FeedPairs,
    HashBytes,
    ItemBytes,
    Propose,
    Ready,
    SealedRound,
    SignatureBytes,
    Want,
)
from oracle.sign.messages import SignedValues

MOST_TEXT = 300
"""Characters of a sentence for people: it is kept with every record of the round."""
MOST_EPOCH_WORD = 200 << 10
"""Bytes of a word about an epoch: a proposal of 100 members is 40 KB, with a certificate."""
TextForPeople = Annotated[str, msgspec.Meta(max_length=MOST_TEXT)]
_Code = Annotated[str, msgspec.Meta(max_length=32)]


class BadPayload(LrtOracleError, ValueError):
    """The bytes are no message of a round."""


class ValuesWord(msgspec.Struct, frozen=True, array_like=True, tag=10):
    """`SignedValues` on their way. Their terms are the envelope's; ``version`` and ``rules`` say what these were made of."""

    address: AddressBytes
    version: int
    rules: HashBytes
    items: ItemBytes
    signature: SignatureBytes


class CutRequest(msgspec.Struct, frozen=True, array_like=True, tag=11):
    """Please sign a batch of these feeds (indexes, ascending) of the round, which is sealed: they are due at the store."""

    indexes: FeedIndexes


class CutAnswer(msgspec.Struct, frozen=True, array_like=True, tag=12):
    """The report key's signature over that batch; or a refusal with its code and a sentence."""

    address: AddressBytes
    indexes: FeedIndexes
    signature: SignatureBytes = b""
    code: _Code = ""
    text: TextForPeople = ""


class Fetch(msgspec.Struct, frozen=True, array_like=True, tag=13):
    """Please send the sealed rounds after the envelope's round, oldest first, as many as one answer holds."""


class Notice(msgspec.Struct, frozen=True, array_like=True, tag=14):
    """Something that others should know, for people: the sender has gone mute, as its own key said what it did not say."""

    text: TextForPeople


class PushingWord(msgspec.Struct, frozen=True, array_like=True, tag=15):
    """A push of the round is on its way, says the sender, in this transaction: a hint that others wait for, and no more.

    ``feeds``: index, and the round that the store holds of it and that is to be replaced (0: none). ``urgent``: something in
    it turned to depeg or halt.
    """

    feeds: FeedPairs
    urgent: bool
    tx_hash: HashBytes


class ArmingWord(msgspec.Struct, frozen=True, array_like=True, tag=16):
    """The report key's signature (r | vs) that arms the set with this hash, which is to follow at the store."""

    address: AddressBytes
    set_hash: HashBytes
    signature: SignatureBytes


class EpochWord(msgspec.Struct, frozen=True, array_like=True, tag=17):
    """A word about the report of an epoch that has ended, see `oracle.rewards.roots.words`."""

    epoch: Annotated[int, msgspec.Meta(ge=1, lt=1 << 48)]
    body: Annotated[bytes, msgspec.Meta(max_length=MOST_EPOCH_WORD)]


class KeepingWord(msgspec.Struct, frozen=True, array_like=True, tag=18):
    """The sender does what is due for the contracts of stake; a hint that others wait for, and no more.

    ``place``: of the duty that it has just sent a call for, in this transaction; zeros: none, it is there.
    """

    place: HashBytes
    tx_hash: HashBytes


BesideWord: TypeAlias = PushingWord | ArmingWord | KeepingWord | EpochWord
"""What operators tell each other beside the rounds of a store."""
Word: TypeAlias = (
    Ready
    | Propose
    | Commit
    | SealedRound
    | Advancing
    | Want
    | ValuesWord
    | CutRequest
    | CutAnswer
    | Fetch
    | Notice
    | PushingWord
    | ArmingWord
    | EpochWord
    | KeepingWord
)


class Envelope(msgspec.Struct, frozen=True, array_like=True):
    """A word with the terms (32 bytes) and the round that it belongs to."""

    binding: HashBytes
    round_time_s: int
    word: Word


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Envelope)


def encode(binding: bytes, round_time_s: int, word: Word) -> bytes:
    """The bytes of a word."""
    return _encoder.encode(Envelope(binding, round_time_s, word))


def decode(payload: bytes) -> Envelope:
    """Read them back.

    Raises:
        BadPayload: they are none.
    """
    try:
        return _decoder.decode(payload)
    except (msgspec.DecodeError, ValueError, RecursionError) as e:
        raise BadPayload(f"no message of a round: {str(e)[:MOST_TEXT]}") from None


def values_word(values: SignedValues, version: int, rules: bytes) -> ValuesWord:
    """Values as they go out."""
    return ValuesWord(values.address, version, rules, values.items, values.signature)


def signed_values(word: ValuesWord, binding: bytes, round_time_s: int, name: str) -> SignedValues:
    """Values as they came in. ``name``: of the member in the config."""
    return SignedValues(
        operator=name,
        address=word.address,
        round_time_s=round_time_s,
        items=word.items,
        signature=word.signature,
        terms=binding,
    )
