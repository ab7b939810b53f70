"""What a method over time is: a fold of rounds into a window, and a price read from it.

``fold`` takes one round in, in a constant number of operations whatever the window's length (the copy of at most
MAX_SAMPLES references aside), exact in integers; ``read`` gives the price at that moment. Folding the samples of a
window again gives the same window, so a restart from the database changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from feeds.units import MS, Wad
from oracle.model.spec import PLAIN, Tuning
from oracle.model.state import Sample, Trade, Window
from oracle.model.types import Input

MAX_SAMPLES = 512
"""A window that needs more samples is refused when the config is read, never shortened silently."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodView:
    """How a feed looks back: over which window, how long one sample may stand (``gap_ms``, the feed's max_age), its tuning."""

    window_s: int
    gap_ms: int
    tuning: Tuning = PLAIN


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundPrice:
    """One round: its time, its point price, its confidence in bps, the groups behind it, and the trades that it brought.

    ``heard``: (market, time of its newest trade) of every market that reported any, also where they are not believed.
    ``first_hand``: (market, after when every trade was heard one by one, so that none is a repeat); where it is not known, not in it.
    ``confirmed``: whether a quorum of quotes stands behind the point; without one its trades wait. ``settled``: trades that
    have waited and count now.
    """

    at_ms: int
    price_wad: Wad
    confidence_bps: int = 0
    groups: Sequence[Input] = ()
    trades: Sequence[Trade] = ()
    heard: Sequence[tuple[str, int]] = ()
    first_hand: Sequence[tuple[str, int]] = ()
    confirmed: bool = True
    settled: Sequence[Trade] = ()


class OverTime(Protocol):
    """A method over time."""

    def fold(self, window: Window, round_price: RoundPrice, view: MethodView) -> Window:
        """The window with one more round. Samples at or after its time are dropped first."""

    def read(self, window: Window, now_ms: int, view: MethodView) -> Wad:
        """The price at ``now_ms``, from a window that has taken in at least one round, none of them later."""


def stood(sample: Sample, until_ms: int, gap_ms: int) -> int:
    """How long a sample counts when the next one comes at ``until_ms``: over a gap, no longer than ``gap_ms``."""
    return min(until_ms - sample.at_ms, gap_ms)


_HALVES = 4


def forgotten(last: Sample, at_ms: int, view: MethodView) -> bool:
    """Whether an exponential average begins anew: after ``gap_ms`` and four half-lives a sixteenth of it would be left.

    Otherwise the first round after an outage of a day would publish the price of the day before.
    """
    return at_ms - last.at_ms > view.gap_ms + _HALVES * view.tuning.half_life_s * MS
