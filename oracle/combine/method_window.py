"""The window of a feed's method from round to round, also over rounds that have no price."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from feeds.units import MS, Wad
from oracle.combine.groups import believed_groups, spread_bps
from oracle.combine.inputs import EligibleInputs
from oracle.combine.methods.median import median
from oracle.combine.methods.over_time import MethodView, OverTime, RoundPrice
from oracle.combine.methods.registry import METHODS
from oracle.combine.trades import believed_trades, first_hand, newest_heard, round_trades, unconfirmed_trades
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
    made_by = f"{spec.method}/{spec.window_s * MS}/{spec.max_age_s * MS}"
    of_trades = METHODS[spec.method].of_trades
    if of_trades:
        made_by = f"trades/{made_by}/{spec.tuning.shift_s * MS}"
    before = window if window.made_by == made_by else Window()
    if of_trades:
        round_price = _with_trades(spec, before, eligible, round_price)
    return replace(over_time.fold(before, round_price, view_of(spec)), made_by=made_by)


def _with_trades(spec: FeedSpec, before: Window, eligible: EligibleInputs, round_price: RoundPrice) -> RoundPrice:
    """The round with its trades: those that its quotes confirm, and of those that waited; without a quorum all, to wait."""
    round_price = replace(round_price, heard=newest_heard(eligible.outcomes), first_hand=first_hand(eligible.outcomes))
    if not round_price.confirmed:
        return replace(round_price, trades=unconfirmed_trades(eligible))
    groups, point = round_price.groups, round_price.price_wad
    return replace(
        round_price,
        trades=round_trades(spec, eligible, groups, point),
        settled=believed_trades(spec, before.waiting, groups, point),
    )


def window_without_price(spec: FeedSpec, eligible: EligibleInputs, window: Window, now_ms: int) -> Window:
    """The window after a round that has no price: a method of trades takes in what was traded, any other leaves it as it was."""
    method = METHODS[spec.method]
    if method.over_time is None or not method.of_trades or spec.share_of is not None:
        return window
    groups = believed_groups(spec, eligible.inputs)
    point = median(groups) if groups else Wad(0)
    confirmed = _is_confirmed(spec, groups, point, now_ms)
    round_price = RoundPrice(at_ms=now_ms, price_wad=point, groups=groups, confirmed=confirmed)
    return window_after(spec, method.over_time, window, eligible, round_price)


def _is_confirmed(spec: FeedSpec, groups: Sequence[Input], point: Wad, now_ms: int) -> bool:
    """Whether the quotes would have made a price by themselves: enough groups, near each other, none too old."""
    if not groups or len(groups) < spec.min_groups or spread_bps(point, groups) > spec.max_spread_bps:
        return False
    return now_ms - min(g.at_ms for g in groups) <= spec.max_age_s * MS
