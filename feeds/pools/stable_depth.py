"""Depth of a stable pool: what moves its spot price by so much, in closed form but for one unknown. Pure.

Source: StableSwap (M. Egorov, 2019), A n**n S + D = A D n**n + D**(n + 1) / (n**n P). While two coins trade, D and the
others stand still: x + y - K/(x y) is constant, so y follows from x by a square root. With a = x**2 y + K and
b = x y**2 + K the price of x in y is (y a) / (x b), and it falls with x at the relative slope
2 K (a**2 + b**2 - a b) / (x a b**2). Newton's steps go by that slope, on 1 / z**2 of the balance z that runs out, in which
the price is nearly straight; the answer is bracketed, whatever the steps were.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isqrt, prod
from typing import NamedTuple

from feeds.errors import Thin
from feeds.units import BPS

_MOVES_BPS = (50, 100, 200)
_DEEPEST = 10
"""Times the two balances, which no depth passes."""
_FINE = 20
"""A depth is known to 2**-20 of itself."""
_NEAR = 8
"""A step below 2**-8 of the size leads to the goal but for a hair: the next try goes that hair further, to bracket it."""
_STEPS = 24
"""Newton's steps at most; halving ends what they did not."""
_GOAL_BITS = 128
_STEP_BITS = 96


class _Point(NamedTuple):
    """A place on the curve: balances of base and quote, and the two sums that the price is made of (a and b above)."""

    x: int
    y: int
    a: int
    b: int

    def beside(self, goal: int) -> tuple[int, int]:
        """Return two numbers that lie to each other as the price to the goal, a price times 2**128."""
        return self.y * self.a << _GOAL_BITS, self.x * self.b * goal


@dataclass(frozen=True, slots=True, kw_only=True)
class Two:
    """Two coins of a stable pool whose others stand still, in the invariant's units.

    Attributes:
        base: balance of the coin that is priced, > 0; quote: of the coin it is priced in, > 0.
        bend: K, D**(n + 1) / (A n * n**n * product of the other balances), rounded down.
    """

    base: int
    quote: int
    bend: int

    @classmethod
    def of(cls, amp: int, precision: int, balances: Sequence[int], d: int, places: tuple[int, int]) -> Two:
        """Take base and quote, at `places`, out of a pool; amp is A n**(n-1) times the precision, all numbers > 0."""
        n = len(balances)
        still = prod(b for i, b in enumerate(balances) if i not in places)
        return cls(
            base=balances[places[0]],
            quote=balances[places[1]],
            bend=precision * d ** (n + 1) // (amp * n * n**n * still),
        )

    def price(self) -> tuple[int, int]:
        """Spot price of base in quote without fee, as a fraction: the ratio of the invariant's derivatives."""
        now = self._point(self.base)
        return now.y * now.a, now.x * now.b

    def depths(self) -> tuple[int, int, int]:
        """Base that moves the spot price by 0.5, 1 and 2 % in the thinner direction, without fee.

        Each is the size of a trade that does not pass the move, while one larger by 1e-6 (or one unit) does.

        Raises:
            Thin: the curve is straight in whole units: no trade moves its price.
        """
        if self.bend == 0:
            raise Thin("no trade moves the price", base=str(self.base), quote=str(self.quote))
        up, down = self.price()
        price = (up << _GOAL_BITS) // down
        side, size, sizes = 1 if self.base > self.quote else -1, 0, []
        for move in _MOVES_BPS:  # the side that was thinner is solved for, the other one only looked at
            least = size
            size = self._reach(side, least, _DEEPEST * (self.base + self.quote), price * (BPS - side * move) // BPS)
            goal = price * (BPS + side * move) // BPS
            if self._passed(-side, size, goal):
                side, size = -side, self._reach(-side, least, size, goal)
            sizes.append(size)
        return sizes[0], sizes[1], sizes[2]

    def _reach(self, side: int, low: int, high: int, goal: int) -> int:
        """Largest size from `low`, to 1e-6, that does not pass the goal; side 1 puts base in, -1 takes it out."""
        high = high if side > 0 else min(high, self.base - 1)
        size, steps = low, _STEPS
        while high - low > max(low >> _FINE, 1):
            at = self._point(self.base + side * size)
            above, below = at.beside(goal)
            passed = side * above <= side * below
            low, high = (low, size) if passed else (size, high)
            if steps:
                steps -= 1
                left, step = at.y if side > 0 else at.x, side * self._step(at, above, below)
                if left + 2 * step > 0:  # the same step on 1 / left**2
                    step = left - isqrt(left**3 // (left + 2 * step))
                hair = max(size >> (_FINE + 2), 1) if abs(step) < size >> _NEAR else 0
                size += step + (-hair if passed else hair)
            if not steps or not low < size < high:
                size = (low + high) // 2
        return low

    def _passed(self, side: int, size: int, goal: int) -> bool:
        x = self.base + side * size
        if x <= 0:
            return True
        above, below = self._point(x).beside(goal)
        return side * above <= side * below

    def _point(self, x: int) -> _Point:
        """Where base has the balance x > 0; that of quote is rounded down."""
        left = self.base + self.quote - self.bend // (self.base * self.quote) - x
        y = (left + isqrt(left * left + 4 * self.bend // x)) // 2
        product = x * y
        return _Point(x, y, x * product + self.bend, y * product + self.bend)

    def _step(self, at: _Point, above: int, below: int) -> int:
        """Newton's step of x on the logarithm of price over goal, given as a fraction near 1; good to about 1e-12."""
        spare = max(min(at.a, at.b).bit_length() - _STEP_BITS, 0)
        a, b, bend = at.a >> spare, at.b >> spare, max(self.bend >> spare, 1)
        far = ((above - below) << _STEP_BITS) // (above + below)
        return far * at.x * a * b * b // (bend * (a * a + b * b - a * b)) >> _STEP_BITS
