"""Ballot: from the operators' signed values to a batch that enough of them have signed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from eth_hash.auto import keccak

from oracle.report.wire import split_items
from oracle.sign.messages import (
    Cosigners,
    Proposal,
    Refusal,
    RefusalCode,
    Signature,
    SignedBatch,
    SignedValues,
    SignerSet,
    agreed,
    agreeing,
    seal,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectedSignatures:
    """How a batch came about, or did not: every refusal on the way."""

    batch: SignedBatch | None
    refusals: tuple[Refusal, ...]


_PARTIAL = frozenset({RefusalCode.NO_OWN_VIEW, RefusalCode.OUT_OF_BOUND, RefusalCode.EQUIVOCATION})
_WHOLE = frozenset({RefusalCode.MUTE, RefusalCode.CLOCK, RefusalCode.JOURNAL, RefusalCode.SIGNER})
"""A no that is about no proposal: whoever gives it says it to the next one too."""
_TRIES = 3


async def collect_signatures(
    cosigners: Cosigners, signers: SignerSet, values: Sequence[SignedValues], feeds: Sequence[int]
) -> CollectedSignatures:
    """Get a batch signed: leaders in turn, and again without the feeds that too many could not sign.

    A leader whose proposal is not what the signed values give, or of other feeds, is passed over; the next one proposes the
    same round.

    Args:
        cosigners: the operators.
        signers: the set that they sign for.
        values: theirs, of one round and sound, see `heard`.
        feeds: indexes of what shall be in the batch.
    """
    refusals: list[Refusal] = []
    fair = agreed(values, signers)
    wanted = sorted({i for i in feeds if i in fair})
    for attempt in range(len(signers.signers)):
        if not wanted:
            break
        turn = leader_index(values[0].round_time_s) + attempt
        proposal = await cosigners.propose(turn, values, wanted)
        if _feeds(proposal) != wanted:
            text = f"{proposal.leader} leads with other feeds than it was asked for, {wanted}"
            refusals.append(Refusal(operator=proposal.leader, code=RefusalCode.NOT_RECOMPUTED, text=text))
            continue
        for _ in range(_TRIES):
            answers = await cosigners.cosign(proposal)
            refusals += [a for a in answers if isinstance(a, Refusal)]
            batch = seal(signers, proposal, answers)
            if batch is not None:
                return CollectedSignatures(batch=batch, refusals=tuple(refusals))
            if _hopeless(signers, answers):
                return CollectedSignatures(batch=None, refusals=tuple(refusals))
            left = _without(signers, proposal, answers, turn)
            if left is None:
                break
            proposal = left
    return CollectedSignatures(batch=None, refusals=tuple(refusals))


def leader_index(round_time_s: int) -> int:
    """Whose turn it is to lead first: known to all, and in step with no heartbeat."""
    return int.from_bytes(keccak(round_time_s.to_bytes(4, "big"))[:4], "big")


def _hopeless(signers: SignerSet, answers: Sequence[Signature | Refusal]) -> bool:
    """Whether those who could sign anything do not reach the threshold: another proposal would only take more time."""
    able = [a.address for a in answers if isinstance(a, Signature) or a.code not in _WHOLE]
    return signers.weight_of(able) < signers.threshold


def _feeds(proposal: Proposal) -> list[int]:
    """Indexes in the order proposed; [] for what are no items."""
    try:
        return list(split_items(proposal.items))
    except ValueError:
        return []


def _without(
    signers: SignerSet, proposal: Proposal, answers: Sequence[Signature | Refusal], turn: int
) -> Proposal | None:
    """The proposal less the feeds that keep it from the threshold; None if that is no other proposal.

    Out goes what the threshold's weight does not sign, whatever else is left. Then operators are counted in, the one that
    costs the fewest further feeds first, until they reach the threshold, and what these refuse goes out too: whoever
    refuses more is not needed and takes no feed along. Equals come in turn, so that none has his way in every round.
    """
    proposed = split_items(proposal.items)
    no = {a.address: set(a.feeds) for a in answers if isinstance(a, Refusal) and a.code in _PARTIAL and a.feeds}
    no = {a: feeds for a, feeds in no.items() if a in signers.signers} | {
        a: set() for a in agreeing(signers, proposal, answers)
    }
    out = {i for i in proposed if signers.weight_of([a for a in no if i not in no[a]]) < signers.threshold}
    counted: list[bytes] = []
    seats = len(signers.signers)
    while no and signers.weight_of(counted) < signers.threshold:
        least = min(no, key=lambda a: (len(no[a] - out), (signers.signers.index(a) - turn) % seats))
        counted.append(least)
        out |= no.pop(least)
    kept = {i: item for i, item in proposed.items() if i not in out}
    if not kept or len(kept) == len(proposed):
        return None
    return replace(proposal, items=b"".join(kept[i] for i in sorted(kept)))
