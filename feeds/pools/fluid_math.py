"""Swap arithmetic of a Fluid DEX pool: up to two constant-product curves over imaginary reserves.

Source: Instadapp/fluid-contracts-public, docs and DexReservesResolver (estimateSwapIn, _swapRoutingIn, _getAmountOut):
out = in * reserveOut / (reserveIn + in) after a fee on the input; collateral and debt share a trade so that both end at
the same price. The pool computes with 12 decimals: results agree to about 1e-9, not to the last unit.
"""

from __future__ import annotations

from math import isqrt
from typing import NamedTuple

from feeds.errors import Malformed, Thin
from feeds.units import BPS, div_up, mul_div_down, mul_div_up

FEE_ONE = 10**6
_MOVES_BPS = (50, 100, 200)
_MOST_MOVE_BPS = 500
_FINE = 10**36


class FluidCurve(NamedTuple):
    """One of the two curves: imaginary reserves, and how much of each token it can pay out. Smallest units."""

    base: int
    quote: int
    base_out: int
    quote_out: int


def sell(curves: tuple[FluidCurve, ...], amount: int, fee: int) -> int:
    """Quote units for an exact amount of base, fee (of 1e6) deducted, rounded down. Thin if they cannot pay it."""
    return _swap([(c.base, c.quote, c.quote_out) for c in curves], amount, fee)


def back(curves: tuple[FluidCurve, ...], amount: int, fee: int) -> int:
    """Base units for an exact amount of quote, fee deducted, rounded down. Thin if they cannot pay it."""
    return _swap([(c.quote, c.base, c.base_out) for c in curves], amount, fee)


def _swap(sides: list[tuple[int, int, int]], amount: int, fee: int) -> int:
    """Output for an input over curves (reserve in, reserve out, most out)."""
    received = 0
    for (inside, outside, most), part in zip(sides, _split(sides, amount), strict=True):
        net = part * (FEE_ONE - fee) // FEE_ONE
        out = net * outside // (inside + net)
        _check_reach(part, inside, outside, out, most)
        received += out
    if received <= 0:
        raise Thin("the pool gives nothing for the notional")
    return received


def _check_reach(part: int, inside: int, outside: int, out: int, most: int) -> None:
    """Refuse what a curve cannot pay, and a move of more than 5 %, which the pool itself refuses."""
    if out > most:
        raise Thin("the pool cannot pay out the notional", out=str(out), available=str(most))
    if (outside - out) * inside * BPS < outside * (inside + part) * (BPS - _MOST_MOVE_BPS):
        raise Thin("the notional moves the price by more than the pool allows", most_bps=_MOST_MOVE_BPS)


def _split(sides: list[tuple[int, int, int]], amount: int) -> list[int]:
    """Shares of the input that leave all curves at one price; those that start beyond it get nothing."""
    if len(sides) == 1:
        return [amount]
    (in1, out1, _), (in2, out2, _) = sides
    root1, root2 = isqrt(in1 * out1 * _FINE), isqrt(in2 * out2 * _FINE)
    first = ((in2 + amount) * root1 - in1 * root2) // (root1 + root2)
    first = min(max(first, 0), amount)
    return [first, amount - first]


def buy(curves: tuple[FluidCurve, ...], amount: int, fee: int) -> int:
    """Quote units that buy an exact amount of base, fee included, rounded up. Thin if the curves cannot pay it."""
    sides = [(c.quote, c.base, c.base_out) for c in curves]
    paid = 0
    for (inside, outside, most), part in zip(sides, _split_out(sides, amount), strict=True):
        if part >= outside:
            raise Thin("the pool does not hold the notional", notional=str(amount))
        net = div_up(part * inside, outside - part)
        gross = mul_div_up(net, FEE_ONE, FEE_ONE - fee)
        _check_reach(gross, inside, outside, part, most)
        paid += gross
    if paid <= 0:
        raise Malformed("the pool asks nothing for the notional")
    return paid


def _split_out(sides: list[tuple[int, int, int]], amount: int) -> list[int]:
    """Shares of the output that leave all curves at one price."""
    if len(sides) == 1:
        return [amount]
    (in1, out1, _), (in2, out2, _) = sides
    root1, root2 = isqrt(in1 * out1 * _FINE), isqrt(in2 * out2 * _FINE)
    first = (amount * root1 + out1 * root2 - out2 * root1) // (root1 + root2)
    first = min(max(first, 0), amount)
    return [first, amount - first]


def depths(curves: tuple[FluidCurve, ...]) -> tuple[int, int, int]:
    """Base units that move the price by 0.5, 1 and 2 % in the thinner direction, without fee, rounded down.

    Where a curve can pay out less than that, what it can pay out ends its part.
    """
    half, one, two = (min(_sold(curves, move), _bought(curves, move)) for move in _MOVES_BPS)
    return half, one, two


def _sold(curves: tuple[FluidCurve, ...], move: int) -> int:
    """Base that lowers the price of each curve by the move: base reserve times (1 / sqrt(1 - move) - 1)."""
    total = 0
    for c in curves:
        reach = mul_div_down(c.base, isqrt(_FINE * BPS // (BPS - move)) - 10**18, 10**18)
        last = min(c.quote_out, c.quote - 1)
        total += min(reach, mul_div_down(last, c.base, c.quote - last))
    return total


def _bought(curves: tuple[FluidCurve, ...], move: int) -> int:
    """Base that raises the price of each curve by the move: base reserve times (1 - 1 / sqrt(1 + move))."""
    return sum(
        min(mul_div_down(c.base, 10**18 - isqrt(div_up(_FINE * BPS, BPS + move)) - 1, 10**18), c.base_out)
        for c in curves
    )
