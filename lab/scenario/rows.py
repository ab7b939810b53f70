"""A column of recorded rows as a path over time: what holds between two rows, and where nothing is known."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Sequence
from enum import StrEnum
from itertools import pairwise

FAR_MS = 1 << 62
"""Later than every round."""
GAP_SPACINGS = 3
"""Two rows further apart than so many usual spacings have a gap between them."""


class Between(StrEnum):
    """What is assumed of a market between two of its rows."""

    HOLD = "hold"
    """It stood where the earlier row left it."""
    INTERPOLATE = "interpolate"
    """It moved in a straight line to the later row."""
    ROWS = "rows"
    """Nothing: a row is an observation of its time, and ages."""


class RowPath:
    """Values at ascending times, each once.

    Args:
        times_ms: of the rows, since the case began.
        values: one each, wad.
        between: what holds between two rows.
        hold_ms: how long a row stands where the next one is further than ``gap_ms``, or absent; 0: see ``between``.
        gap_ms: rows further apart than this have a gap between them: the source says nothing there.
    """

    def __init__(
        self, times_ms: array[int], values: Sequence[int], between: Between, *, hold_ms: int, gap_ms: int
    ) -> None:
        self.times_ms, self.values, self.between = times_ms, values, between
        self.hold_ms, self.gap_ms = hold_ms, gap_ms

    def _place(self, t_ms: int) -> int:
        return bisect_right(self.times_ms, t_ms) - 1

    def _joined(self, place: int) -> bool:
        """Whether nothing is missing between this row and the next."""
        return place + 1 < len(self.times_ms) and self.times_ms[place + 1] - self.times_ms[place] <= self.gap_ms

    @property
    def first(self) -> int:
        """The first value."""
        return self.values[0]

    def at(self, t_ms: int) -> int | None:
        """Value at a time; None before the first row. Straight lines are rounded down and never cross a gap."""
        place = self._place(t_ms)
        if place < 0:
            return None
        value = self.values[place]
        if self.between is not Between.INTERPOLATE or not self._joined(place):
            return value
        at, later = self.times_ms[place], self.times_ms[place + 1]
        return value + (self.values[place + 1] - value) * (t_ms - at) // (later - at)

    def row_ms(self, t_ms: int) -> int:
        """The time of the row that counts at a time."""
        return self.times_ms[max(0, self._place(t_ms))]

    def answered_ms(self, t_ms: int) -> int:
        """When the source last said so: now, or when its row ended to stand."""
        place = self._place(t_ms)
        if place < 0:
            return t_ms
        if self.between is Between.ROWS:
            return self.times_ms[place]
        return t_ms if self._joined(place) else min(t_ms, self.times_ms[place] + self.hold_ms)

    def next_change_ms(self, t_ms: int) -> int:
        """The first later time at which this may say something else, or begins to be silent."""
        place = self._place(t_ms)
        following = self.times_ms[place + 1] if place + 1 < len(self.times_ms) else FAR_MS
        if place < 0 or self.between is Between.ROWS:
            return following
        if not self._joined(place):
            ends_ms = self.times_ms[place] + self.hold_ms
            return min(following, ends_ms + 1) if t_ms <= ends_ms else following
        moves = self.between is Between.INTERPOLATE and self.values[place] != self.values[place + 1]
        return t_ms + 1 if moves else following

    def scaled(self, numerator: int, denominator: int) -> RowPath:
        """The same rows with every value at this ratio, rounded down."""
        values = [v * numerator // denominator for v in self.values]
        return RowPath(self.times_ms, values, self.between, hold_ms=self.hold_ms, gap_ms=self.gap_ms)

    def lowest(self, from_ms: int, to_ms: int) -> int | None:
        """The lowest value within a span."""
        inside = self.values[self._place(from_ms) + 1 : self._place(to_ms) + 1]
        ends = (self.at(from_ms), self.at(to_ms))
        return min((*inside, *(v for v in ends if v is not None)), default=None)


def usual_spacing_ms(times_ms: Sequence[int]) -> int:
    """The median distance of neighbouring rows; 0 for fewer than two."""
    gaps = sorted(b - a for a, b in pairwise(times_ms))
    return gaps[len(gaps) // 2] if gaps else 0
