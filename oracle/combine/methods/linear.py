"""Time-weighted means with running sums: arithmetic, geometric, harmonic, and of winsorised prices.

Each is a sum over spans, of the price itself, its logarithm or its reciprocal, times the time it stood; the sum is carried
from round to round and the span that leaves the window is taken off it again, so that it always equals the sum over the
samples that are kept. Exact for irregular samples.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

from feeds.units import BPS, MS, Wad
from oracle.combine.methods.fixed import exp2_q64, log2_q64
from oracle.combine.methods.over_time import MAX_SAMPLES, MethodView, RoundPrice, stood
from oracle.model.state import Sample, Window

_RECIPROCAL = 1 << 256
_MINUTE_MS = 60_000


@dataclass(frozen=True, slots=True, kw_only=True)
class LinearMean:
    """A mean that is a sum over spans. ``into`` is what is summed; ``back`` makes the price of (sum, time)."""

    into: Callable[[int], int]
    back: Callable[[int, int], int]
    winsorised: bool = False
    held: bool = False
    """Whether rounding may leave the samples' range, and the result is held to it."""

    def fold(self, window: Window, round_price: RoundPrice, view: MethodView) -> Window:
        """See OverTime: one span is added, those that left are subtracted."""
        if window.samples and window.samples[-1].at_ms >= round_price.at_ms:
            window = self.sums(tuple(s for s in window.samples if s.at_ms < round_price.at_ms), view)
        last = window.samples[-1] if window.samples else None
        total, weight = window.total, window.weight
        if last is not None:
            span = stood(last, round_price.at_ms, view.gap_ms)
            total += self.into(last.price_wad) * span
            weight += span
        price = self._admitted(last, round_price, view)
        samples = (*window.samples, Sample(at_ms=round_price.at_ms, price_wad=price))
        gone = 0
        since_ms = round_price.at_ms - view.window_s * MS
        while len(samples) - gone > MAX_SAMPLES or (len(samples) - gone > 1 and samples[gone + 1].at_ms <= since_ms):
            span = stood(samples[gone], samples[gone + 1].at_ms, view.gap_ms)
            total -= self.into(samples[gone].price_wad) * span
            weight -= span
            gone += 1
        return Window(samples=samples[gone:], total=total, weight=weight)

    def sums(self, samples: tuple[Sample, ...], view: MethodView) -> Window:
        """The window that folding these samples gives, computed afresh."""
        total = weight = 0
        for place, sample in enumerate(samples[:-1]):
            span = stood(sample, samples[place + 1].at_ms, view.gap_ms)
            total += self.into(sample.price_wad) * span
            weight += span
        return Window(samples=samples, total=total, weight=weight)

    def read(self, window: Window, now_ms: int, view: MethodView) -> Wad:
        """See OverTime: what stood before the window began is cut off, the newest sample stands until now.

        After a fold at the same time that is a part of the oldest span; later reads may cut further spans.
        """
        oldest, newest = window.samples[0], window.samples[-1]
        span = stood(newest, now_ms, view.gap_ms)
        total, weight = window.total + self.into(newest.price_wad) * span, window.weight + span
        if oldest is newest:
            return newest.price_wad
        begin_ms = now_ms - view.window_s * MS
        for sample, following in pairwise(window.samples):
            if sample.at_ms >= begin_ms:
                break
            cut = min(begin_ms - sample.at_ms, stood(sample, following.at_ms, view.gap_ms))
            total, weight = total - self.into(sample.price_wad) * cut, weight - cut
        if weight <= 0:
            return newest.price_wad
        price = self.back(total, weight)
        if self.held:
            prices = [s.price_wad for s in window.samples]
            price = min(max(price, min(prices)), max(prices))
        return Wad(price)

    def _admitted(self, last: Sample | None, round_price: RoundPrice, view: MethodView) -> Wad:
        """The price, or as far towards it as a winsorised sample may go from the last one in the time between."""
        if not self.winsorised or last is None:
            return round_price.price_wad
        most = last.price_wad * view.tuning.winsor_bps_minute * (round_price.at_ms - last.at_ms) // (BPS * _MINUTE_MS)
        return Wad(min(max(round_price.price_wad, last.price_wad - most, 1), last.price_wad + most))


def _same(price: int) -> int:
    return price


def _mean(total: int, weight: int) -> int:
    return total // weight


ARITHMETIC = LinearMean(into=_same, back=_mean)
"""Rounded down."""
GEOMETRIC = LinearMean(into=log2_q64, back=lambda total, weight: exp2_q64(total // weight), held=True)
"""Off by less than 2**-54 relative, held between the least and the greatest sample."""
HARMONIC = LinearMean(into=lambda price: _RECIPROCAL // price, back=lambda total, weight: _RECIPROCAL * weight // total)
"""Rounded down; reciprocals have 256 fraction bits."""
WINSORISED = LinearMean(into=_same, back=_mean, winsorised=True)
"""Arithmetic, rounded down, over samples that may move ``winsor_bps_minute`` from one to the next: the truncated oracle
that Uniswap Labs proposed against one-block spikes, made independent of the cadence."""
