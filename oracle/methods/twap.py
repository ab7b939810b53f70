"""Time-weighted averages over kept samples. A gap is a gap: no sample counts longer than ``max_gap_ms``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from feeds.units import Wad
from oracle.methods.fixed import exp2_q64, log2_q64
from oracle.types import Sample


def twap_arithmetic(samples: Sequence[Sample], now_ms: int, max_gap_ms: int) -> Wad:
    """Arithmetic mean of the prices, each weighted by the time that it stood, rounded down."""
    weighted = list(_spans(samples, now_ms, max_gap_ms))
    total = sum(w for _, w in weighted)
    return Wad(sum(p * w for p, w in weighted) // total) if total else samples[-1].price_wad


def twap_geometric(samples: Sequence[Sample], now_ms: int, max_gap_ms: int) -> Wad:
    """Geometric mean of the prices, each weighted by the time that it stood, rounded down, within their range."""
    weighted = list(_spans(samples, now_ms, max_gap_ms))
    total = sum(w for _, w in weighted)
    if not total:
        return samples[-1].price_wad
    mean = exp2_q64(sum(log2_q64(p) * w for p, w in weighted) // total)
    prices = [p for p, _ in weighted]
    return Wad(min(max(mean, min(prices)), max(prices)))


def _spans(samples: Sequence[Sample], now_ms: int, max_gap_ms: int) -> Iterator[tuple[Wad, int]]:
    ends = [s.at_ms for s in samples[1:]] + [now_ms]
    for sample, end in zip(samples, ends, strict=True):
        stood = min(end - sample.at_ms, max_gap_ms)
        if stood > 0:
            yield sample.price_wad, stood
