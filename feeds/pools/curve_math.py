"""Swap arithmetic of Curve's stable pools, with the roundings of StableSwap-NG; older pools differ by a few units.

Source: StableSwap (M. Egorov, 2019) for the invariant; curvefi/stableswap-ng, CurveStableSwapNG and its Views, for the
order of the divisions, the dynamic fee and the unit kept back at each swap. ``amp`` is A n**(n-1) times 100, as
A_precise() answers. Scaled balances have 18 decimals and include the coin's rate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from feeds.errors import Malformed, Thin
from feeds.pools.stable_depth import Two
from feeds.units import BPS, WAD, div_up, mul_div_down

AMP_PRECISION = 100
FEE_ONE = 10**10
_ROUNDS = 255


def invariant(amp: int, balances: Sequence[int]) -> int:
    """Return D by Newton's method from the sum; all balances > 0. Malformed if it does not converge."""
    n, total = len(balances), sum(balances)
    ann, d = amp * n, total
    for _ in range(_ROUNDS):
        before, product = d, _product(balances, d)
        below = (ann - AMP_PRECISION) * d // AMP_PRECISION + (n + 1) * product
        if below <= 0:
            break
        d = (ann * total // AMP_PRECISION + product * n) * d // below
        if abs(d - before) <= 1:
            return d
    raise Malformed("the pool's invariant does not converge")


def _product(balances: Sequence[int], d: int) -> int:
    """D**(n + 1) / (n**n * product of the balances), divided coin by coin."""
    n, product = len(balances), d
    for balance in balances:
        product = product * d // balance
    divisor: int = n**n
    return product // divisor


def balance_of(amp: int, balances: Sequence[int], d: int, index: int) -> int:
    """Balance of one coin that D and the other balances ask for; its own entry is not read."""
    n = len(balances)
    ann, c, total = amp * n, d, 0
    if ann <= 0:
        raise Malformed("the pool's amplification is not positive")
    for i, balance in enumerate(balances):
        if i != index:
            total += balance
            c = c * d // (balance * n)
    c = c * d * AMP_PRECISION // (ann * n)
    b, y = total + d * AMP_PRECISION // ann, d
    for _ in range(_ROUNDS):
        before, below = y, 2 * y + b - d
        if below <= 0:
            break
        y = (y * y + c) // below
        if abs(y - before) <= 1:
            return y
    raise Malformed("the pool's balance does not converge")


@dataclass(frozen=True, slots=True, kw_only=True)
class CurvePool:
    """A stable pool at one block.

    Attributes:
        amp: amplification times 100.
        balances: in the coins' smallest units, without the administrator's share.
        rates: per coin, 10**(36 - decimals) times the coin's rate.
        fee: share of the output, 1e10.
        offpeg: how many times the fee may grow away from balance, 1e10; at most 1e10: it does not.
    """

    amp: int
    balances: tuple[int, ...]
    rates: tuple[int, ...]
    fee: int
    offpeg: int = 0

    def scaled(self) -> tuple[int, ...]:
        """Balances in the invariant's units, rounded down; Thin if one of them is nothing."""
        scaled = tuple(b * r // WAD for b, r in zip(self.balances, self.rates, strict=True))
        if min(scaled) <= 0:
            raise Thin("the pool is empty on one side")
        return scaled

    def sell(self, amount: int, given: int, taken: int) -> int:
        """Units of coin `taken` that an exact amount of coin `given` pays, fee deducted: the pool's get_dy.

        Raises:
            Thin: the pool gives nothing for it.
        """
        balances = self.scaled()
        d = invariant(self.amp, balances)
        after = balances[given] + amount * self.rates[given] // WAD
        left = balance_of(self.amp, _with(balances, given, after), d, taken)
        out = balances[taken] - left - 1
        fee = self._fee((balances[given] + after) // 2, (balances[taken] + left) // 2)
        received = (out - fee * out // FEE_ONE) * WAD // self.rates[taken]
        if received <= 0:
            raise Thin("the pool gives nothing for the notional")
        return received

    def buy(self, amount: int, taken: int, given: int) -> int:
        """Units of coin `given` that buy at least an amount of coin `taken` and hardly more, fee included.

        Raises:
            Thin: the pool does not hold the amount and its fee.
        """
        balances = self.scaled()
        d = invariant(self.amp, balances)
        wanted = div_up(amount * self.rates[taken], WAD) + 1
        fee, paid = self._fee(balances[taken], balances[given]), 0
        for _ in range(4):  # the fee depends on the amount, weakly: each round is some thousand times nearer
            out = div_up(wanted * FEE_ONE, FEE_ONE - fee) + 1
            if out >= balances[taken]:
                raise Thin("the pool does not hold the notional", holds=str(self.balances[taken]), notional=str(amount))
            left = balances[taken] - out
            after = balance_of(self.amp, _with(balances, taken, left), d, given) + 1
            fee = self._fee((balances[taken] + left) // 2, (balances[given] + after) // 2)
            paid = div_up((after - balances[given]) * WAD, self.rates[given])
        if paid <= 0:
            raise Malformed("the pool asks nothing for the notional")
        return paid

    def depths(self, base: int, quote: int) -> tuple[int, int, int]:
        """Base units that move the spot price by 0.5, 1 and 2 % in the thinner direction, without fee, rounded down to 1e-6.

        Raises:
            Malformed: the pool is so lopsided that its arithmetic does not settle.
            Thin: one side is empty, or no trade moves the price.
        """
        balances = self.scaled()
        d = invariant(self.amp, balances)
        two = Two.of(self.amp, AMP_PRECISION, balances, d, (base, quote))
        half, one, most = (n * WAD // self.rates[base] for n in two.depths())
        return half, one, most

    def share_bps(self, base: int) -> int:
        """Share of the pool's value, after rates, that is held in base; rounded down."""
        balances = self.scaled()
        return mul_div_down(balances[base], BPS, sum(balances))

    def _fee(self, one: int, other: int) -> int:
        if self.offpeg <= FEE_ONE:
            return self.fee
        balance = (self.offpeg - FEE_ONE) * 4 * one * other // (one + other) ** 2
        return self.offpeg * self.fee // (balance + FEE_ONE)


def _with(balances: tuple[int, ...], index: int, value: int) -> tuple[int, ...]:
    return (*balances[:index], value, *balances[index + 1 :])
