"""Pools with liquidity between ticks, of any dialect: the ticks to read, and the quote that they give.

Depth is without fees: the base that moves the square root of the price to its goal (Uniswap v3 Core whitepaper, 6.2).
"""

from __future__ import annotations

from dataclasses import replace
from math import isqrt

from feeds.chains.abi import address
from feeds.decode import abi_words, values
from feeds.errors import Malformed, NoData
from feeds.pools.gates import Gates, counted
from feeds.pools.v3_dialects import exactly
from feeds.pools.v3_math import FEE_ONE, MAX_TICK, Q96, sqrt_at_tick
from feeds.pools.v3_ticks import Ticks
from feeds.types import Quote, Reply
from feeds.units import BPS, MS, WAD, Wad, mid_down, mul_div_down

MOVES_BPS = (50, 100, 200)
"""Price moves whose depth is measured: 0.5, 1 and 2 %."""
LEAST_RANGE_BPS = 210
_MOST_TICKS = 512
_MOST_SPACING = 32_767


def check(base: str, quote: str, gates: Gates, range_bps: int) -> None:
    """Check the config; ValueError says what to write."""
    if address(base) == address(quote):
        raise ValueError("base and quote are the same token: write the two addresses of the pool")
    gates.check()
    if not LEAST_RANGE_BPS <= range_bps <= BPS:
        raise ValueError(f"range_bps = {range_bps}: write {LEAST_RANGE_BPS} to {BPS}; depth is measured up to 2 %")


def span(
    sqrt: int, tick: int, liquidity: int, fees: tuple[int, int], spacing: int, range_bps: int, *, worded: bool = True
) -> Ticks:
    """Return the pool's state with the ticks to read, as yet without their liquidity.

    Raises:
        NoData: the pool is not initialised.
        Malformed: a number is out of range, or tick and price contradict each other.
    """
    if sqrt == 0:
        raise NoData("the pool is not initialised")
    if abs(tick) >= MAX_TICK or not sqrt_at_tick(tick) <= sqrt <= sqrt_at_tick(tick + 1):
        raise Malformed("the pool's tick and price contradict each other", tick=str(tick)[:20])
    if not 0 < spacing <= _MOST_SPACING or max(fees) >= FEE_ONE or liquidity >> 128:
        raise Malformed("spacing, fee or liquidity out of range", spacing=str(spacing)[:20], fee=str(max(fees))[:20])
    reach = min(range_bps, (_MOST_TICKS // 2 - 1) * spacing)
    edge = MAX_TICK // spacing * spacing
    return Ticks(
        sqrt=sqrt,
        tick=tick,
        liquidity=liquidity,
        fees=fees,
        spacing=spacing,
        low=max((tick - reach) // spacing * spacing, -edge),
        high=min(((tick + reach) // spacing + 1) * spacing, edge),
        order=(),
        net=(),
        worded=worded,
    )


def asked(ticks: Ticks) -> range:
    """Ticks to read, in the order of their replies."""
    return range(ticks.low, ticks.high + 1, ticks.spacing)


def filled(ticks: Ticks, replies: tuple[Reply, ...], words: int) -> Ticks:
    """Return the span with its initialised ticks; each answer begins with gross liquidity and net liquidity."""
    order, net = [], []
    for tick, reply in zip(asked(ticks), counted(replies, len(asked(ticks))), strict=True):
        data = exactly(reply, words)
        if abi_words.uint_at(data):
            order.append(tick)
            net.append(abi_words.int_at(data, 1))
    return replace(ticks, order=tuple(order), net=tuple(net))


def depths(ticks: Ticks, *, base_is_0: bool) -> tuple[int, int, int]:
    """Base units that move the price by 0.5, 1 and 2 % without fees, in the thinner direction."""
    squared, found = ticks.sqrt * ticks.sqrt, []
    for move in MOVES_BPS:
        if base_is_0:
            fallen, risen = isqrt(squared * (BPS - move) // BPS), isqrt(squared * (BPS + move) // BPS)
        else:
            fallen, risen = isqrt(squared * BPS // (BPS - move)), isqrt(squared * BPS // (BPS + move))
        sold, _ = ticks.reach(fallen, down=base_is_0)
        _, bought = ticks.reach(risen, down=not base_is_0)
        found.append(min(sold, bought))
    return found[0], found[1], found[2]


def quote(ticks: Ticks, gates: Gates, mean: Wad | None = None, twap_s: int = 0, *, base_is_0: bool) -> Quote:
    """Quote of a pool whose ticks were read.

    Raises:
        Thin: the notional or a move leaves the ticks read, or the depth is below the source's gate.
        Slippage: selling and buying lie further apart than the source's gate.
    """
    _, received = ticks.swap(gates.amount, down=base_is_0)
    paid, bought = ticks.swap(-gates.amount, down=not base_is_0)
    bid, ask = gates.prices(received, paid, bought)
    half, one, two = gates.depths(depths(ticks, base_is_0=base_is_0))
    return Quote(
        price_wad=Wad(mid_down(bid, ask)),
        bid_wad=bid,
        ask_wad=ask,
        depth_half_wad=half,
        depth_wad=one,
        depth_two_wad=two,
        mean_wad=mean,
        mean_span_ms=None if mean is None else twap_s * MS,
    )


def price(sqrt: int, gates: Gates, *, base_is_0: bool) -> Wad:
    """Price of base in quote at a sqrt price, rounded down."""
    up, down = (sqrt * sqrt, Q96 * Q96) if base_is_0 else (Q96 * Q96, sqrt * sqrt)
    return values.bounded_price(mul_div_down(up * WAD, 10**gates.base_decimals, down * 10**gates.quote_decimals))
