"""Which samples a window holds at every time of a series, worked out once for all feeds that share the times."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Times = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Spans:
    """For each time: how long its sample stands until the next, the oldest sample of its window, what is cut off that one.

    ``weight`` is the time that the window holds in all; where it is 0 the newest price is the mean.
    """

    stood: Floats
    oldest: NDArray[np.intp]
    cut: Floats
    weight: Floats

    def mean(self, values: Floats, out: Floats) -> None:
        """Time-weighted mean of values (feeds, times) at each time, written into ``out``.

        Values are taken less the row's first, which keeps the running sums small.
        """
        first = values[:, :1]
        level = values - first
        total = np.zeros_like(values)
        np.cumsum(level[:, :-1] * self.stood[:-1], axis=1, out=total[:, 1:])
        np.subtract(total, np.take(total, self.oldest, axis=1), out=out)
        if self.cut.any():
            early = np.take(level, self.oldest, axis=1)
            early *= self.cut
            out -= early
        out /= np.where(self.weight > 0, self.weight, 1.0)
        out += first
        bare = self.weight <= 0
        if bare.any():
            out[:, bare] = values[:, bare]

    def in_window(self, place: int) -> tuple[int, Floats]:
        """(oldest sample, standing times from it up to but without ``place``)."""
        oldest = int(self.oldest[place])
        stood = self.stood[oldest:place].copy()
        if stood.size:
            stood[0] -= self.cut[place]
        return oldest, stood


def spans_of(at_ms: Times, window_ms: int, gap_ms: int) -> Spans:
    """Spans of ascending times. No sample stands longer than ``gap_ms``, none counts before the window."""
    count = at_ms.shape[0]
    stood = np.minimum(np.diff(at_ms, append=at_ms[-1]), gap_ms)
    since = at_ms - window_ms
    oldest = np.maximum(np.searchsorted(at_ms, since, side="right") - 1, 0)
    cut = np.minimum(np.maximum(since - at_ms[oldest], 0), stood[oldest])
    cut = np.where(oldest == np.arange(count), 0, cut)
    running = np.concatenate([[0], np.cumsum(stood[:-1])])
    weight = running - running[oldest] - cut
    return Spans(
        stood=stood.astype(np.float64), oldest=oldest, cut=cut.astype(np.float64), weight=weight.astype(np.float64)
    )


def blocks(shape: tuple[int, ...], size: int) -> Iterator[slice]:
    """Row slices of about ``size`` elements each, at least one row."""
    rows = max(1, size // max(1, shape[1]))
    for start in range(0, shape[0], rows):
        yield slice(start, min(start + rows, shape[0]))
