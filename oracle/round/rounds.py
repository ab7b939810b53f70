"""A whole round: every operator folds every feed, the operators agree, and what is published follows from that."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from feeds.types import Outcome
from feeds.units import MS, deviation_bps_away
from oracle.model.publication import Record, Transition
from oracle.model.spec import FeedSpec
from oracle.model.state import FeedState
from oracle.model.types import Abstained, FeedRound, FoldedFeed, Leg, Published, Report, Result
from oracle.report.compose import cross, price_of, published_after_record, repeats_published
from oracle.round.silence import suspected_leg
from oracle.round.step import as_leg, step
from oracle.round.voices import SignerSeat, agreements_of, reasons_of, reports_of, spoke
from oracle.sign.messages import Agreement, Refusal, SignedValues, SignerSet, agreed, heard
from oracle.sign.operator import Operator


@dataclass(slots=True)
class Member:
    """One operator's fold in this process: its own specs (its subset of sources), its states, its signer if it has a key."""

    name: str
    specs: Mapping[str, FeedSpec]
    states: dict[str, FeedState]
    signer: Operator | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """Everything that a round brought, ready to be stored. ``refusals``: of those who were asked and did not sign."""

    round_time_s: int
    kept: tuple[FoldedFeed, ...]
    values: tuple[SignedValues, ...]
    agreements: tuple[Agreement, ...]
    records: tuple[Record, ...]
    transitions: tuple[Transition, ...]
    abstained: Mapping[str, Abstained]
    refusals: tuple[Refusal, ...] = ()

    @property
    def mute(self) -> frozenset[str]:
        """Operators whose keys said nothing that counts in this round."""
        return frozenset(r.operator for r in self.refusals)


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldedRound:
    """A round before anybody signed: what every member found, and who is asked to sign which reports (by feed index)."""

    round_time_s: int
    now_ms: int
    kept: tuple[FoldedFeed, ...]
    results: Mapping[str, Mapping[str, Result]]
    seat: SignerSeat | None
    asked: tuple[tuple[Operator, SignerSet, Mapping[int, Report]], ...]


