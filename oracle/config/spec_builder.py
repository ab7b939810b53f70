"""From the config's sections to what the core needs: seconds become milliseconds, what is left out follows from the bands."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from feeds.chains.abi import amount_of
from feeds.decode import values
from feeds.errors import FeedError
from feeds.types import Kind, Pair
from feeds.units import MS
from oracle.combine.methods.dia_window import DiaBlock
from oracle.combine.methods.ema import CurveEma, PythEma
from oracle.combine.methods.over_time import MAX_SAMPLES
from oracle.combine.methods.registry import METHODS
from oracle.config.sections import BandsSection, FeedSection, TuningSection
from oracle.config.tables.schema import Problem
from oracle.model.spec import Bands, FeedSpec, Rules, SourceSpec, Tuning
from oracle.model.suggest import nearest

_DRIFT_HOURS = 72
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
        bands=_bands(feed.bands),
        has_market=derived or Kind.MARKET in kinds,
        has_redemption=derived or Kind.REDEMPTION in kinds,
        share_of=feed.share_of,
        legs=feed.legs,
        accept_single_group=feed.accept_single_group,
        rules=_rules(feed),
        tuning=_tuning(feed.tuning),
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
    if method is not None and method.over_time is not None and not isinstance(method.over_time, CurveEma | PythEma):
        kept = MAX_SAMPLES // (max(1, len(sources)) if isinstance(method.over_time, DiaBlock) else 1)
        held_s = feed.window_s + feed.tuning.shift_s
        if held_s > kept * round_interval_s:
            text = f"{held_s} s are more than the {kept} rounds that are kept: at most {kept * round_interval_s}"
            yield Problem(f"{where}.window_s", text)
    known = {name for s in sources for name in (s.group, s.name if s.average_s * MS else s.group)}
    for group in feed.tuning.shares:
        if group not in known:
            yield Problem(f"{where}.tuning.shares.{group}", f"is no group of this feed; {nearest(group, known)}")
    for name in ("least", "most", "dust", "min_cost_100bps"):
        try:
            _wad(getattr(feed.tuning, name))
        except FeedError as e:
            yield Problem(f"{where}.tuning.{name}", f"{e}: write a decimal number as text")
    tuning = _tuning(feed.tuning)
    if feed.tuning.most is not None and not tuning.least < tuning.most:
        yield Problem(f"{where}.tuning.most", "must lie above least")


def _tuning(t: TuningSection) -> Tuning:
    def size(text: str | None) -> int:
        try:
            return _wad(text)
        except FeedError:
            return 0

    return Tuning(
        half_life_s=t.half_life_s,
        shares=tuple(sorted(t.shares.items())),
        check_bps=t.check_bps,
        winsor_bps_minute=t.winsor_bps_minute,
        recent_bps=t.recent_bps,
        recent_s=t.recent_s,
        least=size(t.least),
        most=size(t.most),
        shift_s=t.shift_s,
        dust=size(t.dust),
        points=t.points,
        drift_bps_day=t.drift_bps_day,
        horizon_s=t.horizon_s,
        min_cost_100bps=size(t.min_cost_100bps),
    )


def _wad(text: str | None) -> int:
    """A decimal text times 1e18; 0 for none. A FeedError says what is wrong."""
    return 0 if text is None else values.amount_wad(text)


def _rules(feed: FeedSection) -> Rules:
    r, watch = feed.rules, feed.bands.watch_bps
    return Rules(
        moved_bps=watch if r.moved_bps is None else r.moved_bps,
        moved_s=r.moved_s,
        drift_slack_bps=max(1, watch // 2 if r.drift_slack_bps is None else r.drift_slack_bps),
        drift_bps_hours=watch * _DRIFT_HOURS if r.drift_bps_hours is None else r.drift_bps_hours,
        disagree_bps=feed.max_spread_bps // 2 if r.disagree_bps is None else r.disagree_bps,
        share_percent=r.share_percent,
        depth_percent=r.depth_percent,
        depth_s=r.depth_s,
        stuck_s=r.stuck_s,
        stuck_bps=r.stuck_bps,
        growth_bps_year=r.growth_bps_year,
        growth_slack_bps=r.growth_slack_bps,
        snapshot_rate=amount_of(r.snapshot_rate, 18) if r.snapshot_rate else 0,
        snapshot_at_s=r.snapshot_at_s,
        snapshot_days=r.snapshot_days,
        cadence_s=r.cadence_s,
        derivation_bps=r.derivation_bps,
        supply_bps=r.supply_bps,
        premium_bps=r.premium_bps,
        lone_bps=r.lone_bps,
        doubt_bps=r.doubt_bps,
        learn_bps_day=r.learn_bps_day,
        learn_cap_bps=r.learn_cap_bps,
        redemption_open=r.redemption_open,
        ramp_s=r.ramp_s,
    )


def _bands(b: BandsSection) -> Bands:
    return Bands(
        watch_bps=b.watch_bps,
        watch_leave_bps=b.watch_bps // 2 if b.watch_leave_bps is None else b.watch_leave_bps,
        depeg_bps=b.depeg_bps,
        depeg_leave_bps=b.depeg_bps // 2 if b.depeg_leave_bps is None else b.depeg_leave_bps,
        normal_bps=b.normal_bps,
        watch_dwell_s=b.watch_dwell_s,
        depeg_dwell_s=b.depeg_dwell_s,
        leave_dwell_s=b.leave_dwell_s,
        slash_ppb=b.slash_ppb,
        slash_hold_s=b.slash_hold_s,
    )
