"""How far other oracles' feeds lie from ours. Pure; nothing here enters a price.

Used by the check's table and by a gauge: one row for each feed and reference, signed, in bps of our value.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from feeds.types import Failure, Kind, Outcome
from feeds.units import Bps, Wad, deviation_bps_away
from oracle.model.types import Report

LIMIT_BPS: Mapping[Kind, int] = {Kind.MARKET: 200, Kind.REDEMPTION: 50}
"""Beyond this a reference is alarming: market feeds move at 50 to 200 bps and once a day, rates at every change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Divergence:
    """One reference beside our value. ``drift_bps``: reference from ours, negative below, rounded away from zero."""

    feed: str
    source: str
    provider: str
    against: Kind
    reference_wad: Wad
    own_wad: Wad
    drift_bps: Bps

    @property
    def alarm(self) -> bool:
        """Whether the two lie further apart than ``LIMIT_BPS``."""
        return abs(self.drift_bps) > LIMIT_BPS[self.against]


def divergence(feed: str, source: str, provider: str, against: Kind, *, reference_wad: Wad, own_wad: Wad) -> Divergence:
    """Compare one reference with our value, which must be above zero."""
    return Divergence(
        feed=feed,
        source=source,
        provider=provider,
        against=against,
        reference_wad=reference_wad,
        own_wad=own_wad,
        drift_bps=deviation_bps_away(reference_wad, own_wad),
    )


def divergences(
    feed: str, outcomes: Iterable[Outcome], report: Report, against: Mapping[str, Kind]
) -> tuple[Divergence, ...]:
    """Every reference of a feed beside the record of the same round.

    Args:
        feed: its id.
        outcomes: what its sources said in the round.
        report: the round's record; a price that is absent is not compared with.
        against: which price each source (by name) is compared with; the market where it is not listed.
    """
    own = {Kind.MARKET: report.market_wad, Kind.REDEMPTION: report.redemption_wad}
    references = [o for o in outcomes if not isinstance(o, Failure) and o.kind is Kind.REFERENCE]
    sides = [(o, against.get(o.source, Kind.MARKET)) for o in references]
    return tuple(
        divergence(feed, o.source, o.group, side, reference_wad=o.price_wad, own_wad=own[side])
        for o, side in sides
        if own[side]
    )
