"""From a feed's section to its spec, and what of its method and tuning cannot work."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from feeds.registry import EXCHANGES
from feeds.streams.tape import KEEP_MS
from feeds.types import Kind, Pair
from feeds.units import MS
from oracle.combine.methods.ema import CurveEma, PythEma
from oracle.combine.methods.over_time import MAX_SAMPLES
from oracle.combine.methods.registry import METHODS, Method
from oracle.combine.methods.trade_window import MOST_WINDOW_S, TradeBlock
from oracle.config.check_groups import group_hint
from oracle.config.tables.feed_sections import FeedSection
from oracle.config.tables.schema import Problem
from oracle.model.spec import FeedSpec, SourceSpec

NO_FILTER = "none"
"""How a feed says that it wants no filter: TOML has no null."""


def spec_of(name: str, pair: Pair, feed: FeedSection, sources: Sequence[SourceSpec]) -> FeedSpec:
    """The feed as the core sees it."""
    kinds = {s.kind for s in sources}
    derived = feed.share_of is not None or bool(feed.legs)
    return FeedSpec(
        feed=name,
        pair=pair,
        sources=tuple(sources),
        method=feed.method,
        outliers=_filter(feed),
        outlier_floor_bps=feed.outlier_floor_bps,
        window_s=feed.window_s,
        mode=feed.mode,
        min_groups=feed.min_groups,
        max_age_s=feed.max_age_s,
        max_spread_bps=feed.max_spread_bps,
        heartbeat_s=feed.heartbeat_s,
        push_bps=feed.push_bps,
        halt_after_s=feed.halt_after_s,
        bands=feed.bands,
        has_market=derived or Kind.MARKET in kinds,
        has_redemption=derived or Kind.REDEMPTION in kinds,
        share_of=feed.share_of,
        legs=feed.legs,
        accept_single_group=feed.accept_single_group,
        rules=feed.rules,
        tuning=feed.tuning,
    )


def _filter(feed: FeedSection) -> str | None:
    return None if feed.outliers == NO_FILTER else feed.outliers


def method_problems(
    where: str, feed: FeedSection, sources: Sequence[SourceSpec], round_interval_s: int, *, scaled: bool
) -> Iterator[Problem]:
    """What is wrong with a feed's method and tuning, as far as their names are known.

    ``scaled``: methods that are too weak for real money are allowed.
    """
    method = METHODS.get(feed.method)
    if method is not None and not method.breakdown_bps and _filter(feed) is None and not scaled:
        text = f'{feed.method} is moved by a single bad source: write outliers = "mad", or choose another method'
        yield Problem(f"{where}.outliers", text)
    if method is not None and method.of_trades:
        yield from _trade_problems(where, feed, round_interval_s)
        yield from _cap_problems(where, feed, method)
    elif method is not None:
        yield from _window_problems(where, feed, method, round_interval_s)
    known = {name for s in sources for name in (s.group, s.name if s.average_s else s.group)}
    for group, _ in feed.tuning.shares:
        if group not in known:
            yield Problem(f"{where}.tuning.shares.{group}", f"is not a group of this feed; {group_hint(group, known)}")


def _window_problems(where: str, feed: FeedSection, method: Method, round_interval_s: int) -> Iterator[Problem]:
    """What is wrong with the window of a method that looks back over rounds, and with keys that are of methods of trades."""
    looks_back = method.over_time is not None and not isinstance(method.over_time, CurveEma | PythEma)
    if looks_back and feed.window_s > MAX_SAMPLES * round_interval_s:
        most_s = MAX_SAMPLES * round_interval_s
        text = f"{feed.window_s} s are more than the {MAX_SAMPLES} rounds that are kept: write at most {most_s}"
        yield Problem(f"{where}.window_s", text)
    if feed.tuning.volume_cap_percent:
        text = f"{feed.method} is not made of trades, so there is no volume to cap: leave it out, or choose vwap"
        yield Problem(f"{where}.tuning.volume_cap_percent", text)


def _cap_problems(where: str, feed: FeedSection, method: Method) -> Iterator[Problem]:
    """A cap on volume where the method counts trades or seconds, whatever their volume."""
    if feed.tuning.volume_cap_percent and isinstance(method.over_time, TradeBlock) and not method.over_time.by_volume:
        named = [n for n, m in METHODS.items() if isinstance(m.over_time, TradeBlock) and m.over_time.by_volume]
        text = f"{feed.method} counts trades whatever their volume, so a cap on volume does nothing: leave it out, or choose one of {', '.join(named)}"
        yield Problem(f"{where}.tuning.volume_cap_percent", text)


def _trade_problems(where: str, feed: FeedSection, round_interval_s: int) -> Iterator[Problem]:
    """What a method of trades cannot work with: sources that report none, and a window that no trade falls into."""
    silent = [s.name or s.type for s in feed.sources if s.kind is Kind.MARKET and s.type not in EXCHANGES]
    if silent:
        text = (
            f"{feed.method} is made of trades, and {', '.join(silent)} reports none, only exchanges with an adapter do: choose"
            " lwap or depth_weighted_median, which weigh by depth, or leave it out"
        )
        yield Problem(f"{where}.method", text)
    named = [(s.type, (s.symbol or "").upper()) for s in feed.sources if s.kind is Kind.MARKET and s.type in EXCHANGES]
    for venue, symbol in sorted({n for n in named if named.count(n) > 1}):
        text = f"{venue} {symbol} stands here {named.count((venue, symbol))} times, and each of its trades would count as often: leave one"
        yield Problem(f"{where}.sources", text)
    needed_s = feed.window_s + feed.tuning.shift_s
    if round_interval_s * MS > KEEP_MS:
        text = f"{feed.method} needs a round at least every {KEEP_MS // MS} s: trades are kept for so long until one takes them in"
        yield Problem("oracle.round_interval_s", text)
    if feed.window_s < round_interval_s:
        text = f"{feed.window_s} s are shorter than a round, trades between two rounds would be lost: write at least {round_interval_s}"
        yield Problem(f"{where}.window_s", text)
    elif needed_s > MOST_WINDOW_S:
        text = f"{needed_s} s with tuning.shift_s are more than the day of trades that is kept: write at most {MOST_WINDOW_S - feed.tuning.shift_s}"
        yield Problem(f"{where}.window_s", text)
