"""The methods in floating point over whole arrays, for backtests and simulations. Nothing of it can reach a signature.

Shapes: point methods take prices (and weights) of shape (..., n), n groups on the last axis, all present, and return (...).
Methods over time take prices of shape (feeds, times) with common ascending times in Unix ms, as one round after another,
and return the value at each of them, of the same shape. Units: prices in quote per base, times in ms, deviations in bps.

Against the integer methods: 1e-12 relative for point methods, 1e-9 for those over time (sums over long series are taken as
differences of running sums, of prices less their first one). Windows of more than MAX_SAMPLES rounds, which the integer
methods refuse, are possible here. DIA's block methods work on trades of irregular number and are not here.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from feeds.units import BPS
from oracle.combine.methods.vector_spans import blocks, spans_of

Floats = NDArray[np.float64]
Times = NDArray[np.int64]
_NORMAL, _SHAMOS, _FACTOR, _CORNER = 1.4826, 1.0483, 3.0, 1.345
_BLOCK = 1 << 15
"""Prices worked on at a time: a block and its sums stay in the cache."""


def median(prices: Floats) -> Floats:
    """Middle price, or the mean of the middle two."""
    return np.asarray(np.median(prices, axis=-1))


def mean(prices: Floats, weights: Floats | None = None) -> Floats:
    """(Weighted) mean: with volumes the VWAP, with depths the liquidity-weighted price."""
    return np.asarray(np.average(prices, axis=-1, weights=weights))


def weighted_median(prices: Floats, weights: Floats) -> Floats:
    """Price at half of the weight; exactly between two, their mean. Weights of whole numbers up to 2**53 are exact."""
    order = np.argsort(prices, axis=-1, kind="stable")
    ranked, heavy = np.take_along_axis(prices, order, -1), np.take_along_axis(weights, order, -1)
    below = np.cumsum(heavy, axis=-1)
    half = below[..., -1:] / 2
    low = np.argmax(below >= half, axis=-1)[..., None]
    high = np.argmax(below > half, axis=-1)[..., None]
    return np.asarray((np.take_along_axis(ranked, low, -1) + np.take_along_axis(ranked, high, -1))[..., 0] / 2)


def capped(weights: Floats) -> Floats:
    """Weights held so that no group passes a third of the total (half of two): water-filling, not rounded."""
    share = min(weights.shape[-1], 3)
    ranked = -np.sort(-weights, axis=-1)
    ceiling, done = ranked[..., 0], np.zeros(weights.shape[:-1], dtype=bool)
    for at_ceiling in range(1, share):
        rest = ranked[..., at_ceiling:].sum(axis=-1)
        done |= share * ceiling <= at_ceiling * ceiling + rest
        ceiling = np.where(done, ceiling, np.maximum(ranked[..., at_ceiling], rest / (share - at_ceiling)))
    return np.asarray(np.minimum(weights, ceiling[..., None]))


def age_weights(ages_ms: Floats, half_life_ms: int) -> Floats:
    """Weights that halve with each half-life, before they are capped."""
    return np.asarray(np.exp2(-ages_ms / half_life_ms))


def trimmed_mean(prices: Floats) -> Floats:
    """Mean without the lowest and the highest quarter."""
    count = prices.shape[-1]
    return np.asarray(np.sort(prices, axis=-1)[..., count // 4 : count - count // 4].mean(axis=-1))


def hinges(prices: Floats) -> tuple[Floats, Floats]:
    """The elements a quarter from each end."""
    ranked, cut = np.sort(prices, axis=-1), prices.shape[-1] // 4
    return ranked[..., cut], ranked[..., -1 - cut]


def midhinge(prices: Floats) -> Floats:
    """Middle of the two quartiles."""
    low, high = hinges(prices)
    return (low + high) / 2


def three_vote(prices: Floats, own_bps: Floats) -> Floats:
    """Pyth's median of price and price +- own spread."""
    own = prices * own_bps / BPS
    return median(np.concatenate([prices - own, prices, prices + own], axis=-1))


