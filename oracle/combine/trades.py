"""From a round's prints to the window of a method of trades: whose trades are believed, in the feed's unit, and what they make up.

Quotes decide which groups count in a round: the trades of an outlier, of a source that failed or is too old do not enter, and
what it traded before does not count while it is not believed. A print further from the round's quotes than ``max_spread_bps`` is
no price either: nobody could have traded so much off the books, and whoever trades with himself states what he likes. Where
the quotes have no quorum, nothing says so yet: the trades wait for the next round in which they have one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from feeds.types import Observation, Outcome
from feeds.units import BPS, MS, Wad
from oracle.combine.inputs import EligibleInputs, converted
from oracle.combine.methods.over_time import MethodView
from oracle.combine.methods.trade_window import TradeBlock, of_groups, trades_in_view
from oracle.combine.methods.volume_cap import capped_volumes
from oracle.model.spec import FeedSpec
from oracle.model.state import Trade, Window
from oracle.model.status import NoQuorum
from oracle.model.types import GroupTrades, Input, TradesUsed


@dataclass(frozen=True, slots=True, kw_only=True)
class TradedPrice:
    """A price made of trades, the trades, and the groups with what the method weighs them by: volume, trades, or seconds."""

    price_wad: Wad
    trades: TradesUsed
    groups: tuple[Input, ...]


def round_trades(spec: FeedSpec, eligible: EligibleInputs, groups: Iterable[Input], point: Wad) -> list[Trade]:
    """The prints of this round that count: of the sources behind these groups, in the feed's unit, near the point."""
    return believed_trades(spec, unconfirmed_trades(eligible), groups, point)


def unconfirmed_trades(eligible: EligibleInputs) -> list[Trade]:
    """The prints of this round of every source that may count, in the feed's unit."""
    sources = {i.source: i.group for i in eligible.inputs}
    trades: list[Trade] = []
    for outcome in eligible.outcomes:
        if isinstance(outcome, Observation) and outcome.prints and outcome.source in sources:
            trades += _of_observation(eligible, outcome, sources[outcome.source])
    return trades


def believed_trades(spec: FeedSpec, trades: Iterable[Trade], groups: Iterable[Input], point: Wad) -> list[Trade]:
    """Those of these groups, near the point."""
    believed, far = {g.group for g in groups}, point * spec.max_spread_bps
    return [t for t in trades if t.group in believed and abs(t.price_wad - point) * BPS <= far]


def newest_heard(outcomes: Iterable[Outcome]) -> tuple[tuple[str, int], ...]:
    """(source, time of its newest print) of every source that brought any, believed or not."""
    return tuple(
        (o.source, max(p.at_ms for p in o.prints)) for o in outcomes if isinstance(o, Observation) and o.prints
    )


def first_hand(outcomes: Iterable[Outcome]) -> tuple[tuple[str, int], ...]:
    """(source, after when its trades were heard one by one) of every source of which that is known."""
    return tuple((o.source, o.prints_from_ms) for o in outcomes if isinstance(o, Observation) and o.prints_from_ms)


def _of_observation(eligible: EligibleInputs, observation: Observation, group: str) -> list[Trade]:
    source = eligible.index.sources[observation.source]
    leg = eligible.legs.get(source.convert) if source.convert else None
    return [
        Trade(
            market=source.name,
            group=group,
            at_ms=p.at_ms,
            price_wad=converted(source, p.price_wad, leg) if leg else p.price_wad,
            volume_wad=p.volume_wad,
            count=p.count,
            span_ms=observation.prints_span_ms,
        )
        for p in observation.prints
    ]


def traded_price(
    spec: FeedSpec, over_time: TradeBlock, window: Window, groups: Sequence[Input], view: MethodView, now_ms: int
) -> TradedPrice:
    """The price that the believed groups' trades make.

    Raises:
        NoQuorum: fewer groups than ``min_groups`` have traded in the window.
    """
    cap_percent = spec.tuning.volume_cap_percent
    believed = of_groups(window, (g.group for g in groups))
    inside = trades_in_view(believed, now_ms, view)
    traded = {t.group for t in inside}
    if len(traded) < max(1, spec.min_groups):
        without = ", ".join(g.group for g in groups if g.group not in traded)
        text = (
            f"trades of {len(traded)} of {spec.min_groups} groups ({', '.join(sorted(traded)) or 'none'}) in the"
            f" {view.window_s} s of the window; none of {without or 'any other'}"
        )
        raise NoQuorum(text, groups=len(traded), min_groups=spec.min_groups)
    shares = over_time.shares(capped_volumes(inside, cap_percent))
    until_ms = now_ms - view.tuning.shift_s * MS
    used = TradesUsed(
        since_ms=until_ms - view.window_s * MS,
        until_ms=until_ms,
        complete_ms=max(window.begun_ms, until_ms - view.window_s * MS),
        cap_percent=cap_percent,
        groups=_by_group(inside),
    )
    weighted = tuple(g.with_weight(shares.get(g.group, 0)) for g in groups)
    return TradedPrice(price_wad=over_time.read(believed, now_ms, view), trades=used, groups=weighted)


def _by_group(inside: Sequence[Trade]) -> tuple[GroupTrades, ...]:
    by_group: dict[str, list[Trade]] = {}
    for t in inside:
        by_group.setdefault(t.group, []).append(t)
    return tuple(
        GroupTrades(
            group=group,
            count=sum(t.count for t in held),
            volume_wad=sum(t.volume_wad for t in held),
            first_ms=held[0].at_ms,
            last_ms=held[-1].at_ms,
            span_ms=max(t.span_ms for t in held),
        )
        for group, held in sorted(by_group.items())
    )
