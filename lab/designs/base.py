"""The input of a design, and the trigger by which most of them publish."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from feeds.units import BPS


@dataclass(frozen=True, slots=True, kw_only=True)
class DesignQuote:
    """One market source at one moment: price and depth in wad (depth 0: unknown), its half spread, its age."""

    source: str
    price_wad: int
    depth_wad: int
    half_spread_bps: int
    age_ms: int


class Design(Protocol):
    """One run of a design over a case. Holds its own windows."""

    @property
    def spread_bps(self) -> int | None:
        """The confidence that it publishes with its newest price; None if it has none."""

    def step(self, t_ms: int, quotes: Sequence[DesignQuote]) -> int | None:
        """What a consumer reads after this moment, in wad; None before the first price."""


MakeDesign = Callable[[], Design]


@dataclass(slots=True)
class Trigger:
    """Publishes a value when it has moved by the deviation or the heartbeat has passed; a consumer reads what was published."""

    deviation_bps: int
    heartbeat_ms: int
    value: int | None = None
    at_ms: int = 0

    def offer(self, t_ms: int, value: int | None) -> int | None:
        """The published value after this one was offered."""
        if value is None:
            return self.value
        moved = self.value is None or abs(value - self.value) * BPS >= self.value * self.deviation_bps
        if moved or t_ms - self.at_ms >= self.heartbeat_ms:
            self.value, self.at_ms = value, t_ms
        return self.value


def median(values: Sequence[int]) -> int:
    """Middle value; of an even count the mean of the two in the middle, rounded down."""
    ranked = sorted(values)
    half = len(ranked) // 2
    return ranked[half] if len(ranked) % 2 else (ranked[half - 1] + ranked[half]) // 2
