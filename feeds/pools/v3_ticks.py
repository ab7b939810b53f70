"""The ticks of a Uniswap v3 pool around its price: swaps over them, and what moves the price to a goal.

Source: Uniswap v3 Core whitepaper, section 6.3; UniswapV3Pool.swap and TickBitmap of v3-core 1.0.1 for where a step ends.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass

from feeds.errors import Malformed, Thin
from feeds.pools.v3_math import amount0, amount1, sqrt_at_tick, swap_step

_WORD_TICKS = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticks:
    """A pool's state over the ticks that were read.

    Attributes:
        sqrt: the sqrt price.
        tick: the pool's own, which may be one below the price's.
        liquidity: in range.
        fees: millionths of the input: of token0, of token1.
        spacing: ticks between those that can hold liquidity.
        low: lowest tick read, a multiple of the spacing, <= tick.
        high: highest tick read, a multiple of the spacing, > tick.
        order: initialised ticks from low to high, ascending.
        net: for each of them, the liquidity that appears when it is crossed upwards.
        worded: whether the pool's steps end at the words of its bitmap, too.
    """

    sqrt: int
    tick: int
    liquidity: int
    fees: tuple[int, int]
    spacing: int
    low: int
    high: int
    order: tuple[int, ...]
    net: tuple[int, ...]
    worded: bool = True

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
        fee = self.fees[0 if down else 1]
        while left:
            edge = self.next_stop(tick, down=down)
            target = sqrt_at_tick(edge)
            step = swap_step(sqrt, target, liquidity, left, fee)
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
            edge = self.next_stop(tick, down=down)
            target = sqrt_at_tick(edge)
            stop = max(target, goal) if down else min(target, goal)
            low, high = min(stop, sqrt), max(stop, sqrt)
            zero, one = amount0(low, high, liquidity, up=False), amount1(low, high, liquidity, up=False)
            paid, got = (paid + zero, got + one) if down else (paid + one, got + zero)
            if stop == goal:
                return paid, got
            liquidity = self._crossed(edge, liquidity, down=down)
            sqrt, tick = stop, edge - 1 if down else edge

    def next_stop(self, tick: int, *, down: bool) -> int:
        """Where the pool ends its next step: an initialised tick, or (where worded) the end of a word of its bitmap."""
        place = tick // self.spacing + (0 if down else 1)
        word = place // _WORD_TICKS * _WORD_TICKS
        at = bisect_right(self.order, tick)
        if down:
            best = self.order[at - 1] if at else self.low
            return max(best, word * self.spacing if self.worded else self.low, self.low)
        best = self.order[at] if at < len(self.order) else self.high
        return min(best, (word + _WORD_TICKS - 1) * self.spacing if self.worded else self.high, self.high)

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
