"""The time-weighted median: half of the time the price stood lower. Euler's median oracle is built on it.

To move it an attacker must hold the price for half of the window; an average moves with every second.
"""

from __future__ import annotations

from dataclasses import dataclass

from feeds.units import MS, Wad
from oracle.combine.methods.over_time import MAX_SAMPLES, MethodView, RoundPrice, stood
from oracle.combine.methods.weighted_median import middle
from oracle.model.state import Sample, Window


@dataclass(frozen=True, slots=True)
class TimeMedian:
    """Ranks cannot be carried in a sum: ``read`` sorts the kept samples, at most MAX_SAMPLES of them."""

    def fold(self, window: Window, step: RoundPrice, look: MethodView) -> Window:
        """See OverTime."""
        since_ms = step.at_ms - look.window_s * MS
        samples = [s for s in window.samples if s.at_ms < step.at_ms]
        samples.append(Sample(at_ms=step.at_ms, price_wad=step.price_wad))
        first = max((place for place, s in enumerate(samples) if s.at_ms <= since_ms), default=0)
        return Window(samples=tuple(samples[max(first, len(samples) - MAX_SAMPLES) :]))

    def read(self, window: Window, now_ms: int, look: MethodView) -> Wad:
        """See OverTime; exactly half: the mean of both prices, rounded down."""
        samples = window.samples
        since_ms = now_ms - look.window_s * MS
        votes = []
        for place, sample in enumerate(samples):
            end_ms = samples[place + 1].at_ms if place + 1 < len(samples) else now_ms
            cut = max(0, since_ms - sample.at_ms)
            votes.append((sample.price_wad, max(0, stood(sample, end_ms, look.gap_ms) - cut)))
        return middle(votes) if any(w for _, w in votes) else samples[-1].price_wad


TIME_MEDIAN = TimeMedian()
