"""The frozen types of the oracle. Integers only; the unit is in the name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import ClassVar, TypeAlias

from feeds.types import Kind, Outcome, Pair
from feeds.units import Bps, Wad

RULES_VERSION = 1
"""Raised whenever the same inputs would no longer give the same bytes."""


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


class Why(IntEnum):
    """Reason classes of a status, at most 15: they travel in the high half of the status byte."""

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


class LegMissing(Abstain):
    """A feed that this one is computed from abstained."""

    why = Why.LEG


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceSpec:
    """What the core must know of one source. The adapter and its parameters belong to the feeds layer.

    ``group`` is what the source depends on. ``average_ms`` > 0: a pool, whose price is averaged over that long (own
    samples, or its oracle where ``own_oracle``) before it counts as a group of its own; until then it belongs to
    ``group``. ``convert``: name of the feed that turns this source's quote unit into the feed's.
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

    @property
    def is_cross(self) -> bool:
        """Whether the feed is the product of others and has no slot on chain."""
        return bool(self.legs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """One price on its way into a method: a source's, or a group's once its sources are merged."""

    source: str
    group: str
    price_wad: Wad
    weight: int
    at_ms: int


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Aggregate:
    """One price out of many, with everything that went into it. ``as_of_ms`` is the oldest input used.

    ``point_wad`` is the price of this round alone; it differs from ``price_wad`` where the method averages over time.
    """

    pair: Pair
    kind: Kind
    price_wad: Wad
    point_wad: Wad
    spread_bps: Bps
    as_of_ms: int
    used: tuple[Used, ...]
    rejected: tuple[Rejected, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A price kept for averaging. ``at_ms`` is when it was observed; ``block`` where it was read on a chain."""

    at_ms: int
    price_wad: Wad
    block: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeState:
    """The status, since when, and what is waiting out its dwell."""

    status: Status = Status.OK
    since_ms: int = 0
    pending: Status | None = None
    pending_since_ms: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RateState:
    """The redemption rate last seen, when it last changed, and the last fall."""

    rate_wad: Wad
    changed_at_ms: int
    fell_at_ms: int | None = None
    fell_ppb: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedState:
    """All that the next round must remember: bounded in size, versioned, frozen."""

    version: int = RULES_VERSION
    pools: tuple[tuple[str, tuple[Sample, ...]], ...] = ()
    history: tuple[Sample, ...] = ()
    judge: JudgeState = JudgeState()
    rate: RateState | None = None
    last: Report | None = None
    last_market_as_of_ms: int = 0
    abstaining_since_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the judge says about one round. Deviation is market from redemption, negative below."""

    market_wad: Wad
    redemption_wad: Wad
    deviation_bps: Bps | None
    status: Status
    reasons: tuple[Reason, ...]


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
    """What a feed may know of another one in the same round."""

    feed: str
    report: Report
    market_as_of_ms: int
    reasons: tuple[Reason, ...] = ()
    slash_ppb: int = 0


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
