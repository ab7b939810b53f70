"""Methods of trades: the trades of a window, each with its own volume, and the formulas over them: VWAP, and DIA's methods.

A window takes in what each round brings and gives up what is older than ``window_s`` + ``shift_s``. What the process has heard
one by one is news, in whatever order it comes. Of what a venue tells when the process begins to listen to it (its last trades,
on a subscription) a trade that is not newer than the newest heard of that market, believed or not, is a repeat, unless it has
that very time and is no part of what was kept. An empty window has no price: the feed abstains.

Trades that come while the quotes have no quorum wait: no lone venue says by its own quote what its trades are worth.

A window is bounded without becoming shorter, so that nobody can flood it: beyond MOST_TRADES, trades of one market that are no
further apart than some span are merged into one print at their mean price, and the window says over which span.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from feeds.units import MS, Wad
from oracle.combine.methods import dia
from oracle.combine.methods.over_time import MethodView, RoundPrice
from oracle.combine.methods.volume_cap import capped_volumes, group_volumes
from oracle.model.spec import Tuning
from oracle.model.state import Sample, Trade, Window
from oracle.model.status import NoQuorum

Formula = Callable[[Sequence[Trade], Tuning], Wad]
MOST_TRADES = 2_048
MOST_WINDOW_S = 86_400
_MAX_POINTS = 64
_SPANS_MS = tuple(1 << k for k in range(21))
"""Each is two of the one before; the last is 17 minutes."""


@dataclass(frozen=True, slots=True)
class TradeBlock:
    """One formula over the trades of the window that ends ``shift_ms`` before now. ``averaged``: DIA's EMA over such prices.

    ``shares``: what the formula weighs each group by; where that is not its volume, a cap on volume does nothing.
    """

    formula: Formula
    averaged: bool = False
    shares: Callable[[Sequence[Trade]], Mapping[str, int]] = group_volumes

    @property
    def by_volume(self) -> bool:
        """Whether the formula weighs trades by their volume."""
        return self.shares is group_volumes

    def fold(self, window: Window, round_price: RoundPrice, view: MethodView) -> Window:
        """See OverTime: the round's trades come in, those that are no news, too old or dust do not."""
        at_ms = round_price.at_ms
        since_ms = at_ms - (view.window_s + view.tuning.shift_s) * MS
        news, newest = _news(window, round_price)
        kept = [t for t in news if t.at_ms > since_ms and t.volume_wad >= view.tuning.dust * t.count]
        fresh = [*round_price.settled, *kept] if round_price.confirmed else []
        span_ms, trades = _bounded([t for t in (*window.trades, *fresh) if t.at_ms > since_ms], window.span_ms)
        wait = () if round_price.confirmed else [t for t in (*window.waiting, *kept) if t.at_ms > since_ms]
        missed = not window.folded_ms or at_ms - window.folded_ms > view.gap_ms
        after = Window(
            samples=window.samples,
            trades=trades,
            newest=tuple(sorted((m, t) for m, t in newest.items() if t > since_ms)),
            span_ms=span_ms,
            begun_ms=at_ms if missed else window.begun_ms,
            folded_ms=at_ms,
            waiting=_bounded(wait, 1)[1],
        )
        return self._with_point(after, round_price, view) if self.averaged and round_price.confirmed else after

    def read(self, window: Window, now_ms: int, view: MethodView) -> Wad:
        """See OverTime.

        Raises:
            NoQuorum: there is no trade in the window.
        """
        inside = trades_in_view(window, now_ms, view)
        if not inside:
            text = f"no trade in the {view.window_s} s that end {view.tuning.shift_s} s ago"
            raise NoQuorum(text, window_s=view.window_s, shift_s=view.tuning.shift_s)
        price = self._price(inside, view.tuning)
        if not self.averaged:
            return price
        earlier = [s.price_wad for s in window.samples if s.at_ms < now_ms]
        return dia.ema([*earlier, price], view.tuning.points)

    def _price(self, inside: Sequence[Trade], tuning: Tuning) -> Wad:
        return self.formula(capped_volumes(inside, tuning.volume_cap_percent), tuning)

    def _with_point(self, window: Window, round_price: RoundPrice, view: MethodView) -> Window:
        """Add the block's price once a whole block has passed since the last point; blocks do not overlap.

        Points twice as old as the average reaches back are from before a gap, and forgotten.
        """
        at_ms = round_price.at_ms
        since_ms = at_ms - 2 * view.tuning.points * view.window_s * MS
        samples = tuple(s for s in window.samples if since_ms <= s.at_ms < at_ms)
        if not samples or at_ms - samples[-1].at_ms >= view.window_s * MS:
            inside = trades_in_view(of_groups(window, (g.group for g in round_price.groups)), at_ms, view)
            if inside:
                fresh = Sample(at_ms=at_ms, price_wad=self._price(inside, view.tuning))
                samples = (*samples, fresh)[-min(_MAX_POINTS, view.tuning.points) :]
        return replace(window, samples=samples)


def trades_in_view(window: Window, now_ms: int, view: MethodView) -> list[Trade]:
    """The trades of the last ``window_s`` before now and ``shift_s``, in the order of time."""
    return dia.block(window.trades, now_ms - view.tuning.shift_s * MS, view.window_s * MS)


