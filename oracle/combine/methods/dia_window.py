"""DIA's methods as a feed's method: this round's groups are quotes, kept as long as the block and its shift are.

A quote that a group repeats with the same time is one quote. An empty block has no price: the feed abstains, where the
original repeats its last point under a new time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from feeds.units import MS, Wad
from oracle.combine.methods import dia
from oracle.combine.methods.over_time import MAX_SAMPLES, MethodView, RoundPrice
from oracle.model.spec import Tuning
from oracle.model.state import Sample, Trade, Window
from oracle.model.status import NoQuorum
from oracle.model.types import Input

Formula = Callable[[Sequence[Trade], Tuning], Wad]
_MAX_POINTS = 64


@dataclass(frozen=True, slots=True)
class DiaBlock:
    """One formula over the block that ends ``shift_ms`` before now. ``averaged``: DIA's EMA over such block prices."""

    formula: Formula
    averaged: bool = False

    def point(self, inputs: Sequence[Input]) -> Wad:
        """The formula over these inputs alone, as one block."""
        return self.formula([_trade(i, i.at_ms) for i in sorted(inputs, key=_order)], Tuning())

    def fold(self, window: Window, round_price: RoundPrice, view: MethodView) -> Window:
        """See OverTime; MAX_SAMPLES quotes at most."""
        since_ms = round_price.at_ms - view.window_s * MS - view.tuning.shift_s * MS
        kept = {(t.market, t.at_ms): t for t in window.trades if since_ms < t.at_ms <= round_price.at_ms}
        for i in round_price.groups:
            at_ms = min(i.at_ms, round_price.at_ms)
            if since_ms < at_ms and i.volume_wad >= view.tuning.dust:
                kept[i.group, at_ms] = _trade(i, at_ms)
        trades = tuple(sorted(kept.values(), key=lambda t: (t.at_ms, t.market)))[-MAX_SAMPLES:]
        after = Window(samples=window.samples, trades=trades)
        return self._with_point(after, round_price, view) if self.averaged else after

    def read(self, window: Window, now_ms: int, view: MethodView) -> Wad:
        """See OverTime.

        Raises:
            NoQuorum: there is no quote in the block.
        """
        inside = dia.block(window.trades, now_ms - view.tuning.shift_s * MS, view.window_s * MS)
        if not inside:
            text = f"no quote in a block of {view.window_s * MS} ms that ends {view.tuning.shift_s * MS} ms ago"
            raise NoQuorum(text, window_s=view.window_s, shift_s=view.tuning.shift_s)
        price = self.formula(inside, view.tuning)
        if not self.averaged:
            return price
        earlier = [s.price_wad for s in window.samples if s.at_ms < now_ms]
        return dia.ema([*earlier, price], view.tuning.points)

    def _with_point(self, window: Window, round_price: RoundPrice, view: MethodView) -> Window:
        """Add the block's price once a whole block has passed since the last point; blocks do not overlap.

        Points twice as old as the average reaches back are from before a gap, and forgotten.
        """
        since_ms = round_price.at_ms - 2 * view.tuning.points * view.window_s * MS
        samples = tuple(s for s in window.samples if since_ms <= s.at_ms < round_price.at_ms)
        if samples and round_price.at_ms - samples[-1].at_ms < view.window_s * MS:
            return Window(samples=samples, trades=window.trades)
        inside = dia.block(window.trades, round_price.at_ms - view.tuning.shift_s * MS, view.window_s * MS)
        if inside:
            fresh = Sample(at_ms=round_price.at_ms, price_wad=self.formula(inside, view.tuning))
            samples = (*samples, fresh)[-min(_MAX_POINTS, view.tuning.points) :]
        return Window(samples=samples, trades=window.trades)


def _order(entry: Input) -> tuple[int, str, int]:
    return entry.at_ms, entry.group, entry.price_wad


def _trade(entry: Input, at_ms: int) -> Trade:
    return Trade(market=entry.group, at_ms=at_ms, price_wad=entry.price_wad, volume_wad=entry.weight)


def _plain(formula: Callable[[Sequence[Trade]], Wad]) -> Formula:
    return lambda trades, _tuning: formula(trades)


MA = DiaBlock(_plain(dia.ma))
MAIR = DiaBlock(_plain(dia.mair))
MEDIR = DiaBlock(_plain(dia.medir))
VWAP = DiaBlock(_plain(dia.vwap))
VWAPIR = DiaBlock(_plain(dia.vwapir))
VWALP = DiaBlock(lambda trades, tuning: dia.vwalp(trades, tuning.check_bps))
EMA = DiaBlock(_plain(dia.ma), averaged=True)
