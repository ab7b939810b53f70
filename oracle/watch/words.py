"""Words: what a report key has signed of a round for a store, as contracts/stake/Equivocation.sol takes it. Pure.

Only a `Batch` and a `Sealed` are words: values (`Observed`) and what a network key signs are evidence for nobody.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache

from oracle.agree.messages import Commit, SealedRound
from oracle.report.wire import ITEM_BYTES
from oracle.sign.eip712 import BadSignature, Domain, batch_bytes, batch_digest, recover, sealed_digest
from oracle.sign.messages import SignerSet

SIGNATURE_BYTES = 64
_MOST_EPOCH, _MOST_ROUND, _MOST_STEP = (1 << 48) - 1, (1 << 32) - 1, (1 << 16) - 1
SignedTuple = tuple[int, int, bytes, bytes, bytes]
"""As the struct `Signed`: kind, step, batch, r, vs."""


class WordKind(IntEnum):
    """The EIP-712 type that a word was signed as, as the contracts number them."""

    BATCH = 0
    SEALED = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedWord:
    """One key's signature over items of a round.

    Attributes:
        key: address of the report key.
        domain: the store, and its chain.
        kind: what it was signed as.
        step: of the agreement, for a Sealed; 0 for a batch.
        epoch: of the signer set that it was signed for.
        round_time_s: of the round.
        items: 30 bytes each, as signed.
        signature: r | vs.
    """

    key: bytes
    domain: Domain
    kind: WordKind
    step: int
    epoch: int
    round_time_s: int
    items: bytes
    signature: bytes

    @property
    def digest(self) -> bytes:
        """What was signed, 32 bytes."""
        if self.kind is WordKind.SEALED:
            return sealed_digest(self.domain, self.epoch, self.round_time_s, self.step, self.items)
        return batch_digest(self.domain, self.epoch, self.round_time_s, self.items)

    @property
    def is_sound(self) -> bool:
        """Whether a contract would take it as this key's: form, and signature."""
        if not self.items or len(self.items) % ITEM_BYTES or len(self.signature) != SIGNATURE_BYTES:
            return False
        if not (self.epoch <= _MOST_EPOCH and self.round_time_s <= _MOST_ROUND and self.step <= _MOST_STEP):
            return False
        try:
            return recover(self.digest, self.signature) == self.key
        except BadSignature:
            return False

    @property
    def signed(self) -> SignedTuple:
        """As a contract takes it."""
        batch = batch_bytes(self.epoch, self.round_time_s, self.items)
        return int(self.kind), self.step, batch, self.signature[:32], self.signature[32:]


@lru_cache(maxsize=1 << 10)
def items_of(items: bytes) -> Mapping[int, bytes]:
    """Items of a word by token: of several of one token the first counts, as in the store."""
    found: dict[int, bytes] = {}
    for at in range(0, len(items) - ITEM_BYTES + 1, ITEM_BYTES):
        item = items[at : at + ITEM_BYTES]
        found.setdefault(int.from_bytes(item[:2], "big"), item)
    return found


def words_of(signers: SignerSet, round_time_s: int, said: object) -> Iterator[SignedWord]:
    """The words in a verified message of a round: a commit has one, a sealed round one of each who signed it."""
    match said:
        case Commit():
            yield _sealed(
                signers, round_time_s, said.certificate.step, said.certificate.content.items, said.address, said.seal
            )
        case SealedRound():
            for address, seal in said.signatures:
                yield _sealed(signers, said.round_time_s, said.step, said.content.items, address, seal)


def words_of_cut(
    signers: SignerSet, round_time_s: int, items: bytes, signatures: Iterable[tuple[bytes, bytes]]
) -> Iterator[SignedWord]:
    """The words in a batch: one of each who signed it. ``signatures``: address and r | vs."""
    for address, signature in signatures:
        yield SignedWord(
            key=address, domain=signers.domain, kind=WordKind.BATCH, step=0, epoch=signers.epoch,
            round_time_s=round_time_s, items=items, signature=signature,
        )  # fmt: skip


def _sealed(signers: SignerSet, round_time_s: int, step: int, items: bytes, address: bytes, seal: bytes) -> SignedWord:
    return SignedWord(
        key=address, domain=signers.domain, kind=WordKind.SEALED, step=step, epoch=signers.epoch,
        round_time_s=round_time_s, items=items, signature=seal,
    )  # fmt: skip
