"""A whole round: every operator folds every feed, the operators agree, and what is published follows from that."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from feeds.types import Outcome
from feeds.units import MS
from oracle.agree.ask import RoundAsk
from oracle.agree.outcome import RoundOutcome
from oracle.model.publication import Record, Transition
from oracle.model.spec import FeedSpec
from oracle.model.state import FeedState
from oracle.model.types import Abstained, FeedRound, FoldedFeed, Leg, Published, Report, Result
from oracle.report.compose import published_after_record
from oracle.round.contributions import signable_reports
from oracle.round.no_price import suspected_leg
from oracle.round.records import (
    RecordMaker,
    Results,
    abstentions,
    agreement_of,
    missing_feeds,
    transitions,
    with_crosses,
)
from oracle.round.seat import HomeStore, SignerSeat
from oracle.round.step import as_leg, step
from oracle.sign.messages import Agreement, Refusal, RoundSigner


@dataclass(slots=True)
class Member:
    """One operator's fold in this process: its own specs (its subset of sources), its states, its signer if it has a key."""

    name: str
    specs: Mapping[str, FeedSpec]
    states: dict[str, FeedState]
    signer: RoundSigner | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldedRound:
    """A round before anybody signed: what every member found, and what each store's operators are to agree on.

    ``asks``: by target. ``home``: the one whose operators seal what is published; None where nobody does.
    """

    round_time_s: int
    now_ms: int
    feeds: tuple[FoldedFeed, ...]
    results: Results
    asks: Mapping[str, RoundAsk]
    home: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """Everything that a round brought, ready to be stored.

    ``feeds``: what each operator folded. ``outcomes``: of each store whose operators were to agree, by target.
    ``unsealed``: why nothing is published of the feeds that they sign; "" where that is not so. ``missing``: why nothing is
    published of one of them, by feed. ``refusals``: of operators here who did not sign.
    """

    round_time_s: int
    feeds: tuple[FoldedFeed, ...]
    outcomes: Mapping[str, RoundOutcome]
    agreements: tuple[Agreement, ...]
    records: tuple[Record, ...]
    transitions: tuple[Transition, ...]
    abstained: Mapping[str, Abstained]
    refusals: tuple[Refusal, ...] = ()
    unsealed: str = ""
    missing: Mapping[str, str] = field(default_factory=dict)

    @property
    def mute(self) -> frozenset[str]:
        """Operators whose keys signed nothing that counts in this round."""
        return frozenset(r.operator for r in self.refusals)


