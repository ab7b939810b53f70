"""Name to method, one line each. ``breakdown_bps``: the share of the weight that may lie without moving the result."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from feeds.units import Wad
from oracle.methods.depth_weighted_median import depth_weighted_median
from oracle.methods.mad import mad
from oracle.methods.median import median
from oracle.methods.twap import twap_arithmetic, twap_geometric
from oracle.types import Input, Sample

Point = Callable[[Sequence[Input]], Wad]
OverTime = Callable[[Sequence[Sample], int, int], Wad]
Outliers = Callable[[Sequence[Input], int], tuple[int, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """A point method, and for averages over time the mean taken over its results.

    ``breakdown_bps`` is the supremum: strictly less than this share of the weight may be arbitrary.
    """

    point: Point
    breakdown_bps: int
    weighted: bool = False
    over_time: OverTime | None = None


METHODS: Mapping[str, Method] = MappingProxyType(
    {
        "median": Method(point=median, breakdown_bps=5_000),
        "depth_weighted_median": Method(point=depth_weighted_median, breakdown_bps=5_000, weighted=True),
        "twap_arithmetic": Method(point=median, breakdown_bps=5_000, over_time=twap_arithmetic),
        "twap_geometric": Method(point=median, breakdown_bps=5_000, over_time=twap_geometric),
    }
)

OUTLIERS: Mapping[str, Outliers] = MappingProxyType({"mad": mad})
