"""A batch with signatures of enough weight, in the form that the store takes. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from oracle.sign.eip712 import BadSignature, batch_digest, recover
from oracle.sign.messages import Refusal, Signature, SignedBatch, SignerSet


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectedSignatures:
    """How a batch came about, or did not: every refusal on the way."""

    batch: SignedBatch | None
    refusals: tuple[Refusal, ...]


def valid_signatures(
    signers: SignerSet, round_time_s: int, items: bytes, answers: Iterable[Signature | Refusal]
) -> dict[bytes, Signature]:
    """The signatures over a batch by signer; what is not a signature of a signer of the set is left out."""
    digest = batch_digest(signers.domain, signers.epoch, round_time_s, items)
    return {
        a.address: a
        for a in answers
        if isinstance(a, Signature) and a.address in signers.signers and _is_from(digest, a)
    }


def _is_from(digest: bytes, answer: Signature) -> bool:
    try:
        return recover(digest, answer.compact) == answer.address
    except BadSignature:
        return False


def seal_batch(
    signers: SignerSet, round_time_s: int, items: bytes, signatures: Mapping[bytes, Signature]
) -> SignedBatch | None:
    """Put valid signatures (by signer) into the store's form, ascending by signer index; None below the threshold."""
    if signers.weight_of(tuple(signatures)) < signers.threshold:
        return None
    ordered = [signatures[a] for a in signers.signers if a in signatures]
    return SignedBatch(
        domain=signers.domain,
        epoch=signers.epoch,
        round_time_s=round_time_s,
        items=items,
        signatures=packed_signatures(signers, {a: s.compact for a, s in signatures.items()}),
        signers=tuple(s.operator for s in ordered),
        addresses=tuple(s.address for s in ordered),
    )


def packed_signatures(signers: SignerSet, compact: Mapping[bytes, bytes]) -> bytes:
    """Signatures (r | vs, 64 bytes) by signer, as the store takes them: index 1 | r | vs of each, ascending by index."""
    return b"".join(bytes([i]) + compact[a] for i, a in enumerate(signers.signers) if a in compact)
