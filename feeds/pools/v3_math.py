"""Swap arithmetic of a Uniswap v3 pool, to the last unit.

Source: Uniswap v3 Core whitepaper (Adams et al., 2021), sections 6.1 to 6.3; the roundings follow the behaviour of the
deployed v3-core 1.0.1 (TickMath, SqrtPriceMath, SwapMath), with which the tests compare. A sqrt price is the square
root of token1 per token0 times 2**96; amounts are in the tokens' smallest units.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import NamedTuple

from feeds.types import Malformed, Thin
from feeds.units import div_up, mul_div_up

Q96 = 1 << 96
MAX_TICK = 887_272
FEE_ONE = 1_000_000
_WORD_TICKS = 256


def _powers() -> tuple[int, ...]:
    """1.0001**(-2**i / 2) times 2**128, to the nearest integer, for i = 0 to 19."""
    context = Context(prec=160, rounding=ROUND_HALF_UP)
    power, result = context.divide(Decimal(1), context.sqrt(Decimal("1.0001"))), []
    for _ in range(20):
        result.append(int(context.multiply(power, Decimal(2**128)).to_integral_value(ROUND_HALF_UP)))
        power = context.multiply(power, power)
    return tuple(result)


_POWERS = _powers()


def sqrt_at_tick(tick: int) -> int:
    """Square root of 1.0001**tick times 2**96, rounded up as TickMath does; abs(tick) <= MAX_TICK."""
    ratio = 1 << 128
    for i, power in enumerate(_POWERS):
        if abs(tick) >> i & 1:
            ratio = ratio * power >> 128
    if tick > 0:
        ratio = ((1 << 256) - 1) // ratio
    return div_up(ratio, 1 << 32)


def amount0(low: int, high: int, liquidity: int, *, up: bool) -> int:
    """Token0 between two sqrt prices, low <= high (whitepaper 6.16); both divisions round the same way."""
    gap = (liquidity << 96) * (high - low)
    return div_up(div_up(gap, high), low) if up else gap // high // low


def amount1(low: int, high: int, liquidity: int, *, up: bool) -> int:
    """Token1 between two sqrt prices, low <= high (whitepaper 6.14)."""
    gap = liquidity * (high - low)
    return div_up(gap, Q96) if up else gap // Q96


class Step(NamedTuple):
    """One step of a swap: the sqrt price after it, what came in without the fee, what went out, the fee."""

    sqrt: int
    amount_in: int
    amount_out: int
    fee: int


def swap_step(sqrt: int, target: int, liquidity: int, remaining: int, fee_pips: int) -> Step:
    """Move the price towards the target as far as the amount reaches.

    Args:
        sqrt: the sqrt price before.
        target: where the step ends at the latest; below `sqrt` token0 comes in, else token1.
        liquidity: in range between the two.
        remaining: positive: input left, fee included; negative: output still wanted.
        fee_pips: millionths of the input.
    """
    down, exact_in = sqrt >= target, remaining >= 0
    low, high = (target, sqrt) if down else (sqrt, target)
    net = remaining * (FEE_ONE - fee_pips) // FEE_ONE if exact_in else -remaining
    if exact_in:
        reach = (amount0 if down else amount1)(low, high, liquidity, up=True)
    else:
        reach = (amount1 if down else amount0)(low, high, liquidity, up=False)
    if net >= reach:
        end = target
    else:
        end = (
            _after_input(sqrt, liquidity, net, down=down)
            if exact_in
            else _after_output(sqrt, liquidity, net, down=down)
        )
    low, high = (end, sqrt) if down else (sqrt, end)
    amount_in = (amount0 if down else amount1)(low, high, liquidity, up=True)
    amount_out = (amount1 if down else amount0)(low, high, liquidity, up=False)
    if not exact_in:
        amount_out = min(amount_out, net)
    if exact_in and end != target:
        return Step(end, amount_in, amount_out, remaining - amount_in)
    return Step(end, amount_in, amount_out, mul_div_up(amount_in, fee_pips, FEE_ONE - fee_pips))


def _after_input(sqrt: int, liquidity: int, amount: int, *, down: bool) -> int:
    """Sqrt price after an input that does not reach the target: it never passes the true one."""
    if not down:
        return sqrt + amount * Q96 // liquidity
    scaled = liquidity << 96
    return mul_div_up(scaled, sqrt, scaled + amount * sqrt)


def _after_output(sqrt: int, liquidity: int, amount: int, *, down: bool) -> int:
    """Sqrt price after an output that does not reach the target: it always passes the true one."""
    if down:
        return sqrt - div_up(amount * Q96, liquidity)
    scaled = liquidity << 96
    return mul_div_up(scaled, sqrt, scaled - amount * sqrt)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticks:
    """A pool's state over the ticks that were read.

    Attributes:
        sqrt: the sqrt price.
        tick: the pool's own, which may be one below the price's.
        liquidity: in range.
        fee_pips: millionths of the input.
        spacing: ticks between those that can hold liquidity.
        low: lowest tick read, a multiple of the spacing, <= tick.
        high: highest tick read, a multiple of the spacing, > tick.
        order: initialised ticks from low to high, ascending.
        net: for each of them, the liquidity that appears when it is crossed upwards.
    """

    sqrt: int
    tick: int
    liquidity: int
    fee_pips: int
    spacing: int
    low: int
    high: int
    order: tuple[int, ...]
    net: tuple[int, ...]

    def swap(self, amount: int, *, down: bool) -> tuple[int, int]:
        """Amounts in (fee included) and out of a swap, as the pool would compute them.

        Args:
            amount: positive: the exact input; negative: the exact output.
            down: token0 comes in and the price falls; else token1 comes in.

        Raises:
            Thin: the swap leaves the ticks that were read.
            Malformed: the ticks contradict the liquidity.
        """
        sqrt, tick, liquidity, left, paid, got = self.sqrt, self.tick, self.liquidity, amount, 0, 0
        while left:
            edge = self._next(tick, down=down)
            target = sqrt_at_tick(edge)
            step = swap_step(sqrt, target, liquidity, left, self.fee_pips)
            paid += step.amount_in + step.fee
            got += step.amount_out
            left = amount - paid if amount > 0 else amount + got
            sqrt = step.sqrt
            if sqrt == target:
                liquidity = self._crossed(edge, liquidity, down=down)
                tick = edge - 1 if down else edge
        return paid, got

    def reach(self, goal: int, *, down: bool) -> tuple[int, int]:
        """Amounts in (without fee) and out that move the sqrt price to the goal; rounded down, segment by segment.

        Raises:
            Thin: the goal lies beyond the ticks that were read.
            Malformed: the ticks contradict the liquidity.
        """
        sqrt, tick, liquidity, paid, got = self.sqrt, self.tick, self.liquidity, 0, 0
        while True:
            edge = self._next(tick, down=down)
            target = sqrt_at_tick(edge)
            stop = max(target, goal) if down else min(target, goal)
            low, high = min(stop, sqrt), max(stop, sqrt)
            zero, one = amount0(low, high, liquidity, up=False), amount1(low, high, liquidity, up=False)
            paid, got = (paid + zero, got + one) if down else (paid + one, got + zero)
            if stop == goal:
                return paid, got
            liquidity = self._crossed(edge, liquidity, down=down)
            sqrt, tick = stop, edge - 1 if down else edge

    def _next(self, tick: int, *, down: bool) -> int:
        """Where the pool ends its next step: an initialised tick, or the end of a word of its bitmap."""
        place = tick // self.spacing + (0 if down else 1)
        word = place // _WORD_TICKS * _WORD_TICKS
        at = bisect_right(self.order, tick)
        if down:
            best = self.order[at - 1] if at else self.low
            return max(best, word * self.spacing, self.low)
        best = self.order[at] if at < len(self.order) else self.high
        return min(best, (word + _WORD_TICKS - 1) * self.spacing, self.high)

    def _crossed(self, edge: int, liquidity: int, *, down: bool) -> int:
        """Liquidity beyond an edge; nothing is known beyond the last tick read."""
        if edge == (self.low if down else self.high):
            raise Thin("the swap leaves the ticks that were read", low=self.low, high=self.high)
        at = bisect_right(self.order, edge) - 1
        if at < 0 or self.order[at] != edge:
            return liquidity
        liquidity += -self.net[at] if down else self.net[at]
        if liquidity < 0:
            raise Malformed("the ticks take away more liquidity than there is", tick=edge)
        return liquidity
