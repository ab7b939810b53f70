"""The records of a round: the published reports with their prices, times, reasons and operators. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from feeds.units import MS, Wad, deviation_bps_away
from oracle.agree.outcome import Attendance, RoundOutcome
from oracle.judge.verdict import ramp_ppm as judged_ramp_ppm
from oracle.model.publication import Absent, Record, Seal, Transition
from oracle.model.spec import FeedSpec
from oracle.model.state import Memory
from oracle.model.status import Reason, Status, Why
from oracle.model.types import Abstained, FeedRound, Report, Result
from oracle.report.compose import cross, cross_price, price_of
from oracle.round.contributions import reasons_for
from oracle.sign.messages import Agreement

_WHOLE_PPM = 1_000_000
Results = Mapping[str, Mapping[str, Result]]
"""What each operator (by name) found of each feed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordMaker:
    """Draws up the records of one round.

    Args:
        specs: all feeds, legs before what needs them.
        last: the record of each feed before this round.
        results: what each operator found.
        now_ms: when the round is made.
        outcome: what the operators sealed; None in a round that nobody signs.
        own_name: the operator whose own view is published where they do not agree.
    """

    specs: Mapping[str, FeedSpec]
    last: Mapping[str, Record]
    results: Results
    now_ms: int
    outcome: RoundOutcome | None
    own_name: str

    def records(self, published: Mapping[str, Report]) -> tuple[Record, ...]:
        """One record for each published report, legs first."""
        made: dict[str, Record] = {}
        for feed, report in published.items():
            made[feed] = self._record(self.specs[feed], report, made)
        return tuple(made.values())

    def _record(self, spec: FeedSpec, report: Report, made: Mapping[str, Record]) -> Record:
        results = self._results_of(spec)
        outcome = self.outcome
        is_agreed = outcome is not None and all(f in outcome.reports for f in spec.legs or (spec.feed,))
        both = report.market_wad and report.redemption_wad
        ramp_ppm = self._ramp_ppm(spec, results, report, made, is_agreed=is_agreed)
        return Record(
            feed=spec.feed,
            mode=spec.mode,
            report=report,
            price_wad=_price(spec, report, ramp_ppm, made),
            deviation_bps=deviation_bps_away(report.market_wad, report.redemption_wad) if both else None,
            reasons=reasons_for(results, report),
            observed_at_ms=self._observed_at_ms(spec, results, report, made),
            computed_at_ms=self.now_ms,
            signed_at_ms=self.now_ms if is_agreed else None,
            operators=operators_of(outcome, spec) if outcome is not None and is_agreed else (self.own_name,),
            legs=spec.legs,
            ramp_ppm=ramp_ppm,
            seal=seal_of(outcome, spec) if outcome is not None and is_agreed else None,
        )

    def _results_of(self, spec: FeedSpec) -> list[Result]:
        """All operators' results of a feed, or of the legs of a cross."""
        feeds = spec.legs if spec.is_cross else (spec.feed,)
        return [own[feed] for feed in feeds for own in self.results.values() if feed in own]

    def _observed_at_ms(
        self, spec: FeedSpec, results: Sequence[Result], report: Report, made: Mapping[str, Record]
    ) -> int:
        """Oldest input that any operator used; of status-only prices what it was before: nothing is re-stamped."""
        if spec.is_cross:
            return min(made[leg].observed_at_ms for leg in spec.legs)
        if report.status_only and spec.feed in self.last:
            return self.last[spec.feed].observed_at_ms
        prices = [(r.market or r.redemption) for r in results if isinstance(r, FeedRound)]
        times = [p.as_of_ms for p in prices if p is not None and not report.status_only]
        return min(times, default=(report.round_time_s - report.market_age_s) * MS)

    def _ramp_ppm(
        self, spec: FeedSpec, results: Sequence[Result], report: Report, made: Mapping[str, Record], *, is_agreed: bool
    ) -> int:
        """How far ``redemption_unless_depeg`` has gone; with status-only prices it stands still as well.

        Of what was sealed it follows from the sealed statuses, not from what is seen here: who saw nothing, saw something
        else, or learns of the round later shows the same price as everybody. Unsealed it is what is seen here.
        """
        if spec.is_cross:
            return made[spec.legs[0]].ramp_ppm
        before = self.last.get(spec.feed)
        if report.status_only and before is not None:
            return before.ramp_ppm
        rounds = [r for r in results if isinstance(r, FeedRound)]
        if is_agreed:
            rules = replace(spec.rules, redemption_open=spec.rules.redemption_open and not _is_closed(rounds, before))
            return judged_ramp_ppm(rules, _ramp_before(before, report), report.status, _round_ms(report))
        ramps = sorted(r.verdict.ramp_ppm for r in rounds)
        return ramps[(len(ramps) - 1) // 2] if ramps else 0


def _ramp_before(before: Record | None, report: Report) -> Memory:
    """Where the ramp stood. Who joins in a depeg does not know how far it is, and takes what the token can be sold for."""
    if before is not None:
        return Memory(at_ms=_round_ms(before.report), ramp_ppm=before.ramp_ppm)
    return Memory(at_ms=_round_ms(report), ramp_ppm=_WHOLE_PPM) if report.status is Status.DEPEG else Memory()


def _round_ms(report: Report) -> int:
    return report.round_time_s * MS


def _is_closed(rounds: Sequence[FeedRound], before: Record | None) -> bool:
    """Whether most who look at it here find that holders cannot redeem; while nobody does, as it was found before."""
    if not rounds:
        return before is not None and _says_closed(before.reasons)
    return 2 * sum(_says_closed(r.verdict.reasons) for r in rounds) > len(rounds)


def _says_closed(reasons: Sequence[Reason]) -> bool:
    return any(r.code is Why.CLOSED for r in reasons)


def _price(spec: FeedSpec, report: Report, ramp_ppm: int, made: Mapping[str, Record]) -> Wad:
    """Price in the feed's mode: of a cross from its legs, for the ramp is the first one's."""
    if spec.is_cross:
        first, second = (made[leg] for leg in spec.legs)
        return cross_price(first.price_wad, second.report)
    return price_of(report, spec.mode, ramp_ppm)


def operators_of(outcome: RoundOutcome, spec: FeedSpec) -> tuple[str, ...]:
    """Names of those who signed and whose values of the feed, or of a leg of it, count; of all who signed where that is not known.

    Values that came too late for what was sealed do not count: whoever draws up the record says the same.
    """
    indexes = {outcome.terms.indexes[f] for f in spec.legs or (spec.feed,)}
    had = {v.address for v in outcome.used_values if indexes & v.reports.keys()}
    signed = [m for m in outcome.members if m.signed_ms is not None]
    return tuple(m.name for m in signed if m.address in had) or tuple(m.name for m in signed)


def seal_of(outcome: RoundOutcome, spec: FeedSpec) -> Seal | None:
    """What stands behind a sealed feed."""
    if outcome.sealed is None:
        return None
    terms = outcome.terms
    indexes = {terms.indexes[f] for f in spec.legs or (spec.feed,)}
    return Seal(
        target=terms.target,
        epoch=terms.signers.epoch,
        weight=terms.weight(m.address for m in outcome.members if m.signed_ms is not None),
        threshold=terms.threshold,
        total=terms.total,
        attempt=outcome.sealed.attempt,
        sealed_ms=outcome.sealed_ms,
        missing=tuple(Absent(operator=m.name, why=m.why) for m in outcome.members if m.signed_ms is None),
        refused=tuple(a for m in outcome.members for a in _refusing(m, indexes)),
    )


def missing_feeds(outcome: RoundOutcome, feeds: Collection[str]) -> dict[str, str]:
    """Why feeds that the operators of a sealed round sign are not in it, a sentence each."""
    return {feed: _why_missing(outcome, feed) for feed in feeds if feed not in outcome.reports}


def _why_missing(outcome: RoundOutcome, feed: str) -> str:
    index = outcome.terms.indexes.get(feed)
    if index is None:
        return f"the store of target {outcome.terms.target} does not have it"
    refusing = [f"{m.name}: {code.text}" for m in outcome.members for i, code in m.refused if i == index]
    if refusing:
        return f"too few operators vouch for one price: {'; '.join(refusing)}"
    return "too few operators gave a value that counts"


def _refusing(member: Attendance, indexes: set[int]) -> list[Absent]:
    return [Absent(operator=member.name, why=code.text) for i, code in member.refused if i in indexes]


def transitions(records: Sequence[Record], last: Mapping[str, Record], now_ms: int) -> tuple[Transition, ...]:
    """Changes of the published status."""
    return tuple(
        Transition(feed=r.feed, at_ms=now_ms, before=before, after=r.report.status, reasons=r.reasons)
        for r in records
        if r.feed in last and (before := last[r.feed].report.status) is not r.report.status
    )


def abstentions(results: Results, published: Mapping[str, Report]) -> dict[str, Abstained]:
    """Feeds that nobody could publish, or only with prices of before, with one operator's reason."""
    by_feed: dict[str, Abstained] = {}
    for own in results.values():
        for feed, result in own.items():
            has_no_price = feed not in published or published[feed].status_only
            if isinstance(result, Abstained) and has_no_price:
                by_feed.setdefault(feed, result)
    return by_feed


def agreement_of(outcome: RoundOutcome) -> Agreement:
    """What was agreed on at a store: the input of the round's records. Its values only where all were heard: a part gives others."""
    terms, sealed, used = outcome.terms, outcome.sealed, outcome.used_values
    assert sealed is not None  # noqa: S101 - whoever calls has looked
    values = used if len(used) == len(sealed.content.values) else ()
    return Agreement(
        target=terms.target,
        round_time_s=terms.round_time_s,
        signers=terms.signers,
        feeds=tuple(terms.indexes),
        indexes=tuple(terms.indexes.values()),
        values=tuple(v.signed for v in values),
        items=sealed.content.items,
        step=sealed.step,
        seals=sealed.signatures,
        dropped=sealed.content.dropped,
        version=terms.rules.version,
        rules=terms.rules.digest,
    )


def with_crosses(specs: Mapping[str, FeedSpec], published: Mapping[str, Report]) -> dict[str, Report]:
    """What is published, with the products whose legs are both in it."""
    reports = dict(published)
    for name, spec in specs.items():
        if spec.is_cross and all(leg in reports for leg in spec.legs):
            reports[name] = cross([reports[leg] for leg in spec.legs])
    return reports
