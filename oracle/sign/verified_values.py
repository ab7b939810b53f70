"""Values of operators are verified once, where they enter. From then on their type says so, and they are decoded. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from oracle.model.types import Report
from oracle.report.wire import decode_items
from oracle.sign.eip712 import observed_digest, recover
from oracle.sign.messages import SignedValues, SignerSet


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
