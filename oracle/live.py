"""The live lane: the same combine and judge on the newest words, a few milliseconds after a tick. Never final.

An indication is in memory only: not stored, not signed, not pushed. It does not advance any state.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from feeds.types import Outcome
from feeds.units import MS, deviation_bps_away
from oracle.pipeline import Judged, as_leg, evaluate
from oracle.records import Record
from oracle.report import cross, price_of
from oracle.spec import FeedSpec
from oracle.status import Abstain
from oracle.types import FeedState, Leg, Published, Report

Observe = Callable[[str, int], Sequence[Outcome]]


class Live:
    """Indications of all feeds.

    Args:
        specs: all feeds with all their sources, legs before what needs them.
        states: a feed's state as of its last final round.
        observe: outcomes of a feed at a moment.
        published: what the operators last agreed on of a feed: a halted one shows that, also here.
    """

    def __init__(
        self,
        specs: Mapping[str, FeedSpec],
        states: Callable[[str], FeedState],
        observe: Observe,
        published: Callable[[str], Published | None] = lambda _: None,
    ) -> None:
        self._specs = specs
        self._states = states
        self._observe = observe
        self._published = published
        self._legs: dict[str, Leg] = {}
        self._reports: dict[str, Report] = {}
        self._now: dict[str, Record] = {}
        self._dependents = _dependents(specs)

    def get(self, feed: str) -> Record | None:
        """The feed's newest indication; None while it abstains or before its first."""
        return self._now.get(feed)

    def refresh(self, dirty: Iterable[str], now_ms: int) -> tuple[Record, ...]:
        """Compute the feeds that have news, and all that are computed from them; returns the new indications."""
        wanted = set(dirty)
        for feed in self._specs:
            if feed in wanted:
                wanted |= self._dependents[feed]
        return tuple(r for f, s in self._specs.items() if f in wanted and (r := self._one(s, now_ms)) is not None)

    def _one(self, spec: FeedSpec, now_ms: int) -> Record | None:
        try:
            report, judged = self._report(spec, now_ms)
        except Abstain:
            self._now.pop(spec.feed, None)
            self._legs.pop(spec.feed, None)
            self._reports.pop(spec.feed, None)
            return None
        deviation = None
        if report.market_wad and report.redemption_wad:
            deviation = deviation_bps_away(report.market_wad, report.redemption_wad)
        legs = [self._legs[leg] for leg in spec.legs]
        reasons = judged.verdict.reasons if judged else tuple(r for leg in legs for r in leg.reasons)
        as_of = judged.market.as_of_ms if judged and judged.market else now_ms
        if report.status_only:
            as_of = (report.round_time_s - report.market_age_s) * MS
        record = Record(
            feed=spec.feed,
            mode=spec.mode,
            report=report,
            price_wad=price_of(report, spec.mode, judged.verdict.ramp_ppm if judged else 0),
            deviation_bps=deviation,
            reasons=reasons,
            observed_at_ms=min((leg.market_as_of_ms for leg in legs), default=as_of),
            computed_at_ms=now_ms,
            signed_at_ms=None,
            legs=spec.legs,
            final=False,
        )
        self._now[spec.feed] = record
        return record

    def _report(self, spec: FeedSpec, now_ms: int) -> tuple[Report, Judged | None]:
        if spec.is_cross:
            legs = [self._reports[leg] for leg in spec.legs if leg in self._reports]
            if len(legs) != len(spec.legs):
                raise Abstain(f"{spec.feed} waits for its legs")
            return cross(legs), None
        state = self._states(spec.feed)
        given = self._observe(spec.feed, now_ms)
        judged = evaluate(spec, state, given, self._legs, now_ms, self._published(spec.feed))
        self._legs[spec.feed] = as_leg(spec, judged, judged.state.rate, now_ms)
        self._reports[spec.feed] = judged.report
        return judged.report, judged


def _dependents(specs: Mapping[str, FeedSpec]) -> dict[str, set[str]]:
    out: dict[str, set[str]] = {feed: set() for feed in specs}
    for feed, spec in specs.items():
        needs = {s.convert for s in spec.sources if s.convert} | set(spec.legs)
        if spec.share_of:
            needs.add(spec.share_of)
        for need in needs:
            out[need].add(feed)
    return out
