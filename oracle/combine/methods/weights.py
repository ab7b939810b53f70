"""Raw weights of the weighted methods, in the order of the inputs, before groups are held to their share.

Each function returns whole numbers, at least one of them above 0. The unit cancels.
"""

from __future__ import annotations

from collections.abc import Sequence

from feeds.units import MS
from oracle.combine.methods.fixed import decay_q32
from oracle.combine.methods.median import median
from oracle.model.spec import Tuning
from oracle.model.types import Input


def depth(inputs: Sequence[Input], _tuning: Tuning) -> list[int]:
    """Base units that move the price by 1 %."""
    return [i.weight for i in inputs]


def age(inputs: Sequence[Input], tuning: Tuning) -> list[int]:
    """exp(-lambda * age), lambda = ln 2 / half-life, times 2**32, rounded down, at least 1.

    Only differences of age matter, so the newest input's time is taken as now. Flare's example provider uses this weight with
    lambda = 0.00005 per ms, a half-life of 13.9 s, and then takes any price when all weights have vanished; here they
    cannot.
    """
    newest = max(i.at_ms for i in inputs)
    return [max(1, decay_q32(newest - i.at_ms, tuning.half_life_s * MS)) for i in inputs]


def shares(inputs: Sequence[Input], tuning: Tuning) -> list[int]:
    """The configured weight of each group; 1 where none is configured."""
    named = dict(tuning.shares)
    return [named.get(i.group, 1) for i in inputs]


def first(inputs: Sequence[Input], _tuning: Tuning) -> list[int]:
    """All weight on the first in the config's order: a waterfall, because stale sources were rejected before."""
    best = min(i.rank for i in inputs)
    return [int(i.rank == best) for i in inputs]


def primary(inputs: Sequence[Input], tuning: Tuning) -> list[int]:
    """All weight on the first in the config's order while it lies within ``check_bps`` of the median of all.

    Else each counts the same. RedStone's primarySource checks against the secondary; the median of all is the check that
    one bad secondary cannot pass or fail.
    """
    centre = median(inputs)
    best = min(inputs, key=lambda i: (i.rank, i.price_wad))
    if abs(best.price_wad - centre) * 10_000 > centre * tuning.check_bps:
        return [1] * len(inputs)
    return [int(i is best) for i in inputs]
