"""Quorum: from the operators' values to a batch that enough of them have signed. No I/O but the cosigners' own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from eth_hash.auto import keccak

from oracle.report.wire import split_items
from oracle.sign.agreed_reports import agreed_reports
from oracle.sign.messages import Proposal, Refusal, RefusalCode, Signature, SignedBatch, SignerSet
from oracle.sign.sealing import seal_batch, valid_signatures
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
            text = f"{proposal.leader} leads with other feeds than it was asked for, {wanted}"
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
