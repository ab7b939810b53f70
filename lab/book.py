"""A standard lending book: who would have been liquidated wrongly, and who would have stood under water unseen.

100 positions borrow the quote token against the base token, with a loan of 50.0 % to 94.1 % of the collateral's worth at the
case's beginning; each may be liquidated when its loan passes 94.5 % of the collateral as the oracle prices it. While the
status is halt nobody is liquidated and nobody borrows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from feeds.units import BPS

POSITIONS = 100
FIRST_BPS, STEP_BPS = 5_000, 44
LIMIT_BPS = 9_450


@dataclass(frozen=True, slots=True, kw_only=True)
class Harm:
    """Positions liquidated though the truth never said so, and those that passed 100 % of their worth, alive."""

    wrong: int
    under_water: int


def harm(prices: Sequence[tuple[int | None, bool]], truths: Sequence[int]) -> Harm:
    """Play the book.

    Args:
        prices: at each moment the published price (wad, None for none) and whether liquidation is open.
        truths: what the collateral is worth at each moment, wad.
    """
    start = truths[0]
    wrong = under = 0
    for place in range(POSITIONS):
        loan = start * (FIRST_BPS + place * STEP_BPS) // BPS
        fate = _fate(loan, prices, truths)
        wrong += fate == "wrong"
        under += fate == "under"
    return Harm(wrong=wrong, under_water=under)


def _fate(loan: int, prices: Sequence[tuple[int | None, bool]], truths: Sequence[int]) -> str:
    for (price, is_open), truth in zip(prices, truths, strict=True):
        if price is not None and is_open and loan * BPS > price * LIMIT_BPS:
            return "liquidated" if loan * BPS > truth * LIMIT_BPS else "wrong"
        if loan > truth:
            return "under"
    return "safe"
