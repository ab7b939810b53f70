"""A standard lending book: wrong liquidations, loans under water that nobody saw, and whether it could have been drained.

100 positions borrow the quote token against the base token, with a loan of 50.0 % to 93.6 % of the collateral's worth at the
case's beginning; each may be liquidated when its loan passes 94.5 % of the collateral as the oracle prices it. Newcomers may
borrow 94.5 % of the price that the oracle publishes. While the status is halt nobody is liquidated and nobody borrows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto

from feeds.units import BPS

POSITIONS = 100
FIRST_BPS, STEP_BPS = 5_000, 44
LIMIT_BPS = 9_450


class Fate(Enum):
    """What became of a position."""

    SAFE = auto()
    LIQUIDATED = auto()
    WRONG = auto()
    """Liquidated, though it was sound."""
    UNDER_WATER = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Harm:
    """What a design did to the book.

    ``wrong``: positions liquidated though by the truth they were sound throughout the case. ``under_water``: those whose loan
    passed the worth of their collateral while the oracle left them alive. ``drained``: at some moment a newcomer could
    borrow more than the collateral was worth, and would have taken what there was.
    """

    wrong: int
    under_water: int
    drained: bool


def harm(prices: Sequence[tuple[int | None, bool]], truths: Sequence[int]) -> Harm:
    """Play the book.

    Args:
        prices: at each moment the published price (wad, None for none) and whether the lender acts on it.
        truths: what the collateral is worth at each moment, wad.
    """
    start, worst = truths[0], min(truths)
    loans = [start * (FIRST_BPS + place * STEP_BPS) // BPS for place in range(POSITIONS)]
    fates = [_fate(loan, prices, truths, worst) for loan in loans]
    published = ((p, t) for (p, is_open), t in zip(prices, truths, strict=True) if p is not None and is_open)
    return Harm(
        wrong=fates.count(Fate.WRONG),
        under_water=fates.count(Fate.UNDER_WATER),
        drained=any(p * LIMIT_BPS > t * BPS for p, t in published),
    )


def _fate(loan: int, prices: Sequence[tuple[int | None, bool]], truths: Sequence[int], worst: int) -> Fate:
    for (price, is_open), truth in zip(prices, truths, strict=True):
        if price is not None and is_open and loan * BPS > price * LIMIT_BPS:
            return Fate.LIQUIDATED if loan * BPS > worst * LIMIT_BPS else Fate.WRONG
        if loan > truth:
            return Fate.UNDER_WATER
    return Fate.SAFE