class Rounds:
    """Runs rounds. Holds the states between them and nothing else: no clock, no socket, no file.

    Args:
        specs: all feeds, legs before what needs them.
        members: the operators in this process; the first one's own view is published where nobody can agree.
        seat: what they sign for; None where there are no keys or no target yet, see ``take``.
    """

    def __init__(self, specs: Mapping[str, FeedSpec], members: Sequence[Member], seat: SignerSeat | None) -> None:
        self.specs = specs
        self.members = tuple(members)
        self._seats: dict[str, SignerSeat | None] = {}
        if seat is not None:
            self.take(seat)
        self._last: dict[str, Record] = {}
        self._published: dict[str, Published] = {}

    def run(
        self, round_time_s: int, observed: Mapping[str, Sequence[Outcome]], *, now_ms: int, may_sign: bool = True
    ) -> Round:
        """Fold every feed for every member, agree, and draw up what is published. For keys in this process."""
        folded = self.fold(round_time_s, observed, now_ms=now_ms, may_sign=may_sign)
        return self.finish(folded, [one.observe(s, round_time_s, view) for one, s, view in folded.asked])

    def fold(
        self, round_time_s: int, observed: Mapping[str, Sequence[Outcome]], *, now_ms: int, may_sign: bool = True
    ) -> FoldedRound:
        """Fold every feed for every member; who then signs is asked by the caller.

        Args:
            round_time_s: later than the last round's.
            observed: outcomes of all sources by feed.
            now_ms: when this happens; it goes only into the records' times.
            may_sign: whether the clock is good enough; without it the own view is published, unsigned.
        """
        kept: list[FoldedFeed] = []
        results: dict[str, dict[str, Result]] = {}
        for member in self.members:
            results[member.name] = self._fold(member, round_time_s, observed, kept)
        speakers = [m for m in self.members if may_sign and m.signer is not None and m.signer.speaks(now_ms)]
        seat = self._seat([m.signer.address for m in speakers if m.signer is not None], round_time_s)
        return FoldedRound(
            round_time_s=round_time_s,
            now_ms=now_ms,
            kept=tuple(kept),
            results=results,
            seat=seat,
            asked=tuple(_asked(speakers, results, seat)),
        )

    def finish(self, folded: FoldedRound, said: Sequence[SignedValues | Refusal]) -> Round:
        """Agree on what was signed, and draw up what is published.

        Args:
            folded: the round.
            said: what each of those who were asked signed, or why not: such a one is mute in this round, and so is one
                whose values are not sound. Where the others do not reach the threshold, the own view is published,
                unsigned.
        """
        seat, results = folded.seat, folded.results
        values: tuple[SignedValues, ...] = ()
        refusals: tuple[Refusal, ...] = ()
        if seat is not None:
            asked = [(one.name, one.address) for one, _, _ in folded.asked]
            values, refusals = heard(asked, said, seat.signers, folded.round_time_s)
        if seat is not None and seat.signers.weight_of([v.address for v in values]) < seat.signers.threshold:
            seat, values = None, ()
        published = self._agree(results, values, seat)
        for name, spec in self.specs.items():
            if spec.is_cross and all(leg in published for leg in spec.legs):
                published[name] = cross([published[leg] for leg in spec.legs])
        records = self._records(published, folded, seat, frozenset(v.operator for v in values))
        return Round(
            round_time_s=folded.round_time_s,
            kept=folded.kept,
            values=values,
            agreements=agreements_of(folded.round_time_s, values, seat),
            records=records,
            transitions=tuple(self._transitions(records, folded.now_ms)),
            abstained=self._abstained(results, published),
            refusals=refusals,
        )

    def expect(self, target: str) -> None:
        """A target will take its seat; those that are expected first come first, whoever connects first."""
        self._seats.setdefault(target, None)

    def take(self, seat: SignerSeat) -> None:
        """Sign for a target, or for its new signer set.

        What is published is agreed among the signers of the first target at which the speakers reach the threshold. A
        store that no longer knows the operators mutes them there, and nowhere else.
        """
        self._seats[seat.target] = seat

    def commit(self, done: Round) -> None:
        """Take the states over, once the round is stored."""
        by_name = {m.name: m for m in self.members}
        for one in done.kept:
            by_name[one.operator].states[one.spec.feed] = one.after
        self._last |= {r.feed: r for r in done.records}
        now = {r.feed: r for r in done.records}
        for feed, spec in self.specs.items():
            after = (
                None
                if spec.is_cross
                else published_after_record(self._published.get(feed), now.get(feed), done.round_time_s)
            )
            if after is not None:
                self._published[feed] = after

    def resume(self, records: Iterable[Record], published: Mapping[str, Published]) -> None:
        """Know what was published before a restart, so that nothing old is taken for new.

        Args:
            records: the newest of each feed.
            published: what the newest stored round of each feed leaves behind, see :func:`last_published`.
        """
        self._last |= {r.feed: r for r in records}
        self._published |= published

    def published(self, feed: str) -> Published | None:
        """What the operators last agreed on of a feed; None before its first price, and of a cross."""
        return self._published.get(feed)

    def _fold(
        self, member: Member, round_time_s: int, observed: Mapping[str, Sequence[Outcome]], kept: list[FoldedFeed]
    ) -> dict[str, Result]:
        legs: dict[str, Leg] = {}
        found: dict[str, Result] = {}
        now_ms = round_time_s * MS
        for feed, spec in member.specs.items():
            if spec.is_cross:
                continue
            own = {s.name for s in spec.sources}
            given = [o for o in observed.get(feed, ()) if o.source in own]
            before = member.states[feed]
            result, after = step(spec, before, given, legs, now_ms, self._published.get(feed))
            kept.append(FoldedFeed(operator=member.name, spec=spec, before=before, after=after, result=result))
            found[feed] = result
            leg = as_leg(spec, result, after.rate, now_ms) if isinstance(result, FeedRound) else suspected_leg(result)
            if leg is not None:
                legs[feed] = leg
        return found

    def _seat(self, addresses: Sequence[bytes], round_time_s: int) -> SignerSeat | None:
        """The first at which they reach the threshold of the set whose round it is."""
        taken = (s.at(round_time_s) for s in self._seats.values() if s is not None)
        return next((s for s in taken if s.signers.weight_of(addresses) >= s.signers.threshold), None)

    def _agree(
        self, results: Mapping[str, Mapping[str, Result]], values: Sequence[SignedValues], seat: SignerSeat | None
    ) -> dict[str, Report]:
        own = reports_of(results[self.members[0].name]) if self.members else {}
        if seat is None:
            return own
        fair = agreed(values, seat.signers)
        published = {f: r for f, r in own.items() if f not in seat.indexes}
        published |= {f: fair[i] for f, i in seat.indexes.items() if i in fair and self._sound(f, fair[i])}
        return {f: published[f] for f in self.specs if f in published}

    def _sound(self, feed: str, report: Report) -> bool:
        """Whether a report is fresh or repeats what was published: kept prices are no operator's to choose."""
        before = self._published.get(feed)
        return not report.status_only or (before is not None and repeats_published(report, before))

    def _records(
        self, published: Mapping[str, Report], folded: FoldedRound, seat: SignerSeat | None, signed: frozenset[str]
    ) -> tuple[Record, ...]:
        made: dict[str, Record] = {}
        for feed, report in published.items():
            made[feed] = self._record(self.specs[feed], report, folded, seat, signed, made)
        return tuple(made.values())

    def _record(
        self,
        spec: FeedSpec,
        report: Report,
        folded: FoldedRound,
        seat: SignerSeat | None,
        signed: frozenset[str],
        made: Mapping[str, Record],
    ) -> Record:
        results = folded.results
        voices = [r[spec.feed] for r in results.values() if spec.feed in r]
        if spec.is_cross:
            voices = [r[leg] for leg in spec.legs for r in results.values() if leg in r]
        deviation = None
        if report.market_wad and report.redemption_wad:
            deviation = deviation_bps_away(report.market_wad, report.redemption_wad)
        agreed_on = seat is not None and all(f in seat.indexes for f in spec.legs or (spec.feed,))
        voters = tuple(name for name, found in results.items() if name in signed and spoke(found, spec))
        ramp_ppm = self._ramp_ppm(spec, voices, report)
        return Record(
            feed=spec.feed,
            mode=spec.mode,
            report=report,
            price_wad=price_of(report, spec.mode, ramp_ppm),
            deviation_bps=deviation,
            reasons=reasons_of(voices, report),
            observed_at_ms=self._observed_at(spec, voices, report, made),
            computed_at_ms=folded.now_ms,
            signed_at_ms=folded.now_ms if agreed_on else None,
            operators=voters if agreed_on else (self.members[0].name,),
            legs=spec.legs,
            ramp_ppm=ramp_ppm,
        )

    def _observed_at(self, spec: FeedSpec, voices: Sequence[Result], report: Report, made: Mapping[str, Record]) -> int:
        """Oldest input that any operator used; of kept prices what it was before: nothing is re-stamped."""
        if spec.is_cross:
            return min(made[leg].observed_at_ms for leg in spec.legs)
        if report.status_only and spec.feed in self._last:
            return self._last[spec.feed].observed_at_ms
        seen = [(v.market or v.redemption) for v in voices if isinstance(v, FeedRound)]
        times = [a.as_of_ms for a in seen if a is not None and not report.status_only]
        return min(times, default=(report.round_time_s - report.market_age_s) * MS)

    def _ramp_ppm(self, spec: FeedSpec, voices: Sequence[Result], report: Report) -> int:
        """The lower median of what the operators say; with kept prices it stands still as well."""
        if report.status_only and spec.feed in self._last:
            return self._last[spec.feed].ramp_ppm
        said = sorted(v.verdict.ramp_ppm for v in voices if isinstance(v, FeedRound))
        return said[(len(said) - 1) // 2] if said else 0

    def _transitions(self, records: Sequence[Record], now_ms: int) -> list[Transition]:
        return [
            Transition(feed=r.feed, at_ms=now_ms, before=before, after=r.report.status, reasons=r.reasons)
            for r in records
            if r.feed in self._last and (before := self._last[r.feed].report.status) is not r.report.status
        ]

    def _abstained(
        self, results: Mapping[str, Mapping[str, Result]], published: Mapping[str, Report]
    ) -> dict[str, Abstained]:
        """Feeds that nobody could publish, or only with prices of before, with one operator's reason."""
        out: dict[str, Abstained] = {}
        for found in results.values():
            for feed, result in found.items():
                quiet = feed not in published or published[feed].status_only
                if isinstance(result, Abstained) and quiet:
                    out.setdefault(feed, result)
        return out


def _asked(
    speakers: Sequence[Member], results: Mapping[str, Mapping[str, Result]], seat: SignerSeat | None
) -> Iterator[tuple[Operator, SignerSet, Mapping[int, Report]]]:
    """Those who sit there, and the reports that each is to sign."""
    for member in speakers:
        signer = member.signer
        if seat is not None and signer is not None and signer.address in seat.signers.signers:
            own = reports_of(results[member.name])
            yield signer, seat.signers, {seat.indexes[f]: r for f, r in own.items() if f in seat.indexes}
