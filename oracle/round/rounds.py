"""A whole round: every operator folds every feed, the operators agree, and what is published follows from that."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from feeds.types import Outcome
from feeds.units import MS
from oracle.model.publication import Record, Transition
from oracle.model.spec import FeedSpec
from oracle.model.state import FeedState
from oracle.model.types import Abstained, FeedRound, FoldedFeed, Leg, Published, Report, Result
from oracle.report.compose import cross, published_after_record, repeats_published
from oracle.round.contributions import signable_reports
from oracle.round.no_price import suspected_leg
from oracle.round.records import RecordMaker, Results, abstentions, transitions
from oracle.round.seat import SignerSeat
from oracle.round.step import as_leg, step
from oracle.sign.agreed_reports import agreed_reports
from oracle.sign.messages import Agreement, Refusal, RoundSigner, SignedValues, SignerSet
from oracle.sign.verified_values import VerifiedValues, verify_answers


@dataclass(slots=True)
class Member:
    """One operator's fold in this process: its own specs (its subset of sources), its states, its signer if it has a key."""

    name: str
    specs: Mapping[str, FeedSpec]
    states: dict[str, FeedState]
    signer: RoundSigner | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SignRequest:
    """An operator that is asked to sign its own reports of a round (by feed index) for a signer set."""

    signer: RoundSigner
    signers: SignerSet
    round_time_s: int
    reports: Mapping[int, Report]

    def sign(self) -> SignedValues:
        """Have it signed by a key in this process."""
        return self.signer.sign_values(self.signers, self.round_time_s, self.reports)

    async def send(self) -> SignedValues | Refusal:
        """Have it signed wherever the key is."""
        return await self.signer.request_values(self.signers, self.round_time_s, self.reports)


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldedRound:
    """A round before anybody signed: what every member found, and who is asked to sign."""

    round_time_s: int
    now_ms: int
    feeds: tuple[FoldedFeed, ...]
    results: Results
    seat: SignerSeat | None
    requests: tuple[SignRequest, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """Everything that a round brought, ready to be stored.

    ``feeds``: what each operator folded. ``values``: verified, of those who signed. ``refusals``: of those who were asked and
    did not sign.
    """

    round_time_s: int
    feeds: tuple[FoldedFeed, ...]
    values: tuple[VerifiedValues, ...]
    agreements: tuple[Agreement, ...]
    records: tuple[Record, ...]
    transitions: tuple[Transition, ...]
    abstained: Mapping[str, Abstained]
    refusals: tuple[Refusal, ...] = ()

    @property
    def mute(self) -> frozenset[str]:
        """Operators whose keys signed nothing that counts in this round."""
        return frozenset(r.operator for r in self.refusals)


class Rounds:
    """Runs rounds. Holds the states between them and nothing else: no clock, no socket, no file.

    Args:
        specs: all feeds, legs before what needs them.
        members: the operators in this process; the first one's own view is published where nobody can agree.
        seat: what they sign for; None where there are no keys or no target yet, see ``take_seat``.
    """

    def __init__(self, specs: Mapping[str, FeedSpec], members: Sequence[Member], seat: SignerSeat | None) -> None:
        self.specs = specs
        self.members = tuple(members)
        self._seats: dict[str, SignerSeat | None] = {}
        if seat is not None:
            self.take_seat(seat)
        self._last: dict[str, Record] = {}
        self._published: dict[str, Published] = {}

    def run(
        self, round_time_s: int, observed: Mapping[str, Sequence[Outcome]], *, now_ms: int, may_sign: bool = True
    ) -> Round:
        """Fold every feed for every member, agree, and draw up what is published. For keys in this process."""
        folded = self.fold(round_time_s, observed, now_ms=now_ms, may_sign=may_sign)
        return self.finish(folded, [request.sign() for request in folded.requests])

    def fold(
        self, round_time_s: int, observed: Mapping[str, Sequence[Outcome]], *, now_ms: int, may_sign: bool = True
    ) -> FoldedRound:
        """Fold every feed for every member; the caller then sends the requests to sign.

        Args:
            round_time_s: later than the last round's.
            observed: outcomes of all sources by feed.
            now_ms: when this happens; it goes only into the records' times.
            may_sign: whether the clock is good enough; without it the own view is published, unsigned.
        """
        feeds: list[FoldedFeed] = []
        results: dict[str, dict[str, Result]] = {}
        for member in self.members:
            folded = self._fold(member, round_time_s, observed)
            feeds += folded
            results[member.name] = {f.spec.feed: f.result for f in folded}
        able = [m for m in self.members if may_sign and m.signer is not None and not m.signer.is_mute(now_ms)]
        seat = self._seat([m.signer.address for m in able if m.signer is not None], round_time_s)
        return FoldedRound(
            round_time_s=round_time_s,
            now_ms=now_ms,
            feeds=tuple(feeds),
            results=results,
            seat=seat,
            requests=tuple(_requests(able, results, seat, round_time_s)),
        )

    def finish(self, folded: FoldedRound, answers: Sequence[SignedValues | Refusal]) -> Round:
        """Agree on what was signed, and draw up what is published.

        Args:
            folded: the round.
            answers: to each of its requests, in the same order: values, or why not. An operator that does not sign is mute
                in this round, and so is one whose values are unsound. Where the others do not reach the threshold, the own
                view is published, unsigned.
        """
        seat = folded.seat
        values, refusals = _verified(folded, answers)
        if seat is not None and seat.signers.weight_of([v.address for v in values]) < seat.signers.threshold:
            seat, values = None, ()
        published = self._with_crosses(self._published_reports(folded.results, values, seat))
        maker = RecordMaker(
            specs=self.specs,
            last=self._last,
            results=folded.results,
            now_ms=folded.now_ms,
            agreed_feeds=frozenset(seat.indexes) if seat is not None else frozenset(),
            signed_by=frozenset(v.operator for v in values),
            own_name=self.members[0].name if self.members else "",
        )
        records = maker.records(published)
        return Round(
            round_time_s=folded.round_time_s,
            feeds=folded.feeds,
            values=values,
            agreements=_agreements(folded.round_time_s, values, seat),
            records=records,
            transitions=transitions(records, self._last, folded.now_ms),
            abstained=abstentions(folded.results, published),
            refusals=refusals,
        )

    def reserve_seat(self, target: str) -> None:
        """A target will take its seat; targets come first in the order of their reservations, whichever connects first."""
        self._seats.setdefault(target, None)

    def take_seat(self, seat: SignerSeat) -> None:
        """Sign for a target, or for its new signer set.

        What is published is agreed among the signers of the first target at which those who can sign reach the threshold. A
        store that no longer knows the operators mutes them there, and nowhere else.
        """
        self._seats[seat.target] = seat

    def commit(self, done: Round) -> None:
        """Take the states over, once the round is stored."""
        by_name = {m.name: m for m in self.members}
        for folded in done.feeds:
            by_name[folded.operator].states[folded.spec.feed] = folded.after
        records = {r.feed: r for r in done.records}
        self._last |= records
        for feed, spec in self.specs.items():
            before = self._published.get(feed)
            after = None if spec.is_cross else published_after_record(before, records.get(feed), done.round_time_s)
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

    def _fold(self, member: Member, round_time_s: int, observed: Mapping[str, Sequence[Outcome]]) -> list[FoldedFeed]:
        folded: list[FoldedFeed] = []
        legs: dict[str, Leg] = {}
        now_ms = round_time_s * MS
        for feed, spec in member.specs.items():
            if spec.is_cross:
                continue
            own_sources = {s.name for s in spec.sources}
            outcomes = [o for o in observed.get(feed, ()) if o.source in own_sources]
            before = member.states[feed]
            result, after = step(spec, before, outcomes, legs, now_ms, self._published.get(feed))
            folded.append(FoldedFeed(operator=member.name, spec=spec, before=before, after=after, result=result))
            leg = as_leg(spec, result, after.rate, now_ms) if isinstance(result, FeedRound) else suspected_leg(result)
            if leg is not None:
                legs[feed] = leg
        return folded

    def _seat(self, addresses: Sequence[bytes], round_time_s: int) -> SignerSeat | None:
        """The first at which they reach the threshold of the set whose round it is."""
        seats = (s.at(round_time_s) for s in self._seats.values() if s is not None)
        return next((s for s in seats if s.signers.weight_of(addresses) >= s.signers.threshold), None)

    def _published_reports(
        self, results: Results, values: Sequence[VerifiedValues], seat: SignerSeat | None
    ) -> dict[str, Report]:
        """What is agreed on at the seat, and beside it the own view of the feeds that are not signed there."""
        own = signable_reports(results[self.members[0].name]) if self.members else {}
        if seat is None:
            return own
        agreed = agreed_reports(values, seat.signers)
        published = {f: r for f, r in own.items() if f not in seat.indexes}
        published |= {f: agreed[i] for f, i in seat.indexes.items() if i in agreed and self._is_sound(f, agreed[i])}
        return {f: published[f] for f in self.specs if f in published}

    def _is_sound(self, feed: str, report: Report) -> bool:
        """Whether a report is fresh or repeats what was published: no operator chooses status-only prices."""
        before = self._published.get(feed)
        return not report.status_only or (before is not None and repeats_published(report, before))

    def _with_crosses(self, published: dict[str, Report]) -> dict[str, Report]:
        reports = dict(published)
        for name, spec in self.specs.items():
            if spec.is_cross and all(leg in reports for leg in spec.legs):
                reports[name] = cross([reports[leg] for leg in spec.legs])
        return reports


def _requests(
    able: Sequence[Member], results: Results, seat: SignerSeat | None, round_time_s: int
) -> Iterator[SignRequest]:
    """One for each that can sign and has a seat there, with the reports that it is to sign."""
    for member in able:
        signer = member.signer
        if seat is not None and signer is not None and signer.address in seat.signers.signers:
            own = signable_reports(results[member.name])
            reports = {seat.indexes[f]: r for f, r in own.items() if f in seat.indexes}
            yield SignRequest(signer=signer, signers=seat.signers, round_time_s=round_time_s, reports=reports)


def _verified(
    folded: FoldedRound, answers: Sequence[SignedValues | Refusal]
) -> tuple[tuple[VerifiedValues, ...], tuple[Refusal, ...]]:
    if folded.seat is None:
        return (), ()
    asked = [request.signer for request in folded.requests]
    return verify_answers(asked, answers, folded.seat.signers, folded.round_time_s)


def _agreements(round_time_s: int, values: Sequence[VerifiedValues], seat: SignerSeat | None) -> tuple[Agreement, ...]:
    """What was agreed on at a seat: the input of the round's records; nothing without one."""
    if seat is None or not values:
        return ()
    return (
        Agreement(
            target=seat.target,
            round_time_s=round_time_s,
            signers=seat.signers,
            feeds=tuple(seat.indexes),
            indexes=tuple(seat.indexes.values()),
            values=tuple(v.signed for v in values),
        ),
    )
