"""What a stable pool of Balancer v2 is asked, and how its answers are read.

A meta-stable pool (2021) holds no share token of its own, keeps its rates in another view (three words: rate, duration,
expiry) and rounds its invariant up; the rest is alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import NamedTuple

from feeds.chains.abi import address, calldata, selector, word
from feeds.decode import abi_words
from feeds.errors import Malformed, Refused, Reverted
from feeds.pools.stable_math import AMP_PRECISION, StablePool
from feeds.types import Call, Reply
from feeds.units import WAD

_LEAST_TOKENS = 2
_MOST_TOKENS = 8
_MOST_FEE_WAD = WAD // 10
_MOST_AMP = 100_000 * AMP_PRECISION
_UNITS: tuple[int, ...] = tuple(WAD * 10**digits for digits in range(19))
"""Scaling factors without a rate, for tokens of 18 to 0 decimals."""
_STATE = (
    "getAmplificationParameter()",
    "getScalingFactors()",
    "getSwapFeePercentage()",
    "getRateProviders()",
    "getPausedState()",
    "inRecoveryMode()",
    "getRate()",
)


class BalancerKind(NamedTuple):
    """How one generation of pools differs."""

    cache: str
    cache_words: int
    own: bool
    rounds_up: bool


KINDS: Mapping[str, BalancerKind] = MappingProxyType({
    "composable": BalancerKind("getTokenRateCache(address)", 4, own=True, rounds_up=False),
    "meta": BalancerKind("getPriceRateCache(address)", 3, own=False, rounds_up=True),
})  # fmt: skip


class State(NamedTuple):
    """Replies of the first phase."""

    tokens: Reply
    amp: Reply
    scales: Reply
    fee: Reply
    providers: Reply
    paused: Reply
    recovery: Reply
    rate: Reply
    vault_paused: Reply
    time: Reply
    own: Reply = b""


@lru_cache(maxsize=256)
def state_calls(vault: str, pool: str, pool_id: str, clock: str, kind: BalancerKind) -> tuple[Call, ...]:
    """getPoolTokens, the seven views of the pool, the Vault's pause, the block's time, the own token's place."""
    of_vault, of_pool = address(vault), address(pool)
    own = (Call(to=of_pool, data=calldata("getBptIndex()")),) if kind.own else ()
    return (
        Call(to=of_vault, data=calldata("getPoolTokens(bytes32)", (pool_id,))),
        *(Call(to=of_pool, data=calldata(name)) for name in _STATE),
        Call(to=of_vault, data=calldata("getPausedState()")),
        Call(to=address(clock), data=calldata("getCurrentBlockTimestamp()")),
        *own,
    )


@lru_cache(maxsize=256)
def rate_calls(pool: str, rated: tuple[tuple[int, int], ...], kind: BalancerKind) -> tuple[Call, ...]:
    """Two calls for each (token, rate provider): the pool's cache and the provider's own rate."""
    cache, rate, cached = selector(kind.cache), selector("getRate()"), address(pool)
    return tuple(
        call
        for token, provider in rated
        for call in (
            Call(to=cached, data=cache + word(token)),
            Call(to=provider.to_bytes(20, "big"), data=rate),
        )
    )


class PoolListing(NamedTuple):
    """What the pool lists, its own share token included: addresses as integers, provider 0 where there is none."""

    tokens: tuple[int, ...]
    balances: tuple[int, ...]
    scales: tuple[int, ...]
    providers: tuple[int, ...]

    @property
    def rated(self) -> tuple[tuple[int, int], ...]:
        """Token and provider of each token that has a rate."""
        return tuple((t, p) for t, p in zip(self.tokens, self.providers, strict=True) if p)


def check_open(state: State) -> None:
    """Refuse a pool that is paused or in recovery mode; pools without that mode have no such view."""
    if abi_words.uint_at(abi_words.returned(state.paused)) or abi_words.uint_at(abi_words.returned(state.vault_paused)):
        raise Reverted("the pool or the Vault is paused")
    if not isinstance(state.recovery, Reverted) and abi_words.uint_at(abi_words.returned(state.recovery)):
        raise Refused("the pool is in recovery mode: only exits are meant to happen")


