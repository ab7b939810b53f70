"""What a method over time is: a fold of rounds into a window, and a price read from it.

``fold`` takes one round in, in a constant number of operations whatever the window's length (the copy of at most
MAX_SAMPLES references aside), exact in integers; ``read`` gives the price at that moment. Folding again what a window has
kept gives the same window, so a restart from the store changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from feeds.units import MS, Wad
from oracle.model.spec import PLAIN, Tuning
from oracle.model.state import Sample, Window
from oracle.model.types import Input

MAX_SAMPLES = 512
"""A longer window at this cadence is refused when the config is read, never shortened in silence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodView:
    """How far back, and how long one sample may stand: ``gap_ms`` is the feed's max_age."""

    window_s: int
    gap_ms: int
    tuning: Tuning = PLAIN


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundPrice:
    """One round: its time, its point price, its confidence in bps, and the groups behind it with their weights."""

    at_ms: int
    price_wad: Wad
    doubt_bps: int = 0
    groups: Sequence[Input] = ()


class OverTime(Protocol):
    """A method over time."""

    def fold(self, window: Window, step: RoundPrice, look: MethodView) -> Window:
        """Take a round in. What the window holds at or after its time is taken back first."""

    def read(self, window: Window, now_ms: int, look: MethodView) -> Wad:
        """The price at ``now_ms``, from a window that has taken in at least one round, none of them later."""


def stood(sample: Sample, until_ms: int, gap_ms: int) -> int:
    """How long a sample counts when the next one comes at ``until_ms``: a gap is a gap."""
    return min(until_ms - sample.at_ms, gap_ms)


_HALVES = 4


def forgotten(last: Sample, at_ms: int, look: MethodView) -> bool:
    """Whether an exponential average begins anew: of its price, stood for ``gap_ms``, a sixteenth would be left.

    Without that the first round after an outage of a day would publish the price of the day before.
    """
    return at_ms - last.at_ms > look.gap_ms + _HALVES * look.tuning.half_life_s * MS
