"""The frozen records of a round: what goes in and what comes out. Integers only; the unit is in the name."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from feeds.record import record
from feeds.types import Kind, Outcome, Pair
from feeds.units import Bps, Wad
from oracle.model.canonical_json import ADDED_LATER
from oracle.model.spec import FeedSpec
from oracle.model.state import FeedState
from oracle.model.status import Reason, Status, Why

_NONE_BPS = Bps(0)


@record
@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """One price that goes into a method: a source's, or a group's once its sources are merged.

    ``weight``: the depth at 1 % in base units, until the method sets its own weights. ``rank``: place in the config, the
    first is preferred. ``own_bps``: half of the source's own bid to ask, or of a
    pool's slippage both ways, rounded up; None: unknown. ``recent_wad``: mean of its own recent prices, 0 unknown.
    """

    source: str
    group: str
    price_wad: Wad
    weight: int
    at_ms: int
    rank: int = 0
    own_bps: int | None = None
    recent_wad: int = 0

    def with_weight(self, weight: int) -> Input:
        """The same input with another weight. Written out, as ``replace`` takes twice as long: ``tricks.with_weight`` of `bench aggregate`."""
        return Input(
            source=self.source,
            group=self.group,
            price_wad=self.price_wad,
            weight=weight,
            at_ms=self.at_ms,
            rank=self.rank,
            own_bps=self.own_bps,
            recent_wad=self.recent_wad,
        )


@record
@dataclass(frozen=True, slots=True, kw_only=True)
class Used:
    """A source that was used: its price after conversion and averaging, its group's share of the weight, its age."""

    source: str
    group: str
    price_wad: Wad
    weight_bps: Bps
    age_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """A source that was rejected, and why. ``code``: a :class:`Rejection`, or the code of the source's own error."""

    source: str
    code: str
    text: str
    price_wad: Wad | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupTrades:
    """The trades of one group that are in a price: how many, of how many base units, from the first to the last.

    ``span_ms``: those no further apart may have been merged; 1: none of different times or prices was.
    """

    group: str
    count: int
    volume_wad: int
    first_ms: int
    last_ms: int
    span_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TradesUsed:
    """The trades behind a price, after ``since_ms`` until ``until_ms``; ``complete_ms``: from then on every trade was heard.

    ``cap_percent``: the share of the volume that each group was held to; 0: none.
    """

    since_ms: int
    until_ms: int
    complete_ms: int
    cap_percent: int
    groups: tuple[GroupTrades, ...]


@record
@dataclass(frozen=True, slots=True, kw_only=True)
class Aggregate:
    """One price made of many, with everything that went into it. ``as_of_ms``: the time of the oldest input used.

    ``point_wad`` is the price of this round alone; it differs from ``price_wad`` where the method averages over time.
    ``spread_bps`` is the confidence that is published; ``disagree_bps`` of it is the largest distance of a group from the
    point, which is what ``max_spread_bps`` limits. ``trades``: what a method of trades made the price of.
    """

    pair: Pair
    kind: Kind
    price_wad: Wad
    point_wad: Wad
    spread_bps: Bps
    as_of_ms: int
    used: tuple[Used, ...]
    rejected: tuple[Rejected, ...]
    disagree_bps: Bps = _NONE_BPS
    trades: TradesUsed | None = None

    @property
    def group_prices(self) -> dict[str, Wad]:
        """What the groups say that are believed: those with weight. Of a method of trades all, whatever volume they have."""
        return {u.group: u.price_wad for u in self.used if u.weight_bps or self.trades is not None}

    @property
    def groups_behind(self) -> int:
        """How many groups the price is made of: of trades, those that have traded, however little."""
        return len(self.group_prices if self.trades is None else self.trades.groups)


@record
@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The judge's result of one round. The deviation is market from redemption, negative below.

    ``widen_bps`` is added to the spread while the judge doubts the price. ``ramp_ppm``: see Memory.
    """

    market_wad: Wad
    redemption_wad: Wad
    deviation_bps: Bps | None
    status: Status
    reasons: tuple[Reason, ...]
    widen_bps: int = 0
    ramp_ppm: int = 0


@record
@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What is signed, field for field the Solidity struct. 0 in a price means absent.

    ``status_only``: the prices are those of an earlier round and were not checked again. A halt need not say it, see
    ``repeats_prices``.
    """

    market_wad: Wad
    redemption_wad: Wad
    spread_bps: Bps
    status: Status
    why: Why
    round_time_s: int
    market_age_s: int
    redemption_age_h: int
    status_only: bool = field(default=False, metadata=ADDED_LATER)

    @property
    def repeats_prices(self) -> bool:
        """Whether its prices are those of an earlier round: a halt's always are."""
        return self.status_only or self.status is Status.HALT


@record
@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """What the operators last agreed on of a feed, the same for all of them: an input of the next round.

    ``report``: the last one with fresh prices, with a lower redemption rate where one was published since.
    ``status``: as last published. ``redemption_s``: round of the redemption rate. ``silent_since_s``: first round since then
    that brought neither prices nor a halt. ``ramp_ppm``: see Memory.
    """

    report: Report
    status: Status
    redemption_s: int
    silent_since_s: int | None = None
    ramp_ppm: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Leg:
    """What a feed may know of another one in the same round.

    ``suspects``: groups that were outliers there. ``groups``: how many are behind its market price. ``suspected``: where it
    abstains (its report has no prices): the status that its evidence asks for, with its reasons.
    """

    feed: str
    report: Report
    market_as_of_ms: int
    reasons: tuple[Reason, ...] = ()
    slash_ppb: int = 0
    suspects: tuple[str, ...] = ()
    groups: int = 0
    suspected: Status = Status.OK


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedRound:
    """A feed's round with everything that went in and came out, so that it can be replayed and explained.

    ``report`` is what the operator signs: in a halt the prices that were last published, not the round's own.
    """

    STORED_AS = "Round"

    feed: str
    round_time_s: int
    rules_version: int
    spec_hash: str
    state_before: str
    state_after: str
    outcomes: tuple[Outcome, ...]
    legs: tuple[Leg, ...]
    market: Aggregate | None
    redemption: Aggregate | None
    verdict: Verdict
    report: Report
    published: Published | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Abstained:
    """A round without a price.

    ``status``: the operator's own after it. ``reasons``: what the judge finds without a price, the worst first; ``suspected``:
    the status that they ask for, OK where there are none. ``kept``: the status-only report that the operator signs: the
    prices last published, with the new status. None: abstention alone publishes nothing.
    """

    feed: str
    round_time_s: int
    rules_version: int
    spec_hash: str
    state_before: str
    state_after: str
    outcomes: tuple[Outcome, ...]
    legs: tuple[Leg, ...]
    why: Why
    text: str
    rejected: tuple[Rejected, ...]
    status: Status
    suspected: Status
    reasons: tuple[Reason, ...]
    kept: Report | None
    published: Published | None = None


Result: TypeAlias = FeedRound | Abstained


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldedFeed:
    """One operator's result of one feed, and the states around it."""

    operator: str
    spec: FeedSpec
    before: FeedState
    after: FeedState
    result: Result


@record
@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """What a market source stated in time, whether or not it was used.

    ``price_wad``: in its own unit; ``level_wad``: in the feed's, 0 where that is unknown. ``credible``: whether it may be a
    reference for the others; a source rejected for its own sake is not, as a book too wide, or a venue wrong about another
    pair.
    """

    source: str
    group: str
    price_wad: Wad
    level_wad: Wad
    credible: bool = True
