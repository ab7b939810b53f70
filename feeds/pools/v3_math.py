"""Swap arithmetic of a Uniswap v3 pool, to the last unit.

Source: Uniswap v3 Core whitepaper (Adams et al., 2021), sections 6.1 to 6.3; the roundings follow the behaviour of the
deployed v3-core 1.0.1 (TickMath, SqrtPriceMath, SwapMath), with which the tests compare. A sqrt price is the square
root of token1 per token0 times 2**96; amounts are in the tokens' smallest units.
"""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Context, Decimal
from typing import NamedTuple

from feeds.errors import Malformed
from feeds.units import div_up, mul_div_down, mul_div_up

Q96 = 1 << 96
MAX_TICK = 887_272
FEE_ONE = 1_000_000


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


class SwapStep(NamedTuple):
    """One step of a swap: the sqrt price after it, what came in without the fee, what went out, the fee."""

    sqrt: int
    amount_in: int
    amount_out: int
    fee: int


def swap_step(sqrt: int, target: int, liquidity: int, remaining: int, fee_pips: int) -> SwapStep:
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
        return SwapStep(end, amount_in, amount_out, remaining - amount_in)
    return SwapStep(end, amount_in, amount_out, mul_div_up(amount_in, fee_pips, FEE_ONE - fee_pips))


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


def mean_sqrt(first: int, last: int, seconds: int) -> int:
    """Sqrt price of the geometric mean between two tick sums of the pool's oracle (whitepaper 5.2).

    Interpolated between the two ticks around the mean tick: within 1e-9 of the power. As the pool sums whole ticks,
    rounded down, the mean is up to 1 bp of token1 per token0 below the true one.

    Raises:
        Malformed: the mean tick is out of range.
    """
    tick, rest = divmod(last - first, seconds)
    if not -MAX_TICK <= tick < MAX_TICK:
        raise Malformed("mean tick out of range", tick=str(tick)[:20])
    below, above = sqrt_at_tick(tick), sqrt_at_tick(tick + 1)
    return below + mul_div_down(above - below, rest, seconds)
