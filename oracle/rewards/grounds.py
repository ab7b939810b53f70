"""What an epoch's report was computed from, as it is posted with it: members' words, and where the stake of each lay. Pure.

version 1 | number of sources 1 | stakes, 16 bytes each: member by member, source by source | of each word, ascending by member: index 1 |
rounds 4 | counts, 3 bytes each | signature 64. Big endian; the members are those of the epoch's frozen set.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

from eth_hash.auto import keccak

from feeds.errors import LrtOracleError
from oracle.rewards.frozen import FrozenEpoch
from oracle.sign.epoch_words import EpochAttendance, SignedAttendance, read_counts

_VERSION = 1
_STAKE = 16
MOST_STAKE = (1 << 8 * _STAKE) - 1
"""That a report can be computed from."""
_ROUNDS = 4
_SIGNATURE = 64
_COUNT = 3


class BadGrounds(LrtOracleError, ValueError):
    """The grounds of a report do not bear it: what is wrong with them."""


@dataclass(frozen=True, kw_only=True)
class Grounds:
    """Words of members of weight T, and the stake of each member at the freeze.

    Attributes:
        stakes: of each member in the set's order, in each source, wei.
        words: ascending by report key, one of a member at most.
    """

    stakes: tuple[tuple[int, ...], ...]
    words: tuple[SignedAttendance, ...]

    def encode(self, frozen: FrozenEpoch) -> bytes:
        """As they are posted."""
        sources = len(self.stakes[0]) if self.stakes else 0
        stakes = b"".join(s.to_bytes(_STAKE, "big") for of in self.stakes for s in of)
        return bytes([_VERSION, sources]) + stakes + b"".join(encoded_word(frozen, w) for w in self.words)


@dataclass(frozen=True, kw_only=True)
class CheckedGrounds:
    """Grounds that bear a report: every word is signed, and the weight is there. ``raw``: as they are posted."""

    frozen: FrozenEpoch
    grounds: Grounds
    raw: bytes

    @cached_property
    def hash(self) -> bytes:
        """What the signers of the report sign of them, 32 bytes."""
        return keccak(self.raw)


def make_grounds(
    frozen: FrozenEpoch, stakes: Sequence[Sequence[int]], words: Mapping[bytes, SignedAttendance]
) -> CheckedGrounds:
    """Grounds from the words that are known, by report key; those that are not sound are left out.

    Raises:
        BadGrounds: the rest does not weigh T.
    """
    sound = [words[k] for k in frozen.keys if k in words and not word_fault(frozen, words[k])]
    grounds = Grounds(stakes=tuple(tuple(of) for of in stakes), words=tuple(sound))
    return check_grounds(frozen, grounds.encode(frozen))


def check_grounds(frozen: FrozenEpoch, raw: bytes) -> CheckedGrounds:
    """Grounds from what was posted or sent.

    Raises:
        BadGrounds: they are not of this set, or do not bear a report.
    """
    grounds = _decoded(frozen, raw)
    if grounds.encode(frozen) != raw:
        raise BadGrounds("their bytes are not what they say")
    indexes = [frozen.keys.index(w.address) for w in grounds.words]
    if any(a >= b for a, b in pairwise(indexes)):
        raise BadGrounds("the words are not of one member each, ascending")
    for word in grounds.words:
        if fault := word_fault(frozen, word):
            raise BadGrounds(f"the word of 0x{word.address.hex()}: {fault}")
    weight = sum(frozen.weight_of(w.address) for w in grounds.words)
    if weight < frozen.threshold:
        raise BadGrounds(f"words of weight {weight}, {frozen.threshold} are needed")
    return CheckedGrounds(frozen=frozen, grounds=grounds, raw=raw)


def word_fault(frozen: FrozenEpoch, word: SignedAttendance) -> str:
    """What is wrong with a word about this epoch; "" where nothing is."""
    if (word.said.domain, word.said.epoch) != (frozen.domain, frozen.epoch):
        return "it is of another store or epoch"
    return word.fault(len(frozen.keys))


def encoded_word(frozen: FrozenEpoch, word: SignedAttendance) -> bytes:
    """A word as it is in grounds, and as it is handed on by hand."""
    index, rounds = frozen.keys.index(word.address), word.said.rounds
    return bytes([index]) + rounds.to_bytes(_ROUNDS, "big") + word.said.counted + word.signature


def _decoded(frozen: FrozenEpoch, raw: bytes) -> Grounds:
    members = len(frozen.keys)
    if raw[:1] != bytes([_VERSION]) or len(raw) < 2:  # noqa: PLR2004 - version and number of sources
        raise BadGrounds(f"version {raw[:1].hex() or 'none'}: another version of this program made them")
    sources, at = raw[1], 2
    end = at + members * sources * _STAKE
    if len(raw) < end or (len(raw) - end) % _word_bytes(frozen):
        raise BadGrounds("they are cut off, or of another set")
    flat = [int.from_bytes(raw[i : i + _STAKE], "big") for i in range(at, end, _STAKE)]
    stakes = tuple(tuple(flat[i * sources : (i + 1) * sources]) for i in range(members))
    return Grounds(stakes=stakes, words=read_words(frozen, raw[end:]))


def read_words(frozen: FrozenEpoch, raw: bytes) -> tuple[SignedAttendance, ...]:
    """Words one after the other, whose signatures are not looked at.

    Raises:
        BadGrounds: they are cut off, or of nobody in the set.
    """
    each = _word_bytes(frozen)
    if len(raw) % each:
        raise BadGrounds("words are cut off, or of another set")
    return tuple(_word(frozen, raw[i : i + each]) for i in range(0, len(raw), each))


def _word_bytes(frozen: FrozenEpoch) -> int:
    return 1 + _ROUNDS + len(frozen.keys) * _COUNT + _SIGNATURE


def _word(frozen: FrozenEpoch, raw: bytes) -> SignedAttendance:
    if raw[0] >= len(frozen.keys):
        raise BadGrounds("a word of nobody in the set")
    said = EpochAttendance(
        domain=frozen.domain,
        epoch=frozen.epoch,
        rounds=int.from_bytes(raw[1 : 1 + _ROUNDS], "big"),
        counts=read_counts(raw[1 + _ROUNDS : -_SIGNATURE]),
    )
    return SignedAttendance(said=said, address=frozen.keys[raw[0]], signature=raw[-_SIGNATURE:])
