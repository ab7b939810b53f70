"""Values of operators are verified once, where they enter. From then on their type says so, and they are decoded. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from oracle.model.types import Report
from oracle.report.wire import decode_items
from oracle.sign.eip712 import observed_digest, recover
from oracle.sign.messages import Refusal, RefusalCode, RoundSigner, SignedValues, SignerSet


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedValues:
    """Values that a signer of a set signed for a round, and that are items. Only `verify_values` makes them.

    ``signed``: as they came, which is what is stored and passed on. ``reports``: the same decoded, by feed index.
    """

    signed: SignedValues
    reports: Mapping[int, Report] = field(compare=False, repr=False)

    @property
    def operator(self) -> str:
        """Name of the operator that signed."""
        return self.signed.operator

    @property
    def address(self) -> bytes:
        """Of its key."""
        return self.signed.address


@dataclass(frozen=True, slots=True)
class UnsoundValues:
    """Why values do not count."""

    fault: str


@lru_cache(maxsize=256)
def verify_values(values: SignedValues, signers: SignerSet, round_time_s: int) -> VerifiedValues | UnsoundValues:
    """Check that these are items which a signer of the set signed for this round.

    Pure, and kept by content: the same bytes are verified once, no matter who hands them over.
    """
    if values.round_time_s != round_time_s:
        return UnsoundValues(f"they are of round_time {values.round_time_s}")
    try:
        reports = decode_items(values.items, round_time_s)
        at = (signers.domain, signers.epoch, round_time_s)
        digest = observed_digest(*at, values.items, terms=values.terms)
        address = recover(digest, values.signature)
    except ValueError as e:
        return UnsoundValues(str(e))
    if address != values.address or address not in signers.signers:
        return UnsoundValues("they are not signed by a signer of the set")
    return VerifiedValues(signed=values, reports=reports)


def verify_answers(
    operators: Sequence[RoundSigner],
    answers: Sequence[SignedValues | Refusal],
    signers: SignerSet,
    round_time_s: int,
) -> tuple[tuple[VerifiedValues, ...], tuple[Refusal, ...]]:
    """Of what operators answered for a round: the values to agree on, and the refusals.

    Unsound values, and values in the name of another operator, count as a refusal of the operator that gave them: it is
    mute for the round, and it mutes no other.

    Args:
        operators: those who were asked.
        answers: theirs, in the same order.
        signers: the set that they sign for.
        round_time_s: of the round.
    """
    by_address: dict[bytes, VerifiedValues] = {}
    refusals: list[Refusal] = []
    for operator, answer in zip(operators, answers, strict=True):
        if isinstance(answer, Refusal):
            refusals.append(answer)
            continue
        values = verify_values(answer, signers, round_time_s)
        own = (answer.operator, answer.address) == (operator.name, operator.address)
        if isinstance(values, VerifiedValues) and (not own or operator.address in by_address):
            values = UnsoundValues(f"they are in the name of {answer.operator}")
        if isinstance(values, VerifiedValues):
            by_address[operator.address] = values
        else:
            text = f"mute for round {round_time_s}, its values do not count: {values.fault}"
            refusals.append(
                Refusal(operator=operator.name, code=RefusalCode.BAD_VALUES, text=text, address=operator.address)
            )
    return tuple(by_address.values()), tuple(refusals)
