"""The report of one feed, as a document: the rounds are read once, and every figure is added up on the way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, TypeAlias

from feeds.types import Kind
from feeds.units import BPS
from lab.outcome.book import STANDARD, BookTerms
from lab.shadow.distance import Distance, percentile
from lab.shadow.market import MarketRound, markets, terms_document
from lab.shadow.moves import Mover, Pairing, PriceMove, price_moves
from lab.shadow.pushed import ShownOnChain, shown_on_chain
from lab.shadow.rounds import ShadowRound
from lab.shadow.statuses import StatusChanges
from lab.shadow.verdict import verdict
from oracle.config.shadow import OwnThreshold
from oracle.model.spec import FeedSpec

Document = dict[str, Any]
Moved: TypeAlias = tuple[tuple[PriceMove, ...], tuple[PriceMove, ...]]
GAP_ROUNDS = 3
"""Rounds further apart than so many of their usual spacings have a gap between them."""
_HOUR_S = 3_600
_JOIN_S = 300
"""Steps no further apart are listed as one move."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportTerms:
    """What is asked of the data.

    ``move_bps`` None: of each reference the feed's watch band, or the reference's own threshold where that is wider.
    ``band_bps`` None: the feed's watch band.
    """

    move_bps: int | None = None
    band_bps: int | None = None
    wait_s: int = _HOUR_S
    book: BookTerms = STANDARD


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadowReference:
    """A reference of a feed."""

    name: str
    side: Kind
    threshold: OwnThreshold


