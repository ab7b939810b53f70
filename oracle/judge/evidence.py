"""What a rule is, what it may look at, and what it may say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from feeds.record import record
from feeds.units import Bps, Wad, deviation_bps_away
from oracle.model.spec import FeedSpec
from oracle.model.state import Memory, RateState
from oracle.model.status import Reason, Status, Why
from oracle.model.types import Statement


@record
@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What a rule found: the status that it asks for at least, and the reason.

    ``doubt``: the spread is widened as well, by ``apart_bps`` where that is more than the feed's own ``doubt_bps``.
    ``at_once``: a status that waits out no dwell, because a fact, unlike a price, cannot be a spike.
    """

    status: Status
    reason: Reason
    doubt: bool = False
    apart_bps: int = 0
    at_once: Status = Status.OK


@record
@dataclass(frozen=True, slots=True, kw_only=True)
class PoolEvidence:
    """A pool that answered: the share of its value that is held in the token, and its depth at 1 % in base units."""

    source: str
    share_bps: int | None
    depth_wad: int


@record
@dataclass(frozen=True, slots=True, kw_only=True)
class RailEvidence:
    """A way over a bridge: what exists of the token beyond it, and what is locked for it at home. Both in units of the token.

    ``supply_wad``: the sum of what was read; a lower bound while there is anything ``unread``. ``locked_wad``: None where the
    lock box was not read. ``unread``: sources that did not answer, or at another time than the lock box. ``as_of_ms``: time of
    the oldest reading.
    """

    rail: str
    supply_wad: int
    locked_wad: int | None
    unread: tuple[str, ...] = ()
    as_of_ms: int = 0

    @property
    def missing_wad(self) -> int:
        """Units beyond the bridge for which nothing is locked: at least so many; 0 where that is unknown."""
        return 0 if self.locked_wad is None else max(0, self.supply_wad - self.locked_wad)


@record
@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """The facts of one round, as plain numbers.

    Attributes:
        market_wad: market price, 0 where there is none.
        redemption_wad: redemption rate, 0 where there is none.
        groups: number of independent groups behind the market price.
        group_prices: the price of each of them; empty where only their number is known.
        rate: history of the redemption rate, this round's reading included.
        leg_slash_ppb: a slash of the share token, for a rebasing token that is priced by it.
        disagree_bps: largest distance of a group from the market price.
        statements: what each market source stated, also where it was rejected: a wrong source is seldom among those used.
        pools: those of them that are pools.
        readings: (source, redemption rate) of each source, the first configured first.
        supply_wad: units of the token that exist over all chains; None: unknown.
        backing_wad: units that stand behind them; None: unknown.
        rails: each way over a bridge, with what is locked for it.
        suspects: venues that were outliers in a feed that this one converts by.
        sequencer_down: a rollup on which sources are read is down, or in its grace time.
        closed_by: sources that say that holders cannot redeem now.
        of_leg: what the evidence of the share token says, where that token has no price either.
    """

    market_wad: Wad
    redemption_wad: Wad
    groups: int
    rate: RateState | None
    group_prices: tuple[Wad, ...] = ()
    leg_slash_ppb: int = 0
    disagree_bps: int = 0
    statements: tuple[Statement, ...] = ()
    pools: tuple[PoolEvidence, ...] = ()
    readings: tuple[tuple[str, Wad], ...] = ()
    supply_wad: int | None = None
    backing_wad: int | None = None
    rails: tuple[RailEvidence, ...] = ()
    suspects: tuple[str, ...] = ()
    sequencer_down: bool = False
    closed_by: tuple[str, ...] = ()
    of_leg: Finding | None = None

    @property
    def deviation(self) -> Bps | None:
        """Deviation of market from redemption in bps, rounded away from zero; None where one is absent."""
        if not self.market_wad or not self.redemption_wad:
            return None
        return deviation_bps_away(self.market_wad, self.redemption_wad)

    def groups_beyond(self, bps: int, normal_bps: int, *, below: bool) -> int:
        """How many groups lie at least this far from every reading of the rate, on this side of the normal level."""
        rate_wad = self.nearest_rate(below=below)
        if not rate_wad or not (self.group_prices or self.market_wad):
            return self.groups
        gaps = [deviation_bps_away(p, rate_wad) - normal_bps for p in self.group_prices or (self.market_wad,)]
        count = sum((-g if below else g) >= bps for g in gaps)
        return count if self.group_prices else count * self.groups

    def nearest_rate(self, *, below: bool) -> Wad:
        """Of the published rate and all readings the one that lies nearest to a market below or above them."""
        rates = (self.redemption_wad, *(rate for _, rate in self.readings if self.redemption_wad))
        return min(rates) if below else max(rates)

    @property
    def depth_wad(self) -> int:
        """Depth of all pools that answered."""
        return sum(p.depth_wad for p in self.pools)


@record
@dataclass(frozen=True, slots=True, kw_only=True)
class RuleInput:
    """One round before the judge: the feed's spec, what the rules remember, the status so far, the facts, the time."""

    spec: FeedSpec
    memory: Memory
    status: Status
    evidence: Evidence
    now_ms: int

    @property
    def normal_bps(self) -> int:
        """The discount (negative) or premium that is normal for this token: learned where that is on, else configured."""
        learned = self.memory.normal_mbps
        return self.spec.bands.normal_bps if learned is None else round_half_away(learned)


class AppliesTo(Enum):
    """The rounds that a rule looks at."""

    PRICED = "rounds with a price"
    UNPRICED = "rounds without a price"
    ALL = "all rounds"


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeRule:
    """A rule and its declaration, from which the registry and the table in docs/methodology.md come.

    Attributes:
        find: a pure function from one round to a finding; None: nothing to say.
        reasons: every reason that it may give; none: a reason of another feed.
        watches: what it watches for, a phrase for the docs.
        keys: keys of ``bands`` and ``rules`` that it reads; the docs show their defaults.
        note: what the docs say beside the keys.
        applies_to: facts of the token itself are evidence in rounds without a price as well.
    """

    find: Callable[[RuleInput], Finding | None]
    reasons: tuple[Why, ...]
    watches: str
    keys: tuple[str, ...] = ()
    note: str = ""
    applies_to: AppliesTo = AppliesTo.PRICED


def round_half_away(milli_bps: int) -> int:
    """Thousandths of a bps as whole bps, halves away from zero."""
    size = (abs(milli_bps) + 500) // 1_000
    return size if milli_bps >= 0 else -size
