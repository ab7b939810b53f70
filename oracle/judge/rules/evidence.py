"""What a rule may look at, and what it may say."""

from __future__ import annotations

from dataclasses import dataclass

from feeds.record import record
from feeds.units import Bps, Wad, deviation_bps_away
from oracle.model.spec import FeedSpec
from oracle.model.state import Memory, RateState
from oracle.model.status import Reason, Status
from oracle.model.types import Statement


@record
@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A rule's word: at least this status, for this reason.

    ``doubt``: the spread is widened as well, by ``apart_bps`` where that is more than the feed's own measure of doubt.
    ``at_once``: a status that waits out no dwell, for a fact is no price that might be a spike.
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
class Evidence:
    """One round's facts, as plain numbers.

    Attributes:
        market_wad: 0 where there is none; redemption_wad: likewise.
        groups: independent groups behind the market price; voices: what each of them says, empty where only their number
            is known.
        rate: history of the redemption rate, with this round's.
        leg_slash_ppb: a slash that the share token of a rebasing one is held to.
        disagree_bps: largest distance of a group from the market price.
        said: what each market source said, also where it was thrown out: who is wrong is seldom among those that count.
        pools: those of them that are pools.
        readings: redemption rates of each source, the first named first.
        supply_wad: units of the token that exist, over all chains; backing_wad: what stands behind them. None: unknown.
        suspects: venues that were outliers in a feed that this one converts by.
        sequencer_down: a rollup on which sources are read is down, or in its grace time.
        closed_by: sources by which holders cannot redeem now.
        of_leg: what the evidence of the share token says that has no price either.
    """

    market_wad: Wad
    redemption_wad: Wad
    groups: int
    rate: RateState | None
    voices: tuple[Wad, ...] = ()
    leg_slash_ppb: int = 0
    disagree_bps: int = 0
    said: tuple[Statement, ...] = ()
    pools: tuple[PoolEvidence, ...] = ()
    readings: tuple[tuple[str, Wad], ...] = ()
    supply_wad: int | None = None
    backing_wad: int | None = None
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

    def beyond(self, bps: int, normal_bps: int, *, below: bool) -> int:
        """How many groups lie so far from every reading of the rate, on this side of the normal level."""
        owed = self.nearest_rate(below=below)
        if not owed or not (self.voices or self.market_wad):
            return self.groups
        gaps = [deviation_bps_away(v, owed) - normal_bps for v in self.voices or (self.market_wad,)]
        far = sum((-g if below else g) >= bps for g in gaps)
        return far if self.voices else far * self.groups

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
    """A round before the judge: the feed's rules, what it remembers, its status so far, the facts, the time."""

    spec: FeedSpec
    memory: Memory
    status: Status
    seen: Evidence
    now_ms: int

    @property
    def normal_bps(self) -> int:
        """The discount (negative) or premium that is normal for this token: learned where that is on, else configured."""
        learned = self.memory.normal_mbps
        return self.spec.bands.normal_bps if learned is None else round_half_away(learned)


def round_half_away(milli_bps: int) -> int:
    """Thousandths of a bps as whole bps, halves away from zero."""
    size = (abs(milli_bps) + 500) // 1_000
    return size if milli_bps >= 0 else -size
