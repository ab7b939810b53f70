"""A Curve pool of unlike coins: crypto v2 with two coins, twocrypto-ng, tricrypto and tricrypto-ng.

Source: curvefi/curve-crypto-contract (CurveCryptoSwap2ETH), curvefi/twocrypto-ng (CurveTwocryptoOptimized and its
Views), curvefi/tricrypto-ng: get_dy(uint256,uint256,uint256) with the fee taken off, price_oracle() (two coins) or
price_oracle(k) (three), each a price of whole coins in coin 0, ma_half_time() or, in the NG pools, ma_time(): both the
half-life in seconds.

Prices at size are the pool's own get_dy. Its invariant has several versions, and the fee depends on the balance; so the
depth, too, comes from get_dy, at a fixed ladder of sizes in one phase. None has a function for an exact output that all
versions share: the ask lies on the chord between two purchases around the notional, as far apart as the slippage gate
allows. That is above the true cost where the price bends up; where the fee falls with the trade, some 1e-7 below it.

Nothing here may be read inside a transaction, where get_virtual_price can be raised for the time of a callback: it is
read by eth_call at the end of a block only.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from feeds.chains.abi import address, selector, word
from feeds.decode import abi_words, values
from feeds.errors import Malformed, Slippage, Thin
from feeds.pools import curve_stable, curve_state, ladder
from feeds.pools.curve_stable import Places
from feeds.pools.curve_state import Mean
from feeds.pools.gates import counted
from feeds.pools.ladder import Rung
from feeds.types import Call, Quote, Read, Reply
from feeds.units import BPS, WAD, Wad, div_up, mid_down, mul_div_down, mul_div_up

_GET_DY = selector("get_dy(uint256,uint256,uint256)")
_STATE = ("get_virtual_price()", "ma_half_time()", "ma_time()")
_MOST_CRYPTO_COINS = 3


class _CryptoReplies(NamedTuple):
    """A pool's answers, read; `scale`: base worth what its smaller side of the two coins holds."""

    scale: int
    virtual: int
    received: int
    mean: Mean | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CurveCrypto:
    """One pool, read at size.

    Attributes:
        pool: address of the pool.
        coins: addresses of its two or three coins in the pool's order.
        base: the coin that is priced; quote: the coin it is priced in.
        notional: base tokens that are sold and bought, a decimal text.
        decimals: of each coin; none where all have 18.
        own_mean: whether to read the pool's own average.
        min_depth: base tokens that must be needed to move the price by 1 %.
        max_slippage_bps: how far selling and buying the notional may lie apart, both fees included.
    """

    pool: str
    coins: tuple[str, ...]
    base: str
    quote: str
    notional: str
    decimals: tuple[int, ...] = ()
    own_mean: bool = True
    min_depth: str = "0"
    max_slippage_bps: int = 100

    def __post_init__(self) -> None:
        """Check the config; ValueError says what to write."""
        address(self.pool)
        curve_state.check_coins(self.coins, self.base, self.quote, self.decimals)
        if len(self.coins) > _MOST_CRYPTO_COINS:
            raise ValueError("coins: write the pool's two or three coins; a pool of more is a stable pool")
        self._places.gates.check()

    def read(self) -> Read:
        """Two phases: state, sale and mean; then two purchases around the notional and the ladder for the depth.

        Prices: bid rounded down, ask up, mid and mean down. ``mean_span_ms`` is the mean age of the average's content:
        its half-life / ln 2. The depth includes the growth of the fee; where the ladder ends first it is a lower bound.

        Raises:
            Thin: the pool does not carry the notional, one side is empty, or the depth is below min_depth.
            Slippage: selling and buying lie further apart than max_slippage_bps.
            WrongSymbol: the pool has other coins, or the same in another order.
            NotPositive: the virtual price or the average is zero.
            Malformed: the pool's answers contradict each other.
            FeedError: for replies that are not such a pool's.
        """
        at = self._places
        sale = self._dy(at.base, at.quote, at.gates.amount)
        held = self._held((yield (*_calls(self.pool, at.count, self.own_mean), sale)), at)
        near, far = self._around(held.received)
        sizes = ladder.sizes(held.scale)
        costs = tuple(mul_div_down(size, held.received, at.gates.amount) for size in sizes)
        if min(costs) == 0:
            raise Thin("the pool gives next to nothing for the notional")
        replies = yield (
            *(self._dy(at.quote, at.base, paid) for paid in (near, far)),
            *(self._dy(at.base, at.quote, size) for size in sizes),
            *(self._dy(at.quote, at.base, cost) for cost in costs),
        )
        replies = counted(replies, 2 + 2 * len(sizes))
        ask = self._cost((near, far), replies[0], replies[1])
        sold = [Rung(*r) for r in zip(sizes, ladder.answers(replies[2 : 2 + len(sizes)]), strict=False)]
        bought = [Rung(b, q) for q, b in zip(costs, ladder.answers(replies[2 + len(sizes) :]), strict=False)]
        return self._quote(held, ask, ladder.depths(sold, bought))

    @property
    def _places(self) -> Places:
        gates = (self.notional, self.min_depth, self.max_slippage_bps)
        return curve_stable.places(self.coins, self.base, self.quote, self.decimals, gates)

    def _dy(self, given: int, taken: int, amount: int) -> Call:
        return Call(to=address(self.pool), data=b"".join((_GET_DY, word(given), word(taken), word(amount))))

    def _held(self, replies: tuple[Reply, ...], at: Places) -> _CryptoReplies:
        n = at.count
        curve_state.check_held(replies[:n], self.coins)
        balances = curve_state.balances(replies[n : 2 * n])
        received = abi_words.uint_at(abi_words.returned(replies[-1]))
        if min(balances) == 0 or received == 0:
            raise Thin("the pool is empty on one side, or gives nothing for the notional")
        if received > balances[at.quote]:
            raise Malformed("the pool pays more than it holds", pays=str(received)[:40])
        virtual, half_life, ng_half_life, *means = replies[2 * n : -1]
        span = ng_half_life if curve_state.optional(half_life) is None else half_life
        mean = curve_state.mean(means, n, span_s=span, half_life=True) if means else None
        worth = mul_div_down(balances[at.quote], at.gates.amount, received)
        return _CryptoReplies(min(balances[at.base], worth), curve_state.virtual_price(virtual), received, mean)

    def _around(self, received: int) -> tuple[int, int]:
        """Quote that buys hardly less than the notional: what selling it pays; and the most that the gate allows."""
        near, gate = received, self.max_slippage_bps
        return near, mul_div_up(received, 2 * BPS + gate, 2 * BPS - gate) + 1

    def _cost(self, paid: tuple[int, int], less: Reply, more: Reply) -> int:
        """Quote units that buy the notional, on the chord between the two purchases, rounded up."""
        amount = self._places.gates.amount
        low, high = (abi_words.uint_at(abi_words.returned(r)) for r in (less, more))
        if low > amount or high < low:
            raise Malformed("the pool pays more than it asks", sold=str(amount), bought=str(low)[:40])
        if high < amount:
            raise Slippage("the notional costs more than the gate allows", max_slippage_bps=self.max_slippage_bps)
        if low == amount:
            return paid[0]
        return paid[0] + div_up((paid[1] - paid[0]) * (amount - low), high - low)

    def _quote(self, held: _CryptoReplies, cost: int, depths: tuple[int, int, int]) -> Quote:
        at = self._places
        bid, ask = at.gates.prices(held.received, cost, at.gates.amount)
        half, one, two = at.gates.depths(depths)
        mean = held.mean
        return Quote(
            price_wad=Wad(mid_down(bid, ask)),
            bid_wad=bid,
            ask_wad=ask,
            depth_half_wad=half,
            depth_wad=one,
            depth_two_wad=two,
            mean_wad=None
            if mean is None
            else values.bounded_price(mul_div_down(mean.prices[at.base], WAD, mean.prices[at.quote])),
            mean_span_ms=None if mean is None else mean.span_ms,
            virtual_wad=held.virtual,
        )


@lru_cache(maxsize=512)
def _calls(pool: str, count: int, own_mean: bool) -> tuple[Call, ...]:
    state = curve_state.pool_calls(pool, count, _STATE)
    return (*state, *curve_state.mean_calls(pool, count)) if own_mean else state
