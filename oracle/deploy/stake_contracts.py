"""The contracts that decide by stake who signs for a store: which, with what arguments, and at which addresses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from eth_hash.auto import keccak

from oracle.chain.store_abi import call_of
from oracle.config.tables.forms import address_or_none, raw_address
from oracle.config.tables.stake_sections import StakeSection, StoreTimes
from oracle.config.tables.stake_sources import EigenLayerSection, SymbioticSection, ether
from oracle.deploy.create2 import PlannedContract, plan_contract, salt_of

ETHER = bytes(20)
"""The asset that stands for ether."""
_WHOLE, _BPS = 10**18, 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class StakeSite:
    """What the contracts stand on.

    Attributes:
        store: that is handed to them.
        times: of the store.
        maker: tells each who the others are, once; checksummed.
        timelock: of the set.
        directory: where operators announce themselves; zeros for none.
        chain_id: of the store.
        salt: the text that salts addresses.
    """

    store: PlannedContract
    times: StoreTimes
    maker: str
    timelock: bytes
    directory: bytes
    chain_id: int
    salt: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StakePlan:
    """The contracts by name, in the order in which they are made; and which of them are sources."""

    contracts: Mapping[str, PlannedContract]
    sources: Sequence[str]

    def at(self, name: str) -> bytes:
        """Address of one of them."""
        return self.contracts[name].address

    @property
    def connected(self) -> Sequence[str]:
        """Those that are told who the others are."""
        return ("set", "book", *self.sources)

    def connection(self) -> bytes:
        """Calldata that tells one of them."""
        return call_of("StakedSet", "connect", [self.at("set"), self.at("penalties"), self.at("rewards")])[0]


def plan_stake(stake: StakeSection, site: StakeSite) -> StakePlan:
    """Plan all of them. Their addresses are of this store alone: the book, the set and the sources serve one store."""
    salt = salt_of(f"{site.salt} stake of 0x{site.store.address.hex()}")
    made: dict[str, PlannedContract] = {}

    def make(name: str, label: str, contract: str, *args: Any) -> bytes:
        made[name] = plan_contract(label, contract, args, salt=salt)
        return made[name].address

    listings = [
        (token, rated_by, keccak(function.encode())[:4] if function else bytes(4), one.counts_bps, one.growth_bps)
        for one in stake.tokens
        for token, rated_by, function in [one.listing]
    ]
    values = make("values", "the values of collateral", "CollateralValues", listings)
    book = make("book", "the key book", "KeyBook", site.maker)
    assets = [ETHER, *map(raw_address, stake.reward_tokens)]
    if (own := stake.delegated) is not None:
        token, treasury = raw_address(own.token), raw_address(own.treasury)
        args = (site.maker, token, values, treasury, own.window_s, own.max_commission_bps, assets)
        make("delegated", "the delegated stake", "DelegatedStake", *args)
    if stake.symbiotic is not None:
        core = _symbiotic(stake, stake.symbiotic, site, values)
        make("symbiotic", "the stake in Symbiotic", "SymbioticStake", *core)
    if stake.eigenlayer is not None:
        args = _eigenlayer(stake.eigenlayer, site, book, values)
        make("eigenlayer", "the stake in EigenLayer", "EigenStake", *args)
    sources = [made[name].address for name in stake.sources]
    asked = [(made[name].address, source.gas_each) for name, source in stake.sources.items()]
    rules = _set_rules(stake, site)
    signers = make("set", "the set", "StakedSet", site.store.address, book, asked, rules, site.maker)
    terms = (
        stake.dispute_s, stake.execution_s, stake.min_fraction_bps * _WHOLE // _BPS, stake.jail_s, stake.finder_bps,
    )  # fmt: skip
    arbiter = bytes(20) if stake.arbiter is None else raw_address(stake.arbiter)
    domains = [(site.chain_id, site.store.address)]
    make("penalties", "the penalties", "Penalties", signers, book, sources, arbiter, terms, domains)
    make("rewards", "the rewards", "Rewards", signers, sources, assets, stake.absence_jail_s)
    return StakePlan(contracts=made, sources=tuple(stake.sources))


def _set_rules(stake: StakeSection, site: StakeSite) -> tuple[Any, ...]:
    """StakedSet's settings, in its order."""
    return (
        stake.epoch_s, stake.join_delay_s, stake.evidence_s, stake.cap_bps, ether(stake.min_stake_eth),
        stake.min_members, stake.max_members, stake.threshold_bps, stake.step_bps, site.timelock,
        stake.migration_s(site.times),
    )  # fmt: skip


def _symbiotic(stake: StakeSection, core: SymbioticSection, site: StakeSite, values: bytes) -> tuple[Any, ...]:
    addresses = [
        raw_address(a)
        for a in (
            core.network_registry, core.middleware_service, core.operator_rewards_factory,
            core.staker_rewards_factory, core.wrapped_ether,
        )
    ]  # fmt: skip
    settings = (*addresses, stake.execution_s, core.max_commission_bps)
    listing = (
        raw_address(core.vault_factory), values, stake.vault_epoch_s(site.times), stake.dispute_s, core.shared_bps,
        ether(core.min_vault_eth), core.max_vaults, [raw_address(b) for b in core.burners],
    )  # fmt: skip
    return site.maker, settings, listing


def _eigenlayer(core: EigenLayerSection, site: StakeSite, book: bytes, values: bytes) -> tuple[Any, ...]:
    settings = (
        site.maker, raw_address(core.allocation_manager), raw_address(core.rewards_coordinator), book, values,
        site.directory, address_or_none(core.wrapped_ether) or bytes(20), core.set_id, core.seconds_per_block,
        core.names_slasher, core.metadata_url,
    )  # fmt: skip
    listed = sorted((raw_address(s.strategy), address_or_none(s.token) or bytes(20)) for s in core.strategies)
    return settings, listed
