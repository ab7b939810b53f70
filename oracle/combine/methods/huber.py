"""Huber's location: a mean to inputs that are near, a median to those that are far.

Source: P. J. Huber, "Robust Estimation of a Location Parameter", Annals of Mathematical Statistics 35 (1964). The tuning
constant 1.345 gives 95 % of the mean's efficiency on normal data; the scale is 1.4826 times the median absolute deviation.
"""

from __future__ import annotations

from collections.abc import Sequence

from feeds.units import BPS, Wad, mid_down
from oracle.combine.methods.median import middle_of
from oracle.combine.methods.midhinge import hinges
from oracle.model.types import Input

_K_E8 = 1_345 * 14_826 * 10
"""1.345 times 1.4826, times 1e8."""
_E8 = 10**8
_FLOOR_BPS = 1


def huber(inputs: Sequence[Input]) -> Wad:
    """The place where the pulls of all inputs, each held to the corner, cancel; rounded down, between the quartiles.

    The corner is 1.345 scales, at least 1 bps of the median. The equation is piecewise linear and solved exactly, with no
    iteration. Far inputs pull with the corner and no more, but they all pull: so the solution may leave the honest range
    by a part of the corner, and is held between the quartiles, which gives it their breakdown of a quarter.
    """
    ranked = sorted(i.price_wad for i in inputs)
    centre = middle_of(ranked)
    scale = middle_of(sorted(abs(p - centre) for p in ranked))
    corner = max(1, _K_E8 * scale // _E8, centre * _FLOOR_BPS // BPS)
    low, high = hinges(ranked)
    return Wad(min(max(_root(ranked, corner), low), high))


def _root(ranked: Sequence[Wad], corner: int) -> int:
    """Where the sum of the held pulls passes zero. It only falls, so the last knot where it is not negative is sought."""
    knots = sorted({k for p in ranked for k in (p - corner, p + corner)})
    first, last = 0, len(knots) - 1
    while first < last:
        place = (first + last + 1) // 2
        if _pull(ranked, corner, knots[place]) >= 0:
            first = place
        else:
            last = place - 1
    knot = knots[first]
    near = [p for p in ranked if p - corner <= knot < p + corner]
    if not near:
        return mid_down(knot, knots[first + 1])
    far = sum(1 for p in ranked if p - corner > knot) - sum(1 for p in ranked if p + corner <= knot)
    return (sum(near) + corner * far) // len(near)


def _pull(ranked: Sequence[Wad], corner: int, at: int) -> int:
    return sum(min(max(p - at, -corner), corner) for p in ranked)
