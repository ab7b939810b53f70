"""`bench aggregate`: a full combine and judge of many feeds in exact integers, and the vector engine over a long series.

The feeds are like the config's: half of their sources are pools, averaged over their own blocks, the others venues, two of
them quoted in dollars and converted, and two readings of the redemption rate; depth-weighted median, MAD filter, every rule of
the judge on. Each feed's state has two months of rounds behind it. One thread.

The vector engine makes the time-weighted mean of the market and its deviation from redemption, at every tick, as
:func:`oracle.combine.methods.vector.twap_and_deviation` does for backtests. Beside it, over the same data: a plain loop (over one
feed, told per tick), and a copy of the two arrays, which moves as many bytes as have to be read and written at least.

What the core does for speed alone is measured in the same run, see :mod:`demo.bench.tricks`.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from demo.bench.tools import median_sync_ms
from demo.bench.tricks import tricks
from feeds.types import Kind, Observation, Pair
from feeds.units import BPS, MS, WAD, Bps, Wad
from oracle.combine.methods import vector
from oracle.model.spec import Bands, FeedSpec, Mode, Rules, SourceSpec
from oracle.model.state import FeedState
from oracle.model.status import Status, Why
from oracle.model.types import Leg, Report
from oracle.round.step import evaluate

_DOLLARS = Pair(base="ETH", quote="USD")
_RATE_SOURCES = 2
_CONVERTED = 2
_TEMPLATES = 20
_BLOCK_MS = 12_000
_STEPS = (*(86_400_000,) * 60, *(1_800_000,) * 48, *(_BLOCK_MS,) * 16)
"""Pauses between the rounds before: a rate's snapshots, the usual depth, the pools' blocks."""
_START_MS = 1_750_000_000_000
_DOLLAR_WAD = 2_000 * WAD
_PRICE_WAD = 105 * WAD // 100
_NOISE_BPS = 4
_WINDOW_MS, _GAP_MS = 1_800_000, 60_000
_FEW = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class _FeedInput:
    """One feed's arguments of :func:`oracle.round.step.evaluate`."""

    spec: FeedSpec
    state: FeedState
    outcomes: tuple[Observation, ...]
    legs: Mapping[str, Leg]
    now_ms: int


async def aggregate(feeds: int = 1_000, sources: int = 15, shape: tuple[int, int] = (64, 50_000)) -> dict[str, Any]:
    """Measure both; ``shape``: feeds and times of the vector engine's series."""
    inputs = _feed_inputs(feeds, sources)

    def all_feeds() -> None:
        for i in inputs:
            evaluate(i.spec, i.state, i.outcomes, i.legs, i.now_ms)

    exact_ms = median_sync_ms(all_feeds)
    return {
        "feeds": feeds,
        "sources": sources,
        "evaluate_ms": round(exact_ms, 3),
        "evaluate_us_per_feed": round(exact_ms * 1_000 / feeds, 1),
        "tricks": tricks(),
        "vector": _vector(*shape),
    }


def _feed_inputs(feeds: int, sources: int) -> list[_FeedInput]:
    """Every feed with a state that has a past; a feed that is not published ends the run, for it would be cheap."""
    rng = random.Random(7)
    spec = _spec(sources)
    states = [_state_with_past(spec, rng) for _ in range(min(feeds, _TEMPLATES))]
    now_ms = _START_MS + sum(_STEPS) + _BLOCK_MS
    inputs = []
    for i in range(feeds):
        own = replace(spec, feed=f"T{i}/ETH")
        inputs.append(
            _FeedInput(
                spec=own,
                state=states[i % len(states)],
                outcomes=_observations(own, rng, now_ms),
                legs=_legs(now_ms),
                now_ms=now_ms,
            )
        )
        judged = evaluate(own, inputs[-1].state, inputs[-1].outcomes, inputs[-1].legs, now_ms)
        if judged.market is None or judged.redemption is None or judged.verdict.status is not Status.OK:
            raise RuntimeError(f"{own.feed} is {judged.verdict.status.word}: {judged.verdict.reasons}")
    return inputs


def _state_with_past(spec: FeedSpec, rng: random.Random) -> FeedState:
    state, at_ms = FeedState(), _START_MS
    for step in _STEPS:
        at_ms += step
        state = evaluate(spec, state, _observations(spec, rng, at_ms), _legs(at_ms), at_ms).state
    return state


def _spec(sources: int) -> FeedSpec:
    markets = sources - _RATE_SOURCES
    pools = markets // 2
    listed = [_pool(i) for i in range(pools)] + [_venue(i) for i in range(markets - pools)]
    listed += [_source(f"rate {i}", "chain:ethereum", Kind.REDEMPTION) for i in range(_RATE_SOURCES)]
    return FeedSpec(
        feed="T/ETH", pair=Pair(base="T", quote="ETH"), sources=tuple(listed), method="depth_weighted_median",
        outliers="mad", outlier_floor_bps=50, window_s=60, mode=Mode.MIN, min_groups=2, max_age_s=90,
        max_spread_bps=500, heartbeat_s=3_600, push_bps=50, halt_after_s=600,
        bands=Bands(watch_bps=60, watch_leave_bps=30, depeg_bps=200, depeg_leave_bps=100, watch_dwell_s=0),
        has_market=True, has_redemption=True,
        rules=Rules(
            moved_bps=60, drift_slack_bps=30, drift_bps_hours=1_440, disagree_bps=250, growth_bps_year=1_200,
            cadence_s=3 * 86_400, learn_bps_day=5,
        ),
    )  # fmt: skip


