"""The weighted mean. It has no breakdown point: one bad input moves it as far as it likes."""

from __future__ import annotations

from collections.abc import Sequence

from feeds.units import Wad
from oracle.model.types import Input


def mean(inputs: Sequence[Input]) -> Wad:
    """Sum of price times weight over the sum of the weights, rounded down. Equal weights: the plain mean.

    With depths for weights it is the liquidity-weighted price (RedStone's LWAP).
    """
    total = sum(i.weight for i in inputs)
    return Wad(sum(i.price_wad * i.weight for i in inputs) // total)
