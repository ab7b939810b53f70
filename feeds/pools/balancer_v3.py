"""A stable or weighted pool of Balancer v3: what selling and buying a notional pays, and its depth.

Source: balancer/balancer-v3-monorepo, Vault (swap), VaultExtension (getPoolTokens, getPoolTokenRates,
getCurrentLiveBalances, getStaticSwapFeePercentage, getHooksConfig, isPoolPaused, isPoolInRecoveryMode, getBptRate),
VaultAdmin (isVaultPaused): all asked of the Vault's own address, which passes them on; StablePool
(getAmplificationParameter), WeightedPool (getNormalizedWeights). Roundings as balancer-maths 0.0.41, with which the
tests compare; no registry package ships the bytecode.

Live balances are at the providers' rates of the block read, yield fees already taken off, as a swap would find them.
A swap of less than 1e6 scaled units is refused by the Vault.

Boosted pools hold ERC-4626 shares (waEthWETH and the like): base and quote here are the tokens that the pool holds. With
base_wraps or quote_wraps the prices are of what a share wraps, at the share's own convertToAssets, and the notional counts
that; a share whose vault does not pay the notional out now is refused. The Vault's buffers, which wrap on the way, are not
part of the price.

Hooks: a pool whose hook sets the fee or is called around a swap is refused unless accept_hooks is written; then the
quote is what the pool would do by itself at its static fee.

The value of one share is the Vault's getBptRate(pool). All of this is read by eth_call at the end of a block only.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple, Protocol

from feeds.chains.abi import address, calldata
from feeds.decode import abi_words
from feeds.errors import Malformed, Refused, Reverted, Thin, WrongSymbol
from feeds.pools.gates import Gates, counted
from feeds.pools.stable_math import AMP_PRECISION, StableInvariant, invariant
from feeds.pools.vault_share import ShareRate, share_calls, share_rate
from feeds.pools.weighted_math import Weighted
from feeds.types import Call, Quote, Read, Reply
from feeds.units import WAD, Wad, mid_down, mul_div_up

_KINDS = {"stable": "getAmplificationParameter()", "weighted": "getNormalizedWeights()"}
_MOST_TOKENS = 8
_MOST_BITS = 128
_MOST_FEE_WAD = WAD // 10
_MOST_AMP = 100_000 * AMP_PRECISION
_LEAST_TRADE = 10**6
_HOOK_WORDS = 11
_SWAP_HOOKS = (3, 4, 5)
"""Where in the hooks' config dynamic fee, before swap and after swap stand."""
_VAULT = (
    "getPoolTokens(address)",
    "getPoolTokenRates(address)",
    "getCurrentLiveBalances(address)",
    "getStaticSwapFeePercentage(address)",
    "getHooksConfig(address)",
    "isPoolPaused(address)",
    "isPoolInRecoveryMode(address)",
    "getBptRate(address)",
)


class _Arithmetic(Protocol):
    """Scaled amounts without fee, from base to quote."""

    def pays(self, amount: int) -> int: ...
    def costs(self, amount: int) -> int: ...
    def depths(self) -> tuple[int, int, int]: ...


class _Stable(NamedTuple):
    """Two tokens of a stable pool."""

    curve: StableInvariant
    base: int
    quote: int

    def pays(self, amount: int) -> int:
        return self.curve.pays(amount, self.base, self.quote)

    def costs(self, amount: int) -> int:
        return self.curve.costs(amount, self.base, self.quote)

    def depths(self) -> tuple[int, int, int]:
        return self.curve.depths(self.base, self.quote)


class _State(NamedTuple):
    """Replies of the only phase."""

    tokens: Reply
    rates: Reply
    balances: Reply
    fee: Reply
    hooks: Reply
    paused: Reply
    recovery: Reply
    rate: Reply
    vault_paused: Reply
    shape: Reply


