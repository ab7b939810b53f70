"""The frozen types of the oracle. Integers only; the unit is in the name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import ClassVar, TypeAlias

from feeds.record import record
from feeds.types import Kind, Outcome, Pair
from feeds.units import Bps, Wad

RULES_VERSION = 4
"""Raised whenever the same inputs would no longer give the same bytes."""
_NONE_BPS = Bps(0)


class Status(IntEnum):
    """How far a token's price may be relied on; the order is the severity."""

    OK = 1
    WATCH = 2
    DEPEG = 3
    HALT = 4

    @property
    def word(self) -> str:
        """Lower-case name, as served."""
        return self.name.lower()


class Mode(StrEnum):
    """Which of the two prices a reader gets."""

    MARKET = "market"
    REDEMPTION = "redemption"
    MIN = "min"
    MAX = "max"
    CAPPED = "capped"
    """Redemption under its growth cap."""
    REDEMPTION_UNLESS_DEPEG = "redemption_unless_depeg"
    """Redemption; the market while the token is in depeg or cannot be redeemed, and linearly over a while in between."""


class Why(IntEnum):
    """Reasons of a status. The low four bits are the class, which travels in the high half of the status byte."""

    NONE = 0
    NO_QUORUM = 1
    STALE = 2
    DIVERGED = 3
    NO_MARKET = 4
    NO_REDEMPTION = 5
    DISCOUNT = 6
    PREMIUM = 7
    SLASH = 8
    SINGLE_GROUP = 9
    LEAVING = 10
    OUT_OF_RANGE = 11
    LEG = 12
    RATE = 13
    BACKING = 14
    LIQUIDITY = 15
    STUCK = 0x12
    SEQUENCER = 0x22
    DISAGREE = 0x13
    VENUE = 0x23
    FELL = 0x16
    DRIFT_DOWN = 0x26
    ROSE = 0x17
    DRIFT_UP = 0x27
    DIMENSION = 0x1B
    BROKEN = 0x2B
    GROWTH = 0x1D
    RATE_STALE = 0x2D
    DERIVATION = 0x3D
    UNBACKED = 0x1E
    IMBALANCE = 0x1F
    SHALLOW = 0x2F
    CLOSED = 0x3F

    @property
    def klass(self) -> Why:
        """The class that this reason belongs to."""
        return Why(self & 0x0F)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Why a status is what it is: a code for machines and a sentence for people."""

    code: Why
    text: str


class Abstain(Exception):
    """The feed has no price this round. Raised inside the core, a value at the end of ``pipeline.step``."""

    why: ClassVar[Why] = Why.NONE

    def __init__(self, text: str, **numbers: int | str) -> None:
        super().__init__(text)
        self.text = text
        self.numbers: Mapping[str, int | str] = numbers


class NoQuorum(Abstain):
    """Fewer independent groups than the feed asks for."""

    why = Why.NO_QUORUM


class TooOld(Abstain):
    """The oldest input used is older than the feed's limit."""

    why = Why.STALE


class Diverged(Abstain):
    """The groups lie further apart than the feed allows."""

    why = Why.DIVERGED


class NoRedemption(Abstain):
    """The protocol's rate could not be read."""

    why = Why.NO_REDEMPTION


class Unencodable(Abstain):
    """A price does not fit the chain's field."""

    why = Why.OUT_OF_RANGE


class Implausible(Abstain):
    """The market price can not be one of this token: wrong decimals, a wrong unit, or a majority gone wrong together."""

    why = Why.DIMENSION


class Cheap(Abstain):
    """Moving the price would cost less than the feed's gate asks for."""

    why = Why.LIQUIDITY


class CapBinds(Abstain):
    """The growth cap lies below the live rate when it is set: its snapshot pair is out of step."""

    why = Why.GROWTH


class Broken(Abstain):
    """A fault of this program on this feed's inputs: it costs this feed only, and is to be reported."""

    why = Why.BROKEN


