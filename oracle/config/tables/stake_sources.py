"""[stores.NAME.stake.*]: where stake lies, and what its tokens are worth. Addresses of others' contracts have no defaults."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from feeds.chains.abi import address, wad_of
from oracle.config.tables.forms import address_or_none, raw_address
from oracle.model.keys import key, required

DAY_S = 86_400
NATIVE_STRATEGY = "0xbeaC0eeEeeeeEEeEeEEEEeeEEeEeeeEeeEEBEaC0"
"""EigenLayer's name for ether of validators, in every release; it has no code."""
_HOUR_S, _BPS = 3_600, 10_000
_GWEI, _MOST_STAKE = 10**9, (1 << 88) - 1
_MOST_REACH = 365 * DAY_S
_LEAST_GAS, _MOST_GAS = 50_000, 7_000_000
_DELEGATED_GAS = 150_000
_SYMBIOTIC_GAS, _VAULT_GAS = 150_000, 160_000
_EIGEN_GAS, _STRATEGY_GAS = 80_000, 160_000
_MOST_STRATEGIES, _MOST_VAULTS, _MOST_BURNERS = 4, 5, 16
_FUNCTION = re.compile(r"[A-Za-z_]\w*\(\)", re.ASCII)


def ether(text: str) -> int:
    """Wei of a decimal text in ether; ValueError says what to write."""
    wei = wad_of(text)
    if not _GWEI <= wei <= _MOST_STAKE:
        raise ValueError(f"{text} is out of range: write 0.000000001 (a gwei) to 309485009 ether")
    return wei


def rate_function(text: str) -> str:
    """A function without arguments as Solidity writes it, or nothing; ValueError says what to write."""
    if text and not _FUNCTION.fullmatch(text):
        raise ValueError(f'{text!r} is not a function without arguments: write "getRate()" say, or "" for one to one')
    return text


@dataclass(frozen=True, slots=True, kw_only=True)
class CollateralSection:
    """[[stores.NAME.stake.collateral]]: a token that counts as stake, and who says what it is worth."""

    token: str = field(metadata=required("address of the token", form=address))
    rate_contract: str = key("", "address that says what the token is worth", form=address_or_none, shown="the token")
    rate_function: str = key(
        "getRate()",
        "its function that answers wei per 1e18 of the token, as wdivETH has it; empty: one wei is one wei",
        form=rate_function,
    )
    counts_bps: int = key(
        _BPS, "part of the value that counts; less for receipts of stake that is restaked already", least=1, most=_BPS
    )
    growth_bps: int = key(
        1_000,
        "the most that the rate counts for more in a year; above what staking earns, so that nobody raises it by a gift",
        least=0,
        most=_BPS,
    )

    @property
    def listing(self) -> tuple[bytes, bytes, str]:
        """Token, who says its rate (zeros for one to one), by which function."""
        token = raw_address(self.token)
        if not self.rate_function:
            return token, bytes(20), ""
        return token, address_or_none(self.rate_contract) or token, self.rate_function


@dataclass(frozen=True, slots=True, kw_only=True)
class DelegatedSection:
    """[stores.NAME.stake.delegated]: operators and those who delegate a token to them, in the module's own contract."""

    token: str = field(
        metadata=required("address of an ERC-20 that does not rebase and takes no fee: what is delegated", form=address)
    )
    treasury: str = field(metadata=required("address that gets what is taken, less the finder's part", form=address))
    window_s: int = key(
        2 * DAY_S,
        "for this long an exit is open, and for so long a deposit stays at least: time to notice it",
        least=_HOUR_S,
        most=30 * DAY_S,
    )
    max_commission_bps: int = key(2_000, "no operator keeps more of its rewards", least=0, most=_BPS)
    gas: int = key(
        _DELEGATED_GAS,
        "to ask for one operator's stake: what it takes, and a little more",
        least=_LEAST_GAS,
        most=_MOST_GAS,
    )

    @property
    def gas_each(self) -> int:
        """Gas to tell one operator's stake."""
        return self.gas


