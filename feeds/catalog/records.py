"""What is known of tokens, pools, references, venues and chains: the records of ``feeds/catalog/*.toml``. Pure.

Everything is keyed by (chain, address): the same address may be another thing on another chain. A missing address is
None with the reason in ``why_null``; ``unconfirmed`` says what was not yet checked on a chain; ``source`` says where a
fact was published.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from feeds.catalog.checks import (
    check_dated,
    check_decimal,
    check_decimals,
    check_scale,
    check_words,
    exact,
)
from feeds.catalog.lifetime import Lifetime
from feeds.catalog.rails import Rail, check_rails
from feeds.catalog.risk_facts import Donation, Pause, WithdrawalTerms
from feeds.chains.abi import calldata

_SYMBOL = re.compile(r"[A-Za-z0-9.+_-]{1,16}")
_POOL_ID = re.compile(r"0x[0-9a-f]{64}")
_MOST_NORMAL_BPS = 1_000
POOL_SHARE = "BPT"
"""How a pool's own share token is written among its coins; nobody prices it here."""
EXPECTED_DECIMALS = 18
"""Where a token's decimals are not published; the check asks the contract."""


class Redemption(StrEnum):
    """Whether a holder can redeem through the protocol's own contracts."""

    OPEN = "open"
    CLOSED = "closed"
    UNKNOWN = "unknown"


class Form(StrEnum):
    """How rewards reach a holder: balances grow, or a share is worth more."""

    REBASING = "rebasing"
    SHARE = "share"


class RateSource(StrEnum):
    """Whether a rate is a number that somebody stores, or is computed at every call."""

    STORED = "stored"
    LIVE = "live"


class Compares(StrEnum):
    """What a provider's feed states."""

    MARKET = "market"
    EXCHANGE_RATE = "exchange_rate"
    CAPPED_USD = "capped_usd"
    PROOF_OF_RESERVE = "proof_of_reserve"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainFacts:
    """A chain. ``known_only``: named by other records, not read. ``sequencer``: Chainlink's uptime feed of an L2."""

    name: str
    chain_id: int | None = None
    multicall: str | None = None
    sequencer: str | None = None
    testnet: bool = False
    known_only: bool = False
    why_null: str | None = None
    source: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for text in (self.multicall, self.sequencer):
            if text is not None:
                exact(text)
        if self.chain_id is None and not self.known_only:
            raise ValueError(f"chain {self.name} has no chain_id: write it, or known_only = true")


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """Something that tokens are counted in or traded for.

    ``par``: the unit that it is worth one of. ``wraps``: the token or unit that it is a share of, by ERC-4626; pools hold
    it in that one's place. ``decimals``: None for 18.
    """

    symbol: str
    par: str | None = None
    wraps: str | None = None
    decimals: int | None = None
    address: Mapping[str, str] = field(default_factory=dict)
    source: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for text in self.address.values():
            exact(text)
        if self.decimals is not None:
            check_decimals("decimals", self.decimals)
        if self.par is not None and self.wraps is not None:
            raise ValueError(f"unit {self.symbol}: write par or wraps, a share is not worth exactly one")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """One edge of the rate graph: units of ``unit`` that one token is owed.

    Either ``par`` (the reason why it is exactly one; ``soft``: owed, but the market trades it apart, so that the two are
    never taken for each other), or word ``word`` of the answer of a call, times 10**-``scale``; with ``over_*`` the quotient
    of two calls, whose scales cancel.
    """

    unit: str
    par: str | None = None
    soft: bool = False
    chain: str | None = None
    contract: str | None = None
    function: str | None = None
    args: tuple[str, ...] = ()
    word: int = 0
    scale: int = 18
    over_contract: str | None = None
    over_function: str | None = None
    over_word: int = 0
    unconfirmed: str | None = None
    source: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        called = (self.chain, self.contract, self.function)
        if (self.par is None) == (None in called):
            raise ValueError('a rate is par = "why", or chain, contract and function: write one of the two')
        if self.contract is not None and self.function is not None:
            exact(self.contract)
            calldata(self.function, self.args)
        if (self.over_contract is None) != (self.over_function is None):
            raise ValueError("over_contract and over_function belong together: write both or none")
        if self.over_contract is not None and self.over_function is not None:
            exact(self.over_contract)
            calldata(self.over_function)
        check_words(self.word, self.over_word)
        check_scale(self.scale)


@dataclass(frozen=True, slots=True, kw_only=True)
class Flag:
    """A word of a contract's answer that states whether holders can redeem now: any but 0 ``means`` what is written."""

    chain: str
    contract: str
    function: str
    means: Redemption
    args: tuple[str, ...] = ()
    word: int = 0
    unconfirmed: str | None = None
    source: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.means is Redemption.UNKNOWN:
            raise ValueError('a flag means something: write means = "open" or "closed"')
        exact(self.contract)
        calldata(self.function, self.args)
        check_words(self.word)


@dataclass(frozen=True, slots=True, kw_only=True)
class Amount:
    """A number of whole tokens that a contract states: word ``word`` of its answer, times 10**-``scale``."""

    chain: str
    contract: str
    function: str
    args: tuple[str, ...] = ()
    word: int = 0
    scale: int = 18
    unconfirmed: str | None = None
    source: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        exact(self.contract)
        calldata(self.function, self.args)
        check_words(self.word)
        check_scale(self.scale)