class LegMissing(Abstain):
    """A feed that this one is computed from abstained."""

    why = Why.LEG


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceSpec:
    """What the core must know of one source. The adapter and its parameters belong to the feeds layer.

    ``group`` is what the source depends on. ``average_ms`` > 0: a pool, whose price is averaged over that long (own
    samples, or its oracle where ``own_oracle``) before it counts as a group of its own; until then it belongs to
    ``group``. ``convert``: name of the feed that turns this source's quote unit into the feed's; ``divide``: by dividing by it,
    as a price in dollars by ETH/USD.
    """

    name: str
    pair: Pair
    kind: Kind
    group: str
    max_age_ms: int
    average_ms: int = 0
    average_blocks: int = 3
    own_oracle: bool = False
    convert: str | None = None
    divide: bool = False

    @property
    def on_chain(self) -> bool:
        """Whether it is a read of a chain: its group is the chain's until it is averaged."""
        return self.average_ms > 0 or self.group.startswith("chain:")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bands:
    """Deviation of market from redemption, in bps of redemption, at which states are entered and left."""

    watch_enter_bps: int
    watch_leave_bps: int
    depeg_enter_bps: int
    depeg_leave_bps: int
    normal_bps: int = 0
    watch_dwell_ms: int = 0
    depeg_dwell_ms: int = 60_000
    leave_dwell_ms: int = 300_000
    slash_ppb: int = 10_000
    slash_hold_ms: int = 3_600_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """Thresholds of the judge's rules; 0 turns a rule off.

    Attributes:
        moved_bps: change of the deviation within ``moved_ms`` that is watched.
        drift_slack_bps: excess over the normal level that never adds up; drift_bps_h: the sum at which it is watched.
        disagree_bps: distance of a group from the price that is watched.
        share_bps: share of stable pools' value in the token that is watched.
        depth_percent: of the usual depth over ``depth_ms``, below which it is watched.
        stuck_ms, stuck_bps: a source that says the same for so long while the market moves so far.
        growth_bps_year: how fast the redemption rate may grow, from its oldest snapshot within ``snapshot_ms``.
        growth_slack_bps: a step on top of that.
        snapshot_wad, snapshot_at_ms: where the cap begins to grow from when it is set; 0: from the first rate read.
        cadence_ms: the protocol moves its rate at least this often.
        derivation_bps: how far two readings of the rate may differ.
        supply_bps: how much more of the token may exist than is backed.
        premium_bps: a market further above redemption is refused.
        lone_bps: a market further below redemption is refused while one group alone says so.
        least_part: a market below one part in so many of redemption is refused.
        doubt_bps: added to the spread while a rule doubts the price.
        learn_bps_day: how fast the normal discount is learned, at most learn_cap_bps from the configured one.
        redemption_open: whether holders can redeem now.
        ramp_ms: how long ``redemption_unless_depeg`` takes from one price to the other.
    """

    moved_bps: int = 0
    moved_ms: int = 600_000
    drift_slack_bps: int = 0
    drift_bps_h: int = 0
    disagree_bps: int = 0
    share_bps: int = 7_000
    depth_percent: int = 30
    depth_ms: int = 86_400_000
    stuck_ms: int = 600_000
    stuck_bps: int = 100
    growth_bps_year: int = 0
    growth_slack_bps: int = 10
    snapshot_wad: int = 0
    snapshot_at_ms: int = 0
    snapshot_ms: int = 60 * 86_400_000
    cadence_ms: int = 0
    derivation_bps: int = 10
    supply_bps: int = 100
    premium_bps: int = 1_000
    lone_bps: int = 1_000
    least_part: int = 1_000
    doubt_bps: int = 50
    learn_bps_day: int = 0
    learn_cap_bps: int = 100
    redemption_open: bool = True
    ramp_ms: int = 1_800_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuning:
    """Parameters of methods, filters and of the confidence.

    Attributes:
        half_life_ms: after which age halves a weight, or an exponential average has gone half of the way.
        shares: (group, weight) of the weighted median; a group that is not named weighs 1.
        check_bps: how far a primary may lie from the median of all before that is taken instead.
        winsor_bps_minute: how far a sample of the winsorised mean may move from the last one, in each minute.
        recent_bps, recent_ms: distance from a source's own recent mean, over so long, that is a jump.
        bounds: a price outside of (least, most) is refused at its source; (0, 0): no bounds.
        shift_ms: how far the block of DIA's methods ends before now.
        dust_wad: a quote whose volume (base units) is below counts for nothing in DIA's methods; 0 keeps all.
        points: how many block prices DIA's exponential average looks back over.
        drift_bps_day: how far the market goes in a day, at the level that the confidence states (:mod:`oracle.confidence`).
        horizon_ms: how far ahead the confidence looks, on top of the price's age: a round.
        min_cost_100bps_wad: base units below which moving the price by 1 % is too cheap to publish; 0 asks nothing.
    """

    half_life_ms: int = 60_000
    shares: tuple[tuple[str, int], ...] = ()
    check_bps: int = 50
    winsor_bps_minute: int = 100
    recent_bps: int = 300
    recent_ms: int = 120_000
    bounds: tuple[int, int] = (0, 0)
    shift_ms: int = 0
    dust_wad: int = 0
    points: int = 10
    drift_bps_day: int = 110
    horizon_ms: int = 10_000
    min_cost_100bps_wad: int = 0