@dataclass(frozen=True, slots=True, kw_only=True)
class BalancerV3:
    """One pool, read at size.

    Attributes:
        vault: address of the Vault; pool: of the pool.
        variant: stable or weighted.
        base: address of the token that is priced; quote: of the token it is priced in; both as the pool holds them.
        base_wraps: address of what base is an ERC-4626 share of, which is then priced; quote_wraps: the same of quote, in
            which it is then priced; empty for a token that is none. Share and asset have the same decimals.
        notional: base tokens that are sold and bought, a decimal text.
        accept_hooks: whether to price a pool with hooks around its swaps as if it had none.
        base_decimals: of the base token; quote_decimals: of the quote token; the Vault must say the same.
        min_depth: base tokens that must be needed to move the price by 1 %.
        max_slippage_bps: how far selling and buying the notional may lie apart, both fees included.
    """

    vault: str
    pool: str
    variant: str
    base: str
    quote: str
    notional: str
    base_wraps: str = ""
    quote_wraps: str = ""
    accept_hooks: bool = False
    base_decimals: int = 18
    quote_decimals: int = 18
    min_depth: str = "0"
    max_slippage_bps: int = 100

    def __post_init__(self) -> None:
        """Check the config; ValueError says what to write."""
        address(self.vault)
        address(self.pool)
        if address(self.base) == address(self.quote):
            raise ValueError("base and quote are the same token: write two tokens of the pool")
        if self.variant not in _KINDS:
            raise ValueError(f"variant = {self.variant!r}: write one of {', '.join(_KINDS)}")
        if max(self.base_decimals, self.quote_decimals) > 18:  # noqa: PLR2004 - the Vault takes no finer token
            raise ValueError("a pool of Balancer holds tokens of at most 18 decimals: correct the decimals")
        for text in (self.base_wraps, self.quote_wraps):
            if text:
                address(text)
        self._gates.check()

    def read(self) -> Read:
        """One phase: the pool's state in the Vault, and what its shares are worth.

        Prices: bid rounded down, ask up, mid down.

        Raises:
            Reverted: the pool or the Vault is paused, or a rate provider reverts.
            Refused: the pool is in recovery mode, or has hooks that were not accepted.
            Thin: the pool does not carry the notional, a share is not paid out, or the depth is below min_depth.
            Slippage: selling and buying lie further apart than max_slippage_bps.
            WrongSymbol: the pool does not hold these tokens, or with other decimals, or a share is of another one.
            FeedError: for replies that are not such a pool's.
        """
        calls = _calls(self.vault, self.pool, self.variant)
        asked = [share_calls(*share, self.vault) for share in self._shares]
        everything = (*calls, *asked[0], *asked[1])
        replies = counted((yield everything), len(everything))
        state, of_shares = _State(*replies[: len(calls)]), replies[len(calls) :]
        self._check_open(state)
        worth = (
            share_rate(of_shares[: len(asked[0])], self.base_wraps, self.base_decimals),
            share_rate(of_shares[len(asked[0]) :], self.quote_wraps, self.quote_decimals),
        )
        places, units, rates, balances = self._listing(state)
        pool = self._arithmetic(state, balances, *places)
        fee = abi_words.uint_at(abi_words.returned(state.fee))
        if fee > _MOST_FEE_WAD:
            raise Malformed("swap fee above 10 %", fee=str(fee)[:20])
        amount = self._gates.amount
        bid, ask = self._gates.prices(*_traded_assets(pool, amount, fee, (units, rates), worth), amount)
        half, one, two = (worth[0].assets_down(n * WAD // (units[0] * rates[0])) for n in pool.depths())
        half, one, two = self._gates.depths((half, one, two))
        virtual = abi_words.uint_at(abi_words.returned(state.rate))
        if not 0 < virtual < 1 << _MOST_BITS:
            raise Malformed("the value of a share is zero", rate=str(virtual)[:40])
        return Quote(
            price_wad=Wad(mid_down(bid, ask)),
            bid_wad=bid,
            ask_wad=ask,
            depth_half_wad=half,
            depth_wad=one,
            depth_two_wad=two,
            base_share_bps=pool.curve.share_bps(pool.base) if isinstance(pool, _Stable) else None,
            virtual_wad=virtual,
        )

    @property
    def _shares(self) -> tuple[tuple[str, str, int], tuple[str, str, int]]:
        """Base and quote: the token, what it wraps, its decimals."""
        return (
            (self.base, self.base_wraps, self.base_decimals),
            (self.quote, self.quote_wraps, self.quote_decimals),
        )

    @property
    def _gates(self) -> Gates:
        return Gates(self.notional, self.min_depth, self.max_slippage_bps, self.base_decimals, self.quote_decimals)

    def _check_open(self, state: _State) -> None:
        if any(abi_words.uint_at(abi_words.returned(r)) for r in (state.paused, state.vault_paused)):
            raise Reverted("the pool or the Vault is paused")
        if abi_words.uint_at(abi_words.returned(state.recovery)):
            raise Refused("the pool is in recovery mode: only exits are meant to happen")
        hooks = abi_words.returned(state.hooks, words=_HOOK_WORDS)
        if any(abi_words.uint_at(hooks, place) for place in _SWAP_HOOKS) and not self.accept_hooks:
            raise Refused("the pool's hook may change a swap: write accept_hooks = true to price it as if it did not")

    def _listing(self, state: _State) -> tuple[tuple[int, int], tuple[int, int], tuple[int, int], tuple[int, ...]]:
        """Places, decimal factors and rates of base and quote, and all live balances (18 decimals)."""
        tokens = abi_words.uints_at(abi_words.returned(state.tokens, words=2), 0, most=_MOST_TOKENS)
        scaling = abi_words.returned(state.rates, words=4)
        factors, rates = (abi_words.uints_at(scaling, i, most=_MOST_TOKENS) for i in (0, 1))
        balances = abi_words.uints_at(abi_words.returned(state.balances, words=2), 0, most=_MOST_TOKENS)
        if len({len(tokens), len(factors), len(rates), len(balances)}) != 1:
            raise Malformed("the Vault lists different numbers of tokens and values", tokens=len(tokens))
        if any(n >> _MOST_BITS for n in (*balances, *rates)) or 0 in rates:
            raise Malformed("a balance or a rate is out of range", tokens=len(tokens))
        if 0 in balances:
            raise Thin("the pool is empty")
        places = []
        for token, decimals in ((self.base, self.base_decimals), (self.quote, self.quote_decimals)):
            number = int.from_bytes(address(token), "big")
            if number not in tokens or factors[tokens.index(number)] != 10 ** (18 - decimals):
                raise WrongSymbol("the pool does not hold base and quote, or with other decimals", tokens=len(tokens))
            places.append(tokens.index(number))
        base, quote = places
        return (base, quote), (factors[base], factors[quote]), (rates[base], rates[quote]), balances

    def _arithmetic(self, state: _State, balances: tuple[int, ...], base: int, quote: int) -> _Arithmetic:
        if self.variant == "weighted":
            weights = abi_words.uints_at(abi_words.returned(state.shape, words=2), 0, most=_MOST_TOKENS)
            if len(weights) != len(balances) or sum(weights) != WAD or min(weights) < WAD // 100:
                raise Malformed("weights out of range", weights=str(list(weights))[:60])
            return Weighted(balances[base], balances[quote], weights[base], weights[quote])
        data = abi_words.returned(state.shape, words=3)
        amp = abi_words.uint_at(data)
        if abi_words.uint_at(data, 2) != AMP_PRECISION or not AMP_PRECISION <= amp <= _MOST_AMP:
            raise Malformed("amplification out of range", amp=str(amp)[:20])
        return _Stable(StableInvariant(amp=amp, balances=balances, d=invariant(amp, balances), fine=True), base, quote)


def _rate_up(rate: int) -> int:
    """A rate as the Vault counts it against the trader: one unit more unless it is whole."""
    return rate + (rate % WAD > 0)


def _traded(scaled: int) -> int:
    if scaled < _LEAST_TRADE:
        raise Thin("the Vault refuses so small a swap", scaled=str(scaled), least=_LEAST_TRADE)
    return scaled


def _traded_assets(
    pool: _Arithmetic,
    amount: int,
    fee: int,
    scaling: tuple[tuple[int, int], tuple[int, int]],
    worth: tuple[ShareRate, ShareRate],
) -> tuple[int, int]:
    """Quote assets received for an amount of base assets, and paid for it, through the shares that the pool trades."""
    base, quote = worth
    bought = base.shares_up(amount)
    base.check_paid(bought)
    received = _sell(pool, base.shares_down(amount), fee, *scaling)
    quote.check_paid(received)
    return quote.assets_down(received), quote.assets_up(_buy(pool, bought, fee, *scaling))


def _sell(pool: _Arithmetic, amount: int, fee: int, units: tuple[int, int], rates: tuple[int, int]) -> int:
    """Quote units received for an exact amount of base; the fee is taken off the scaled input, rounded up."""
    given = amount * units[0] * rates[0] // WAD
    got = _traded(pool.pays(_traded(given - mul_div_up(given, fee, WAD))))
    received = got * WAD // (units[1] * _rate_up(rates[1]))
    if received == 0:
        raise Thin("the pool gives nothing for the notional")
    return received


def _buy(pool: _Arithmetic, amount: int, fee: int, units: tuple[int, int], rates: tuple[int, int]) -> int:
    """Quote units that buy an exact amount of base, fee included, rounded up."""
    cost = _traded(pool.costs(_traded(mul_div_up(amount * units[0], _rate_up(rates[0]), WAD))))
    return mul_div_up(cost + mul_div_up(cost, fee, WAD - fee), WAD, units[1] * rates[1])


@lru_cache(maxsize=256)
def _calls(vault: str, pool: str, kind: str) -> tuple[Call, ...]:
    to, of = address(vault), address(pool)
    text = "0x" + of.hex()
    return (
        *(Call(to=to, data=calldata(name, (text,))) for name in _VAULT),
        Call(to=to, data=calldata("isVaultPaused()")),
        Call(to=of, data=calldata(_KINDS[kind])),
    )
