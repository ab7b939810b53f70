"""A Uniswap v3 pool or a fork's: what selling and buying a notional pays, its depth, and its own time-weighted mean.

Source: v3-core 1.0.1, UniswapV3Pool (slot0, liquidity, ticks, observe, swap). Forks answer in other layouts, their
dialects; the arithmetic is one (PancakeSwap v3, Velodrome and Aerodrome Slipstream, Algebra, Camelot, Algebra Integral).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from feeds.chains.abi import address, calldata, selector, word
from feeds.decode import abi_words
from feeds.errors import Malformed, Reverted, WrongSymbol
from feeds.pools import v3_book
from feeds.pools.gates import Gates, counted
from feeds.pools.v3_dialects import DIALECTS, Dialect, exactly, fees_of
from feeds.pools.v3_math import FEE_ONE, mean_sqrt
from feeds.pools.v3_ticks import Ticks
from feeds.types import Call, Read, Reply
from feeds.units import Wad

_MOST_TWAP_S = 7 * 86_400
_TICKS = selector("ticks(int24)")


class _State(NamedTuple):
    """Replies of the first phase: a fee where the dialect has one apart, sums where a mean is asked for."""

    state: Reply
    liquidity: Reply
    token0: Reply
    token1: Reply
    spacing: Reply
    fee: Reply | None
    sums: Reply | None


@dataclass(frozen=True, slots=True, kw_only=True)
class UniswapV3:
    """One pool, read at size.

    Attributes:
        pool: address of the pool.
        base: address of the token that is priced; quote: of the token it is priced in.
        notional: base tokens that are sold and bought, a decimal text.
        dialect: uniswap, pancake, slipstream, algebra, camelot or integral: how the pool answers.
        base_decimals: of the base token; quote_decimals: of the quote token.
        fee: millionths of the input that the pool must charge; 0 accepts what it charges.
        twap_s: seconds of the pool's own mean; 0 asks for none. A pool that remembers less gives a quote without one.
        range_bps: how far from the price liquidity is read, at most 255 initialisable ticks to each side.
        min_depth: base tokens that must be needed to move the price by 1 %.
        max_slippage_bps: how far selling and buying the notional may lie apart, both fees included.
        accept_hooks: whether to price a pool (integral) whose plugin may set another fee.
    """

    pool: str
    base: str
    quote: str
    notional: str
    dialect: str = "uniswap"
    base_decimals: int = 18
    quote_decimals: int = 18
    fee: int = 0
    twap_s: int = 0
    range_bps: int = 250
    min_depth: str = "0"
    max_slippage_bps: int = 100
    accept_hooks: bool = False

    def __post_init__(self) -> None:
        """Check the config; ValueError says what to write."""
        address(self.pool)
        v3_book.check(self.base, self.quote, self._gates, self.range_bps)
        if self.dialect not in DIALECTS:
            raise ValueError(f"dialect = {self.dialect!r}: write one of {', '.join(DIALECTS)}")
        if not 0 <= self.fee < FEE_ONE:
            raise ValueError(f"fee = {self.fee}: write millionths, 500 for 0.05 %, or 0 for any")
        if not 0 <= self.twap_s <= _MOST_TWAP_S:
            raise ValueError(f"twap_s = {self.twap_s}: write seconds, 0 to {_MOST_TWAP_S}")
        if self.twap_s and not self._layout.means:
            raise ValueError(f"a pool of dialect {self.dialect} keeps no mean of its own: write twap_s = 0")

    def read(self) -> Read:
        """Two phases: the pool's state, then the ticks around its price.

        Prices: bid rounded down, ask up, mid and mean down.

        Raises:
            Thin: the notional or 2 % leaves the ticks read, or the depth is below min_depth.
            Slippage: selling and buying lie further apart than max_slippage_bps.
            WrongSymbol: the pool holds other tokens or charges another fee.
            Refused: the pool's plugin may set another fee.
            FeedError: for replies that are not a pool's, or of another dialect.
        """
        state = self._state((yield _state_calls(self.pool, self._layout, self.twap_s)))
        base_is_0 = self._orientation(state)
        span = self._span(state)
        replies = yield _tick_calls(self.pool, v3_book.asked(span))
        ticks = v3_book.filled(span, replies, self._layout.tick_words)
        mean = None if state.sums is None else self._mean(state.sums, base_is_0=base_is_0)
        return v3_book.quote(ticks, self._gates, mean, self.twap_s, base_is_0=base_is_0)

    @property
    def _gates(self) -> Gates:
        return Gates(self.notional, self.min_depth, self.max_slippage_bps, self.base_decimals, self.quote_decimals)

    @property
    def _layout(self) -> Dialect:
        return DIALECTS[self.dialect]

    def _state(self, replies: tuple[Reply, ...]) -> _State:
        replies = counted(replies, len(_state_calls(self.pool, self._layout, self.twap_s)))
        state, liquidity, token0, token1, spacing, *more = replies
        fee = None if self._layout.fee_words else more[0]
        return _State(state, liquidity, token0, token1, spacing, fee, more[-1] if self.twap_s else None)

    def _orientation(self, state: _State) -> bool:
        """Whether base is the pool's token0."""
        tokens = (
            abi_words.address_at(abi_words.returned(state.token0)),
            abi_words.address_at(abi_words.returned(state.token1)),
        )
        base, quote = address(self.base), address(self.quote)
        if tokens not in {(base, quote), (quote, base)}:
            raise WrongSymbol("the pool holds other tokens", token0=tokens[0].hex(), token1=tokens[1].hex())
        return tokens[0] == base

    def _span(self, state: _State) -> Ticks:
        """Return the pool's state with the ticks to read, as yet without their liquidity."""
        data = exactly(state.state, self._layout.state_words)
        fees = fees_of(self._layout, data, state.fee, accept_hooks=self.accept_hooks)
        if self.fee and set(fees) != {self.fee}:
            raise WrongSymbol("the pool charges another fee", fee=max(fees), expected=self.fee)
        return v3_book.span(
            abi_words.uint_at(data),
            abi_words.int_at(data, 1),
            abi_words.uint_at(abi_words.returned(state.liquidity)),
            fees,
            abi_words.int_at(abi_words.returned(state.spacing)),
            self.range_bps,
            worded=self._layout.worded,
        )

    def _mean(self, reply: Reply, *, base_is_0: bool) -> Wad | None:
        """Geometric mean price over twap_s, or None if the pool does not remember that long (it reverts)."""
        if isinstance(reply, Reverted):
            return None
        sums = abi_words.uints_at(abi_words.returned(reply, words=4), 0, most=2)
        if len(sums) != 2:  # noqa: PLR2004 - then and now
            raise Malformed("the pool answered another number of sums", got=len(sums))
        then, now = (n - (n >> 255 << 256) for n in sums)
        return v3_book.price(mean_sqrt(then, now, self.twap_s), self._gates, base_is_0=base_is_0)


@lru_cache(maxsize=256)
def _state_calls(pool: str, layout: Dialect, twap_s: int) -> tuple[Call, ...]:
    to = address(pool)
    fee = () if layout.fee_words else ("fee()",)
    names = (layout.state, "liquidity()", "token0()", "token1()", "tickSpacing()", *fee)
    calls = tuple(Call(to=to, data=calldata(name)) for name in names)
    ages = b"".join(word(n) for n in (32, 2, twap_s, 0))
    return (*calls, Call(to=to, data=selector(layout.means) + ages)) if twap_s else calls


@lru_cache(maxsize=32)  # a pool of narrow ticks is asked for hundreds, and for others at each move of its price
def _tick_calls(pool: str, ticks: range) -> tuple[Call, ...]:
    to = address(pool)
    return tuple(Call(to=to, data=_TICKS + word(tick)) for tick in ticks)
