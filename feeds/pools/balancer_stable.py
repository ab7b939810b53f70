"""A composable stable pool of Balancer v2: what selling and buying a notional pays, and its depth.

Source: Balancer v2 Vault (getPoolTokens, queryBatchSwap) and ComposableStablePool v3 (onSwap and its views).

Rates: a swap first renews each cached token rate whose time has passed, then uses the cache. So does this: the rate of
a cache that has expired at the block read is the provider's own, else the cached one. What is returned is what a swap
in that block would have paid, not what the views of the pool show.
"""

from __future__ import annotations

from dataclasses import dataclass

from feeds import decode, multicall
from feeds.abi import address, amount_of, calldata, wad_of
from feeds.pools.balancer_state import State, check_open, listing, rate_calls, renewed, state_calls, swappable
from feeds.pools.stable_math import StablePool
from feeds.types import Malformed, Quote, Read, Slippage, Thin, WrongSymbol
from feeds.units import BPS, WAD, Wad, mid_down, mul_div_down, mul_div_up


@dataclass(frozen=True, slots=True, kw_only=True)
class BalancerStable:
    """One pool, read at size.

    Attributes:
        vault: address of the Vault; pool: of the pool; pool_id: its 32 bytes, which begin with the pool's address.
        base: address of the token that is priced; quote: of the token it is priced in.
        notional: base tokens that are sold and bought, a decimal text.
        base_decimals: of the base token; quote_decimals: of the quote token.
        min_depth: base tokens that must be needed to move the price by 1 %.
        max_slippage_bps: how far selling and buying the notional may lie apart, both fees included.
        multicall: address of Multicall3 on this chain, which tells the block's time.
    """

    vault: str
    pool: str
    pool_id: str
    base: str
    quote: str
    notional: str
    base_decimals: int = 18
    quote_decimals: int = 18
    min_depth: str = "0"
    max_slippage_bps: int = 100
    multicall: str = multicall.ADDRESS

    def __post_init__(self) -> None:
        """Check the config; ValueError says what to write."""
        address(self.vault)
        address(self.multicall)
        if calldata("f(bytes32)", (self.pool_id,))[4:24] != address(self.pool):
            raise ValueError(f"pool_id {self.pool_id} belongs to another pool: it must begin with {self.pool}")
        if address(self.base) == address(self.quote):
            raise ValueError("base and quote are the same token: write two tokens of the pool")
        if amount_of(self.notional, self.base_decimals) <= 0:
            raise ValueError(f"notional = {self.notional!r}: write how many base tokens to sell and buy, above 0")
        amount_of("1", self.quote_decimals)
        wad_of(self.min_depth)
        if not 0 < self.max_slippage_bps <= BPS:
            raise ValueError(f"max_slippage_bps = {self.max_slippage_bps}: write 1 to {BPS}")

    def read(self) -> Read:
        """Two phases: the pool's state, then its rate caches and their providers (if any token has one).

        Prices: bid rounded down, ask up, mid down.

        Raises:
            Reverted: the pool or the Vault is paused.
            Refused: the pool is in recovery mode.
            Thin: the pool does not carry the notional, or the depth is below min_depth.
            Slippage: selling and buying lie further apart than max_slippage_bps.
            WrongSymbol: the pool does not hold these tokens.
            FeedError: for replies that are no such pool's.
        """
        state = State(*(yield state_calls(self.vault, self.pool, self.pool_id, self.multicall)))
        check_open(state)
        listed = listing(state)
        replies = (yield rate_calls(self.pool, listed.rated)) if listed.rated else ()
        pool, tokens = swappable(state, renewed(listed, replies, decode.uint_at(decode.returned(state.time))))
        base, quote = (int.from_bytes(address(t), "big") for t in (self.base, self.quote))
        if base not in tokens or quote not in tokens:
            raise WrongSymbol("the pool does not hold base and quote", tokens=len(tokens))
        return self._quote(pool, tokens.index(base), tokens.index(quote))

    def _quote(self, pool: StablePool, base: int, quote: int) -> Quote:
        bid, ask = self._bid_ask(pool, base, quote)
        depth = mul_div_down(pool.depth(base, quote), WAD, 10**self.base_decimals)
        if depth < wad_of(self.min_depth):
            raise Thin(depth_wad=str(depth), min_depth=self.min_depth)
        return Quote(price_wad=Wad(mid_down(bid, ask)), bid_wad=bid, ask_wad=ask, depth_wad=depth)

    def _bid_ask(self, pool: StablePool, base: int, quote: int) -> tuple[Wad, Wad]:
        notional = amount_of(self.notional, self.base_decimals)
        one_base, units = 10**self.base_decimals * WAD, notional * 10**self.quote_decimals
        bid = decode.bounded_price(mul_div_down(pool.sell(notional, base, quote), one_base, units))
        ask = decode.bounded_price(mul_div_up(pool.buy(notional, base, quote), one_base, units))
        if bid > ask:
            raise Malformed("the pool pays more than it asks", bid=str(bid), ask=str(ask))
        apart = mul_div_up(ask - bid, BPS, mid_down(bid, ask))
        if apart > self.max_slippage_bps:
            raise Slippage(apart_bps=apart, max_slippage_bps=self.max_slippage_bps, notional=self.notional)
        return bid, ask