PLAIN = Tuning()


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedSpec:
    """Everything that decides a feed's rounds. Two specs with the same fields give the same bytes."""

    feed: str
    pair: Pair
    sources: tuple[SourceSpec, ...]
    method: str
    outliers: str | None
    outlier_floor_bps: int
    window_ms: int
    mode: Mode
    min_groups: int
    max_age_ms: int
    max_spread_bps: int
    heartbeat_s: int
    push_bps: int
    halt_after_ms: int
    bands: Bands
    has_market: bool
    has_redemption: bool
    share_of: str | None = None
    legs: tuple[str, ...] = ()
    accept_single_group: bool = False
    rules: Rules = Rules()
    tuning: Tuning = PLAIN

    @property
    def is_cross(self) -> bool:
        """Whether the feed is the product of others and has no slot on chain."""
        return bool(self.legs)


@record
@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """One price on its way into a method: a source's, or a group's once its sources are merged.

    ``weight``: the depth at 1 % in base units, until a method weighs in its own way. ``rank``: place in the config, the
    first is preferred. ``volume_wad``: base units, 0 unknown. ``own_bps``: half of the source's own bid to ask, or of a
    pool's slippage both ways, rounded up; None: unknown. ``recent_wad``: mean of its own recent prices, 0 unknown.
    """

    source: str
    group: str
    price_wad: Wad
    weight: int
    at_ms: int
    rank: int = 0
    volume_wad: int = 0
    own_bps: int | None = None
    recent_wad: int = 0


@record
@dataclass(frozen=True, slots=True, kw_only=True)
class Used:
    """A source that counted: its price after conversion and averaging, the share of its group, its age."""

    source: str
    group: str
    price_wad: Wad
    weight_bps: Bps
    age_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """A source that did not count, and why."""

    source: str
    code: str
    text: str
    price_wad: Wad | None = None


@record
@dataclass(frozen=True, slots=True, kw_only=True)
class Aggregate:
    """One price out of many, with everything that went into it. ``as_of_ms`` is the oldest input used.

    ``point_wad`` is the price of this round alone; it differs from ``price_wad`` where the method averages over time.
    ``spread_bps`` is the confidence that is published; ``disagree_bps`` of it is the largest distance of a group from the
    point, which is what ``max_spread_bps`` limits.
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


@record
@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A price kept for averaging. ``at_ms`` is when it was observed; ``block`` where it was read on a chain."""

    at_ms: int
    price_wad: Wad
    block: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Trade:
    """A quote or trade kept for DIA's methods: where, when, at what price, how many base units."""

    market: str
    at_ms: int
    price_wad: Wad
    volume_wad: int


