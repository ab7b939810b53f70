"""A Curve stable pool older than StableSwap-NG: the stETH pool, factory plain pools, those with an average, stETH-ng.

Source: curvefi/curve-contract (StableSwapSTETH, StableSwapRETH, the pool templates) and curvefi/curve-factory (Plain2*,
CurveStableSwap2NG): coins, balances, A_precise, A, fee, get_virtual_price, get_dy(int128,int128,uint256), and
price_oracle() with ma_exp_time() where the pool keeps an average. The few pools of 2020 whose coins() takes an int128
hold no staking token and are not read.

A virtual price can be raised for the time of a withdrawal's callback, so none of this may be read inside a transaction:
it is read by eth_call at the end of a block only. What is judged across blocks is that the virtual price never falls.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from feeds.chains.abi import address, calldata
from feeds.decode import abi_words
from feeds.errors import Malformed
from feeds.pools import curve_stable, curve_state
from feeds.pools.curve_stable import UNITS, CurveReplies, Places
from feeds.pools.gates import counted
from feeds.types import Call, Read, Reply
from feeds.units import WAD, mul_div_down

_STATE = ("A_precise()", "A()", "fee()", "get_virtual_price()")
_RATE = re.compile(r"(\w+\(\)) (\S+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class CurvePlain:
    """One pool, read at size.

    Attributes:
        pool: address of the pool.
        coins: addresses of all its coins in the pool's order; the chain's own coin is 0xEeee...EEeE.
        base: the coin that is priced; quote: the coin it is priced in.
        notional: base tokens that are sold and bought, a decimal text.
        decimals: of each coin; none where all have 18.
        rates: for pools that count a coin by a rate: per coin "" or the call that answers it times 1e18, such as
            ``getExchangeRate() 0xae78...``; none where all count as they are. A wrong one is found out: the pool's own
            answer then contradicts ours.
        own_mean: whether to read the pool's own average (none is given by pools that keep none).
        min_depth: base tokens that must be needed to move the price by 1 %.
        max_slippage_bps: how far selling and buying the notional may lie apart, both fees included.
    """

    pool: str
    coins: tuple[str, ...]
    base: str
    quote: str
    notional: str
    decimals: tuple[int, ...] = ()
    rates: tuple[str, ...] = ()
    own_mean: bool = True
    min_depth: str = "0"
    max_slippage_bps: int = 100

    def __post_init__(self) -> None:
        """Check the config; ValueError says what to write."""
        address(self.pool)
        curve_state.check_coins(self.coins, self.base, self.quote, self.decimals)
        self._places.gates.check()
        if self.rates and len(self.rates) != len(self.coins):
            raise ValueError(f"rates: write one text for each of the {len(self.coins)} coins, or none")
        _rate_calls(self.rates)

    def read(self) -> Read:
        """Two phases: state, sale and mean; then the purchase.

        Prices: bid rounded down, ask up, mid and mean down. ``mean_span_ms`` is the mean age of the average's content,
        its time constant. The average counts coins by their rates; here it is undone with the rates of the block.

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
        replies = yield (*_calls(self.pool, at.count, self.rates, self.own_mean), sale)
        held = self._held(replies, at)
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
        precise, whole, fee, virtual, *rest = replies[2 * n : -1]
        replies_of_rates = iter(rest[: sum(map(bool, self.rates))])
        rates = [
            _rated(UNITS[digits], next(replies_of_rates)) if i < len(self.rates) and self.rates[i] else UNITS[digits]
            for i, digits in enumerate(at.decimals)
        ]
        pool = curve_stable.pool_of(
            curve_stable.amplification(curve_state.optional(precise), whole),
            curve_state.balances(replies[n : 2 * n]),
            rates,
            abi_words.uint_at(abi_words.returned(fee)),
        )
        means = rest[sum(map(bool, self.rates)) :]
        mean = curve_state.mean(means[1:], n, span_s=means[0], half_life=False) if means else None
        return CurveReplies(
            pool, curve_state.virtual_price(virtual), abi_words.uint_at(abi_words.returned(replies[-1])), mean
        )


def _rated(unit: int, reply: Reply) -> int:
    rate = abi_words.uint_at(abi_words.returned(reply))
    if not 0 < rate < 1 << 96:
        raise Malformed("a coin's rate is zero", rate=str(rate)[:40])
    return mul_div_down(unit, rate, WAD)


@lru_cache(maxsize=512)
def _calls(pool: str, count: int, rates: tuple[str, ...], own_mean: bool) -> tuple[Call, ...]:
    state = (*curve_state.pool_calls(pool, count, _STATE), *_rate_calls(rates))
    if not own_mean:
        return state
    return (*state, Call(to=address(pool), data=calldata("ma_exp_time()")), *curve_state.mean_calls(pool, count))


@lru_cache(maxsize=512)
def _rate_calls(rates: tuple[str, ...]) -> tuple[Call, ...]:
    calls = []
    for text in filter(None, rates):
        match = _RATE.fullmatch(text)
        if match is None:
            raise ValueError(
                f"rates: {text!r} is not a call: write one such as getExchangeRate() 0xae78736Cd615f374..."
            )
        calls.append(Call(to=address(match[2]), data=calldata(match[1])))
    return tuple(calls)
