"""Swap arithmetic of Balancer's weighted pools, to the last unit.

Source: Balancer whitepaper (Martinelli, Mushegian, 2019), value function and trading formulas; the powers, their error
bound and the roundings follow the behaviour of the deployed pools (LogExpMath, FixedPoint, WeightedMath), with which the
tests compare. Balances and amounts are scaled to 18 decimals; weights and fees are wads.
"""

from __future__ import annotations

from typing import NamedTuple

from feeds.errors import Malformed, Thin
from feeds.units import BPS, WAD, div_up, mul_div_up

MOST_RATIO_WAD = 3 * WAD // 10
"""A pool takes no input above 30 % of its balance and gives no output above 30 % of it."""
_MOVES_BPS = (50, 100, 200)
_FINE = 10**20
_FINER = 10**36
_NEAR_ONE = WAD // 10
_ERROR = 10_000
_LEAST_EXPONENT, _MOST_EXPONENT = -41 * WAD, 130 * WAD
_MOST_BITS = 255
_MILD = (1 << 254) // _FINE
_LARGE = (
    (128 * WAD, 38877084059945950922200000000000000000000000000000000000),
    (64 * WAD, 6235149080811616882910000000),
)
"""Exponent (wad) and e to it, whole."""
_SMALL = (
    (32 * _FINE, 7896296018268069516100000000000000),
    (16 * _FINE, 888611052050787263676000000),
    (8 * _FINE, 298095798704172827474000),
    (4 * _FINE, 5459815003314423907810),
    (2 * _FINE, 738905609893065022723),
    (_FINE, 271828182845904523536),
    (_FINE // 2, 164872127070012814685),
    (_FINE // 4, 128402541668774148407),
    (_FINE // 8, 113314845306682631683),
    (_FINE // 16, 106449445891785942956),
)
"""Exponent and e to it, both times 1e20."""


def _cut(a: int, b: int) -> int:
    """Quotient rounded towards zero; b > 0."""
    return a // b if a >= 0 else -(-a // b)


def power_up(x: int, y: int) -> int:
    """Return x**y of two wads, rounded up by the error that the logarithms may have; exact for y = 1, 2, 4.

    Raises:
        Malformed: the power is out of range.
    """
    if y == WAD:
        return x
    if y == 2 * WAD:
        return mul_div_up(x, x, WAD)
    if y == 4 * WAD:
        square = mul_div_up(x, x, WAD)
        return mul_div_up(square, square, WAD)
    raw = power(x, y)
    return raw + (mul_div_up(raw, _ERROR, WAD) + 1)


def power(x: int, y: int) -> int:
    """x**y of two wads >= 0 by logarithm and exponential; Malformed out of range."""
    if y == 0:
        return WAD
    if x == 0:
        return 0
    if x >> _MOST_BITS or y >= _MILD:
        raise Malformed("a power is out of range", base=str(x)[:40], exponent=str(y)[:40])
    if WAD - _NEAR_ONE < x < WAD + _NEAR_ONE:
        log = _log_near_one(x)
        whole = _cut(log, WAD)
        product = whole * y + _cut((log - whole * WAD) * y, WAD)
    else:
        product = _log(x) * y
    exponent = _cut(product, WAD)
    if not _LEAST_EXPONENT <= exponent <= _MOST_EXPONENT:
        raise Malformed("a power is out of range", exponent=str(exponent)[:40])
    return _exp(exponent)


def _exp(x: int) -> int:
    """e**x of a wad."""
    if x < 0:
        return WAD * WAD // _exp(-x)
    first = 1
    for exponent, value in _LARGE:
        if x >= exponent:
            x, first = x - exponent, value
            break
    x, product = x * 100, _FINE
    for exponent, value in _SMALL[:8]:
        if x >= exponent:
            x, product = x - exponent, product * value // _FINE
    term = total = _FINE
    for n in range(1, 13):
        term = term * x // _FINE // n
        total += term
    return product * total // _FINE * first // 100


def _log(a: int) -> int:
    """Natural logarithm of a wad > 0."""
    if a < WAD:
        return -_log(WAD * WAD // a)
    total = 0
    for exponent, value in _LARGE:
        if a >= value * WAD:
            a, total = a // value, total + exponent
    a, total = a * 100, total * 100
    for exponent, value in _SMALL:
        if a >= value:
            a, total = a * _FINE // value, total + exponent
    z = (a - _FINE) * _FINE // (a + _FINE)
    square, term, series = z * z // _FINE, z, z
    for n in range(3, 13, 2):
        term = term * square // _FINE
        series += term // n
    return (total + series * 2) // 100


def _log_near_one(x: int) -> int:
    """Natural logarithm of a wad near 1, times 1e36."""
    x *= WAD
    z = _cut((x - _FINER) * _FINER, x + _FINER)
    square, term, series = z * z // _FINER, z, z
    for n in range(3, 17, 2):
        term = _cut(term * square, _FINER)
        series += _cut(term, n)
    return series * 2


class Weighted(NamedTuple):
    """Scaled balances of base and quote, and their weights (wads)."""

    base: int
    quote: int
    base_weight: int
    quote_weight: int

    def pays(self, amount: int) -> int:
        """Scaled quote paid for an exact amount of base, without fee, rounded down; Thin above 30 % of the balance."""
        if amount > self.base * MOST_RATIO_WAD // WAD:
            raise Thin("the pool takes no more than 30 % of its balance", balance=str(self.base), amount=str(amount))
        ratio = mul_div_up(self.base, WAD, self.base + amount)
        left = power_up(ratio, self.base_weight * WAD // self.quote_weight)
        return self.quote * max(WAD - left, 0) // WAD

    def costs(self, amount: int) -> int:
        """Scaled quote that buys an exact amount of base, without fee, rounded up; Thin above 30 % of the balance."""
        if amount > self.base * MOST_RATIO_WAD // WAD:
            raise Thin("the pool gives no more than 30 % of its balance", balance=str(self.base), amount=str(amount))
        ratio = mul_div_up(self.base, WAD, self.base - amount)
        grown = power_up(ratio, div_up(self.base_weight * WAD, self.quote_weight))
        return mul_div_up(self.quote, max(grown - WAD, 0), WAD)

    def depths(self) -> tuple[int, int, int]:
        """Scaled base that moves the price by 0.5, 1 and 2 % without fee, in the thinner direction, rounded down.

        The product of the powers stands, so the price goes with base to the power -(1 + base weight / quote weight).
        """
        exponent, depths = self.quote_weight * WAD // (self.base_weight + self.quote_weight), []
        for move in _MOVES_BPS:
            sold = power(BPS * WAD // (BPS - move), exponent) - WAD
            bought = WAD - power(BPS * WAD // (BPS + move), exponent)
            depths.append(self.base * max(min(sold, bought) - 1, 0) // WAD)
        return depths[0], depths[1], depths[2]
