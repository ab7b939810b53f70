"""Time-weighted averages over kept samples. Over a gap no sample counts longer than ``max_gap_ms``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from feeds.units import Wad
from oracle.combine.methods.fixed import exp2_q64, log2_q64
from oracle.model.state import Sample


def mean_since(samples: Sequence[Sample], since_ms: int, now_ms: int, max_gap_ms: int) -> tuple[Wad, int]:
    """The mean of the prices that stood from ``since_ms`` on, and how many ms of that time are covered.

    A sample stands for ``max_gap_ms`` at most from when it was taken, also where that was before ``since_ms``. One plain
    loop: it runs for every averaged pool in every round.
    """
    total = area = 0
    end_ms = now_ms
    for sample in reversed(samples):
        at_ms = sample.at_ms
        until_ms = end_ms if end_ms < at_ms + max_gap_ms else at_ms + max_gap_ms  # noqa: FURB136 - no call in this loop
        stood = until_ms - (at_ms if at_ms > since_ms else since_ms)  # noqa: FURB136
        if stood > 0:
            total += stood
            area += sample.price_wad * stood
        end_ms = at_ms
    return (Wad(area // total) if total else samples[-1].price_wad), total


def twap_geometric(samples: Sequence[Sample], now_ms: int, max_gap_ms: int, since_ms: int = 0) -> Wad:
    """Geometric mean of the prices, each weighted by the time that it stood from ``since_ms`` on, rounded down, within their range."""
    weighted = list(spans(samples, since_ms, now_ms, max_gap_ms))
    total = sum(w for _, w in weighted)
    if not total:
        return samples[-1].price_wad
    mean = exp2_q64(sum(log2_q64(p) * w for p, w in weighted) // total)
    prices = [p for p, _ in weighted]
    return Wad(min(max(mean, min(prices)), max(prices)))


def spans(samples: Sequence[Sample], since_ms: int, now_ms: int, max_gap_ms: int) -> Iterator[tuple[Wad, int]]:
    """The prices that stood between ``since_ms`` and now, and for how many ms of that, as :func:`mean_since` counts them."""
    ends = [*(s.at_ms for s in samples[1:]), now_ms][: len(samples)]
    for sample, end in zip(samples, ends, strict=True):
        stood = min(end, sample.at_ms + max_gap_ms, now_ms) - max(sample.at_ms, since_ms)
        if stood > 0:
            yield sample.price_wad, stood
