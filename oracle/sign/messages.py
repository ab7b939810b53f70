"""Sign: operators agree on a batch through one interface, and none of them says two things.

Each operator signs its own values; the leader proposes the agreed values; a cosigner recomputes the proposal from the
signed values, holds it against its own view, and signs or refuses with a typed reason.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Protocol

from oracle.model.types import Report
from oracle.report.wire import decode_item, split_items
from oracle.sign.eip712 import BadSignature, Domain, batch_bytes, batch_digest, observed_digest, recover
from oracle.sign.median_report import agree


class RefusalCode(StrEnum):
    """Why a cosigner does not sign."""

    MUTE = "mute"
    CLOCK = "clock"
    WRONG_EPOCH = "wrong_epoch"
    BAD_VALUES = "bad_values"
    NOT_RECOMPUTED = "not_recomputed"
    NO_OWN_VIEW = "no_own_view"
    OUT_OF_BOUND = "out_of_bound"
    EQUIVOCATION = "equivocation"
    JOURNAL = "journal"
    SIGNER = "signer"


@dataclass(frozen=True, slots=True, kw_only=True)
class SignerSet:
    """Who may sign for a store in an epoch: addresses in the store's order, weights beside them."""

    domain: Domain
    epoch: int
    signers: tuple[bytes, ...]
    weights: tuple[int, ...]
    threshold: int

    def weight_of(self, addresses: Sequence[bytes]) -> int:
        """Sum of the weights of distinct signers of the set."""
        return sum(w for a, w in zip(self.signers, self.weights, strict=True) if a in addresses)


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedValues:
    """One operator's own values for a round_time: items by feed index, and its signature over them."""

    operator: str
    address: bytes
    round_time_s: int
    items: bytes
    signature: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """What the leader asks the others to sign, with the signed values that it was made from."""

    leader: str
    round_time_s: int
    items: bytes
    values: tuple[SignedValues, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """A cosigner's yes."""

    operator: str
    address: bytes
    compact: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A cosigner's no, and which feeds (by index) it is about; () is all of them.

    ``address``: whose no it is; the interface vouches for it. Without one it is shown and weighs nothing.
    """

    operator: str
    code: RefusalCode
    text: str
    feeds: tuple[int, ...] = ()
    address: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedBatch:
    """What can be pushed: the batch of one store and round_time, and signatures that reach the threshold."""

    domain: Domain
    epoch: int
    round_time_s: int
    items: bytes
    signatures: bytes
    signers: tuple[str, ...]
    addresses: tuple[bytes, ...]

    @property
    def batch(self) -> bytes:
        """First argument of PriceStore.push."""
        return batch_bytes(self.epoch, self.round_time_s, self.items)


class Cosigners(Protocol):
    """The operators of a store, wherever they run."""

    async def propose(self, turn: int, values: Sequence[SignedValues], feeds: Sequence[int]) -> Proposal:
        """The proposal of the operator whose turn it is to lead, for these feeds."""

    async def cosign(self, proposal: Proposal) -> tuple[Signature | Refusal, ...]:
        """Every operator's answer to a proposal."""


@lru_cache(maxsize=256)
def fault_of(one: SignedValues, signers: SignerSet, round_time_s: int) -> str | None:
    """What is wrong with values as an operator's word for this round; None if they are items that a signer signed.

    Pure: every operator asks it about the same values, so answers are kept.
    """
    if one.round_time_s != round_time_s:
        return f"they are of round_time {one.round_time_s}"
    try:
        for item in split_items(one.items).values():
            decode_item(item, round_time_s)
        signer = recover(observed_digest(signers.domain, signers.epoch, round_time_s, one.items), one.signature)
    except ValueError as e:
        return str(e)
    return None if signer == one.address and signer in signers.signers else "they are not signed by a signer of the set"


def heard(
    asked: Sequence[tuple[str, bytes]],
    said: Sequence[SignedValues | Refusal],
    signers: SignerSet,
    round_time_s: int,
) -> tuple[tuple[SignedValues, ...], tuple[Refusal, ...]]:
    """Of what operators answered for a round: the values to agree on, and the refusals.

    Values that are no word of who was asked count as its refusal: one that signs nonsense is mute, and mutes nobody.

    Args:
        asked: name and address of each operator.
        said: their answers, in the same order.
        signers: the set that they sign for.
        round_time_s: of the round.
    """
    values: dict[bytes, SignedValues] = {}
    refusals: list[Refusal] = []
    for (name, address), one in zip(asked, said, strict=True):
        if isinstance(one, Refusal):
            refusals.append(one)
            continue
        wrong = fault_of(one, signers, round_time_s)
        if wrong is None and ((one.operator, one.address) != (name, address) or address in values):
            wrong = f"they are given as {one.operator}'s"
        if wrong is None:
            values[address] = one
        else:
            text = f"mute for round {round_time_s}, its values do not count: {wrong}"
            refusals.append(Refusal(operator=name, code=RefusalCode.BAD_VALUES, text=text, address=address))
    return tuple(values.values()), tuple(refusals)


def agreed(values: Sequence[SignedValues], signers: SignerSet) -> dict[int, Report]:
    """The agreed report of each feed that operators of at least the threshold's weight have values of one kind for."""
    by_feed: dict[int, dict[bytes, Report]] = {}
    for one in sorted(values, key=lambda v: v.address):
        for index, item in split_items(one.items).items():
            by_feed.setdefault(index, {})[one.address] = decode_item(item, one.round_time_s)[1]
    out: dict[int, Report] = {}
    for index, reports in sorted(by_feed.items()):
        weights = [signers.weight_of((a,)) for a in reports]
        fair = agree(tuple(reports.values()), weights, signers.threshold) if sum(weights) else None
        if fair is not None:
            out[index] = fair
    return out


def agreeing(signers: SignerSet, proposal: Proposal, answers: Sequence[Signature | Refusal]) -> dict[bytes, Signature]:
    """The signatures of the proposal by signer; what is no signature of a signer of the set is left out."""
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


def seal(signers: SignerSet, proposal: Proposal, answers: Sequence[Signature | Refusal]) -> SignedBatch | None:
    """Put the signatures into the store's form, ascending by signer index; None below the threshold."""
    yes = agreeing(signers, proposal, answers)
    if signers.weight_of(tuple(yes)) < signers.threshold:
        return None
    ordered = [yes[a] for a in signers.signers if a in yes]
    return SignedBatch(
        domain=signers.domain,
        epoch=signers.epoch,
        round_time_s=proposal.round_time_s,
        items=proposal.items,
        signatures=in_order(signers, {a: s.compact for a, s in yes.items()}),
        signers=tuple(s.operator for s in ordered),
        addresses=tuple(s.address for s in ordered),
    )


def in_order(signers: SignerSet, compact: Mapping[bytes, bytes]) -> bytes:
    """Signatures (r | vs, 64 bytes) by signer, as the store takes them: index 1 | r | vs of each, ascending by index."""
    return b"".join(bytes([i]) + compact[a] for i, a in enumerate(signers.signers) if a in compact)


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """The signed values of a round for one target, and which feed each index is: the input of every record of it."""

    target: str
    round_time_s: int
    signers: SignerSet
    feeds: tuple[str, ...]
    indexes: tuple[int, ...]
    values: tuple[SignedValues, ...]