@dataclass(frozen=True, slots=True, kw_only=True)
class Token(Lifetime):
    """A token: where it is, what it is owed, how its rate behaves.

    Attributes:
        symbol: ours, unique; ``onchain_symbol`` where the contract has another one.
        address: chain -> address.
        decimals: None where unpublished: 18 is expected and asked for on the chain.
        form, rate_kept, donation (a transfer can move the rate), pausable, withdrawal: None where unknown.
        cadence, rate_age_s: how often the protocol changes the rate, and how old its last change may become.
        cap_percent: Aave's cap on the rate's growth a year when it was published, decimal text; ``cap_delay_days``: the
            least age of the snapshot that it grows from.
        last_rate, last_rate_on: a rate in ETH that was published, and when: bounds for the first read of a chain.
        normal_bps, normal_on: the market's usual distance from the rate as it was measured, below 0 a discount, and when.
        rate, second: the rate, and independent derivations of it.
        open: contracts that state whether holders can redeem now; each of them can close it.
        backing: tokens that stand behind the supply on the same chain, where a contract counts them.
        rail: ways over bridges, each with the lock box that stands for what exists beyond.
    """

    symbol: str
    kind: str
    protocol: str
    onchain_symbol: str | None = None
    underlying: str | None = None
    decimals: int | None = None
    form: Form | None = None
    testnet: bool = False
    address: Mapping[str, str] = field(default_factory=dict)
    rate_kept: RateSource | None = None
    donation: Donation | None = None
    pausable: Pause | None = None
    cadence: str | None = None
    rate_age_s: int | None = None
    withdrawal: WithdrawalTerms | None = None
    redemption: Redemption = Redemption.UNKNOWN
    cap_percent: str | None = None
    cap_delay_days: int | None = None
    last_rate: str | None = None
    last_rate_on: str | None = None
    normal_bps: int | None = None
    normal_on: str | None = None
    note: str | None = None
    source: tuple[str, ...] = ()
    rate: Rate | None = None
    second: tuple[Rate, ...] = ()
    open: tuple[Flag, ...] = ()
    backing: Amount | None = None
    rail: tuple[Rail, ...] = ()

    def __post_init__(self) -> None:
        self.check_lifetime()
        check_rails(self.symbol, self.rail)
        if not _SYMBOL.fullmatch(self.symbol):
            raise ValueError(f"symbol {self.symbol!r}: write 1 to 16 letters, digits or . + _ -")
        for text in self.address.values():
            exact(text)
        if self.decimals is not None:
            check_decimals("decimals", self.decimals)
        check_decimal("cap_percent", self.cap_percent)
        check_decimal("last_rate", self.last_rate)
        check_dated("last_rate", self.last_rate, self.last_rate_on)
        check_dated("normal_bps", self.normal_bps, self.normal_on)
        if self.normal_bps is not None and abs(self.normal_bps) >= _MOST_NORMAL_BPS:
            raise ValueError(f"normal_bps = {self.normal_bps}: no token is normally that far from its rate")


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogPool(Lifetime):
    """A pool: where it is and which coins it holds, in the contract's own order. ``family``: how it is read.

    Attributes:
        pool_id: its 32 bytes in the contract that holds all pools: Balancer's Vault, Uniswap's PoolManager.
        vault, resolver: a second contract that must be asked; of Uniswap v4 ``resolver`` is StateView.
        fee_millionths, spacing, hooks: of a Uniswap v4 pool with both coins its key, whose hash is the id; no hooks: none.
        missing: the fact without which no source can be built of it, in words.
    """

    name: str
    chain: str
    token: str
    family: str
    coins: tuple[str, ...]
    address: str | None = None
    pool_id: str | None = None
    vault: str | None = None
    resolver: str | None = None
    fee_millionths: int | None = None
    spacing: int | None = None
    hooks: str | None = None
    read_by_a_peer: bool = False
    why_null: str | None = None
    missing: str | None = None
    note: str | None = None
    unconfirmed: str | None = None
    source: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self.check_lifetime()
        for text in (self.address, self.vault, self.resolver, self.hooks):
            if text is not None:
                exact(text)
        if self.pool_id is not None and not _POOL_ID.fullmatch(self.pool_id):
            raise ValueError(f"pool {self.name}: write pool_id as 0x and 64 lower-case hexadecimal digits")
        if not self.is_placed and self.why_null is None:
            raise ValueError(f'pool {self.name} has no address: write it, or why_null = "..."')
        if len(self.coins) < 2:  # noqa: PLR2004 - a pool trades two coins at least
            raise ValueError(f"pool {self.name}: write its coins in the contract's order")

    @property
    def is_placed(self) -> bool:
        """Whether it is known where the pool is: its address, or its id."""
        return self.address is not None or self.pool_id is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference(Lifetime):
    """Another oracle's feed: compared with. Only one that states an exchange rate may stand in for a rate on an L2."""

    name: str
    provider: str
    kind: Compares
    base: str
    chain: str | None = None
    quote: str | None = None
    address: str | None = None
    feed_id: str | None = None
    heartbeat_s: int | None = None
    deviation_percent: str | None = None
    why_null: str | None = None
    note: str | None = None
    unconfirmed: str | None = None
    source: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self.check_lifetime()
        if self.address is not None:
            exact(self.address)
        elif self.why_null is None:
            raise ValueError(f'reference {self.name} has no address: write it, or why_null = "..."')


@dataclass(frozen=True, slots=True, kw_only=True)
class Symbol(Lifetime):
    """A venue's own spelling of a pair. ``thin``: too little trades there for a price by itself."""

    venue: str
    symbol: str
    pair: str
    thin: bool = False
    note: str | None = None
    unconfirmed: str | None = None
    source: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self.check_lifetime()
