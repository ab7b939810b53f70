"""A Curve StableSwap-NG pool: rates of its coins, a fee that grows away from balance, averages of its own.

Source: curvefi/stableswap-ng, CurveStableSwapNG: as older pools, and stored_rates() (10**(36 - decimals) times the rate:
1 for plain and rebasing coins, the rate oracle's for oracle coins, convertToAssets for vaults), offpeg_fee_multiplier(),
price_oracle(k) of coin k + 1 in coin 0, counted after the rates and capped at 2 by the pool, and ma_exp_time().

Curve's documentation warns that pools of an implementation deployed before 2023-12-12 whose coins have rates or other
than 18 decimals let remove_liquidity_imbalance throw the average: for those write own_mean = false.

price_oracle and get_virtual_price hold the pool's lock, get_dy does not; nothing here may be read inside a transaction:
it is read by eth_call at the end of a block only.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from feeds.chains.abi import address, calldata
from feeds.decode import abi_words
from feeds.errors import Malformed
from feeds.pools import curve_stable, curve_state
from feeds.pools.curve_stable import CurveReplies, Places
from feeds.pools.gates import counted
from feeds.types import Call, Read, Reply

_STATE = ("A_precise()", "A()", "fee()", "get_virtual_price()", "stored_rates()", "offpeg_fee_multiplier()")


@dataclass(frozen=True, slots=True, kw_only=True)
class CurveNg:
    """One pool, read at size.

    Attributes:
        pool: address of the pool.
        coins: addresses of all its coins in the pool's order.
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
        self._places.gates.check()

    def read(self) -> Read:
        """Two phases: state, sale and mean; then the purchase.

        Prices: bid rounded down, ask up, mid and mean down. ``mean_span_ms`` is the mean age of the average's content,
        its time constant; the mean is undone with the rates of the block read.

        Raises:
            Thin: the pool does not carry the notional, one side is empty, or the depth is below min_depth.
            Slippage: selling and buying lie further apart than max_slippage_bps.
            WrongSymbol: the pool has other coins, or the same in another order.
            NotPositive: the amplification, the virtual price or the average is zero.
            Malformed: the arithmetic does not settle, or the pool's own answers contradict its state.
            FeedError: for replies that are not such a pool's.
        """
        at = self._places
        sale = curve_stable.get_dy(self.pool, at.base, at.quote, at.gates.amount)
        held = self._held((yield (*_calls(self.pool, at.count, self.own_mean), sale)), at)
        paid = curve_stable.to_buy(held, at)
        (bought,) = counted((yield (curve_stable.get_dy(self.pool, at.quote, at.base, paid),)), 1)
        return curve_stable.quote_of(held, at, paid, bought)

    @property
    def _places(self) -> Places:
        gates = (self.notional, self.min_depth, self.max_slippage_bps)
        return curve_stable.places(self.coins, self.base, self.quote, self.decimals, gates)

    def _held(self, replies: tuple[Reply, ...], at: Places) -> CurveReplies:
        n = at.count
        curve_state.check_held(replies[:n], self.coins)
        precise, whole, fee, virtual, stored, offpeg, *means = replies[2 * n : -1]
        rates = abi_words.uints_at(abi_words.returned(stored, words=2 + n), 0, most=curve_state.MOST_COINS)
        if len(rates) != n:
            raise Malformed("stored_rates of another number of coins", rates=len(rates), coins=n)
        pool = curve_stable.pool_of(
            curve_stable.amplification(curve_state.optional(precise), whole),
            curve_state.balances(replies[n : 2 * n]),
            rates,
            abi_words.uint_at(abi_words.returned(fee)),
            abi_words.uint_at(abi_words.returned(offpeg)),
        )
        mean = curve_state.mean(means[1:], n, span_s=means[0], half_life=False) if means else None
        return CurveReplies(
            pool, curve_state.virtual_price(virtual), abi_words.uint_at(abi_words.returned(replies[-1])), mean
        )


@lru_cache(maxsize=512)
def _calls(pool: str, count: int, own_mean: bool) -> tuple[Call, ...]:
    state = curve_state.pool_calls(pool, count, _STATE)
    if not own_mean:
        return state
    return (*state, Call(to=address(pool), data=calldata("ma_exp_time()")), *curve_state.mean_calls(pool, count))
