"""What decides a feed: its sources, method, bands, rules and tuning. Frozen; the unit is in the name."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from feeds.types import Kind, Pair


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


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceSpec:
    """What the core must know of one source. The adapter and its parameters belong to the feeds layer.

    ``group`` is what the source depends on. ``average_s`` > 0: a pool, whose price is averaged over that long (own
    samples, or its oracle where ``own_oracle``) before it counts as a group of its own; until then it belongs to
    ``group``. ``convert``: name of the feed that turns this source's quote unit into the feed's; ``divide``: by dividing by it,
    as a price in dollars by ETH/USD.
    """

    name: str
    pair: Pair
    kind: Kind
    group: str
    max_age_s: int
    average_s: int = 0
    average_blocks: int = 3
    own_oracle: bool = False
    convert: str | None = None
    divide: bool = False

    @property
    def on_chain(self) -> bool:
        """Whether it is a read of a chain: its group is the chain's until it is averaged."""
        return self.average_s > 0 or self.group.startswith("chain:")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bands:
    """Deviation of market from redemption, in bps of redemption, at which states are entered and left."""

    watch_bps: int
    watch_leave_bps: int
    depeg_bps: int
    depeg_leave_bps: int
    normal_bps: int = 0
    watch_dwell_s: int = 0
    depeg_dwell_s: int = 60
    leave_dwell_s: int = 300
    slash_ppb: int = 10_000
    slash_hold_s: int = 3_600


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """Thresholds of the judge's rules; 0 turns a rule off.

    Attributes:
        moved_bps: change of the deviation within ``moved_s`` that is watched.
        drift_slack_bps: excess over the normal level that never adds up; drift_bps_hours: the sum at which it is watched.
        disagree_bps: distance of a group from the price that is watched.
        share_percent: share of stable pools' value in the token that is watched.
        depth_percent: of the usual depth over ``depth_s``, below which it is watched.
        stuck_s, stuck_bps: a source that says the same for so long while the market moves so far.
        growth_bps_year: how fast the redemption rate may grow, from its oldest snapshot within ``snapshot_days``.
        growth_slack_bps: a step on top of that.
        snapshot_rate, snapshot_at_s: where the cap begins to grow from when it is set; 0: from the first rate read.
        cadence_s: the protocol moves its rate at least this often.
        derivation_bps: how far two readings of the rate may differ.
        supply_bps: how much more of the token may exist than is backed.
        premium_bps: a market further above redemption is refused.
        lone_bps: a market further below redemption is refused while one group alone says so.
        least_part: a market below one part in so many of redemption is refused.
        doubt_bps: added to the spread while a rule doubts the price.
        learn_bps_day: how fast the normal discount is learned, at most learn_cap_bps from the configured one.
        redemption_open: whether holders can redeem now.
        ramp_s: how long ``redemption_unless_depeg`` takes from one price to the other.
    """

    moved_bps: int = 0
    moved_s: int = 600
    drift_slack_bps: int = 0
    drift_bps_hours: int = 0
    disagree_bps: int = 0
    share_percent: int = 70
    depth_percent: int = 30
    depth_s: int = 86_400
    stuck_s: int = 600
    stuck_bps: int = 100
    growth_bps_year: int = 0
    growth_slack_bps: int = 10
    snapshot_rate: int = 0
    snapshot_at_s: int = 0
    snapshot_days: int = 60
    cadence_s: int = 0
    derivation_bps: int = 10
    supply_bps: int = 100
    premium_bps: int = 1_000
    lone_bps: int = 1_000
    least_part: int = 1_000
    doubt_bps: int = 50
    learn_bps_day: int = 0
    learn_cap_bps: int = 100
    redemption_open: bool = True
    ramp_s: int = 1_800


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuning:
    """Parameters of methods, filters and of the confidence.

    Attributes:
        half_life_s: after which age halves a weight, or an exponential average has gone half of the way.
        shares: (group, weight) of the weighted median; a group that is not named weighs 1.
        check_bps: how far a primary may lie from the median of all before that is taken instead.
        winsor_bps_minute: how far a sample of the winsorised mean may move from the last one, in each minute.
        recent_bps, recent_s: distance from a source's own recent mean, over so long, that is a jump.
        least, most: a price outside of them (wad) is refused at its source; 0 and 0: no bounds.
        shift_s: how far the block of DIA's methods ends before now.
        dust: a quote whose volume (base units) is below counts for nothing in DIA's methods; 0 keeps all.
        points: how many block prices DIA's exponential average looks back over.
        drift_bps_day: how far the market goes in a day, at the level that the confidence states (:mod:`oracle.combine.confidence`).
        horizon_s: how far ahead the confidence looks, on top of the price's age: a round.
        min_cost_100bps: base units below which moving the price by 1 % is too cheap to publish; 0 asks nothing.
    """

    half_life_s: int = 60
    shares: tuple[tuple[str, int], ...] = ()
    check_bps: int = 50
    winsor_bps_minute: int = 100
    recent_bps: int = 300
    recent_s: int = 120
    least: int = 0
    most: int = 0
    shift_s: int = 0
    dust: int = 0
    points: int = 10
    drift_bps_day: int = 110
    horizon_s: int = 10
    min_cost_100bps: int = 0


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
    window_s: int
    mode: Mode
    min_groups: int
    max_age_s: int
    max_spread_bps: int
    heartbeat_s: int
    push_bps: int
    halt_after_s: int
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