def huber(prices: Floats) -> Floats:
    """Huber's location between the quartiles: the pull is evaluated at every knot, the root lies on one line after it."""
    centre = median(prices)[..., None]
    scale = median(np.abs(prices - centre))[..., None]
    corner = np.maximum(_CORNER * _NORMAL * scale, centre / BPS)
    knots = np.sort(np.concatenate([prices - corner, prices + corner], axis=-1), axis=-1)
    pulls = np.clip(prices[..., None, :] - knots[..., :, None], -corner[..., None], corner[..., None]).sum(axis=-1)
    place = np.minimum((pulls >= 0).sum(axis=-1) - 1, knots.shape[-1] - 2)[..., None]
    at, after = np.take_along_axis(knots, place, -1)[..., 0], np.take_along_axis(knots, place + 1, -1)[..., 0]
    here, there = np.take_along_axis(pulls, place, -1)[..., 0], np.take_along_axis(pulls, place + 1, -1)[..., 0]
    fall = here - there
    root = np.where(fall > 0, at + (after - at) * here / np.where(fall > 0, fall, 1), (at + after) / 2)
    return np.asarray(np.clip(root, *hinges(prices)))


def mad(prices: Floats, floor_bps: int) -> NDArray[np.bool_]:
    """Mask of the outliers, of the shape of the prices."""
    centre = median(prices)[..., None]
    gaps = np.abs(prices - centre)
    limit = np.maximum(_FACTOR * _NORMAL * median(gaps)[..., None], centre * floor_bps / BPS)
    return np.asarray(gaps > limit)


