"""What a round read of each rail: the sources of a feed that count one side of a bridge. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from feeds.types import Kind, Observation
from oracle.judge.evidence import RailEvidence
from oracle.model.spec import FeedSpec, SourceSpec, rails_of

MOST_APART_MS = 30_000
"""A token that crosses a bridge is locked before it is minted, and burnt before it is released: read at one time, what is locked
is never less than what exists beyond. Two reads further apart than any bridge is fast may have such a crossing between them."""


def of_token(names: Sequence[str], sources: Mapping[str, SourceSpec]) -> list[str]:
    """Those of these sources that count for the token as a whole, not for one rail."""
    return [n for n in names if sources[n].rail is None]


def rails_read(spec: FeedSpec, observed: Mapping[str, Observation]) -> tuple[RailEvidence, ...]:
    """Each rail of a feed as its sources read it, in the order of the config."""
    return tuple(_rail_read(rail, [s for s in spec.sources if s.rail == rail], observed) for rail in rails_of(spec))


def _rail_read(rail: str, sources: Iterable[SourceSpec], observed: Mapping[str, Observation]) -> RailEvidence:
    sides: dict[Kind, list[Observation]] = {Kind.SUPPLY: [], Kind.BACKING: []}
    unread: list[str] = []
    locks_missing = False
    for source in sources:
        if source.name in observed:
            sides[source.kind].append(observed[source.name])
        else:
            unread.append(source.name)
            locks_missing = locks_missing or source.kind is Kind.BACKING
    beyond, locks = sides[Kind.SUPPLY], sides[Kind.BACKING]
    if locks and not locks_missing:
        together = [o for o in beyond if all(abs(o.observed_at_ms - k.observed_at_ms) <= MOST_APART_MS for k in locks)]
        unread += [o.source for o in beyond if o not in together]
        beyond = together
    return RailEvidence(
        rail=rail,
        supply_wad=sum(o.price_wad for o in beyond),
        locked_wad=None if locks_missing or not locks else sum(o.price_wad for o in locks),
        unread=tuple(unread),
        as_of_ms=min((o.observed_at_ms for o in (*beyond, *locks)), default=0),
    )
