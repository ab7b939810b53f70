"""Seal: signatures over a proposal become a batch in the store's form, once they reach the threshold. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from oracle.sign.eip712 import BadSignature, batch_digest, recover
from oracle.sign.messages import Proposal, Refusal, Signature, SignedBatch, SignerSet


def valid_signatures(
    signers: SignerSet, proposal: Proposal, answers: Sequence[Signature | Refusal]
) -> dict[bytes, Signature]:
    """The signatures over the proposal by signer; what is not a signature of a signer of the set is left out."""
    digest = batch_digest(signers.domain, signers.epoch, proposal.round_time_s, proposal.items)
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


def seal_batch(signers: SignerSet, proposal: Proposal, signatures: Mapping[bytes, Signature]) -> SignedBatch | None:
    """Put valid signatures (by signer) into the store's form, ascending by signer index; None below the threshold."""
    if signers.weight_of(tuple(signatures)) < signers.threshold:
        return None
    ordered = [signatures[a] for a in signers.signers if a in signatures]
    return SignedBatch(
        domain=signers.domain,
        epoch=signers.epoch,
        round_time_s=proposal.round_time_s,
        items=proposal.items,
        signatures=packed_signatures(signers, {a: s.compact for a, s in signatures.items()}),
        signers=tuple(s.operator for s in ordered),
        addresses=tuple(s.address for s in ordered),
    )


def packed_signatures(signers: SignerSet, compact: Mapping[bytes, bytes]) -> bytes:
    """Signatures (r | vs, 64 bytes) by signer, as the store takes them: index 1 | r | vs of each, ascending by index."""
    return b"".join(bytes([i]) + compact[a] for i, a in enumerate(signers.signers) if a in compact)
