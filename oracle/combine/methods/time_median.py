"""The time-weighted median: half of the time the price stood lower. Euler's median oracle is built on it.

To move it an attacker must hold the price for half of the window; an average moves with every second.
"""

from __future__ import annotations

from dataclasses import dataclass

from feeds.units import MS, Wad
from oracle.combine.methods.over_time import MAX_SAMPLES, MethodView, RoundPrice, stood
from oracle.combine.methods.weighted_median import weighted_middle
from oracle.model.state import Sample, Window


@dataclass(frozen=True, slots=True)
class TimeMedian:
    """Ranks cannot be carried in a sum: ``read`` sorts the kept samples, at most MAX_SAMPLES of them."""

    def fold(self, window: Window, round_price: RoundPrice, view: MethodView) -> Window:
        """See OverTime."""
        since_ms = round_price.at_ms - view.window_s * MS
        samples = [s for s in window.samples if s.at_ms < round_price.at_ms]
        samples.append(Sample(at_ms=round_price.at_ms, price_wad=round_price.price_wad))
        first = max((place for place, s in enumerate(samples) if s.at_ms <= since_ms), default=0)
        return Window(samples=tuple(samples[max(first, len(samples) - MAX_SAMPLES) :]))

    def read(self, window: Window, now_ms: int, view: MethodView) -> Wad:
        """See OverTime; exactly half: the mean of both prices, rounded down."""
        samples = window.samples
        since_ms = now_ms - view.window_s * MS
        pairs = []
        for place, sample in enumerate(samples):
            end_ms = samples[place + 1].at_ms if place + 1 < len(samples) else now_ms
            cut = max(0, since_ms - sample.at_ms)
            pairs.append((sample.price_wad, max(0, stood(sample, end_ms, view.gap_ms) - cut)))
        return weighted_middle(pairs) if any(w for _, w in pairs) else samples[-1].price_wad


TIME_MEDIAN = TimeMedian()