@record
@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """What a method over time remembers: bounded in size, and enough to go on after a restart with the same value.

    ``samples``: point prices, ascending. ``total`` and ``weight``: running sums over the spans between them, or an
    exponential average and its weight; what they hold is the method's own. ``trades``: quotes of DIA's methods.
    ``made_by``: the method and the limits that the sums are of; others start anew.
    """

    samples: tuple[Sample, ...] = ()
    total: int = 0
    weight: int = 0
    trades: tuple[Trade, ...] = ()
    made_by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeState:
    """The status, since when, and what is waiting out its dwell."""

    status: Status = Status.OK
    since_ms: int = 0
    pending: Status | None = None
    pending_since_ms: int = 0


@record
@dataclass(frozen=True, slots=True, kw_only=True)
class RateState:
    """The redemption rate last read, when it last changed, its last fall, and one snapshot (time, rate) a day."""

    rate_wad: Wad
    changed_at_ms: int
    fell_at_ms: int | None = None
    fell_ppb: int = 0
    read_at_ms: int = 0
    source: str = ""
    snapshots: tuple[tuple[int, Wad], ...] = ()


@record
@dataclass(frozen=True, slots=True, kw_only=True)
class Unchanged:
    """Since when a source has said this price, and where the market stood then."""

    source: str
    price_wad: Wad
    since_ms: int
    market_wad: Wad


@record
@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """What the judge's rules remember, bounded in size. Times are Unix ms.

    ``deviations``: (time, bps), thinned. ``drift_low`` and ``drift_high``: one-sided sums in bps milliseconds.
    ``normal_mbps``: the learned normal level in thousandths of a bps; ``learn_rest_ms``: time too short to count yet.
    ``depths``: (time, base units). ``supply_wad``: the supply that counts as known.
    ``ramp_ppm``: how much of the market price is in ``redemption_unless_depeg``, in millionths.
    """

    at_ms: int = 0
    deviations: tuple[tuple[int, int], ...] = ()
    drift_low: int = 0
    drift_high: int = 0
    normal_mbps: int | None = None
    learn_rest_ms: int = 0
    depths: tuple[tuple[int, int], ...] = ()
    unchanged: tuple[Unchanged, ...] = ()
    supply_wad: int | None = None
    ramp_ppm: int = 0


@record
@dataclass(frozen=True, slots=True, kw_only=True)
class FeedState:
    """All that the next round must remember: bounded in size, versioned, frozen."""

    version: int = RULES_VERSION
    pools: tuple[tuple[str, tuple[Sample, ...]], ...] = ()
    window: Window = Window()
    judge: JudgeState = JudgeState()
    rate: RateState | None = None
    memory: Memory = Memory()
    last: Report | None = None
    last_market_as_of_ms: int = 0
    abstaining_since_ms: int | None = None

    @property
    def history(self) -> tuple[Sample, ...]:
        """Point prices kept for an average over time; none where the method does not look back."""
        return self.window.samples


@record
@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the judge says about one round. Deviation is market from redemption, negative below.

    ``widen_bps`` is added to the spread: the judge doubts the price. ``ramp_ppm``: see Memory.
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
    """What is signed, field for field the Solidity struct. 0 in a price means absent."""

    market_wad: Wad
    redemption_wad: Wad
    spread_bps: Bps
    status: Status
    why: Why
    round_time_s: int
    market_age_s: int
    redemption_age_h: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Leg:
    """What a feed may know of another one in the same round.

    ``suspects``: groups that were outliers there. ``groups``: how many stand behind its market price.
    """

    feed: str
    report: Report
    market_as_of_ms: int
    reasons: tuple[Reason, ...] = ()
    slash_ppb: int = 0
    suspects: tuple[str, ...] = ()
    groups: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """A feed's round with all that went in and came out: replayable, explainable."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Abstained:
    """A round without a price. ``halt`` is the status-only report that is due once it has lasted too long."""

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
    halt: Report | None


Result: TypeAlias = Round | Abstained
