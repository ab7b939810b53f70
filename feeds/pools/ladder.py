"""Depth of a pool whose arithmetic is its own: from what a fixed ladder of trades would pay. Pure.

One formula for each of the many crypto pools and bins would have to follow each of their versions; a pool's own answer
cannot be wrong about itself. The average price between two rungs is taken as the marginal price half-way between them,
straight lines in between; so the depth is right to a few percent of itself where the price bends evenly, and fees that
grow with the trade count as a move of the price.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from feeds.decode import abi_words
from feeds.errors import Malformed, Reverted, Thin
from feeds.types import Reply
from feeds.units import BPS, mul_div_down

STEPS = (1, 3, 6, 10, 16, 25, 36, 50, 70, 100, 140, 200, 280, 400, 570, 800)
"""Rungs in thousandths of what the pool holds on its smaller side."""
_PER_MILLE = 1_000
_MOVES_BPS = (50, 100, 200)
_FINE = 10**27


class Rung(NamedTuple):
    """One trade: base and quote that change hands, in smallest units."""

    base: int
    quote: int


def sizes(scale: int) -> tuple[int, ...]:
    """Amounts of the ladder for a pool that holds `scale` on its smaller side; Thin where they are not amounts."""
    if scale < _PER_MILLE**2:
        raise Thin("the pool holds next to nothing", holds=str(scale))
    return tuple(scale * step // _PER_MILLE for step in STEPS)


def answers(replies: Sequence[Reply]) -> tuple[int, ...]:
    """Amounts of the rungs that the pool can still serve: up to the first that reverts or pays nothing."""
    out: list[int] = []
    for reply in replies:
        if isinstance(reply, Reverted) or (amount := abi_words.uint_at(abi_words.returned(reply))) == 0:
            break
        if amount >> 128:
            raise Malformed("an amount is out of range", amount=str(amount)[:40])
        out.append(amount)
    return tuple(out)


def depths(sold: Sequence[Rung], bought: Sequence[Rung]) -> tuple[int, int, int]:
    """Base units that move the price by 0.5, 1 and 2 % in the thinner direction.

    Where the ladder ends before the move, what its last rung moved: a lower bound.

    Raises:
        Thin: the pool does not serve the first two rungs of a direction.
        Malformed: a larger trade pays less than a smaller one.
    """
    half, one, two = (min(_depth(sold, -move), _depth(bought, move)) for move in _MOVES_BPS)
    return half, one, two


def _depth(rungs: Sequence[Rung], move_bps: int) -> int:
    """Base up to where the marginal price has moved from that of the smallest trade; `move_bps` < 0: it falls."""
    spots = _spots(rungs)
    if len(spots) < 2:  # noqa: PLR2004 - a move lies between two
        raise Thin("the pool does not serve a few thousandths of what it holds")
    (first, one), (second, two) = spots[:2]
    price = one + (one - two) * first // (second - first)  # the line through the first two, at nothing
    if price <= 0:
        raise Malformed("the price leaps between the smallest trades")
    at, goal, sign = 0, mul_div_down(price, BPS + move_bps, BPS), 1 if move_bps > 0 else -1
    for middle, spot in spots:
        if sign * spot > sign * goal:
            return at + mul_div_down(middle - at, abs(goal - price), abs(spot - price))
        at, price = middle, spot
    return rungs[len(spots) - 1].base


def _spots(rungs: Sequence[Rung]) -> list[tuple[int, int]]:
    """Base half-way up each step of the ladder and the price of that step, as far as base still changes hands."""
    before, spots = Rung(0, 0), []
    for rung in rungs:
        base, quote = rung.base - before.base, rung.quote - before.quote
        if base < 0 or quote < 0:
            raise Malformed("a larger trade pays less than a smaller one", base=str(rung.base), quote=str(rung.quote))
        if base == 0:
            break
        spots.append((before.base + base // 2, quote * _FINE // base))
        before = rung
    return spots