def iqr(prices: Floats, floor_bps: int) -> NDArray[np.bool_]:
    """Mask of the outliers beyond 1.5 interquartile ranges."""
    ranked, half = np.sort(prices, axis=-1), max(1, prices.shape[-1] // 2)
    first, third = median(ranked[..., :half])[..., None], median(ranked[..., -half:])[..., None]
    width, centre = 1.5 * (third - first), median(prices)[..., None]
    outside = (prices < first - width) | (prices > third + width)
    return np.asarray(outside & (np.abs(prices - centre) > centre * floor_bps / BPS))


def hodges_lehmann(prices: Floats, floor_bps: int) -> NDArray[np.bool_]:
    """Mask of the outliers by distance from the Hodges-Lehmann centre; at least two groups."""
    one, two = np.triu_indices(prices.shape[-1], k=1)
    a, b = prices[..., one], prices[..., two]
    centre = median(np.concatenate([prices, (a + b) / 2], axis=-1))[..., None]
    limit = np.maximum(_FACTOR * _SHAMOS * median(np.abs(a - b))[..., None], centre * floor_bps / BPS)
    out = np.abs(prices - centre) > limit
    return np.asarray(out & ~out.all(axis=-1, keepdims=True))


def deviation_bps(market: Floats, redemption: Floats) -> Floats:
    """Deviation of market from redemption, negative below; not rounded."""
    return (market / redemption - 1.0) * BPS


def twap(prices: Floats, at_ms: Times, window_ms: int, gap_ms: int) -> Floats:
    """Arithmetic time-weighted mean."""
    out = np.empty_like(prices)
    spans = spans_of(at_ms, window_ms, gap_ms)
    for rows in blocks(prices.shape, _BLOCK):
        spans.mean(prices[rows], out[rows])
    return out


def twap_geometric(prices: Floats, at_ms: Times, window_ms: int, gap_ms: int) -> Floats:
    """Geometric time-weighted mean."""
    return np.asarray(np.exp(twap(np.log(prices), at_ms, window_ms, gap_ms)))


def twap_harmonic(prices: Floats, at_ms: Times, window_ms: int, gap_ms: int) -> Floats:
    """Harmonic time-weighted mean."""
    return 1.0 / twap(1.0 / prices, at_ms, window_ms, gap_ms)


def winsorised(prices: Floats, at_ms: Times, bps_minute: int) -> Floats:
    """The prices, each held to so many bps a minute from the held one before it. Their twap is the winsorised one."""
    out = prices.copy()
    for t in range(1, out.shape[-1]):
        last = out[:, t - 1]
        most = last * (bps_minute * float(at_ms[t] - at_ms[t - 1]) / (BPS * 60_000))
        np.clip(out[:, t], last - most, last + most, out=out[:, t])
    return out


def time_median(prices: Floats, at_ms: Times, window_ms: int, gap_ms: int) -> Floats:
    """Time-weighted median; one step of Python for each time, all feeds at once."""
    spans, out = spans_of(at_ms, window_ms, gap_ms), prices.copy()
    for t in range(1, prices.shape[-1]):
        oldest, stood = spans.in_window(t)
        if stood.sum() > 0:
            part = prices[:, oldest:t]
            out[:, t] = weighted_median(part, np.broadcast_to(stood, part.shape))
    return out


def ema(prices: Floats, at_ms: Times, half_life_ms: int, gap_ms: int) -> Floats:
    """Curve's form: the price before the update has stood since, the new one has no weight yet."""
    gaps = np.diff(at_ms)
    kept = np.exp2(-np.minimum(gaps, gap_ms) / half_life_ms)
    out = prices.copy()
    for t in range(1, prices.shape[-1]):
        if gaps[t - 1] <= _longest(half_life_ms, gap_ms):
            out[:, t] = prices[:, t - 1] * (1 - kept[t - 1]) + out[:, t - 1] * kept[t - 1]
    return out


def _longest(half_life_ms: int, gap_ms: int) -> int:
    """The gap after which an exponential average begins anew."""
    return gap_ms + 4 * half_life_ms


def ema_confidence(prices: Floats, spread_bps: Floats, at_ms: Times, half_life_ms: int, gap_ms: int) -> Floats:
    """Pyth's form: each price weighs the time since the last one over its confidence, at least 1 bps of it."""
    gaps = np.diff(at_ms, prepend=at_ms[0] - gap_ms)
    span = np.minimum(gaps, gap_ms).astype(np.float64)
    kept = np.where(gaps > _longest(half_life_ms, gap_ms), 0.0, np.exp2(-span / half_life_ms))
    weights = span / (prices * np.maximum(spread_bps, 1))
    out = prices.copy()
    total, weight = prices[:, 0] * weights[:, 0], weights[:, 0].copy()
    for t in range(1, prices.shape[-1]):
        total = total * kept[t] + prices[:, t] * weights[:, t]
        weight = weight * kept[t] + weights[:, t]
        out[:, t] = total / weight
    return out


def example(feeds: int, times: int) -> tuple[Floats, Floats, Times]:
    """(market, redemption, times) for a measurement: irregular times, prices that wander, the same at every call."""
    step = np.arange(times, dtype=np.int64)
    at_ms = 1_700_000_000_000 + 10_000 * step + 4_001 * step % 3_000
    phase = np.arange(feeds, dtype=np.float64)[:, None] + 1.0
    redemption = 1.05 * phase**0.1 * np.exp(step * 1e-9)
    market = redemption * (1.0 - 2e-3 * np.sin(step * 1e-3 * phase) ** 2)
    return market, redemption, at_ms


def twap_and_deviation(
    market: Floats, redemption: Floats, at_ms: Times, window_ms: int, gap_ms: int
) -> tuple[Floats, Floats]:
    """Time-weighted mean of the market and its deviation from redemption in bps, block by block, in one pass of memory."""
    mean_, gap = np.empty_like(market), np.empty_like(market)
    spans = spans_of(at_ms, window_ms, gap_ms)
    for rows in blocks(market.shape, _BLOCK):
        spans.mean(market[rows], mean_[rows])
        np.divide(mean_[rows], redemption[rows], out=gap[rows])
        gap[rows] -= 1.0
        gap[rows] *= BPS
    return mean_, gap
