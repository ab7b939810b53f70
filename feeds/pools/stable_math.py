"""Swap arithmetic of Balancer's stable pools, to the last unit.

Source: StableSwap (M. Egorov, 2019) for the invariant; the roundings follow the behaviour of the deployed composable
stable pools (StableMath, BaseGeneralPool), of the meta-stable pools of 2021 and of version 3 (balancer-maths 0.0.41),
with which the tests compare. Balances are scaled: 18 decimals, times the token's rate. ``amp`` is the amplification
A n**(n-1) times 1000.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from feeds.errors import Malformed, Thin
from feeds.pools.stable_depth import Two
from feeds.units import BPS, WAD, div_up, mul_div_down, mul_div_up

AMP_PRECISION = 1_000
_ROUNDS = 255


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


def invariant_up(amp: int, balances: Sequence[int]) -> int:
    """Return D as the pools of 2021 do: by another form of the same step, each division rounded up."""
    n, total = len(balances), sum(balances)
    ann, d = amp * n, total
    for _ in range(_ROUNDS):
        product = balances[0] * n
        for balance in balances[1:]:
            product = div_up(product * balance * n, d)
        before = d
        above = n * d * d + div_up(ann * total * product, AMP_PRECISION)
        d = div_up(above, (n + 1) * d + (ann - AMP_PRECISION) * product // AMP_PRECISION)
        if abs(d - before) <= 1:
            return d
    raise Malformed("the pool's invariant does not converge")


def balance_of(amp: int, balances: Sequence[int], d: int, index: int, *, fine: bool = False) -> int:
    """Balance of one token that the invariant and the other balances ask for, rounded up; its own entry must be > 0.

    `fine` multiplies by the precision of the amplification before it divides, as version 3 does.
    """
    n = len(balances)
    ann, total, product = amp * n, sum(balances) - balances[index], balances[0] * n
    for balance in balances[1:]:
        product = product * balance * n // d
    if product <= 0:
        raise Thin("a balance is too small to swap against")
    if fine:
        c, b = div_up(d * d * AMP_PRECISION, ann * product) * balances[index], total + d * AMP_PRECISION // ann
    else:
        c, b = div_up(d * d, ann * product) * AMP_PRECISION * balances[index], total + d // ann * AMP_PRECISION
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
class StableInvariant:
    """A stable pool in the invariant's units.

    Attributes:
        amp: amplification times 1000.
        balances: scaled; all > 0.
        d: the invariant, rounded as the pool does.
        fine: whether balances are solved for as version 3 does.
    """

    amp: int
    balances: tuple[int, ...]
    d: int
    fine: bool = False

    def pays(self, amount: int, given: int, taken: int) -> int:
        """Amount of `taken` paid for an exact amount of `given`, without fee, rounded down; may be below 0."""
        after = self._solved(_with(self.balances, given, self.balances[given] + amount), taken)
        return self.balances[taken] - after - 1

    def costs(self, amount: int, taken: int, given: int) -> int:
        """Amount of `given` that buys an exact amount of `taken`, without fee, rounded up.

        Raises:
            Thin: the pool does not hold the amount.
        """
        if amount >= self.balances[taken]:
            raise Thin("the pool does not hold the notional", holds=str(self.balances[taken]), notional=str(amount))
        after = self._solved(_with(self.balances, taken, self.balances[taken] - amount), given)
        return after - self.balances[given] + 1

    def share_bps(self, index: int) -> int:
        """Share of the pool's value, after rates, that is held in one token; rounded down."""
        return mul_div_down(self.balances[index], BPS, sum(self.balances))

    def depths(self, base: int, quote: int) -> tuple[int, int, int]:
        """Base that moves the spot price by 0.5, 1 and 2 % in the thinner direction, without fee, rounded down to 1e-6.

        Raises:
            Thin: no trade moves the price.
        """
        return Two.of(self.amp, AMP_PRECISION, self.balances, self.d, (base, quote)).depths()

    def _solved(self, balances: tuple[int, ...], index: int) -> int:
        return balance_of(self.amp, balances, self.d, index, fine=self.fine)


@dataclass(frozen=True, slots=True, kw_only=True)
class StablePool:
    """A pool of version 2 at one block, without its own share token.

    Attributes:
        amp: amplification times 1000.
        balances: in the tokens' smallest units; all > 0.
        scales: per token, 1e18 * 10**(18 - decimals) * rate.
        fee_wad: share of the input, 1e18.
        rounds_up: whether the invariant is rounded up, as the pools of 2021 do.
    """

    amp: int
    balances: tuple[int, ...]
    scales: tuple[int, ...]
    fee_wad: int
    rounds_up: bool = False

    def curve(self) -> StableInvariant:
        """Return the pool in the invariant's units, balances rounded down; Thin if one of them is nothing."""
        return _curve(self)

    def sell(self, amount: int, base: int, quote: int) -> int:
        """Quote units received for an exact amount of base, fee deducted.

        Raises:
            Thin: the pool gives nothing for it.
        """
        net = (amount - mul_div_up(amount, self.fee_wad, WAD)) * self.scales[base] // WAD
        received = self.curve().pays(net, base, quote) * WAD // self.scales[quote]
        if received <= 0:
            raise Thin("the pool gives nothing for the notional")
        return received

    def buy(self, amount: int, base: int, quote: int) -> int:
        """Quote units paid for an exact amount of base, fee included.

        Raises:
            Thin: the pool does not hold the amount.
        """
        cost = self.curve().costs(amount * self.scales[base] // WAD, base, quote)
        paid = mul_div_up(cost, WAD, self.scales[quote])
        if paid <= 0:
            raise Malformed("the pool asks nothing for the notional")
        return mul_div_up(paid, WAD, WAD - self.fee_wad)

    def depths(self, base: int, quote: int) -> tuple[int, int, int]:
        """Base units that move the spot price by 0.5, 1 and 2 % in the thinner direction; see :class:`StableInvariant`."""
        half, one, two = (n * WAD // self.scales[base] for n in self.curve().depths(base, quote))
        return half, one, two


@lru_cache(maxsize=1)
def _curve(pool: StablePool) -> StableInvariant:
    """Solve for the invariant once per quote: sale, purchase and depth all begin with it."""
    scaled = tuple(b * s // WAD for b, s in zip(pool.balances, pool.scales, strict=True))
    if min(scaled) <= 0:
        raise Thin("the pool is empty")
    d = (invariant_up if pool.rounds_up else invariant)(pool.amp, scaled)
    return StableInvariant(amp=pool.amp, balances=scaled, d=d)


def _with(balances: tuple[int, ...], index: int, value: int) -> tuple[int, ...]:
    return (*balances[:index], value, *balances[index + 1 :])
