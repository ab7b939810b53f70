"""What decides a feed: its sources, method, bands, rules and tuning. Frozen; the unit is in the name."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from feeds.types import Kind, Pair
from oracle.model.keys import Follows, key, required

_DRIFT_HOURS = 72
"""A market that has lain a watch band off for three days has drifted."""


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
    as a price in dollars by ETH/USD. ``rail``: of a supply or backing, the way over a bridge that it is one side of; None: it
    is counted for the token as a whole.
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
    rail: str | None = None

    @property
    def on_chain(self) -> bool:
        """Whether it is a read of a chain: its group is the chain's until it is averaged."""
        return self.average_s > 0 or self.group.startswith("chain:")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bands:
    """``[feeds.X.bands]``: deviation of market from redemption at which states are entered and left.

    A state is left at half of its band or less.
    """

    watch_bps: int = key(50, "deviation of market from redemption at which watch is entered", least=1)
    watch_leave_bps: int = field(
        metadata=required(
            "deviation at which watch is left, at most half of `watch_bps`",
            least=0,
            follows=Follows("half of `watch_bps`", lambda keys: keys["watch_bps"] // 2),
        )
    )
    depeg_bps: int = key(200, "deviation of market from redemption at which depeg is entered", least=1)
    depeg_leave_bps: int = field(
        metadata=required(
            "deviation at which depeg is left, at most half of `depeg_bps`",
            least=0,
            follows=Follows("half of `depeg_bps`", lambda keys: keys["depeg_bps"] // 2),
        )
    )
    normal_bps: int = key(
        0,
        "the token's usual deviation from redemption, negative for a discount",
        least=-5_000,
        most=5_000,
        shown="0, or the catalogue's",
    )
    watch_dwell_s: int = key(30, "how long the deviation must last before watch", least=0)
    depeg_dwell_s: int = key(60, "how long the deviation must last before depeg", least=0)
    leave_dwell_s: int = key(300, "how long the better level must last before a state is left", least=0)
    slash_ppb: int = key(10_000, "a fall of the redemption rate by more than this is a slash", least=0)
    slash_hold_s: int = key(3_600, "how long a slash is held against the token", least=0)

    def problems(self) -> Iterator[tuple[str, str]]:
        """What is wrong with the keys together: the key, and what to write."""
        if self.watch_bps >= self.depeg_bps:
            yield "watch_bps", f"{self.watch_bps} is not below depeg_bps = {self.depeg_bps}: write less"
        for state, enter, leave in (
            ("watch", self.watch_bps, self.watch_leave_bps),
            ("depeg", self.depeg_bps, self.depeg_leave_bps),
        ):
            if leave * 2 > enter:
                yield (
                    f"{state}_leave_bps",
                    f"{leave} is more than half of {state}_bps = {enter}: write at most {enter // 2}",
                )


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """``[feeds.X.rules]``: thresholds of the judge's rules; 0 turns a rule off.

    One that is built in code has every rule off whose default follows from the bands.
    """

    moved_bps: int = key(
        0,
        "watched: the deviation changed by more than this within `moved_s`, or over a gap of up to six times that",
        least=0,
        follows=Follows("`watch_bps`", lambda keys: keys["bands"].watch_bps),
    )
    moved_s: int = key(600, "the time within which a change of the deviation is a fast move", least=1)
    drift_slack_bps: int = key(
        0,
        "excess over the normal level that never adds up to a slow drift; less than 1 counts as 1",
        least=0,
        floor=1,
        follows=Follows("half of `watch_bps`", lambda keys: keys["bands"].watch_bps // 2),
    )
    drift_bps_hours: int = key(
        0,
        "watched: the excess beyond `drift_slack_bps` has added up to more than this",
        least=0,
        follows=Follows(f"`watch_bps` for {_DRIFT_HOURS} h", lambda keys: keys["bands"].watch_bps * _DRIFT_HOURS),
    )
    disagree_bps: int = key(
        0,
        "watched: a group lies this far from the price, or further",
        least=0,
        follows=Follows("half of `max_spread_bps`", lambda keys: keys["max_spread_bps"] // 2),
    )
    share_percent: int = key(
        70, "watched: the token makes up more than this share of stable pools' value", least=0, most=100
    )
    depth_percent: int = key(
        30, "watched: the depth of all pools that answer is below this share of the usual one", least=0, most=100
    )
    depth_s: int = key(86_400, "the time whose median depth is the usual one", least=1)
    stuck_s: int = key(
        600, "named stuck: a source repeats its price for this long while the others move by `stuck_bps`", least=0
    )
    stuck_bps: int = key(
        100, "how far the others must move, and away from it, before a source that repeats itself is stuck", least=0
    )
    growth_bps_year: int = key(
        0,
        "cap on the growth of the redemption rate, 968 for 9.68 % a year; the capped rate is what is published; 0: none",
        least=0,
        shown="0, or the catalogue's",
    )
    growth_slack_bps: int = key(
        10, "a step that the redemption rate may take on top of its growth cap", least=0, shown="10, or the catalogue's"
    )
    snapshot_rate: int = key(
        0,
        "the redemption rate that the cap first grows from, refused if the cap would bind at once; needs `snapshot_at_s`",
        wad=True,
        shown="the first rate read",
    )
    snapshot_at_s: int = key(0, "when `snapshot_rate` was the rate, in Unix seconds", least=0, shown="none")
    snapshot_days: int = key(60, "age of the snapshot of the redemption rate that its cap grows from", least=7, most=60)
    cadence_s: int = key(
        0, "watched: the protocol has not moved its rate for this long; 0: not", least=0, shown="0, or the catalogue's"
    )
    derivation_bps: int = key(10, "watched: two readings of the redemption rate differ by more than this", least=0)
    supply_bps: int = key(100, "watched: more of the token exists than is backed, by more than this", least=0)
    rail_bps: int = key(
        100,
        "watched at once: more of a rail's tokens than this lack their locked counterpart; 0: not",
        least=0,
        most=10_000,
    )
    rail_dwell_s: int = key(
        60, "how long that must stand before depeg, where the whole token lacks more than `supply_bps`", least=0
    )
    premium_bps: int = key(1_000, "a market further above redemption than this is no price: the feed abstains", least=1)
    lone_bps: int = key(
        1_000, "a market further below redemption than this is no price while one group alone states it", least=1
    )
    least_part: int = key(
        1_000, "a market below one part in so many of redemption is no price; fixed by the rules", settable=False
    )
    doubt_bps: int = key(50, "added to the spread while a rule doubts the price", least=0)
    learn_bps_day: int = key(
        0, "how fast the normal deviation is learned, in state ok only; 0: not at all", least=0, most=5
    )
    learn_cap_bps: int = key(100, "how far the learned normal deviation may lie from `normal_bps`", least=0)
    redemption_open: bool = key(
        True,  # noqa: FBT003 - a default
        "whether holders can redeem, as far as no contract says otherwise",
        shown="true, or the catalogue's",
    )
    ramp_s: int = key(1_800, "how long `redemption_unless_depeg` takes to go from one price to the other", least=1)

    def problems(self) -> Iterator[tuple[str, str]]:
        """What is wrong with the keys together: the key, and what to write."""
        if bool(self.snapshot_rate) != bool(self.snapshot_at_s):
            missing = "snapshot_at_s" if self.snapshot_rate else "snapshot_rate"
            yield missing, "snapshot_rate and snapshot_at_s belong together: write both or neither"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuning:
    """``[feeds.X.tuning]``: parameters of methods, of filters and of the confidence."""

    half_life_s: int = key(
        60, "the age that halves a weight; the time in which an exponential average goes half of the way", least=1
    )
    shares: tuple[tuple[str, int], ...] = key(
        (), "weight of each group in `weighted_median`; a group that is not named weighs 1", least=1, shown="{}"
    )
    check_bps: int = key(
        50, "how far a `primary` may lie from the median of all, and a market from the others in `dia_vwalp`", least=1
    )
    winsor_bps_minute: int = key(100, "how far `twap_winsorised` follows the price in a minute", least=1)
    recent_bps: int = key(
        300,
        "filter `recent`: a source this far from its own recent mean, while most others are not, is left out",
        least=1,
    )
    recent_s: int = key(120, "filter `recent`: the time that a source's own mean is over", least=1)
    least: int = key(0, "a price below this is refused at its source", wad=True, shown="none", beside="most")
    most: int = key(0, "a price above this is refused at its source", wad=True, shown="none", beside="least")
    shift_s: int = key(0, "methods of trades: how far before now their window ends", least=0)
    dust: int = key(
        0, "methods of trades: a trade of fewer base units than this does not count", wad=True, shown="none"
    )
    volume_cap_percent: int = key(
        0,
        "methods of trades: the largest share of the window's volume that one group may have, the excess is scaled down; 0:"
        " none, each trade counts with its own volume",
        least=0,
        most=100,
    )
    points: int = key(10, "how many block prices `dia_ema` looks back over", least=1, most=64)
    drift_bps_day: int = key(
        110,
        "how far the market goes in a day, at 99 %; for a feed in USD about 800; the square root of the age's share is"
        " part of the spread",
        least=0,
    )
    horizon_s: int = key(10, "how far ahead the spread looks, on top of the price's age: a round", least=0)
    min_cost_100bps: int = key(
        0,
        "the feed abstains while moving its price by 1 % costs fewer base units than this",
        wad=True,
        shown="none",
    )

    def problems(self) -> Iterator[tuple[str, str]]:
        """What is wrong with the keys together: the key, and what to write."""
        if (self.least or self.most) and self.least >= self.most:
            yield "most", "is not above least: write more"


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


def rails_of(spec: FeedSpec) -> tuple[str, ...]:
    """The bridges of which a feed reads both sides, in the order of the config."""
    return tuple(dict.fromkeys(s.rail for s in spec.sources if s.rail is not None))


RULES_VERSION = 10
"""Raised whenever the same inputs would no longer give the same bytes."""
RELEASES = {5: "0.1.0"}
"""The newest release that makes rounds by older rules, by RULES_VERSION: what recomputes them."""
