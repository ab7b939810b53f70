"""A stable pool of Balancer v2, composable or meta-stable: what selling and buying a notional pays, and its depth.

Source: Balancer v2 Vault (getPoolTokens, queryBatchSwap), ComposableStablePool v3 and MetaStablePool (onSwap, views).

Rates: a swap first renews each cached token rate whose time has passed, then uses the cache. So does this: the rate of
a cache that has expired at the block read is the provider's own, else the cached one. What is returned is what a swap
in that block would have paid, not what the views of the pool show.

The value of one share is the pool's own getRate(), which inside of a join or exit of the Vault shows what is not there:
all of this is read by eth_call at the end of a block only, never inside of a transaction.
"""

from __future__ import annotations

from dataclasses import dataclass

from feeds.chains import multicall
from feeds.chains.abi import address, calldata
from feeds.decode import abi_words
from feeds.errors import Malformed, WrongSymbol
from feeds.pools.balancer_state import KINDS, State, check_open, listing, rate_calls, renewed, state_calls, swappable
from feeds.pools.gates import Gates, counted
from feeds.pools.stable_math import StablePool
from feeds.types import Quote, Read
from feeds.units import Wad, mid_down


@dataclass(frozen=True, slots=True, kw_only=True)
class BalancerStable:
    """One pool, read at size.

    Attributes:
        vault: address of the Vault; pool: of the pool; pool_id: its 32 bytes, which begin with the pool's address.
        base: address of the token that is priced; quote: of the token it is priced in.
        notional: base tokens that are sold and bought, a decimal text.
        variant: composable or meta.
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
    variant: str = "composable"
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
        if self.variant not in KINDS:
            raise ValueError(f"variant = {self.variant!r}: write one of {', '.join(KINDS)}")
        self._gates.check()

    def read(self) -> Read:
        """Two phases: the pool's state, then its rate caches and their providers (if any token has one).

        Prices: bid rounded down, ask up, mid down.

        Raises:
            Reverted: the pool or the Vault is paused.
            Refused: the pool is in recovery mode.
            Thin: the pool does not carry the notional, or the depth is below min_depth.
            Slippage: selling and buying lie further apart than max_slippage_bps.
            WrongSymbol: the pool does not hold these tokens.
            FeedError: for replies that are not such a pool's.
        """
        kind = KINDS[self.variant]
        calls = state_calls(self.vault, self.pool, self.pool_id, self.multicall, kind)
        state = State(*counted((yield calls), len(calls)))
        check_open(state)
        listed = listing(state)
        replies = (yield rate_calls(self.pool, listed.rated, kind)) if listed.rated else ()
        now_s = abi_words.uint_at(abi_words.returned(state.time))
        pool, tokens = swappable(state, renewed(listed, replies, now_s, kind), kind)
        base, quote = (int.from_bytes(address(t), "big") for t in (self.base, self.quote))
        if base not in tokens or quote not in tokens:
            raise WrongSymbol("the pool does not hold base and quote", tokens=len(tokens))
        virtual = abi_words.uint_at(abi_words.returned(state.rate))
        if not 0 < virtual < 1 << 128:
            raise Malformed("the value of a share is zero", rate=str(virtual)[:40])
        return self._quote(pool, tokens.index(base), tokens.index(quote), virtual)

    @property
    def _gates(self) -> Gates:
        return Gates(self.notional, self.min_depth, self.max_slippage_bps, self.base_decimals, self.quote_decimals)

    def _quote(self, pool: StablePool, base: int, quote: int, virtual: int) -> Quote:
        amount = self._gates.amount
        bid, ask = self._gates.prices(pool.sell(amount, base, quote), pool.buy(amount, base, quote), amount)
        half, one, two = self._gates.depths(pool.depths(base, quote))
        return Quote(
            price_wad=Wad(mid_down(bid, ask)),
            bid_wad=bid,
            ask_wad=ask,
            depth_half_wad=half,
            depth_wad=one,
            depth_two_wad=two,
            base_share_bps=pool.curve().share_bps(base),
            virtual_wad=virtual,
        )
