"""DIA's filters over a block of trades, as its documentation describes them, exact in integers.

Source: DIA's "Exchange Prices" methodology pages (MA, IR, MAIR, MEDIR, VWAP, VWAPIR, EMA) and the definition of VWALP
behind its GraphQL interface. Where the pages leave room: a market's one-second slot has its last price and the sum of its
volumes, and an empty slot has no vote; the interquartile fence is the usual one of 1.5 ranges, to which the IR page links
(its text also speaks of dropping the outer quarters). A print of several trades counts as so many.

What is not taken over of the code behind them: prices sorted away from their volumes, volumes in reverse order, empty blocks
that repeat an old price, binary floating point.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate

from feeds.units import BPS, MS, Wad, mid_down
from oracle.combine.methods.median import middle_of
from oracle.model.state import Trade


def block(trades: Sequence[Trade], end_ms: int, size_ms: int) -> list[Trade]:
    """The trades with end - size < time <= end, in the order of time."""
    inside = [t for t in trades if end_ms - size_ms < t.at_ms <= end_ms]
    return sorted(inside, key=lambda t: (t.at_ms, t.market, t.price_wad, t.volume_wad))


def slots(trades: Sequence[Trade]) -> list[Trade]:
    """One trade for each market and second: its closing price, its summed volume. ``trades`` in the order of time."""
    closing: dict[tuple[str, int], Trade] = {}
    for t in trades:
        place = t.market, t.at_ms // MS
        before = closing[place].volume_wad if place in closing else 0
        closing[place] = replace(t, volume_wad=before + t.volume_wad, count=1)
    return list(closing.values())


class RankedTrades:
    """The prices of trades in ascending order, each as often as it was traded."""

    __slots__ = ("_ends", "_prices", "count")

    def __init__(self, trades: Sequence[Trade]) -> None:
        ranked = sorted((t.price_wad, t.count) for t in trades)
        self._prices = [price for price, _ in ranked]
        self._ends = list(accumulate(count for _, count in ranked))
        self.count = self._ends[-1]

    def middle(self, first: int, after: int) -> int:
        """The median of the places from ``first`` up to but without ``after``; of an even count the mean, rounded down."""
        low, high = (first + after - 1) // 2, (first + after) // 2
        return mid_down(self._at(low), self._at(high))

    def _at(self, place: int) -> int:
        return self._prices[bisect_right(self._ends, place)]

    def fence(self) -> tuple[int, int]:
        """As :func:`oracle.combine.methods.iqr.fence` of all these prices."""
        half = max(1, self.count // 2)
        first, third = self.middle(0, half), self.middle(self.count - half, self.count)
        width = (3 * (third - first) + 1) // 2
        return first - width, third + width


def ir(trades: Sequence[Trade]) -> list[Trade]:
    """The trades inside of the interquartile fence of their prices, in the order given, each with its own volume."""
    low, high = RankedTrades(trades).fence()
    return [t for t in trades if low <= t.price_wad <= high]


def ma(trades: Sequence[Trade]) -> Wad:
    """Simple average of the slots' closing prices, rounded down."""
    closing = slots(trades)
    return Wad(sum(t.price_wad for t in closing) // len(closing))


def vwap(trades: Sequence[Trade]) -> Wad:
    """Volume-weighted average price, each trade with its own volume, rounded down once. The volume is not 0."""
    return Wad(sum(t.price_wad * t.volume_wad for t in trades) // sum(t.volume_wad for t in trades))


def mair(trades: Sequence[Trade]) -> Wad:
    """Volume-weighted average of the slots' closing prices, of the trades that IR leaves."""
    return vwap(slots(ir(trades)))


def medir(trades: Sequence[Trade]) -> Wad:
    """Median of the trades that IR leaves."""
    ranked = RankedTrades(ir(trades))
    return Wad(ranked.middle(0, ranked.count))


def vwapir(trades: Sequence[Trade]) -> Wad:
    """VWAP of the trades that IR leaves."""
    return vwap(ir(trades))


def vwalp(trades: Sequence[Trade], band_bps: int) -> Wad:
    """VWAP of each market's last price, weighted with its whole volume, without those further than the band from their median.

    Two markets that both lie outside of the band are both kept: which of them is wrong the divergence gate need not guess.
    """
    last: dict[str, Trade] = {}
    for t in trades:
        before = last[t.market].volume_wad if t.market in last else 0
        last[t.market] = replace(t, volume_wad=before + t.volume_wad)
    centre = middle_of(sorted(t.price_wad for t in last.values()))
    near = [t for t in last.values() if abs(t.price_wad - centre) * BPS <= centre * band_bps]
    return vwap(near or list(last.values()))


def ema(prices: Sequence[Wad], points: int) -> Wad:
    """Exponential average with multiplier 2 / (points + 1), seeded with the first price, rounded down at every step."""
    average = prices[0]
    for price in prices[1:]:
        average = Wad((2 * price + (points - 1) * average) // (points + 1))
    return average