def of_groups(window: Window, groups: Iterable[str]) -> Window:
    """The window with the trades of these groups alone."""
    believed = set(groups)
    return replace(window, trades=tuple(t for t in window.trades if t.group in believed))


def _news(window: Window, round_price: RoundPrice) -> tuple[list[Trade], dict[str, int]]:
    """The trades that were not heard before, and the newest time heard of each market then."""
    before = dict(window.newest)
    newest = dict(before)
    for market, at_ms in (*round_price.heard, *((t.market, t.at_ms) for t in round_price.trades)):
        newest[market] = max(at_ms, newest.get(market, 0))
    told = dict(round_price.first_hand)
    known = _known_at(window, before)
    news: list[Trade] = []
    for t in round_price.trades:
        if t.at_ms > min(before.get(t.market, -1), told.get(t.market, t.at_ms)):
            news.append(t)
        elif t.at_ms == before.get(t.market) and t.market in known:
            news += _what_is_new(t, known[t.market].get(t.price_wad, []))
    return news, newest


def _known_at(window: Window, newest: Mapping[str, int]) -> dict[str, dict[Wad, list[Trade]]]:
    """What is known of each market's newest moment; none where it was merged or left out, so that nobody can tell."""
    known: dict[str, dict[Wad, list[Trade]]] = {}
    held = [t for t in (*window.trades, *window.waiting) if t.at_ms == newest.get(t.market)]
    for t in held:
        known.setdefault(t.market, {}).setdefault(t.price_wad, []).append(t)
    merged = {t.market for t in held if t.span_ms > 1}
    return {market: trades for market, trades in known.items() if market not in merged}


def _what_is_new(trade: Trade, known: Sequence[Trade]) -> list[Trade]:
    """What a print adds to those known of its time and price: a venue may tell a part of them again, or more than before."""
    volume, count = sum(t.volume_wad for t in known), sum(t.count for t in known)
    if any((t.volume_wad, t.count) == (trade.volume_wad, trade.count) for t in known):
        return []
    more, further = trade.volume_wad - volume, trade.count - count
    if (more < 0 and further < 0) or more == further == 0:
        return []
    return [replace(trade, volume_wad=more, count=further)] if more > 0 and further > 0 and known else [trade]


def _bounded(trades: Sequence[Trade], span_ms: int) -> tuple[int, tuple[Trade, ...]]:
    """The span over which trades are merged, and the trades, ascending: MOST_TRADES at most, as fine as that allows."""
    apart = len(trades) * span_ms  # so many there would be at most, were they merged over 1 ms
    finest = min((s for s in _SPANS_MS if apart <= MOST_TRADES * s), default=span_ms)
    span_ms = min(span_ms, finest)
    ranked = sorted(trades, key=lambda t: (t.at_ms, t.market, t.price_wad, t.volume_wad, t.count))
    span = next((s for s in _SPANS_MS if s >= span_ms and _places(ranked, s) <= MOST_TRADES), _SPANS_MS[-1])
    return span, _merged(ranked, span)[-MOST_TRADES:]


def _places(trades: Sequence[Trade], span_ms: int) -> int:
    return len(trades) if span_ms == 1 else len({(t.market, t.at_ms // span_ms) for t in trades})


def _merged(ranked: Sequence[Trade], span_ms: int) -> tuple[Trade, ...]:
    if span_ms == 1:
        return tuple(ranked)
    places: dict[tuple[str, int], list[Trade]] = {}
    for t in ranked:
        places.setdefault((t.market, t.at_ms // span_ms), []).append(t)
    merged = (held[0] if len(held) == 1 else _mean(held, span_ms) for held in places.values())
    return tuple(sorted(merged, key=lambda t: (t.at_ms, t.market)))


def _mean(held: Sequence[Trade], span_ms: int) -> Trade:
    """One print at the volume-weighted mean price, rounded down, at the time of the last."""
    return replace(
        held[-1],
        price_wad=dia.vwap(held),
        volume_wad=sum(t.volume_wad for t in held),
        count=sum(t.count for t in held),
        span_ms=max(span_ms, *(t.span_ms for t in held)),
    )


def _slot_shares(trades: Sequence[Trade]) -> Mapping[str, int]:
    return Counter(t.group for t in dia.slots(trades))


def _trade_shares(trades: Sequence[Trade]) -> Mapping[str, int]:
    counts: Counter[str] = Counter()
    for t in trades:
        counts[t.group] += t.count
    return counts


def _plain(formula: Callable[[Sequence[Trade]], Wad]) -> Formula:
    return lambda trades, _tuning: formula(trades)


MA = TradeBlock(_plain(dia.ma), shares=_slot_shares)
MAIR = TradeBlock(_plain(dia.mair))
MEDIR = TradeBlock(_plain(dia.medir), shares=_trade_shares)
VWAP = TradeBlock(_plain(dia.vwap))
VWAPIR = TradeBlock(_plain(dia.vwapir))
VWALP = TradeBlock(lambda trades, tuning: dia.vwalp(trades, tuning.check_bps))
EMA = TradeBlock(_plain(dia.ma), averaged=True, shares=_slot_shares)
