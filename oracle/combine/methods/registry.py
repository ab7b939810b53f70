"""Every method and filter by its name in the config, one line each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

from feeds.units import Wad
from oracle.combine.methods import trade_window, weights
from oracle.combine.methods.ema import CURVE_EMA, PYTH_EMA
from oracle.combine.methods.hodges_lehmann import hodges_lehmann
from oracle.combine.methods.huber import huber
from oracle.combine.methods.iqr import iqr
from oracle.combine.methods.linear import ARITHMETIC, GEOMETRIC, HARMONIC, WINSORISED
from oracle.combine.methods.mad import mad
from oracle.combine.methods.mean import mean
from oracle.combine.methods.median import median
from oracle.combine.methods.midhinge import midhinge
from oracle.combine.methods.over_time import OverTime
from oracle.combine.methods.recent import recent
from oracle.combine.methods.three_vote import three_vote
from oracle.combine.methods.time_median import TIME_MEDIAN
from oracle.combine.methods.trimmed_mean import trimmed_mean
from oracle.combine.methods.weighted_median import weighted_median
from oracle.model.spec import Tuning
from oracle.model.types import Input

Point = Callable[[Sequence[Input]], Wad]
Weigh = Callable[[Sequence[Input], Tuning], list[int]]


class Outliers(Protocol):
    """A filter: which inputs are outliers. It is independent of the method and reorders nothing."""

    def __call__(self, inputs: Sequence[Input], floor_bps: int, tuning: Tuning = ..., /) -> tuple[int, ...]:
        """Indexes in ascending order, never all of them; nothing nearer than the floor is an outlier."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """A point method, and for averages over time what is made of its results, or of the trades of the time.

    Attributes:
        point: groups with their weights to one price.
        breakdown_bps: the supremum: strictly less than this share of the weight may be arbitrary and the result stays
            within the range of the others. Of a method of trades: of their number, or of their volume.
        weigh: the weights of the groups; None: each the same.
        capped: whether each group is held to its share of the weight; a waterfall is not, for it trusts one group.
        over_time: what is made of the rounds.
    """

    point: Point
    breakdown_bps: int
    weigh: Weigh | None = None
    capped: bool = True
    over_time: OverTime | None = None

    @property
    def weighted(self) -> bool:
        """Whether the groups' quotes may weigh differently."""
        return self.weigh is not None

    @property
    def of_trades(self) -> bool:
        """Whether its price is made of trades: the quotes then say which groups are believed, and give the round's point."""
        return isinstance(self.over_time, trade_window.TradeBlock)


def _of_medians(over_time: OverTime) -> Method:
    return Method(point=median, breakdown_bps=5_000, over_time=over_time)


def _of_trades(block: trade_window.TradeBlock, breakdown_bps: int = 0) -> Method:
    return Method(point=median, breakdown_bps=breakdown_bps, over_time=block)


_MIDDLE = weighted_median
METHODS: Mapping[str, Method] = MappingProxyType(
    {
        "median": Method(point=median, breakdown_bps=5_000),
        "weighted_median": Method(point=_MIDDLE, breakdown_bps=5_000, weigh=weights.shares),
        "depth_weighted_median": Method(point=_MIDDLE, breakdown_bps=5_000, weigh=weights.depth),
        "age_weighted_median": Method(point=_MIDDLE, breakdown_bps=5_000, weigh=weights.age),
        "mean": Method(point=mean, breakdown_bps=0),
        "trimmed_mean": Method(point=trimmed_mean, breakdown_bps=2_500),
        "midhinge": Method(point=midhinge, breakdown_bps=2_500),
        "huber": Method(point=huber, breakdown_bps=2_500),
        "vwap": _of_trades(trade_window.VWAP),
        "lwap": Method(point=mean, breakdown_bps=0, weigh=weights.depth),
        "three_vote": Method(point=three_vote, breakdown_bps=2_500),
        "primary": Method(point=_MIDDLE, breakdown_bps=0, weigh=weights.primary, capped=False),
        "waterfall": Method(point=_MIDDLE, breakdown_bps=0, weigh=weights.first, capped=False),
        "twap_arithmetic": _of_medians(ARITHMETIC),
        "twap_geometric": _of_medians(GEOMETRIC),
        "twap_harmonic": _of_medians(HARMONIC),
        "twap_winsorised": _of_medians(WINSORISED),
        "time_median": _of_medians(TIME_MEDIAN),
        "ema": _of_medians(CURVE_EMA),
        "ema_confidence": _of_medians(PYTH_EMA),
        "dia_ma": _of_trades(trade_window.MA),
        "dia_mair": _of_trades(trade_window.MAIR),
        "dia_medir": _of_trades(trade_window.MEDIR, 3_750),
        "dia_vwap": _of_trades(trade_window.VWAP),
        "dia_vwapir": _of_trades(trade_window.VWAPIR),
        "dia_vwalp": _of_trades(trade_window.VWALP),
        "dia_ema": _of_trades(trade_window.EMA),
    }
)

OUTLIERS: Mapping[str, Outliers] = MappingProxyType(
    {"mad": mad, "iqr": iqr, "hodges_lehmann": hodges_lehmann, "recent": recent}
)