def listing(state: State) -> PoolListing:
    """Tokens, balances, scaling factors and rate providers; Malformed unless there is one of each per token."""
    held = abi_words.returned(state.tokens, words=3)
    columns = PoolListing(
        tokens=abi_words.uints_at(held, 0, most=_MOST_TOKENS),
        balances=abi_words.uints_at(held, 1, most=_MOST_TOKENS),
        scales=abi_words.uints_at(abi_words.returned(state.scales, words=2), 0, most=_MOST_TOKENS),
        providers=abi_words.uints_at(abi_words.returned(state.providers, words=2), 0, most=_MOST_TOKENS),
    )
    if len({len(column) for column in columns}) != 1:
        raise Malformed("the pool lists different numbers of tokens and values", tokens=len(columns.tokens))
    if any(b >> 112 for b in columns.balances) or any(v >> 160 for column in columns for v in column):
        raise Malformed("the pool lists values out of range", tokens=len(columns.tokens))
    return columns


def renewed(listed: PoolListing, replies: tuple[Reply, ...], now_s: int, kind: BalancerKind) -> PoolListing:
    """Return the listing with the scaling factors that a swap at that time (Unix s) would use."""
    if len(replies) != 2 * len(listed.rated):
        raise Malformed("the answer has another number of rates", asked=2 * len(listed.rated), answered=len(replies))
    pairs = iter(zip(replies[::2], replies[1::2], strict=True))
    scales = (
        _renewed(scale, *next(pairs), now_s, kind.cache_words) if provider else scale
        for scale, provider in zip(listed.scales, listed.providers, strict=True)
    )
    return listed._replace(scales=tuple(scales))


def _renewed(scale: int, cache: Reply, live: Reply, now_s: int, words: int) -> int:
    """Return the factor as shown, or recomputed with the provider's rate if the cache has expired; the expiry stands last."""
    cached = abi_words.returned(cache, words=words)
    if now_s <= abi_words.uint_at(cached, words - 1):
        return scale
    old, rate = abi_words.uint_at(cached), abi_words.uint_at(abi_words.returned(live))
    if not 0 < rate < 1 << 128:
        raise Malformed("the provider's rate is zero", rate=str(rate)[:40])
    for unit in _UNITS:
        if unit * old // WAD == scale:
            return unit * rate // WAD
    raise Malformed("scaling factor and cached rate contradict each other", scale=str(scale)[:40])


def swappable(state: State, listed: PoolListing, kind: BalancerKind) -> tuple[StablePool, tuple[int, ...]]:
    """Return the pool for the arithmetic, without its own share token, and the tokens in its order."""
    own = abi_words.uint_at(abi_words.returned(state.own)) if kind.own else None
    amp, fee = abi_words.returned(state.amp, words=3), abi_words.uint_at(abi_words.returned(state.fee))
    factor = abi_words.uint_at(amp)
    if abi_words.uint_at(amp, 2) != AMP_PRECISION or not AMP_PRECISION <= factor <= _MOST_AMP:
        raise Malformed("amplification out of range", amp=str(factor)[:20])
    if fee > _MOST_FEE_WAD:
        raise Malformed("swap fee above 10 %", fee=str(fee)[:20])
    kept = [i for i in range(len(listed.tokens)) if i != own]
    if (own is not None and own >= len(listed.tokens)) or len(kept) < _LEAST_TOKENS:
        raise Malformed("the pool does not list two tokens besides its own", tokens=len(listed.tokens))
    pool = StablePool(
        amp=factor,
        balances=tuple(listed.balances[i] for i in kept),
        scales=tuple(listed.scales[i] for i in kept),
        fee_wad=fee,
        rounds_up=kind.rounds_up,
    )
    return pool, tuple(listed.tokens[i] for i in kept)
