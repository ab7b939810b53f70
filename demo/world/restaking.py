"""Stake decides who signs, on real Symbiotic: its core, two vaults of wdivETH, and this project's contracts over a store.

Two halves, as commissions of operators count a week after they were said: what needs no store is made so long ago (`restake`), the
rest over the store that the operators sign for (`take_over`), an hour ago, as they wait so long until a freeze counts them. Every step is a transaction of whoever it is up to.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from eth_account.signers.local import LocalAccount

import contracts
from demo.world import npm, symbiotic
from demo.world.chain import ZERO_ADDRESS, LocalChain, account
from demo.world.deploy import DemoWorld, instant_blocks
from demo.world.symbiotic import DelegatorKind, SymbioticCore, SymbioticVault, VaultTerms
from feeds.chains.abi import checksummed
from oracle.config.tables.forms import raw_address
from oracle.config.tables.stake_sections import StakeSection
from oracle.config.tables.stake_sources import CollateralSection, SymbioticSection
from oracle.deploy.deployer import Deployer
from oracle.deploy.deployment_file import Deployment
from oracle.deploy.store_settings import StoreSettings
from oracle.sign import curve
from oracle.sign.eip712 import address_of, sign_compact

RESTAKED_S = 8 * 86_400
"""So long ago vaults and commissions were made: a commission counts after seven days."""
JOINED_S = 3_700
"""So long ago the store was made and operators joined: a freeze counts them after an hour at the earliest."""
BURNER = checksummed(bytes.fromhex("b0" * 20))
"""Nobody's account: what is slashed ends there."""
ETHER = 10**18
SHARE, OWN_VAULT, MORE = 100 * ETHER, 5 * ETHER, 50 * ETHER
"""wdivETH: of each operator in the vault that all share, in the one operator's own vault, and what comes to it later."""
GAS_MOST = 15_000_000
"""A freeze and a proof must be brought gas for the worst that a source may do."""
DISPUTE_S, EXECUTION_S, EVIDENCE_S = 20, 600, 600
VETO_S, VAULT_EPOCH_S = 10, 21_600
EPOCH_S, JOIN_DELAY_S = 60, 3_600
CAP_BPS, LEAST_MEMBERS = 3_400, 3
_MOST_VAULTS = 5
LEAST_FRACTION, JAIL_S, ABSENCE_JAIL_S = ETHER // 5, 86_400, 3_600
_COMMISSION_BPS, _BPS = 1_000, 10_000
_CONSENT_S = 3_600
_PURSE_WAD = 10**22
_FIRST_OPERATOR, _FIRST_OTHER = 60, 90
"""Accounts of the node's mnemonic."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RestakingPeople:
    """Accounts by what they do; ``operators`` in the fleet's order."""

    operators: Sequence[LocalAccount]
    restaker: LocalAccount
    own_restaker: LocalAccount
    curator: LocalAccount
    anybody: LocalAccount
    timelock: LocalAccount

    @property
    def by_address(self) -> Mapping[str, LocalAccount]:
        """All of them."""
        others = (self.restaker, self.own_restaker, self.curator, self.anybody, self.timelock)
        return {str(one.address): one for one in (*self.operators, *others)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Vaults:
    """What lies in Symbiotic before there is a store.

    Attributes:
        people: whose it is.
        core: Symbiotic's.
        settings: of the store that stake decides over.
        source: this project's network and middleware.
        shared: a vault with a veto slasher, split among all operators.
        own: a vault with an instant slasher, for one operator alone.
    """

    people: RestakingPeople
    core: SymbioticCore
    settings: StoreSettings
    source: Any
    shared: SymbioticVault
    own: SymbioticVault


@dataclass(frozen=True, slots=True, kw_only=True)
class Restaking:
    """All contracts of stake, connected, and the store theirs."""

    vaults: Vaults
    book: Any
    set: Any
    penalties: Any
    rewards: Any


def people_of(operators: int) -> RestakingPeople:
    """Accounts of the node for so many operators."""
    others = [account(_FIRST_OTHER + i) for i in range(5)]
    return RestakingPeople(
        operators=[account(_FIRST_OPERATOR + i) for i in range(operators)],
        restaker=others[0], own_restaker=others[1], curator=others[2], anybody=others[3], timelock=others[4],
    )  # fmt: skip


def stake_of(world: DemoWorld, core: SymbioticCore, people: RestakingPeople) -> StakeSection:
    """Of wdivETH in Symbiotic's vaults; the store's timelock judges."""
    members = len(people.operators)
    return StakeSection(
        epoch_s=EPOCH_S, join_delay_s=JOIN_DELAY_S, evidence_s=EVIDENCE_S, cap_bps=CAP_BPS, min_stake_eth="1",
        min_members=LEAST_MEMBERS, max_members=members, arbiter=people.timelock.address, dispute_s=DISPUTE_S,
        execution_s=EXECUTION_S, min_fraction_bps=LEAST_FRACTION * _BPS // ETHER, jail_s=JAIL_S, absence_jail_s=ABSENCE_JAIL_S,
        collateral=(CollateralSection(token=world.wdiv_eth),),
        symbiotic=SymbioticSection(
            vault_factory=core.vault_factory, network_registry=core.network_registry,
            middleware_service=core.middleware_service, operator_rewards_factory=core.operator_rewards_factory,
            staker_rewards_factory=core.staker_rewards_factory, wrapped_ether=world.weth, burners=(BURNER,),
            min_vault_eth="1", max_vaults=_MOST_VAULTS, max_commission_bps=3_000,
        ),
    )  # fmt: skip


async def restake(
    chain: LocalChain, deployer: Deployer, world: DemoWorld, store: StoreSettings, *, operators: int, raised: int
) -> Vaults:
    """Make the core, this project's network and the vaults; operators opt in, restakers deposit, both vaults count.

    Args:
        chain: that mines a block for each transaction.
        deployer: of the store, which goes on later with what is left to make.
        world: with wdivETH.
        store: without stake.
        operators: how many.
        raised: number of the operator that has a vault of its own.
    """
    people, owner = people_of(operators), world.accounts.owner
    for who in people.by_address:
        await chain.rpc("anvil_setBalance", who, hex(_PURSE_WAD))
    core: SymbioticCore = await symbiotic.play(chain, {}, owner, symbiotic.deploy_core(owner.address))
    stake = stake_of(world, core, people)
    settings = replace(store, owner=raw_address(people.timelock.address), stake=stake)
    planned = deployer.stake_contracts(stake, settings, await chain.chain_id()).contracts
    for name in ("values", "symbiotic"):
        await deployer.ensure(planned[name])
    at = checksummed(planned["symbiotic"].address)
    source = chain.contract(contracts.load("SymbioticStake").abi, at)
    shared, own = await _vaults(chain, world, core, at, people, people.operators[raised].address)
    for number, operator in enumerate(people.operators):
        where = [shared.vault, own.vault] if number == raised else [shared.vault]
        plan = symbiotic.register_operator(core, operator.address, at, where)
        await symbiotic.play(chain, people.by_address, owner, plan)
        await chain.send(operator, source, "setCommission", _COMMISSION_BPS)
    listed = chain.contract(contracts.load("SymbioticVaults").abi, await chain.call(source, "vaults"))
    for vault in (shared, own):
        await chain.send(people.anybody, listed, "prepare", vault.vault, gas=GAS_MOST)
    await chain.settle()
    shares = {str(one.address): 1 for one in people.operators}
    given = symbiotic.give_stake(shared, at, limit=10**6 * ETHER, shares=shares)
    await symbiotic.play(chain, people.by_address, owner, given)
    vaults = Vaults(people=people, core=core, settings=settings, source=source, shared=shared, own=own)
    await deposit(chain, world, shared, people.restaker, SHARE * operators)
    await deposit(chain, world, own, people.own_restaker, OWN_VAULT)
    for vault in (shared, own):
        await chain.send(people.anybody, listed, "addVault", vault.vault, ZERO_ADDRESS, gas=GAS_MOST)
    await chain.settle()
    return vaults


async def _vaults(
    chain: LocalChain, world: DemoWorld, core: SymbioticCore, network: str, people: RestakingPeople, raised: str
) -> tuple[SymbioticVault, SymbioticVault]:
    basics: dict[str, Any] = {
        "collateral": world.wdiv_eth, "burner": BURNER, "curator": people.curator.address, "epoch_s": VAULT_EPOCH_S,
    }  # fmt: skip
    alone = VaultTerms(kind=DelegatorKind.OPERATOR_NETWORK, operator=raised, network=network, **basics)
    # the registry must know the operator that a vault is for
    registry = chain.contract(npm.symbiotic("OperatorRegistry").abi, core.operator_registry)
    await chain.send(people.by_address[raised], registry, "registerOperator")
    await chain.settle()
    made = [
        await symbiotic.play(chain, {}, world.accounts.owner, symbiotic.create_vault(core, terms))
        for terms in (VaultTerms(veto_s=VETO_S, **basics), alone)
    ]
    return made[0], made[1]


async def deposit(
    chain: LocalChain, world: DemoWorld, vault: SymbioticVault, restaker: LocalAccount, amount: int
) -> None:
    """A restaker gets wdivETH for ether and deposits it."""
    token = chain.token(world.wdiv_eth)
    lacks = amount - await chain.call(token, "balanceOf", restaker.address)
    if lacks > 0:
        rate = await chain.call(token, "getRate")
        await chain.pay(restaker, world.wdiv_eth, lacks * rate // ETHER + ETHER)
    await chain.send(restaker, token, "approve", vault.vault, amount)
    at = chain.contract(npm.symbiotic("Vault").abi, vault.vault)
    await chain.send(restaker, at, "deposit", restaker.address, amount, gas=GAS_MOST // 10)
    await chain.settle()


async def take_over(chain: LocalChain, vaults: Vaults, done: Deployment, keys: Sequence[curve.PrivateKey]) -> Restaking:
    """Operators join what was deployed, with their keys' consent."""

    def at(contract: str, name: str) -> Any:
        return chain.contract(contracts.load(contract).abi, done.stake[name])

    made = Restaking(
        vaults=vaults, book=at("KeyBook", "book"), set=at("StakedSet", "set"), penalties=at("Penalties", "penalties"),
        rewards=at("Rewards", "rewards"),
    )  # fmt: skip
    async with instant_blocks(chain, None):
        for operator, key in zip(vaults.people.operators, keys, strict=True):
            await _join(chain, made.book, made.set, operator, key)
    return made


async def _join(chain: LocalChain, book: Any, staked: Any, operator: LocalAccount, key: curve.PrivateKey) -> None:
    nonce = await chain.call(book, "nonceOf", operator.address)
    expiry = await chain.block_time_s() + _CONSENT_S
    signed = sign_compact(key, await chain.call(book, "consentDigest", operator.address, nonce, expiry))
    consent = (checksummed(address_of(key)), nonce, expiry, signed[:32], signed[32:])
    await chain.send(operator, book, "setKey", consent)
    await chain.send(operator, staked, "join", gas=GAS_MOST)
    await chain.settle()
