"""A weighted pool of Balancer v2: what selling and buying a notional pays, and its depth.

Source: Balancer v2 Vault (getPoolTokens) and WeightedPool (getNormalizedWeights, onSwap) of the deployment tasks from
20210418 to 20230206. A weighted pool prices balances, never rates. The pools of 2021 round powers of 1, 2 and 4 as any
other: with weights of such a ratio their prices differ from these by some 1e-14.

The value of one share is not stated here: the pools mint shares for protocol fees, so it may fall a little by itself.
Read by eth_call at the end of a block only: inside of a join or exit of the Vault balances and shares do not fit.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from feeds.chains.abi import address, calldata
from feeds.decode import abi_words
from feeds.errors import Malformed, Refused, Reverted, Thin, WrongSymbol
from feeds.pools.gates import Gates, counted
from feeds.pools.weighted_math import Weighted
from feeds.types import Call, Quote, Read, Reply
from feeds.units import WAD, Wad, mid_down, mul_div_up

_MOST_TOKENS = 8
_MOST_FEE_WAD = WAD // 10
_LEAST_WEIGHT = WAD // 100
_MOST_BITS = 112
_VIEWS = ("getNormalizedWeights()", "getSwapFeePercentage()", "getPausedState()", "inRecoveryMode()")


class _State(NamedTuple):
    """Replies of the only phase."""

    tokens: Reply
    vault_paused: Reply
    weights: Reply
    fee: Reply
    paused: Reply
    recovery: Reply


@dataclass(frozen=True, slots=True, kw_only=True)
class BalancerWeighted:
    """One pool, read at size.

    Attributes:
        vault: address of the Vault; pool: of the pool; pool_id: its 32 bytes, which begin with the pool's address.
        base: address of the token that is priced; quote: of the token it is priced in.
        notional: base tokens that are sold and bought, a decimal text.
        base_decimals: of the base token; quote_decimals: of the quote token; at most 18.
        min_depth: base tokens that must be needed to move the price by 1 %.
        max_slippage_bps: how far selling and buying the notional may lie apart, both fees included.
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

    def __post_init__(self) -> None:
        """Check the config; ValueError says what to write."""
        address(self.vault)
        if calldata("f(bytes32)", (self.pool_id,))[4:24] != address(self.pool):
            raise ValueError(f"pool_id {self.pool_id} belongs to another pool: it must begin with {self.pool}")
        if address(self.base) == address(self.quote):
            raise ValueError("base and quote are the same token: write two tokens of the pool")
        if max(self.base_decimals, self.quote_decimals) > 18:  # noqa: PLR2004 - the pools take no finer token
            raise ValueError("a pool of Balancer holds tokens of at most 18 decimals: correct the decimals")
        self._gates.check()

    def read(self) -> Read:
        """One phase: the pool's state.

        Prices: bid rounded down, ask up, mid down.

        Raises:
            Reverted: the pool or the Vault is paused.
            Refused: the pool is in recovery mode.
            Thin: the pool does not carry the notional (30 % of a balance at most), or the depth is below min_depth.
            Slippage: selling and buying lie further apart than max_slippage_bps.
            WrongSymbol: the pool does not hold these tokens.
            FeedError: for replies that are not such a pool's.
        """
        state = _State(*counted((yield _calls(self.vault, self.pool, self.pool_id)), 2 + len(_VIEWS)))
        _check_open(state)
        pool = self._pool(state)
        fee = abi_words.uint_at(abi_words.returned(state.fee))
        if fee > _MOST_FEE_WAD:
            raise Malformed("swap fee above 10 %", fee=str(fee)[:20])
        bid, ask = self._gates.prices(self._sell(pool, fee), self._buy(pool, fee), self._gates.amount)
        unit = 10 ** (18 - self.base_decimals)
        half, one, two = (n // unit for n in pool.depths())
        half, one, two = self._gates.depths((half, one, two))
        return Quote(
            price_wad=Wad(mid_down(bid, ask)),
            bid_wad=bid,
            ask_wad=ask,
            depth_half_wad=half,
            depth_wad=one,
            depth_two_wad=two,
        )

    @property
    def _gates(self) -> Gates:
        return Gates(self.notional, self.min_depth, self.max_slippage_bps, self.base_decimals, self.quote_decimals)

    def _pool(self, state: _State) -> Weighted:
        """Scaled balances and weights of base and quote."""
        held = abi_words.returned(state.tokens, words=3)
        tokens = abi_words.uints_at(held, 0, most=_MOST_TOKENS)
        balances = abi_words.uints_at(held, 1, most=_MOST_TOKENS)
        weights = abi_words.uints_at(abi_words.returned(state.weights, words=2), 0, most=_MOST_TOKENS)
        if len({len(tokens), len(balances), len(weights)}) != 1:
            raise Malformed("the pool lists different numbers of tokens and values", tokens=len(tokens))
        if sum(weights) != WAD or min(weights, default=0) < _LEAST_WEIGHT or any(b >> _MOST_BITS for b in balances):
            raise Malformed("weights or balances out of range", weights=str(list(weights))[:60])
        places = []
        for token in (self.base, self.quote):
            if (number := int.from_bytes(address(token), "big")) not in tokens:
                raise WrongSymbol("the pool does not hold base and quote", tokens=len(tokens))
            places.append(tokens.index(number))
        base, quote = places
        if min(balances[base], balances[quote]) == 0:
            raise Thin("the pool is empty")
        scaled = (
            balances[base] * 10 ** (18 - self.base_decimals),
            balances[quote] * 10 ** (18 - self.quote_decimals),
        )
        return Weighted(*scaled, weights[base], weights[quote])

    def _sell(self, pool: Weighted, fee: int) -> int:
        """Quote units received for the notional: the fee is taken off the input, rounded up."""
        amount = self._gates.amount
        net = (amount - mul_div_up(amount, fee, WAD)) * 10 ** (18 - self.base_decimals)
        received: int = pool.pays(net) // 10 ** (18 - self.quote_decimals)
        if received == 0:
            raise Thin("the pool gives nothing for the notional")
        return received

    def _buy(self, pool: Weighted, fee: int) -> int:
        """Quote units that buy the notional, fee included; each division rounded up."""
        cost = pool.costs(self._gates.amount * 10 ** (18 - self.base_decimals))
        paid = mul_div_up(cost, 1, 10 ** (18 - self.quote_decimals))
        if paid == 0:
            raise Malformed("the pool asks nothing for the notional")
        return mul_div_up(paid, WAD, WAD - fee)


def _check_open(state: _State) -> None:
    """Refuse a pool that is paused or in recovery mode; pools without that mode have no such view."""
    if abi_words.uint_at(abi_words.returned(state.paused)) or abi_words.uint_at(abi_words.returned(state.vault_paused)):
        raise Reverted("the pool or the Vault is paused")
    if not isinstance(state.recovery, Reverted) and abi_words.uint_at(abi_words.returned(state.recovery)):
        raise Refused("the pool is in recovery mode: only exits are meant to happen")


@lru_cache(maxsize=256)
def _calls(vault: str, pool: str, pool_id: str) -> tuple[Call, ...]:
    of_vault, of_pool = address(vault), address(pool)
    return (
        Call(to=of_vault, data=calldata("getPoolTokens(bytes32)", (pool_id,))),
        Call(to=of_vault, data=calldata("getPausedState()")),
        *(Call(to=of_pool, data=calldata(name)) for name in _VIEWS),
    )
