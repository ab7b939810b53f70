"""The live lane: the same combine and judge on the newest observations, a few milliseconds after a tick. Never final.

An indication is in memory only: not stored, not signed, not pushed. It does not advance any state.

Its times. ``computed_at_ms`` is when it was made, and its round the second of that; its ages are the ages of then, also those of
a product whose legs were computed before. ``observed_at_ms`` is the oldest observation in it, that of its legs included. So it
never goes back while the same sources are used and none takes its observation back (a reorganised chain does); it goes back
when a source joins whose observation is older than all the others. An older observation makes an older price: that shows, and
is not hidden behind the time of the last one. What tells the order of indications is ``computed_at_ms``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from feeds.types import Outcome
from feeds.units import MS, deviation_bps_away
from oracle.model.publication import Record
from oracle.model.spec import FeedSpec
from oracle.model.state import FeedState
from oracle.model.status import Abstain, Reason
from oracle.model.types import Leg, Published, Report
from oracle.report.compose import age_up, cross, cross_price, price_of
from oracle.report.wire import MAX_U8, MAX_U16
from oracle.round.step import Judged, as_leg, evaluate

Observe = Callable[[str, int, int], Sequence[Outcome]]
"""feed, at (Unix ms), after which time its trades are wanted."""
_HOUR_MS = 3_600_000


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveInputs:
    """What a feed's price of one moment is made of: what its sources say, its legs as the lane has them, what was last published."""

    now_ms: int
    outcomes: tuple[Outcome, ...]
    legs: Mapping[str, Leg]
    published: Published | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Usable:
    """A feed's newest indication as others may use it.

    ``leg``: its own prices, for feeds that convert by it. ``report``: what it shows; while it is halted, what was published.
    ``market_as_of_ms`` and ``observed_at_ms``: the oldest observation in that. ``changed_at_ms``: of its own rate, None without
    one.
    """

    leg: Leg
    report: Report
    market_as_of_ms: int
    observed_at_ms: int
    changed_at_ms: int | None

    def report_at(self, now_ms: int) -> Report:
        """Its report with the ages of a later moment."""
        report = self.report
        if report.market_wad:
            report = replace(report, market_age_s=age_up(now_ms, self.market_as_of_ms, MS, MAX_U16))
        if self.changed_at_ms is not None:
            report = replace(report, redemption_age_h=age_up(now_ms, self.changed_at_ms, _HOUR_MS, MAX_U8))
        return replace(report, round_time_s=now_ms // MS)


class Live:
    """Indications of all feeds.

    Args:
        specs: all feeds with all their sources, legs before what needs them.
        states: a feed's state as of its last final round.
        observe: outcomes of a feed at a moment.
        published: what the operators last agreed on of a feed: a halted one shows that, also here.

    Attributes:
        on_fault: called with a feed and a fault of this program, which costs that feed's indication alone.
    """

    def __init__(
        self,
        specs: Mapping[str, FeedSpec],
        states: Callable[[str], FeedState],
        observe: Observe,
        published: Callable[[str], Published | None] = lambda _: None,
    ) -> None:
        self.on_fault: Callable[[str, Exception], None] = lambda _feed, _error: None
        self._states = states
        self._observe = observe
        self._published = published
        self._usable: dict[str, _Usable] = {}
        self._indications: dict[str, Record] = {}
        self._list(specs)

    def _list(self, specs: Mapping[str, FeedSpec]) -> None:
        self._specs = specs
        self._needs = {feed: _needs(spec) for feed, spec in specs.items()}
        self._dependents = _dependents(self._needs)

    def change(self, specs: Mapping[str, FeedSpec]) -> Callable[[], None]:
        """Indicate these from now on. Returns what takes it back."""
        before = self._specs, self._usable, self._indications

        def undo() -> None:
            listed, self._usable, self._indications = before
            self._list(listed)

        self._usable = {f: u for f, u in self._usable.items() if f in specs}
        self._indications = {f: r for f, r in self._indications.items() if f in specs}
        self._list(specs)
        return undo

    def get(self, feed: str) -> Record | None:
        """The feed's newest indication; None while it abstains or before its first."""
        return self._indications.get(feed)

    def refresh(self, dirty: Iterable[str], now_ms: int) -> tuple[Record, ...]:
        """Compute the feeds that have news, and all that are computed from them; returns the new indications."""
        wanted = set(dirty)
        for feed in self._specs:
            if feed in wanted:
                wanted |= self._dependents[feed]
        return tuple(r for f, s in self._specs.items() if f in wanted and (r := self._indicate(s, now_ms)) is not None)

    def _indicate(self, spec: FeedSpec, now_ms: int) -> Record | None:
        try:
            record = self._from_legs(spec, now_ms) if spec.is_cross else self._from_sources(spec, now_ms)
        except Exception as e:  # noqa: BLE001 - as in a final round: a fault of ours costs its own feed
            self._indications.pop(spec.feed, None)
            self._usable.pop(spec.feed, None)
            if not isinstance(e, Abstain):
                self.on_fault(spec.feed, e)
            return None
        self._indications[spec.feed] = record
        return record

    def inputs(self, feed: str, now_ms: int, after_ms: int) -> LiveInputs:
        """What a feed's indication of a moment is made of, for whoever folds it by a spec of another choice.

        Args:
            feed: one with sources.
            now_ms: the moment.
            after_ms: after which time its trades are wanted: that of the last round in the state that they are folded into.
        """
        legs = {leg: k.leg for leg in self._needs.get(feed, ()) if (k := self._fresh(leg, now_ms)) is not None}
        outcomes = tuple(self._observe(feed, now_ms, after_ms))
        return LiveInputs(now_ms=now_ms, outcomes=outcomes, legs=legs, published=self._published(feed))

    def _from_sources(self, spec: FeedSpec, now_ms: int) -> Record:
        state = self._states(spec.feed)
        now = self.inputs(spec.feed, now_ms, state.judge.at_ms)
        judged = evaluate(spec, state, now.outcomes, now.legs, now_ms, now.published)
        self._usable[spec.feed] = usable = _usable(spec, judged, now_ms)
        verdict = judged.verdict
        return _record(spec, judged.report, verdict.reasons, verdict.ramp_ppm, usable.observed_at_ms, now_ms)

    def _from_legs(self, spec: FeedSpec, now_ms: int) -> Record:
        legs = [k for leg in spec.legs if (k := self._fresh(leg, now_ms)) is not None]
        if len(legs) != len(spec.legs):
            raise Abstain(f"{spec.feed} waits for its legs")
        report = cross([k.report_at(now_ms) for k in legs])
        reasons = tuple(r for k in legs for r in k.leg.reasons)
        first = self._indications[spec.legs[0]]
        record = _record(spec, report, reasons, first.ramp_ppm, min(k.observed_at_ms for k in legs), now_ms)
        return replace(record, price_wad=cross_price(first.price_wad, legs[1].report))

    def _fresh(self, feed: str, now_ms: int) -> _Usable | None:
        """A feed's newest indication while its observations are not too old for the feed itself."""
        usable = self._usable.get(feed)
        if usable is None or now_ms - usable.leg.market_as_of_ms > self._specs[feed].max_age_s * MS:
            return None
        return usable


def _usable(spec: FeedSpec, judged: Judged, now_ms: int) -> _Usable:
    """What others may use. Status-only prices are as old as they say themselves, whatever was read since."""
    leg, rate = as_leg(spec, judged, judged.state.rate, now_ms), judged.state.rate
    report, as_of_ms, observed_at_ms = judged.report, leg.market_as_of_ms, _oldest(judged, now_ms)
    if report.status_only:
        as_of_ms = observed_at_ms = (report.round_time_s - report.market_age_s) * MS
    own = rate if spec.share_of is None and not report.status_only else None
    return _Usable(
        leg=leg,
        report=report,
        market_as_of_ms=as_of_ms,
        observed_at_ms=observed_at_ms,
        changed_at_ms=own.changed_at_ms if own else None,
    )


def _oldest(judged: Judged, now_ms: int) -> int:
    """The oldest observation behind a price; of a feed without a market, the reading of its rate."""
    price = judged.market or judged.redemption
    return min(price.as_of_ms, now_ms) if price else now_ms


def _record(
    spec: FeedSpec, report: Report, reasons: tuple[Reason, ...], ramp_ppm: int, observed_at_ms: int, now_ms: int
) -> Record:
    both = report.market_wad and report.redemption_wad
    return Record(
        feed=spec.feed,
        mode=spec.mode,
        report=report,
        price_wad=price_of(report, spec.mode, ramp_ppm),
        deviation_bps=deviation_bps_away(report.market_wad, report.redemption_wad) if both else None,
        reasons=reasons,
        observed_at_ms=observed_at_ms,
        computed_at_ms=now_ms,
        signed_at_ms=None,
        legs=spec.legs,
        final=False,
        ramp_ppm=ramp_ppm,
    )


def _needs(spec: FeedSpec) -> frozenset[str]:
    """The feeds that this one is computed from or converts by."""
    needs = {s.convert for s in spec.sources if s.convert} | set(spec.legs)
    return frozenset(needs | {spec.share_of} if spec.share_of else needs)


def _dependents(needs: Mapping[str, frozenset[str]]) -> dict[str, set[str]]:
    return {feed: {other for other, own in needs.items() if feed in own} for feed in needs}
