"""A standard lending book: wrong liquidations, loans under water that nobody saw, and whether it could have been drained.

100 positions borrow the quote token against the base token, with a loan of 50.0 % to 93.6 % of the collateral's worth at the
case's beginning; each may be liquidated when its loan passes 94.5 % of the collateral as the oracle prices it. Newcomers may
borrow 94.5 % of the price that the oracle publishes. While the status is halt nobody is liquidated and nobody borrows.
"""

from __future__ import annotations

from dataclasses import dataclass

from feeds.units import BPS

POSITIONS = 100
FIRST_BPS, STEP_BPS = 5_000, 44
LIMIT_BPS = 9_450


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


class LendingBook:
    """The positions that are open, each alive until it is liquidated or its loan passes the worth of its collateral.

    Args:
        start: what the collateral is worth at the beginning, wad.
        worst: the least that it is worth in the whole case.
    """

    def __init__(self, start: int, worst: int) -> None:
        self._open = [start * (FIRST_BPS + place * STEP_BPS) // BPS for place in range(POSITIONS)]
        self._worst = worst
        self._wrong = self._under_water = 0
        self._drained = False

    def add(self, price: int | None, truth: int, *, is_open: bool) -> None:
        """A moment: the published price (wad, None for none), what the collateral is worth, whether the lender acts on it."""
        acts = price is not None and is_open
        while self._open:  # the largest loan is liquidated first, and under water first
            loan = self._open[-1]
            if acts and loan * BPS > (price or 0) * LIMIT_BPS:
                self._wrong += loan * BPS <= self._worst * LIMIT_BPS
            elif loan > truth:
                self._under_water += 1
            else:
                break
            self._open.pop()
        if acts and (price or 0) * LIMIT_BPS > truth * BPS:
            self._drained = True

    def harm(self) -> Harm:
        """What became of it."""
        return Harm(wrong=self._wrong, under_water=self._under_water, drained=self._drained)
