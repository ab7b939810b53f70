"""Swap arithmetic of Balancer v2's stable pools, to the last unit.

Source: StableSwap (M. Egorov, 2019) for the invariant; the roundings follow the behaviour of the deployed composable
stable pools (StableMath, BaseGeneralPool), with which the tests compare. Balances are scaled: 18 decimals, times the
token's rate. ``amp`` is the amplification A n**(n-1) times 1000.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from feeds.types import Malformed, Thin
from feeds.units import WAD, div_up, mul_div_up

AMP_PRECISION = 1_000
_ROUNDS = 255
_BISECTIONS = 40


def invariant(amp: int, balances: Sequence[int]) -> int:
    """Return D, rounded down, by Newton's method from the sum; all balances > 0. Malformed if it does not converge."""
    n, total = len(balances), sum(balances)
    ann, d = amp * n, total
    for _ in range(_ROUNDS):
        product = d
        for balance in balances:
            product = product * d // (balance * n)
        before = d
        above = (ann * total // AMP_PRECISION + product * n) * d
        d = above // ((ann - AMP_PRECISION) * d // AMP_PRECISION + (n + 1) * product)
        if d <= 0:
            break
        if abs(d - before) <= 1:
            return d
    raise Malformed("the pool's invariant does not converge")


def balance_of(amp: int, balances: Sequence[int], d: int, index: int) -> int:
    """Balance of one token that the invariant and the other balances ask for, rounded up; its own entry must be > 0."""
    n = len(balances)
    ann, total, product = amp * n, sum(balances) - balances[index], balances[0] * n
    for balance in balances[1:]:
        product = product * balance * n // d
    c = div_up(d * d, ann * product) * AMP_PRECISION * balances[index] if product > 0 else 0
    b = total + d // ann * AMP_PRECISION
    if c <= 0:
        raise Thin("a balance is too small to swap against")
    y = div_up(d * d + c, d + b)
    for _ in range(_ROUNDS):
        before, below = y, 2 * y + b - d
        if below <= 0:
            break
        y = div_up(y * y + c, below)
        if abs(y - before) <= 1:
            return y
    raise Malformed("the pool's balance does not converge")


@dataclass(frozen=True, slots=True, kw_only=True)
class StablePool:
    """A pool at one block, without its own share token.

    Attributes:
        amp: amplification times 1000.
        balances: in the tokens' smallest units; all > 0.
        scales: per token, 1e18 * 10**(18 - decimals) * rate.
        fee_wad: share of the input, 1e18.
    """

    amp: int
    balances: tuple[int, ...]
    scales: tuple[int, ...]
    fee_wad: int

    def sell(self, amount: int, base: int, quote: int) -> int:
        """Quote units received for an exact amount of base, fee deducted.

        Raises:
            Thin: the pool gives nothing for it.
        """
        net = (amount - mul_div_up(amount, self.fee_wad, WAD)) * self.scales[base] // WAD
        balances = self.scaled()
        d = invariant(self.amp, balances)
        after = balance_of(self.amp, _with(balances, base, balances[base] + net), d, quote)
        received = (balances[quote] - after - 1) * WAD // self.scales[quote]
        if received <= 0:
            raise Thin("the pool gives nothing for the notional")
        return received

    def buy(self, amount: int, base: int, quote: int) -> int:
        """Quote units paid for an exact amount of base, fee included.

        Raises:
            Thin: the pool does not hold the amount.
        """
        wanted = amount * self.scales[base] // WAD
        balances = self.scaled()
        if wanted >= balances[base]:
            raise Thin("the pool does not hold the notional", holds=str(self.balances[base]), notional=str(amount))
        d = invariant(self.amp, balances)
        after = balance_of(self.amp, _with(balances, base, balances[base] - wanted), d, quote)
        paid = mul_div_up(after - balances[quote] + 1, WAD, self.scales[quote])
        if paid <= 0:
            raise Malformed("the pool asks nothing for the notional")
        return mul_div_up(paid, WAD, WAD - self.fee_wad)

    def scaled(self) -> tuple[int, ...]:
        """Balances in the invariant's units, rounded down."""
        scaled = tuple(b * s // WAD for b, s in zip(self.balances, self.scales, strict=True))
        if min(scaled) <= 0:
            raise Thin("the pool is empty")
        return scaled

    def depth(self, base: int, quote: int) -> int:
        """Base units that move the spot price by 1 % in the thinner direction, without fee, rounded down."""
        balances = self.scaled()
        d = invariant(self.amp, balances)
        price = self._spot(balances, d, base, quote)
        sold = self._bisect(balances, d, base, quote, most=d, goal=(price[0] * 99, price[1] * 100))
        bought = self._bisect(balances, d, base, quote, most=1 - balances[base], goal=(price[0] * 101, price[1] * 100))
        return min(sold, bought) * WAD // self.scales[base]

    def _bisect(
        self, balances: tuple[int, ...], d: int, base: int, quote: int, *, most: int, goal: tuple[int, int]
    ) -> int:
        """Return the size of the largest trade found that does not pass the goal; `most` < 0 takes base out."""
        sign, low, high = (1, 0, most) if most > 0 else (-1, 0, -most)
        for _ in range(_BISECTIONS):
            middle = (low + high) // 2
            if high - low <= max(low >> 20, 1):
                break
            moved = _with(balances, base, balances[base] + sign * middle)
            moved = _with(moved, quote, balance_of(self.amp, moved, d, quote))
            up, down = self._spot(moved, d, base, quote)
            passed = sign * up * goal[1] <= sign * goal[0] * down
            low, high = (low, middle) if passed else (middle, high)
        return low

    def _spot(self, balances: tuple[int, ...], d: int, base: int, quote: int) -> tuple[int, int]:
        """Price of base in quote in scaled units as a fraction: the ratio of the invariant's derivatives."""
        product, n = d, len(balances)
        for balance in balances:
            product = product * d // (balance * n)
        ann, x, y = self.amp * n, balances[base], balances[quote]
        return (ann * x + product * AMP_PRECISION) * y, (ann * y + product * AMP_PRECISION) * x


def _with(balances: tuple[int, ...], index: int, value: int) -> tuple[int, ...]:
    return (*balances[:index], value, *balances[index + 1 :])
