"""How far a price may be relied on, for which reason, and why a round has no price."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import ClassVar

from feeds.errors import LrtOracleError


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


class Why(IntEnum):
    """Reasons of a status. The low four bits are the class, which is encoded in the high half of the status byte.

    A new reason takes the next free number of its class: high half 1 to 15, low half the class. Numbers are never reused.
    """

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
    UNBACKED_RAIL = 0x2E
    IMBALANCE = 0x1F
    SHALLOW = 0x2F
    CLOSED = 0x3F

    @property
    def klass(self) -> Why:
        """The class that this reason belongs to."""
        return Why(self & 0x0F)


class Rejection(StrEnum):
    """Why the core rejects a source that answered. A source that failed is rejected with its error's own code."""

    STALE = "STALE"
    FROM_FUTURE = "FROM_FUTURE"
    VENUE = "VENUE"
    """Its venue is wrong about another pair."""
    NO_LEG = "NO_LEG"
    """The feed that it is converted by has no price."""
    OUT_OF_RANGE = "OUT_OF_RANGE"
    WIDE = "WIDE"
    """Its own bid and ask lie too far apart."""
    BOUNDS = "BOUNDS"
    """Outside the feed's ``tuning.least`` and ``tuning.most``."""
    OUTLIER = "OUTLIER"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Why a status is what it is: a code for machines and a sentence for people."""

    code: Why
    text: str


class Abstain(LrtOracleError):
    """The feed has no price this round. Raised inside the core, a value at the end of :func:`oracle.round.step.step`."""

    why: ClassVar[Why] = Why.NONE

    def __init__(self, text: str, **numbers: int | str) -> None:
        super().__init__(text)
        self.text = text
        self.numbers: Mapping[str, int | str] = numbers


class NoQuorum(Abstain):
    """Fewer independent groups than the feed needs."""

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
    """The market price cannot be one of this token: wrong decimals, a wrong unit, or a majority that is wrong together."""

    why = Why.DIMENSION


class Cheap(Abstain):
    """Moving the price would cost less than the feed's ``min_cost_100bps``."""

    why = Why.LIQUIDITY


class CapBinds(Abstain):
    """The growth cap lies below the live rate when it is set: its snapshot pair is out of step."""

    why = Why.GROWTH


class Broken(Abstain):
    """A fault of this program on this feed's inputs: only this feed is affected; report it."""

    why = Why.BROKEN


class LegMissing(Abstain):
    """A feed that this one is computed from abstained."""

    why = Why.LEG
