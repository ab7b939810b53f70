"""What a round of a store needs to be agreed on. Frozen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from oracle.model.types import Published, Report
from oracle.sign.messages import SignerSet


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundAsk:
    """One round of one store.

    Attributes:
        target: of the store, in the config.
        signers: the set whose round it is.
        round_time_s: of the round.
        indexes: of all feeds of the store.
        sealed_s: newest round that is known to be sealed, 0 if none.
        order: in which its members lead; () for the one that follows from the set alone.
        reports: each operator's own, by its name and the feed's index.
        published: what was last sealed, by feed index.
    """

    target: str
    signers: SignerSet
    round_time_s: int
    indexes: Mapping[str, int]
    reports: Mapping[str, Mapping[int, Report]]
    published: Mapping[int, Published] = field(default_factory=dict)
    sealed_s: int = 0
    order: tuple[bytes, ...] = ()
