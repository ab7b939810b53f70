"""The two-coin stable invariant in floating point: price, output, and the swap that ends at a given price.

It sizes the trader's swaps; the real contract computes what the swap pays. The invariant is that of Curve's StableSwap
paper with Balancer's amplification parameter (A n^(n-1)).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

_COINS = 2
_ROUNDS = 200
_TOLERANCE = 1e-15


@dataclass(frozen=True, slots=True, kw_only=True)
class TwoCoinCurve:
    """Balances of a pool in units of one value (token balance times rate)."""

    amplification: float
    base: float
    quote: float

    @property
    def _ann(self) -> float:
        return self.amplification * _COINS

    def invariant(self) -> float:
        """D: the sum of the balances when the pool is in balance."""
        total = self.base + self.quote
        d = total
        for _ in range(_ROUNDS):
            product = d**3 / (4 * self.base * self.quote)
            after = d * (self._ann * total + 2 * product) / ((self._ann - 1) * d + 3 * product)
            if abs(after - d) <= _TOLERANCE * d:
                break
            d = after
        return d

    def price(self) -> float:
        """Quote per base of an infinitesimal trade without fee."""
        cube = self.invariant() ** 3 / (4 * self.base * self.quote)
        return (self._ann + cube / self.base) / (self._ann + cube / self.quote)

    def other(self, balance: float) -> float:
        """Balance of one coin when the other's is ``balance``, on the same invariant."""
        d = self.invariant()
        b = balance + d / self._ann - d
        c = d**3 / (4 * balance * self._ann)
        # y^2 + b y - c = 0, in the form that does not subtract near-equal numbers
        root = math.sqrt(b * b + 4 * c)
        return 2 * c / (b + root) if b > 0 else (root - b) / 2

    def sell(self, amount: float, *, fee: float) -> TwoCoinCurve:
        """Balances after ``amount`` of base came in."""
        return replace(self, base=self.base + amount, quote=self.other(self.base + amount * (1 - fee)))

    def buy(self, amount: float, *, fee: float) -> TwoCoinCurve:
        """Balances after ``amount`` of quote came in."""
        return replace(self, quote=self.quote + amount, base=self.other(self.quote + amount * (1 - fee)))


def swap_to_price(curve: TwoCoinCurve, target: float, *, fee: float) -> float:
    """Amount that must come in so that the price ends at ``target``: base if positive, minus the quote if negative.

    Args:
        curve: the pool now.
        target: quote per base, in units of one value.
        fee: part of the amount in that the pool keeps.
    """
    now = curve.price()
    if now == target:
        return 0.0
    falling = target < now
    step = curve.sell if falling else curve.buy
    low, high = 0.0, curve.base + curve.quote
    for _ in range(_ROUNDS):
        middle = (low + high) / 2
        if middle in (low, high):
            break
        after = step(middle, fee=fee).price()
        low, high = (middle, high) if (after > target) == falling else (low, middle)
    return high if falling else -high