@dataclass(slots=True, kw_only=True)
class FeedReport:
    """Collects the rounds of a feed.

    Args:
        spec: of the feed.
        interval_s: between rounds.
        references: in the order of the words of a round.
        terms: what is asked.
        operator: whose rounds they are; ``others``: whether the database has those of further ones.

    Attributes:
        rounds: all of them, for the pictures.
    """

    spec: FeedSpec
    interval_s: int
    references: Sequence[ShadowReference]
    terms: ReportTerms
    operator: str
    others: bool = False
    rounds: list[ShadowRound] = field(default_factory=list)
    statuses: StatusChanges = field(init=False)
    distances: list[Distance] = field(init=False)
    _groups: Counter[int] = field(default_factory=Counter)
    _specs: Counter[str] = field(default_factory=Counter)
    _hours: dict[int, tuple[int, int]] = field(default_factory=dict)
    _spreads: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Make what collects."""
        self.statuses = StatusChanges(sides={r.name: r.side for r in self.references}, gap_s=self.gap_s)
        self.distances = [
            Distance(place=i, side=r.side, band_bps=self.band_bps, gap_s=self.gap_s)
            for i, r in enumerate(self.references)
        ]

    @property
    def gap_s(self) -> int:
        """Rounds further apart have a gap between them."""
        return GAP_ROUNDS * self.interval_s

    @property
    def band_bps(self) -> int:
        """A distance that is counted when it is exceeded."""
        return self.spec.bands.watch_bps if self.terms.band_bps is None else self.terms.band_bps

    def read(self, rounds: Iterable[ShadowRound], tell: Callable[[int], None] = lambda _: None) -> Document:
        """Read all rounds; the document. ``tell`` is told the time of each."""
        for r in rounds:
            self._add(r)
            tell(r.at_s)
        self.statuses.finish()
        return self._document()

    def _add(self, r: ShadowRound) -> None:
        self.rounds.append(r)
        self.statuses.add(r)
        for distance in self.distances:
            distance.add(r)
        self._specs[r.spec_hash] += 1
        price = r.market_wad or r.redemption_wad
        if not price:
            return
        self._spreads.append(r.spread_bps)
        if r.market_wad and r.groups and self.spec.sources:
            self._groups[r.groups] += 1
        hour = r.at_s // _HOUR_S
        low, high = self._hours.get(hour, (price, price))
        self._hours[hour] = (min(low, price), max(high, price))

    def _document(self) -> Document:
        ranges = [(high - low) * BPS // low for low, high in self._hours.values()]
        shown = list(shown_on_chain(self.spec, self.rounds)) if self.references else []
        document: Document = {
            "feed": self.spec.feed,
            "mode": self.spec.mode.value,
            "operator": self.operator,
            "other_operators": self.others,
            "from": self.rounds[0].at_s if self.rounds else None,
            "to": self.rounds[-1].at_s if self.rounds else None,
            "interval_s": self.interval_s,
            "gap_s": self.gap_s,
            "configs": len(self._specs),
            **self.statuses.document(),
            "made_of": self.spec.share_of,
            "min_groups": self.spec.min_groups if self.spec.has_market and self.spec.sources else None,
            "groups": {str(n): self._groups[n] for n in sorted(self._groups)},
            "spread_bps": {"median": percentile(self._spreads, 50), "p99": percentile(self._spreads, 99)},
            "hour_range_bps": {"median": percentile(ranges, 50), "max": max(ranges, default=None)},
            "push_bps": self.spec.push_bps,
            "heartbeat_s": self.spec.heartbeat_s,
            "watch_bps": self.spec.bands.watch_bps,
            "market": terms_document(self.terms.book),
            "references": [self._beside(i, shown) for i in range(len(self.references))],
        }
        return document | {"look_at": verdict(document)}

    def _moves(self, place: int, owns: Iterable[int]) -> Moved:
        """Steps, and moves, of a reference and of what our price was in each round."""
        theirs = (r.words[place].price_wad for r in self.rounds)
        both = (
            Pairing(at_s=r.at_s, ours=own, theirs=their)
            for r, own, their in zip(self.rounds, owns, theirs, strict=True)
            if own and their
        )
        return price_moves(
            both, move_bps=self.move_bps(place), wait_s=self.terms.wait_s, gap_s=self.gap_s,
            join_s=max(self.gap_s, _JOIN_S),
        )  # fmt: skip

    def move_bps(self, place: int) -> int:
        """The height of a step: what is asked, or the feed's band, and no less than what the reference waits for itself."""
        if self.terms.move_bps is not None:
            return self.terms.move_bps
        return max(self.spec.bands.watch_bps, self.references[place].threshold.bps or 0)

    def _beside(self, place: int, shown: Sequence[ShownOnChain]) -> Document:
        beside = self.references[place]
        owns, pushed = [r.own(beside.side) for r in self.rounds], [s.own(beside.side) for s in shown]
        steps, moves = self._moves(place, owns)
        rounds = [
            MarketRound(ours=own, theirs=r.words[place].price_wad, pushed=on_chain)
            for r, own, on_chain in zip(self.rounds, owns, pushed, strict=True)
        ]
        return {
            "reference": beside.name,
            "against": beside.side.value,
            "threshold": asdict(beside.threshold),
            **self.distances[place].document(),
            "moves": {
                "move_bps": self.move_bps(place),
                "wait_s": self.terms.wait_s,
                **steps_document(steps),
                "as_pushed": steps_document(self._moves(place, pushed)[0]),
                "moves": moves_document(moves),
            },
            "lending": markets(rounds, self.terms.book),
        }


def steps_document(steps: Sequence[PriceMove]) -> Document:
    """Who made steps first, as JSON."""
    both = [m for m in steps if m.mover is Mover.BOTH]
    leads = [m.lead_s for m in both if m.lead_s is not None]
    return {
        "steps_both": len(both),
        "ours_first": sum(m.first == "ours" for m in both),
        "theirs_first": sum(m.first == "theirs" for m in both),
        "same_round": sum(m.first == "unknown" for m in both),
        "lead_s": {
            "median": percentile(leads, 50),
            "least": min(leads, default=None),
            "most": max(leads, default=None),
        },
        "steps_ours_alone": sum(m.mover is Mover.OURS for m in steps),
        "steps_theirs_alone": sum(m.mover is Mover.THEIRS for m in steps),
        "steps_unknown": sum(m.mover is Mover.UNKNOWN for m in steps),
    }


def moves_document(moves: Sequence[PriceMove]) -> list[Document]:
    """Each move, as JSON."""
    return [
        {
            "at": m.at_s,
            "direction": "up" if m.is_up else "down",
            "made_by": m.mover.value,
            "steps": m.steps,
            "last": m.last_s,
            "first": m.first if m.mover is Mover.BOTH else None,
            "lead_s": m.lead_s,
            "within_s": m.within_s,
            "taken_back": m.taken_back,
        }
        for m in moves
    ]
