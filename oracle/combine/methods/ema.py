"""Exponential averages in Curve's form and in Pyth's. The state is two numbers, whatever the half-life.

Curve (the pools' ``price_oracle``, StableSwap-NG and CryptoSwap): average = last * (1 - a) + average * a with
a = exp(-elapsed / ma_exp_time), where last is the price that stood since the previous update: a price that appears now has
no weight yet. ``half_life`` is ma_exp_time * ln 2: Curve's 866 s are 600 s.

Pyth ("EMA Price Aggregation"): every sample weighs 1 / confidence, old ones decay; about one hour. Pyth takes one sample a
slot; here a sample weighs the time since the one before as well, so that irregular samples count right.

Over a gap neither the decay nor a sample's weight counts more than ``gap_ms``, and after a gap of four half-lives more an
average begins anew.
"""

from __future__ import annotations

from dataclasses import dataclass

from feeds.units import BPS, MS, Wad, mul_div_up
from oracle.combine.methods.fixed import decay_q64
from oracle.combine.methods.over_time import MethodView, RoundPrice, forgotten, stood
from oracle.model.state import Sample, Window

_Q = 64
_ONE = 1 << _Q
_WEIGHT = 1 << 192
_LEAST_BPS = 1


@dataclass(frozen=True, slots=True)
class CurveEma:
    """``total`` is the average times 2**64, rounded down at each step."""

    def fold(self, window: Window, round_price: RoundPrice, view: MethodView) -> Window:
        """See OverTime. A round that is not later than the last one replaces its price."""
        fresh = not window.samples or forgotten(window.samples[-1], round_price.at_ms, view)
        average = round_price.price_wad << _Q if fresh else self._average(window, round_price.at_ms, view)
        return Window(samples=(Sample(at_ms=round_price.at_ms, price_wad=round_price.price_wad),), total=average)

    def read(self, window: Window, now_ms: int, view: MethodView) -> Wad:
        """See OverTime; rounded down."""
        return Wad(self._average(window, now_ms, view) >> _Q)

    def _average(self, window: Window, at_ms: int, view: MethodView) -> int:
        (last,) = window.samples
        span = max(0, stood(last, at_ms, view.gap_ms))
        kept = decay_q64(span, view.tuning.half_life_s * MS) if span else _ONE
        return (window.total * kept + (last.price_wad << _Q) * (_ONE - kept)) >> _Q


@dataclass(frozen=True, slots=True)
class PythEma:
    """``total`` and ``weight`` are the decayed sums of price times weight and of weight.

    A sample's weight is 2**192 / confidence (wad, at least 1 bps of the price) times the milliseconds since the last one.
    """

    def fold(self, window: Window, round_price: RoundPrice, view: MethodView) -> Window:
        """See OverTime. The first sample counts as if it had stood for ``gap_ms``; one that is not later counts nothing."""
        doubt = max(1, mul_div_up(round_price.price_wad, max(_LEAST_BPS, round_price.confidence_bps), BPS))
        here = (Sample(at_ms=round_price.at_ms, price_wad=round_price.price_wad),)
        if not window.samples or forgotten(window.samples[-1], round_price.at_ms, view):
            weight = _WEIGHT // doubt * view.gap_ms
            return Window(samples=here, total=round_price.price_wad * weight, weight=weight)
        span = max(0, stood(window.samples[-1], round_price.at_ms, view.gap_ms))
        if not span:
            return window
        kept, weight = decay_q64(span, view.tuning.half_life_s * MS), _WEIGHT // doubt * span
        return Window(
            samples=here,
            total=(window.total * kept >> _Q) + round_price.price_wad * weight,
            weight=(window.weight * kept >> _Q) + weight,
        )

    def read(self, window: Window, _now_ms: int, _view: MethodView) -> Wad:
        """See OverTime; rounded down."""
        return Wad(window.total // window.weight)


CURVE_EMA = CurveEma()
PYTH_EMA = PythEma()
