"""The window of a feed's method from round to round, also over rounds that have no price."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from feeds.units import MS, Wad
from oracle.combine.groups import believed_groups
from oracle.combine.inputs import EligibleInputs
from oracle.combine.methods.median import median
from oracle.combine.methods.over_time import MethodView, OverTime, RoundPrice
from oracle.combine.methods.registry import METHODS
from oracle.combine.trades import newest_heard, round_trades
from oracle.model.spec import FeedSpec
from oracle.model.state import Window
from oracle.model.types import Input


def view_of(spec: FeedSpec) -> MethodView:
    """How the feed looks back."""
    return MethodView(window_s=spec.window_s, gap_ms=spec.max_age_s * MS, tuning=spec.tuning)


def window_after(
    spec: FeedSpec,
    over_time: OverTime,
    window: Window,
    eligible: EligibleInputs,
    round_price: RoundPrice,
) -> Window:
    """The window with this round. One of another method or other limits starts anew."""
    of_trades = METHODS[spec.method].of_trades
    made_by = f"{spec.method}/{spec.window_s * MS}/{spec.max_age_s * MS}"
    if of_trades:
        made_by = f"trades/{made_by}/{spec.tuning.shift_s * MS}"
        trades = round_trades(spec, eligible, round_price.groups, round_price.price_wad)
        round_price = replace(round_price, trades=trades, heard=newest_heard(eligible.outcomes))
    before = window if window.made_by == made_by else Window()
    return replace(over_time.fold(before, round_price, view_of(spec)), made_by=made_by)


def window_without_price(spec: FeedSpec, eligible: EligibleInputs, window: Window, now_ms: int) -> Window:
    """The window after a round that has no price: a method of trades takes in what was traded, any other leaves it as it was."""
    method = METHODS[spec.method]
    if method.over_time is None or not method.of_trades or spec.share_of is not None:
        return window
    groups = believed_groups(spec, eligible.inputs)
    round_price = RoundPrice(at_ms=now_ms, price_wad=_point(groups), groups=groups)
    return window_after(spec, method.over_time, window, eligible, round_price)


def _point(groups: Sequence[Input]) -> Wad:
    return median(groups) if groups else Wad(0)