class Rounds:
    """Makes rounds. Holds the states between them and nothing else: no clock, no socket, no file.

    Args:
        specs: all feeds, legs before what needs them.
        members: the operators in this process; the first one's own view is published where no operator has a key.
        home: the target whose operators seal what is published, and the feeds that they sign; None where there is none.
    """

    def __init__(self, specs: Mapping[str, FeedSpec], members: Sequence[Member], home: HomeStore | None = None) -> None:
        self.specs = dict(specs)
        """The same mapping for good: a change of feeds fills it anew."""
        self.members = tuple(members)
        self._home = home
        self._seats: dict[str, SignerSeat] = {}
        self._last: dict[str, Record] = {}
        self._published: dict[str, Published] = {}

    def change(
        self, specs: Mapping[str, FeedSpec], members: Sequence[Member], home: HomeStore | None, targets: Iterable[str]
    ) -> Callable[[], None]:
        """Make rounds of these feeds from the next one on, for these targets. Returns what takes it back.

        ``members``: the same operators, each with its feeds and their states. ``home``: as before, with the feeds signed there now.
        """
        before = dict(self.specs), self.members, self._home, self._seats
        self._take(specs, members, home, {name: seat for name, seat in self._seats.items() if name in set(targets)})
        return partial(self._take, *before)

    def _take(
        self,
        specs: Mapping[str, FeedSpec],
        members: Sequence[Member],
        home: HomeStore | None,
        seats: dict[str, SignerSeat],
    ) -> None:
        listed = dict(specs)
        self.specs.clear()
        self.specs.update(listed)
        self.members, self._home, self._seats = tuple(members), home, seats

    def fold(self, round_time_s: int, observed: Mapping[str, Sequence[Outcome]], *, now_ms: int) -> FoldedRound:
        """Fold every feed for every member; the caller then has the asks agreed on.

        Args:
            round_time_s: later than the last round's.
            observed: outcomes of all sources by feed.
            now_ms: when this happens; it goes only into the records' times.
        """
        feeds: list[FoldedFeed] = []
        results: dict[str, dict[str, Result]] = {}
        for member in self.members:
            folded = self._fold(member, round_time_s, observed)
            feeds += folded
            results[member.name] = {f.spec.feed: f.result for f in folded}
        seats = {name: s.at(round_time_s) for name, s in self._seats.items()}
        home = self._home_name(seats)
        in_order = sorted(
            seats, key=lambda name: name != home
        )  # the round of a store is known by the target that asks first
        asks = {
            n: self._ask(seats[n], round_time_s, results)
            for n in in_order
            if self._takes_part(seats[n]) and not seats[n].signers.has_expired(round_time_s)
        }
        return FoldedRound(
            round_time_s=round_time_s,
            now_ms=now_ms,
            feeds=tuple(feeds),
            results=results,
            asks=asks,
            home=home,
        )

    def finish(
        self, folded: FoldedRound, outcomes: Mapping[str, RoundOutcome], last: Mapping[str, Record] | None = None
    ) -> Round:
        """Draw up what is published.

        Args:
            folded: the round.
            outcomes: what became of its asks, by target. Of the feeds that the home store's operators sign only what they
                sealed is published; beside it the own view of the others.
            last: each feed's record before the round; None: the newest that are known.
        """
        last = self._last if last is None else last
        outcome = outcomes.get(folded.home) if folded.home is not None else None
        sealed = outcome if outcome is not None and outcome.sealed is not None else None
        published = with_crosses(self.specs, self._published_reports(folded, sealed))
        records = self._records(folded, sealed, published, last)
        unsealed = self._why_unsealed(folded, outcome)
        return Round(
            round_time_s=folded.round_time_s,
            feeds=folded.feeds,
            outcomes=outcomes,
            agreements=tuple(agreement_of(o) for o in outcomes.values() if o.sealed is not None),
            records=records,
            transitions=transitions(records, last, folded.now_ms),
            abstained=abstentions(folded.results, published),
            refusals=tuple({r: None for o in outcomes.values() for r in o.refusals}),
            unsealed=unsealed,
            missing=self._missing(sealed, unsealed),
        )

    def learn(self, outcome: RoundOutcome, now_ms: int, before: Mapping[str, Record] | None = None) -> Round | None:
        """A round that others sealed and this process learns of later; None where it is of no use.

        Args:
            outcome: of the round. Its target may be another one at the home store: the round is the store's.
            now_ms: when it is learned.
            before: each feed's record before the round, of one that comes after a newer one; None: only a newer one counts.
        """
        home, round_s = self._home, outcome.terms.round_time_s
        if home is None or not self._is_of_home(outcome) or outcome.sealed is None:
            return None
        if before is None and round_s <= self.newest_sealed_s:
            return None
        outcome = replace(outcome, terms=replace(outcome.terms, target=home.target))
        folded = FoldedRound(round_time_s=round_s, now_ms=now_ms, feeds=(), results={}, asks={}, home=home.target)
        done = self.finish(folded, {home.target: outcome}, before)
        return done if before is None else replace(done, transitions=())

    def _is_of_home(self, outcome: RoundOutcome) -> bool:
        seat = self._seats.get(self._home.target) if self._home is not None else None
        if seat is None:
            return self._home is not None and outcome.terms.target == self._home.target
        return outcome.terms.signers.domain == seat.signers.domain

    def take_seat(self, seat: SignerSeat) -> None:
        """Sign for a target, or for its new signer set."""
        self._seats[seat.target] = seat

    def commit(self, done: Round) -> None:
        """Take the states over, once the round is stored."""
        by_name = {m.name: m for m in self.members}
        for folded in done.feeds:
            by_name[folded.operator].states[folded.spec.feed] = folded.after
        records = {r.feed: r for r in done.records}
        last_s = {f: r.report.round_time_s for f, r in self._last.items()}
        self._last |= {f: r for f, r in records.items() if r.report.round_time_s > last_s.get(f, -1)}
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

    @property
    def newest_sealed_s(self) -> int:
        """Newest round that is known to be sealed by the home store's operators, 0 if none."""
        return max((r.report.round_time_s for r in self._last.values() if r.seal is not None), default=0)

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

    def _has_seat(self, seat: SignerSeat) -> bool:
        """Whether an operator here has weight in a set."""
        return seat.signers.weight_of([m.signer.address for m in self.members if m.signer is not None]) > 0

    def _takes_part(self, seat: SignerSeat) -> bool:
        """Whether its rounds are made here: an operator has a seat, or follows what those of the home store seal, over a network."""
        home = self._home
        return self._has_seat(seat) or (home is not None and home.networked and seat.target == home.target)

    def _home_name(self, seats: Mapping[str, SignerSeat]) -> str | None:
        """The target that must seal: the home store, if operators here have keys, and a seat there as far as is known.

        A store that does not know any of them mutes them there; alone, they then publish what they see, unsigned.
        """
        home = self._home
        if home is None or all(m.signer is None for m in self.members):
            return None
        seat = seats.get(home.target)
        is_stranger = seat is not None and not self._has_seat(seat) and not home.networked
        return None if is_stranger else home.target

    def _ask(self, seat: SignerSeat, round_time_s: int, results: Results) -> RoundAsk:
        """What the operators of a store are to agree on: each one's own reports, by index."""
        reports: dict[str, dict[int, Report]] = {}
        for member in self.members:
            if member.signer is not None:
                own = signable_reports(results[member.name])
                reports[member.name] = {seat.indexes[f]: r for f, r in own.items() if f in seat.indexes}
        return RoundAsk(
            target=seat.target,
            signers=seat.signers,
            round_time_s=round_time_s,
            indexes=seat.indexes,
            order=seat.order,
            sealed_s=self.newest_sealed_s,
            reports=reports,
            published={i: self._published[f] for f, i in seat.indexes.items() if f in self._published},
        )

    def _published_reports(self, folded: FoldedRound, sealed: RoundOutcome | None) -> dict[str, Report]:
        """What is sealed, and beside it the own view of the feeds that the home store's operators do not sign."""
        own = signable_reports(folded.results[self.members[0].name]) if folded.results else {}
        if folded.home is None or self._home is None:
            return own
        published = {f: r for f, r in own.items() if f not in self._home.feeds}
        published |= sealed.reports if sealed is not None else {}
        return {f: published[f] for f in self.specs if f in published}

    def _records(
        self,
        folded: FoldedRound,
        sealed: RoundOutcome | None,
        published: Mapping[str, Report],
        last: Mapping[str, Record],
    ) -> tuple[Record, ...]:
        maker = RecordMaker(
            specs=self.specs,
            last=last,
            results=folded.results,
            now_ms=folded.now_ms,
            outcome=sealed,
            own_name=self.members[0].name if self.members else "",
        )
        return maker.records(published)

    def _why_unsealed(self, folded: FoldedRound, outcome: RoundOutcome | None) -> str:
        if folded.home is None or (outcome is not None and outcome.sealed is not None):
            return ""
        seat = self._seats.get(folded.home)
        if seat is None:
            return f"target {folded.home} is not connected: who signs there is not known"
        present = seat.at(folded.round_time_s)
        if present.signers.has_expired(folded.round_time_s):
            return f"target {folded.home}: {present.signers.expired_text}"
        if outcome is not None and self._has_seat(present):
            return outcome.why
        epoch = present.signers.epoch
        return f"no operator here has a seat in the signer set of target {folded.home}, epoch {epoch}: have its owner add one"

    def _missing(self, sealed: RoundOutcome | None, unsealed: str) -> Mapping[str, str]:
        feeds = self._home.feeds if self._home is not None else frozenset()
        if unsealed:
            return dict.fromkeys(sorted(feeds), unsealed)
        return missing_feeds(sealed, sorted(feeds)) if sealed is not None else {}
