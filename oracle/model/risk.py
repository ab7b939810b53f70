"""What a lender must know of a feed beside its price: facts, each a yes, a no or an unknown. They are in nothing that is signed or hashed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from feeds.units import BPS


class RiskCode(StrEnum):
    """What is asked. Stable: a code is never renamed; each is put so that a yes is the risk."""

    RATE_MOVABLE_BY_TRANSFER = "RATE_MOVABLE_BY_TRANSFER"
    """Anybody can move the redemption rate by sending something to a contract."""
    RATE_STORED = "RATE_STORED"
    """The rate is a number that somebody stores, not one that is computed at every call."""
    REBASING = "REBASING"
    """Balances change by themselves."""
    PAUSABLE = "PAUSABLE"
    """Somebody can stop the token's contracts."""
    WITHDRAWAL_WAITS = "WITHDRAWAL_WAITS"
    """Who redeems waits for a delay or in a queue."""
    REDEMPTION_CLOSED = "REDEMPTION_CLOSED"
    """Holders cannot redeem through the protocol's own contracts, as far as was published."""
    PAR_ASSUMED = "PAR_ASSUMED"
    """A unit on the way to ether is taken as one to one though the market trades it apart."""
    RATE_UNCONFIRMED = "RATE_UNCONFIRMED"
    """Something of how the token is read was not confirmed on a chain."""
    TOKEN_DOUBTFUL = "TOKEN_DOUBTFUL"  # noqa: S105 - a code, no secret
    """The token has ended, or may have."""
    BRIDGED = "BRIDGED"
    """On this chain it is a copy that a bridge stands for."""
    RATE_BY_PROVIDER = "RATE_BY_PROVIDER"
    """The redemption rate is what another oracle states, not the protocol's own contract."""
    SINGLE_RATE_READING = "SINGLE_RATE_READING"
    """One reading alone states the rate: nothing compares it."""
    RATE_GROWTH_UNCAPPED = "RATE_GROWTH_UNCAPPED"
    """No cap limits how fast the rate may grow."""
    RATE_AGE_UNWATCHED = "RATE_AGE_UNWATCHED"
    """A rate that stands still for too long is not noticed."""
    BACKING_UNWATCHED = "BACKING_UNWATCHED"
    """Supply is not compared with what stands behind it."""
    RAILS_UNWATCHED = "RAILS_UNWATCHED"
    """What exists of it beyond bridges is not compared with what is locked for that."""
    SOURCE_THIN = "SOURCE_THIN"
    """A market source trades too little for a price by itself."""
    SOURCE_DOUBTFUL = "SOURCE_DOUBTFUL"
    """Something of a market source was never confirmed, or it may have ended."""
    SINGLE_GROUP_ACCEPTED = "SINGLE_GROUP_ACCEPTED"
    """The operator accepts a price of one independent group."""
    SINGLE_CHAIN = "SINGLE_CHAIN"
    """All sources are read on one chain."""


class LiveRiskCode(StrEnum):
    """What is asked of the newest round; put as those of :class:`RiskCode` are."""

    ONE_GROUP_NOW = "ONE_GROUP_NOW"
    """One independent group alone is behind the market price."""
    ONE_CHAIN_NOW = "ONE_CHAIN_NOW"
    """Every source behind the market price was read on one chain."""
    ONE_RATE_READING_NOW = "ONE_RATE_READING_NOW"
    """One reading alone is behind the redemption rate."""
    REDEMPTION_CLOSED_NOW = "REDEMPTION_CLOSED_NOW"
    """A contract, or the config, says that holders cannot redeem."""
    RATE_CAPPED_NOW = "RATE_CAPPED_NOW"
    """The rate grew beyond its cap, so that the cap is published."""
    RATE_OLD_NOW = "RATE_OLD_NOW"
    """The protocol has not moved its rate for longer than it should."""
    RAIL_UNBACKED_NOW = "RAIL_UNBACKED_NOW"
    """More exists beyond a bridge than is locked for it. Asked where rails are read."""
    PRICES_REPEATED_NOW = "PRICES_REPEATED_NOW"
    """What is shown are prices of an earlier round."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskFact:
    """One answer.

    Attributes:
        code: what is asked.
        of: the token or feed that it is about.
        raised: True: the risk is there; False: it is known not to be; None: unknown, which is never a no.
        text: the answer in a sentence; of an unknown, what is not known.
        source: where it was published, or the key of the config that decides it; empty for what a round showed.
    """

    code: RiskCode | LiveRiskCode
    of: str
    raised: bool | None
    text: str
    source: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenProfile:
    """A token as a lender lists it: the words and numbers behind its facts. None: not published.

    ``way_out``: instant, delay or queue; days: bounds of it; ``delay_settable``: somebody can change it. ``usual_bps``: how far
    its market usually lies from its rate, below 0 a discount, as measured ``usual_on``.
    """

    token: str
    kind: str
    protocol: str
    underlying: str | None
    form: str | None
    rate_kept: str | None
    rate_moves: str | None
    redemption: str
    way_out: str | None
    least_days: int | None
    most_days: int | None
    delay_settable: bool | None
    rate_readings: int
    growth_cap_percent: str | None
    usual_bps: int | None
    usual_on: str | None
    testnet: bool
    note: str | None
    source: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedRisk:
    """What does not change with a round: the catalogue's facts of the feed's tokens, and what its own settings decide.

    ``chains``: the chain that each of its sources is read on, None for a venue.
    """

    facts: tuple[RiskFact, ...] = ()
    tokens: tuple[TokenProfile, ...] = ()
    chains: Mapping[str, str | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class BackingNow:
    """What exists of a token and what stands behind it, as the operator read it that saw the least cover; units of the token.

    ``rail``: the way over a bridge that it is about, None for the token as a whole. ``supply_wad``: what exists, a lower bound
    while sources are ``unread``; None: unknown. ``locked_wad``: what stands behind it; None: unknown. ``as_of_ms``: of the oldest
    reading, None where nothing was read.
    """

    of: str
    rail: str | None
    supply_wad: int | None
    locked_wad: int | None
    unread: tuple[str, ...] = ()
    as_of_ms: int | None = None

    @property
    def coverage_bps(self) -> int | None:
        """What stands behind it as a share of what exists, rounded down; None where either is unknown or nothing exists."""
        if self.locked_wad is None or not self.supply_wad or self.unread:
            return None
        return self.locked_wad * BPS // self.supply_wad


@dataclass(frozen=True, slots=True, kw_only=True)
class DepthNow:
    """How much of the depth behind a market price lies in one place, of the operator with the most in one; base units at 1 %.

    ``largest``: the group that has most of it; ``share_bps``: its part of the depth of all that were used. ``unknown``: sources used
    whose depth nobody read, a guess from the day's volume included.
    """

    of: str
    largest: str
    share_bps: int
    depth_wad: int
    unknown: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SlashNow:
    """The last fall of a redemption rate beyond the tolerance that any operator remembers: its round, and its size in parts per billion."""

    of: str
    round_time_s: int
    ppb: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveRisk:
    """What the newest round of this process showed.

    ``round_time_s``: that round; None before the first. ``groups``: the independent groups behind the market price, of the
    operator that has the fewest; of a product those of the leg that has the fewest; None where there is no market price.
    ``backing``, ``depth``, ``slashes``: of a product those of its legs.
    """

    round_time_s: int | None = None
    groups: tuple[str, ...] | None = None
    facts: tuple[RiskFact, ...] = ()
    backing: tuple[BackingNow, ...] = ()
    depth: tuple[DepthNow, ...] = ()
    slashes: tuple[SlashNow, ...] = ()
