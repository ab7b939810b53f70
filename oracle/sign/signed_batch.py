"""From the operators' values to a signed batch: one proposes, all sign or refuse. No I/O but the cosigners' own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from eth_hash.auto import keccak

from oracle.report.wire import split_items
from oracle.sign.agreed_reports import agreed_reports
from oracle.sign.eip712 import BadSignature, batch_digest, recover
from oracle.sign.messages import Proposal, Refusal, RefusalCode, Signature, SignedBatch, SignerSet
from oracle.sign.verified_values import VerifiedValues

_TRIES = 3
"""So often a leader's proposal is signed again without the feeds that too many refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectedSignatures:
    """How a batch came about, or did not: every refusal on the way."""

    batch: SignedBatch | None
    refusals: tuple[Refusal, ...]


class Cosigners(Protocol):
    """The operators of a store, wherever they run."""

    async def propose(self, leader_index: int, values: Sequence[VerifiedValues], feeds: Sequence[int]) -> Proposal:
        """The proposal for these feeds by the operator at this index, counted round and round."""

    async def cosign(self, proposal: Proposal) -> tuple[Signature | Refusal, ...]:
        """Every operator's answer to a proposal."""


async def collect_signatures(
    cosigners: Cosigners, signers: SignerSet, values: Sequence[VerifiedValues], feeds: Sequence[int]
) -> CollectedSignatures:
    """Get a batch signed: one leader after another, and again without the feeds that too many could not sign.

    A leader whose proposal is not what the signed values give, or of other feeds, is passed over; the next one proposes the
    same round.

    Args:
        cosigners: the operators.
        signers: the set that they sign for.
        values: theirs, of one round.
        feeds: indexes of what shall be in the batch.
    """
    agreed = agreed_reports(values, signers)
    wanted = sorted({i for i in feeds if i in agreed})
    refusals: list[Refusal] = []
    for attempt in range(len(signers.signers)) if wanted else ():
        leader = leader_index(values[0].signed.round_time_s) + attempt
        proposal = await cosigners.propose(leader, values, wanted)
        if _feeds_of(proposal) != wanted:
            text = f"{proposal.leader} proposes other feeds than it was asked for, {wanted}"
            refusals.append(Refusal(operator=proposal.leader, code=RefusalCode.NOT_RECOMPUTED, text=text))
            continue
        under_leader = await _under_leader(cosigners, signers, proposal, leader)
        refusals += under_leader.refusals
        if under_leader.batch is not None or under_leader.unreachable:
            return CollectedSignatures(batch=under_leader.batch, refusals=tuple(refusals))
    return CollectedSignatures(batch=None, refusals=tuple(refusals))


def leader_index(round_time_s: int) -> int:
    """Which operator leads a round first, counted round and round: known to all, and in step with no heartbeat."""
    return int.from_bytes(keccak(round_time_s.to_bytes(4, "big"))[:4], "big")


@dataclass(frozen=True, slots=True, kw_only=True)
class _UnderLeader:
    """What came of one leader's proposal. ``unreachable``: no leader's proposal can reach the threshold."""

    batch: SignedBatch | None
    refusals: tuple[Refusal, ...]
    unreachable: bool = False


async def _under_leader(cosigners: Cosigners, signers: SignerSet, proposal: Proposal, leader: int) -> _UnderLeader:
    refusals: list[Refusal] = []
    for _ in range(_TRIES):
        answers = await cosigners.cosign(proposal)
        refusals += [a for a in answers if isinstance(a, Refusal)]
        signatures = valid_signatures(signers, proposal, answers)
        batch = seal_batch(signers, proposal, signatures)
        if batch is not None or _is_unreachable(signers, answers):
            return _UnderLeader(batch=batch, refusals=tuple(refusals), unreachable=batch is None)
        reduced = reduced_proposal(signers, proposal, answers, signatures, leader)
        if reduced is None:
            break
        proposal = reduced
    return _UnderLeader(batch=None, refusals=tuple(refusals))


def _is_unreachable(signers: SignerSet, answers: Sequence[Signature | Refusal]) -> bool:
    """Whether those who could sign anything do not reach the threshold: another proposal would only take more time."""
    able = [a.address for a in answers if isinstance(a, Signature) or not a.code.is_about_operator]
    return signers.weight_of(able) < signers.threshold


def _feeds_of(proposal: Proposal) -> list[int]:
    """Indexes in the order proposed; [] for bytes that are not items."""
    try:
        return list(split_items(proposal.items))
    except ValueError:
        return []


def reduced_proposal(
    signers: SignerSet,
    proposal: Proposal,
    answers: Sequence[Signature | Refusal],
    signatures: Mapping[bytes, Signature],
    leader: int,
) -> Proposal | None:
    """The proposal less the feeds that keep it from the threshold; None if no other proposal is left.

    Out goes what the threshold's weight does not sign, whatever else is left. Then operators are counted in, the one that
    costs the fewest further feeds first, until they reach the threshold, and what these refuse goes out too: an operator
    that refuses more is not needed and takes no feed along. Equals are counted in an order that follows the leader, so that
    no operator is preferred in every round.

    Args:
        signers: the set.
        proposal: what was asked for.
        answers: to it.
        signatures: the valid ones among them, by signer.
        leader: index of the leader, counted round and round.
    """
    proposed = split_items(proposal.items)
    refused = {
        a.address: set(a.feeds)
        for a in answers
        if isinstance(a, Refusal) and a.code.is_about_feeds and a.feeds and a.address in signers.signers
    }
    refused |= {a: set() for a in signatures}
    out = {i for i in proposed if signers.weight_of([a for a in refused if i not in refused[a]]) < signers.threshold}
    counted: list[bytes] = []
    seats = len(signers.signers)
    while refused and signers.weight_of(counted) < signers.threshold:
        cheapest = min(refused, key=lambda a: (len(refused[a] - out), (signers.signers.index(a) - leader) % seats))
        counted.append(cheapest)
        out |= refused.pop(cheapest)
    left = {i: item for i, item in proposed.items() if i not in out}
    if not left or len(left) == len(proposed):
        return None
    return replace(proposal, items=b"".join(left[i] for i in sorted(left)))


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