def _source(name: str, group: str, kind: Kind = Kind.MARKET, **more: Any) -> SourceSpec:
    return SourceSpec(name=name, pair=Pair(base="T", quote="ETH"), kind=kind, group=group, max_age_s=90, **more)


def _pool(index: int) -> SourceSpec:
    return _source(f"pool {index}", "chain:ethereum", average_s=60)


def _venue(index: int) -> SourceSpec:
    converted: dict[str, Any] = {"convert": str(_DOLLARS), "divide": True} if index < _CONVERTED else {}
    return _source(f"venue {index}", f"venue {index}", **converted)


def _observations(spec: FeedSpec, rng: random.Random, at_ms: int) -> tuple[Observation, ...]:
    """What each source answers: within a few bps of the rate, which grows by 3 % a year."""
    rate = Wad(_PRICE_WAD + _PRICE_WAD * 3 * (at_ms - _START_MS) // (100 * 31_536_000_000))
    return tuple(_observation(source, rate, rng, at_ms) for source in spec.sources)


def _observation(source: SourceSpec, rate: Wad, rng: random.Random, at_ms: int) -> Observation:
    rate_observation = Observation(
        pair=source.pair, source=source.name, group=source.group, kind=source.kind, price_wad=rate,
        observed_at_ms=at_ms - at_ms % _BLOCK_MS, chain_id=1, block=at_ms // _BLOCK_MS,
    )  # fmt: skip
    if source.kind is not Kind.MARKET:
        return rate_observation
    noise = rng.randrange(-_NOISE_BPS * 100, _NOISE_BPS * 100 + 1)
    price = rate * (100 * BPS + noise) // (100 * BPS)
    if source.convert:
        price = price * _DOLLAR_WAD // WAD
    observation = replace(
        rate_observation, price_wad=Wad(price), bid_wad=Wad(price - price // 5_000), ask_wad=Wad(price + price // 5_000)
    )
    if source.average_s * MS:
        return replace(
            observation, depth_wad=rng.randrange(900, 1_100) * WAD, base_share_bps=rng.randrange(4_500, 5_500)
        )
    at = at_ms - rng.randrange(5_000)
    return replace(
        observation, observed_at_ms=at, volume_wad=rng.randrange(100, 9_000) * WAD, chain_id=None, block=None
    )


def _legs(at_ms: int) -> dict[str, Leg]:
    report = Report(
        market_wad=Wad(_DOLLAR_WAD), redemption_wad=Wad(0), spread_bps=Bps(3), status=Status.OK, why=Why.NONE,
        round_time_s=at_ms // 1_000, market_age_s=1, redemption_age_h=0,
    )  # fmt: skip
    name = str(_DOLLARS)
    return {name: Leg(feed=name, report=report, market_as_of_ms=at_ms - 1_000, groups=4)}


def _vector(feeds: int, times: int) -> dict[str, Any]:
    market, redemption, at_ms = vector.example(feeds, times)
    engine_ms = median_sync_ms(
        lambda: vector.twap_and_deviation(market, redemption, at_ms, _WINDOW_MS, _GAP_MS), runs=_FEW
    )
    copy_ms = median_sync_ms(lambda: (market.copy(), redemption.copy()), runs=_FEW)
    rows = market[0].tolist(), redemption[0].tolist(), at_ms.tolist()
    plain_ms = median_sync_ms(lambda: plain(*rows, _WINDOW_MS, _GAP_MS), runs=_FEW)
    ticks = feeds * times
    return {
        "feeds": feeds,
        "times": times,
        "ticks_per_s": round(ticks * 1_000 / engine_ms),
        "plain_ticks_per_s": round(times * 1_000 / plain_ms),
        "ratio_plain": round(plain_ms * feeds / engine_ms, 1),
        "copy_ms": round(copy_ms, 3),
        "engine_ms": round(engine_ms, 3),
        "ratio_memory": round(engine_ms / copy_ms, 2),
        "largest_difference": _largest_difference(market, redemption, at_ms, plain(*rows, _WINDOW_MS, _GAP_MS)),
    }


def _largest_difference(
    market: vector.Floats, redemption: vector.Floats, at_ms: vector.Times, plain_means: tuple[list[float], list[float]]
) -> float:
    """Largest relative difference of the two means, for the feed that both computed."""
    mean, _ = vector.twap_and_deviation(market[:1], redemption[:1], at_ms, _WINDOW_MS, _GAP_MS)
    other: NDArray[np.float64] = np.array(plain_means[0])
    return float(np.max(np.abs(mean[0] / other - 1)))


def plain(
    market: Sequence[float], redemption: Sequence[float], at_ms: Sequence[int], window_ms: int, gap_ms: int
) -> tuple[list[float], list[float]]:
    """Time-weighted mean and deviation in bps at each time, tick by tick, with a running sum over the window.

    A price is current until the next one, at most for ``gap_ms``; what was before the window is cut off.
    """
    spans: deque[tuple[float, float, float]] = deque()
    total = weight = 0.0
    means, gaps = [], []
    for place, now in enumerate(at_ms):
        if place:
            span_ms = float(min(now - at_ms[place - 1], gap_ms))
            spans.append((at_ms[place - 1], market[place - 1], span_ms))
            total += market[place - 1] * span_ms
            weight += span_ms
        since = now - window_ms
        while len(spans) > 1 and spans[1][0] <= since:
            _, price, span_ms = spans.popleft()
            total -= price * span_ms
            weight -= span_ms
        start, price, span_ms = spans[0] if spans else (now, market[place], 0.0)
        cut = min(max(since - start, 0), span_ms)
        left = weight - cut
        mean = (total - price * cut) / left if left > 0 else market[place]
        means.append(mean)
        gaps.append((mean / redemption[place] - 1) * BPS)
    return means, gaps