@dataclass(frozen=True, slots=True, kw_only=True)
class SymbioticSection:
    """[stores.NAME.stake.symbiotic]: vaults of Symbiotic's core v1. Addresses: of its contracts on the store's chain."""

    vault_factory: str = field(metadata=required("address of Symbiotic's VaultFactory", form=address))
    network_registry: str = field(metadata=required("address of its NetworkRegistry", form=address))
    middleware_service: str = field(metadata=required("address of its NetworkMiddlewareService", form=address))
    operator_rewards_factory: str = field(
        metadata=required("address of its factory of DefaultOperatorRewards", form=address)
    )
    staker_rewards_factory: str = field(
        metadata=required("address of its factory of DefaultStakerRewards", form=address)
    )
    wrapped_ether: str = field(metadata=required("address of the chain's wrapped ether: what is paid in", form=address))
    burners: tuple[str, ...] = field(
        metadata=required(
            f"addresses where slashed collateral may go, 1 to {_MOST_BURNERS}; a vault with another one does not count",
            form=address,
        )
    )
    min_vault_eth: str = key("32", "a vault that gave less, in ether, does not count", form=ether)
    max_vaults: int = key(
        2, "so many vaults count; each makes a freeze dearer for everybody", least=1, most=_MOST_VAULTS
    )
    shared_bps: int = key(5_000, "part of stake that counts where other networks can slash it too", least=1, most=_BPS)
    min_reach_s: int = key(
        0,
        "least epoch of a vault that counts: its stake must be within reach until a penalty is carried out; 0: the least that"
        " suffices",
        least=0,
        most=_MOST_REACH,
    )
    max_commission_bps: int = key(2_000, "no operator keeps more of its rewards", least=0, most=_BPS)
    gas: int = key(
        0,
        f"to ask for one operator's stake; 0: {_SYMBIOTIC_GAS}, and {_VAULT_GAS} for each of `max_vaults`",
        least=0,
        most=_MOST_GAS,
    )

    @property
    def gas_each(self) -> int:
        """Gas to tell one operator's stake."""
        return self.gas or _SYMBIOTIC_GAS + _VAULT_GAS * self.max_vaults

    def problems(self) -> Iterator[tuple[str, str]]:
        """What is wrong with the keys together: the key, and what to write."""
        if not 1 <= len(self.burners) <= _MOST_BURNERS:
            yield "burners", f"there are {len(self.burners)}: write 1 to {_MOST_BURNERS}"
        if 0 < self.gas < _LEAST_GAS:
            yield "gas", f"{self.gas} is out of range: write {_LEAST_GAS} or more, or 0 for what it takes"


@dataclass(frozen=True, slots=True, kw_only=True)
class StrategySection:
    """[[stores.NAME.stake.eigenlayer.strategies]]: a strategy of EigenLayer whose shares count, and its token."""

    strategy: str = field(
        metadata=required(f"address of the strategy; ether of validators is {NATIVE_STRATEGY}", form=address)
    )
    token: str = key(
        "", "address of its token, in `collateral` too; none for ether of validators", form=address_or_none
    )

    @property
    def is_native(self) -> bool:
        """Whether it stands for ether of validators."""
        return raw_address(self.strategy) == raw_address(NATIVE_STRATEGY)

    def problems(self) -> Iterator[tuple[str, str]]:
        """What is wrong with the keys together: the key, and what to write."""
        if self.is_native and self.token:
            yield "token", "ether of validators has no token: leave it out"
        if not self.is_native and not self.token:
            yield "token", "is missing: write the address of the strategy's token"


@dataclass(frozen=True, slots=True, kw_only=True)
class EigenLayerSection:
    """[stores.NAME.stake.eigenlayer]: a service of EigenLayer with one operator set. Addresses: of its contracts there."""

    allocation_manager: str = field(metadata=required("address of EigenLayer's AllocationManager", form=address))
    rewards_coordinator: str = field(metadata=required("address of its RewardsCoordinator", form=address))
    names_slasher: bool = field(
        metadata=required(
            "whether it is told the set's slasher when the set is made: true from its v1.9 on, false before"
        )
    )
    seconds_per_block: int = field(
        metadata=required(
            "the least between two blocks of this chain (Ethereum: 12): EigenLayer counts its delays in blocks", least=1,
            most=_HOUR_S,
        )
    )  # fmt: skip
    strategies: tuple[StrategySection, ...] = ()
    wrapped_ether: str = key(
        "", "address that wraps ether, to be paid in it. None: ether is refused", form=address_or_none
    )
    set_id: int = key(0, "id of the operator set, in this service of its own", least=0, most=(1 << 32) - 1)
    metadata_url: str = key("", "what EigenLayer's page shows of the service: the URL of its JSON document")
    gas: int = key(
        0,
        f"to ask for one operator's stake; 0: {_EIGEN_GAS}, and {_STRATEGY_GAS} for each strategy",
        least=0,
        most=_MOST_GAS,
    )

    @property
    def gas_each(self) -> int:
        """Gas to tell one operator's stake."""
        return self.gas or _EIGEN_GAS + _STRATEGY_GAS * len(self.strategies)

    def problems(self) -> Iterator[tuple[str, str]]:
        """What is wrong with the keys together: the key, and what to write."""
        known = [s.strategy.lower() for s in self.strategies]
        if not 1 <= len(known) <= _MOST_STRATEGIES:
            yield "strategies", f"there are {len(known)}: write 1 to {_MOST_STRATEGIES}"
        yield from (("strategies", f"{s} is listed twice") for s in sorted({s for s in known if known.count(s) > 1}))
        if 0 < self.gas < _LEAST_GAS:
            yield "gas", f"{self.gas} is out of range: write {_LEAST_GAS} or more, or 0 for what it takes"


Source = DelegatedSection | SymbioticSection | EigenLayerSection
