"""A standard lending book: wrong liquidations, loans under water that nobody saw, and whether it could have been drained.

Unless other terms are given, 100 positions borrow the quote token against the base token, with a loan of 50.0 % to 93.6 % of
the collateral's worth at the case's beginning; each may be liquidated when its loan passes 94.5 % of the collateral as the
oracle prices it. Newcomers may borrow 94.5 % of the price that the oracle publishes. While the status is halt nobody is
liquidated and nobody borrows.
"""

from __future__ import annotations

from dataclasses import dataclass

from feeds.units import BPS


@dataclass(frozen=True, slots=True, kw_only=True)
class BookTerms:
    """A market: so many positions, two at least, with loans from ``first_bps`` to ``last_bps`` of their collateral, evenly spread.

    ``limit_bps``: a loan beyond this part of its collateral is liquidated, and a newcomer may borrow as much.
    """

    positions: int = 100
    first_bps: int = 5_000
    last_bps: int = 9_356
    limit_bps: int = 9_450


STANDARD = BookTerms()


@dataclass(frozen=True, slots=True, kw_only=True)
class Harm:
    """What a design did to the book.

    ``liquidated``: positions that were. ``wrong``: of these the ones that by the truth were sound throughout the case. ``under_water``: those whose loan
    passed the worth of their collateral while the oracle left them alive; ``bad_debt_wad``: by how much at that moment, and of those that were liquidated
    below their loan, together. ``drained``: at some moment a newcomer could
    borrow more than the collateral was worth, and would have taken what there was.
    """

    liquidated: int
    wrong: int
    under_water: int
    bad_debt_wad: int
    drained: bool


class LendingBook:
    """The positions that are open, each alive until it is liquidated or its loan passes the worth of its collateral.

    Args:
        start: what the collateral is worth at the beginning, wad.
        worst: the least that it is worth in the whole case.
        terms: of the market.
    """

    def __init__(self, start: int, worst: int, terms: BookTerms = STANDARD) -> None:
        steps, width_bps = terms.positions - 1, terms.last_bps - terms.first_bps
        parts = (terms.first_bps * steps + place * width_bps for place in range(terms.positions))
        self._open = [start * part // (BPS * steps) for part in parts]
        self._worst, self._limit_bps = worst, terms.limit_bps
        self._liquidated = self._wrong = self._under_water = self._bad_debt = 0
        self._drained = False

    def add(self, price: int | None, truth: int, *, is_open: bool) -> None:
        """A moment: the published price (wad, None for none), what the collateral is worth, whether the lender acts on it."""
        acts = price is not None and is_open
        while self._open:  # the largest loan is liquidated first, and under water first
            loan = self._open[-1]
            if acts and loan * BPS > (price or 0) * self._limit_bps:
                self._liquidated += 1
                self._wrong += loan * BPS <= self._worst * self._limit_bps
            elif loan > truth:
                self._under_water += 1
            else:
                break
            self._bad_debt += max(0, loan - truth)
            self._open.pop()
        if acts and (price or 0) * self._limit_bps > truth * BPS:
            self._drained = True

    def harm(self) -> Harm:
        """What became of it."""
        return Harm(
            liquidated=self._liquidated, wrong=self._wrong, under_water=self._under_water, bad_debt_wad=self._bad_debt,
            drained=self._drained,
        )  # fmt: skip
