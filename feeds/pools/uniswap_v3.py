"""A Uniswap v3 pool: what selling and buying a notional pays, its depth, and its own time-weighted mean.

Source: v3-core 1.0.1, UniswapV3Pool (slot0, liquidity, ticks, observe, swap). Forks with the same five functions read
alike.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from math import isqrt
from typing import NamedTuple

from feeds import decode
from feeds.abi import address, amount_of, calldata, selector, wad_of, word
from feeds.pools.v3_math import FEE_ONE, MAX_TICK, Q96, mean_sqrt, sqrt_at_tick
from feeds.pools.v3_ticks import Ticks
from feeds.types import Call, Malformed, NoData, Quote, Read, Reply, Reverted, Slippage, Thin, WrongSymbol
from feeds.units import BPS, MS, WAD, Wad, mid_down, mul_div_down, mul_div_up

_MOST_TICKS = 512
_LEAST_RANGE_BPS = 120
_MOST_SPACING = 16_383
_MOST_TWAP_S = 7 * 86_400
_OBSERVE = selector("observe(uint32[])")
_TICKS = selector("ticks(int24)")


class _State(NamedTuple):
    """Replies of the first phase; ``observed`` only where a mean is asked for."""

    slot0: Reply
    liquidity: Reply
    token0: Reply
    token1: Reply
    spacing: Reply
    fee: Reply
    observed: Reply = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class UniswapV3:
    """One pool, read at size.

    Attributes:
        pool: address of the pool.
        base: address of the token that is priced; quote: of the token it is priced in.
        notional: base tokens that are sold and bought, a decimal text.
        base_decimals: of the base token; quote_decimals: of the quote token.
        fee: millionths of the input that the pool must charge; 0 accepts what it charges.
        twap_s: seconds of the pool's own mean; 0 asks for none. A pool that remembers less gives a quote without one.
        range_bps: how far from the price liquidity is read, at most 255 initialisable ticks to each side.
        min_depth: base tokens that must be needed to move the price by 1 %.
        max_slippage_bps: how far selling and buying the notional may lie apart, both fees included.
    """

    pool: str
    base: str
    quote: str
    notional: str
    base_decimals: int = 18
    quote_decimals: int = 18
    fee: int = 0
    twap_s: int = 0
    range_bps: int = 250
    min_depth: str = "0"
    max_slippage_bps: int = 100

    def __post_init__(self) -> None:
        """Check the config; ValueError says what to write."""
        address(self.pool)
        if address(self.base) == address(self.quote):
            raise ValueError("base and quote are the same token: write the two addresses of the pool")
        if amount_of(self.notional, self.base_decimals) <= 0:
            raise ValueError(f"notional = {self.notional!r}: write how many base tokens to sell and buy, above 0")
        amount_of("1", self.quote_decimals)
        wad_of(self.min_depth)
        if not 0 <= self.fee < FEE_ONE:
            raise ValueError(f"fee = {self.fee}: write millionths, 500 for 0.05 %, or 0 for any")
        if not 0 <= self.twap_s <= _MOST_TWAP_S:
            raise ValueError(f"twap_s = {self.twap_s}: write seconds, 0 to {_MOST_TWAP_S}")
        if not _LEAST_RANGE_BPS <= self.range_bps <= BPS:
            raise ValueError(
                f"range_bps = {self.range_bps}: write {_LEAST_RANGE_BPS} to {BPS}; depth is measured at 1 %"
            )
        if not 0 < self.max_slippage_bps <= BPS:
            raise ValueError(f"max_slippage_bps = {self.max_slippage_bps}: write 1 to {BPS}")

    def read(self) -> Read:
        """Two phases: the pool's state, then the ticks around its price.

        Prices: bid rounded down, ask up, mid and mean down.

        Raises:
            Thin: the notional or 1 % leaves the ticks read, or the depth is below min_depth.
            Slippage: selling and buying lie further apart than max_slippage_bps.
            WrongSymbol: the pool holds other tokens or charges another fee.
            FeedError: for replies that are no pool's.
        """
        state = _State(*(yield _state_calls(self.pool, self.twap_s)))
        base_is_0 = self._orientation(state)
        span = self._span(state)
        replies = yield _tick_calls(self.pool, span.low, span.high, span.spacing)
        ticks = _filled(span, replies)
        bid, ask = self._bid_ask(ticks, base_is_0=base_is_0)
        mean = self._mean(state.observed, base_is_0=base_is_0) if self.twap_s else None
        return Quote(
            price_wad=Wad(mid_down(bid, ask)),
            bid_wad=bid,
            ask_wad=ask,
            depth_wad=self._depth(ticks, base_is_0=base_is_0),
            mean_wad=mean,
            mean_span_ms=None if mean is None else self.twap_s * MS,
        )

    def _orientation(self, state: _State) -> bool:
        """Whether base is the pool's token0."""
        tokens = decode.address_at(decode.returned(state.token0)), decode.address_at(decode.returned(state.token1))
        base, quote = address(self.base), address(self.quote)
        if tokens not in {(base, quote), (quote, base)}:
            raise WrongSymbol("the pool holds other tokens", token0=tokens[0].hex(), token1=tokens[1].hex())
        return tokens[0] == base

    def _span(self, state: _State) -> Ticks:
        """Return the pool's state with the ticks to read, as yet without their liquidity."""
        slot0 = decode.returned(state.slot0, words=2)
        sqrt, tick = decode.uint_at(slot0), decode.int_at(slot0, 1)
        if sqrt == 0:
            raise NoData("the pool is not initialised")
        if abs(tick) >= MAX_TICK or not sqrt_at_tick(tick) <= sqrt <= sqrt_at_tick(tick + 1):
            raise Malformed("slot0's tick and price contradict each other", tick=str(tick)[:20])
        spacing, fee = decode.int_at(decode.returned(state.spacing)), decode.uint_at(decode.returned(state.fee))
        liquidity = decode.uint_at(decode.returned(state.liquidity))
        if not 0 < spacing <= _MOST_SPACING or fee >= FEE_ONE or liquidity >> 128:
            raise Malformed("spacing, fee or liquidity out of range", spacing=str(spacing)[:20], fee=str(fee)[:20])
        if self.fee not in {0, fee}:
            raise WrongSymbol("the pool charges another fee", fee=fee, expected=self.fee)
        reach = min(self.range_bps, (_MOST_TICKS // 2 - 1) * spacing)
        edge = MAX_TICK // spacing * spacing
        return Ticks(
            sqrt=sqrt,
            tick=tick,
            liquidity=liquidity,
            fee_pips=fee,
            spacing=spacing,
            low=max((tick - reach) // spacing * spacing, -edge),
            high=min(((tick + reach) // spacing + 1) * spacing, edge),
            order=(),
            net=(),
        )

    def _bid_ask(self, ticks: Ticks, *, base_is_0: bool) -> tuple[Wad, Wad]:
        notional = amount_of(self.notional, self.base_decimals)
        sold, received = ticks.swap(notional, down=base_is_0)
        paid, bought = ticks.swap(-notional, down=not base_is_0)
        one_base, one_quote = 10**self.base_decimals * WAD, 10**self.quote_decimals
        bid = decode.bounded_price(mul_div_down(received, one_base, sold * one_quote))
        ask = decode.bounded_price(mul_div_up(paid, one_base, bought * one_quote))
        apart = mul_div_up(ask - bid, BPS, mid_down(bid, ask))
        if apart > self.max_slippage_bps:
            raise Slippage(apart_bps=apart, max_slippage_bps=self.max_slippage_bps, notional=self.notional)
        return bid, ask

    def _depth(self, ticks: Ticks, *, base_is_0: bool) -> int:
        """Base units (wad, rounded down) that move the price by 1 % without fees, in the thinner direction."""
        squared = ticks.sqrt * ticks.sqrt
        if base_is_0:
            fallen, risen = isqrt(squared * 99 // 100), isqrt(squared * 101 // 100)
        else:
            fallen, risen = isqrt(squared * 100 // 99), isqrt(squared * 100 // 101)
        sold, _ = ticks.reach(fallen, down=base_is_0)
        _, bought = ticks.reach(risen, down=not base_is_0)
        depth = mul_div_down(min(sold, bought), WAD, 10**self.base_decimals)
        if depth < wad_of(self.min_depth):
            raise Thin(depth_wad=str(depth), min_depth=self.min_depth)
        return depth

    def _mean(self, reply: Reply, *, base_is_0: bool) -> Wad | None:
        """Geometric mean price over twap_s, or None if the pool does not remember that long (observe reverts: OLD)."""
        if isinstance(reply, Reverted):
            return None
        sums = decode.uints_at(decode.returned(reply, words=4), 0, most=2)
        if len(sums) != 2:  # noqa: PLR2004 - then and now
            raise Malformed("observe answered another number of sums", got=len(sums))
        then, now = (n - (n >> 255 << 256) for n in sums)
        square = mean_sqrt(then, now, self.twap_s) ** 2
        up, down = (square, Q96 * Q96) if base_is_0 else (Q96 * Q96, square)
        return decode.bounded_price(mul_div_down(up * WAD, 10**self.base_decimals, down * 10**self.quote_decimals))


def _filled(span: Ticks, replies: tuple[Reply, ...]) -> Ticks:
    """Return the span with its initialised ticks; ticks() answers gross liquidity and net liquidity first."""
    asked, order, net = range(span.low, span.high + 1, span.spacing), [], []
    if len(replies) != len(asked):
        raise Malformed("another number of ticks was answered", asked=len(asked), answered=len(replies))
    for tick, reply in zip(asked, replies, strict=True):
        data = decode.returned(reply, words=2)
        if decode.uint_at(data):
            order.append(tick)
            net.append(decode.int_at(data, 1))
    return replace(span, order=tuple(order), net=tuple(net))


@lru_cache(maxsize=256)
def _state_calls(pool: str, twap_s: int) -> tuple[Call, ...]:
    to = address(pool)
    names = ("slot0()", "liquidity()", "token0()", "token1()", "tickSpacing()", "fee()")
    calls = tuple(Call(to=to, data=calldata(name)) for name in names)
    ages = b"".join(word(n) for n in (32, 2, twap_s, 0))
    return (*calls, Call(to=to, data=_OBSERVE + ages)) if twap_s else calls


@lru_cache(maxsize=256)
def _tick_calls(pool: str, low: int, high: int, spacing: int) -> tuple[Call, ...]:
    to = address(pool)
    return tuple(Call(to=to, data=_TICKS + word(tick)) for tick in range(low, high + 1, spacing))
