"""Stake decides who signs, on real Symbiotic: its core, two vaults of wdivETH, and this project's contracts over a store.

Two halves, as commissions of operators count a week after they were said: what needs no store is made so long ago (`restake`), the
rest over the store that the operators sign for (`take_over`). Every step is a transaction of whoever it is up to.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import coincurve
from eth_account.signers.local import LocalAccount
from eth_hash.auto import keccak

import contracts
from demo.world import npm, symbiotic
from demo.world.chain import ZERO_ADDRESS, LocalChain, account
from demo.world.deploy import DemoWorld, instant_blocks
from demo.world.symbiotic import DelegatorKind, SourceTerms, SymbioticCore, SymbioticVault, VaultTerms
from feeds.chains.abi import checksummed
from oracle.sign.eip712 import address_of, sign_compact

RESTAKED_S = 8 * 86_400
"""So long ago vaults and commissions were made: a commission counts after seven days."""
BURNER = checksummed(bytes.fromhex("b0" * 20))
"""Nobody's account: what is slashed ends there."""
ETHER = 10**18
SHARE, OWN_VAULT, MORE = 100 * ETHER, 5 * ETHER, 50 * ETHER
"""wdivETH: of each operator in the vault that all share, in the one operator's own vault, and what comes to it later."""
GAS_MOST = 15_000_000
"""A freeze and a proof must be brought gas for the worst that a source may do."""
DISPUTE_S, EXECUTION_S, EVIDENCE_S = 20, 600, 600
VETO_S, VAULT_EPOCH_S = 10, 14_400
OBSERVED_S = 3_600
"""For so long the set takes what was observed for what sources say."""
SECOND_BEFORE_S = 1
"""What counts at a capture in Symbiotic was there a second before, so its stake is within reach for so much less."""
EPOCH_S, JOIN_DELAY_S = 60, 1
CAP_BPS, LEAST_MEMBERS = 3_400, 3
THRESHOLD_BPS, STEP_BPS = 6_700, 8_000
LEAST_FRACTION, FINDER_BPS, JAIL_S, ABSENCE_JAIL_S = ETHER // 5, 500, 86_400, 3_600
_COMMISSION_BPS, _GROWTH_BPS, _ALL_BPS = 1_000, 1_000, 10_000
_SOURCE_GAS = 700_000
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
        values: of collateral.
        source: this project's network and middleware.
        shared: a vault with a veto slasher, split among all operators.
        own: a vault with an instant slasher, for one operator alone.
    """

    people: RestakingPeople
    core: SymbioticCore
    values: str
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


async def restake(chain: LocalChain, world: DemoWorld, *, operators: int, raised: int, needs_s: int) -> Vaults:
    """Make the core, this project's network and the vaults; operators opt in, restakers deposit, both vaults count.

    Args:
        chain: that mines a block for each transaction.
        world: with wdivETH.
        operators: how many.
        raised: number of the operator that has a vault of its own.
        needs_s: for so long after a capture stake must be within reach.
    """
    people, owner = people_of(operators), world.accounts.owner
    for who in people.by_address:
        await chain.rpc("anvil_setBalance", who, hex(_PURSE_WAD))
    core: SymbioticCore = await symbiotic.play(chain, {}, owner, symbiotic.deploy_core(owner.address))
    listing = (world.wdiv_eth, world.wdiv_eth, keccak(b"getRate()")[:4], _ALL_BPS, _GROWTH_BPS)
    values = await create(chain, owner, "CollateralValues", [listing])
    terms = SourceTerms(
        values=values.address, wrapped_ether=world.weth, burners=[BURNER], min_reach_s=needs_s + SECOND_BEFORE_S,
        dispute_s=DISPUTE_S, min_value_wei=ETHER, last_step_s=EXECUTION_S,
    )  # fmt: skip
    at = await symbiotic.play(chain, {}, owner, symbiotic.deploy_source(core, terms, owner.address))
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
    vaults = Vaults(people=people, core=core, values=values.address, source=source, shared=shared, own=own)
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


async def take_over(
    chain: LocalChain, world: DemoWorld, vaults: Vaults, store: str, keys: Sequence[coincurve.PrivateKey]
) -> Restaking:
    """Make the contracts that decide who signs, hand them the store, and have operators join with their keys' consent."""
    async with instant_blocks(chain, None):
        return await _take_over(chain, world, vaults, store, keys)


async def _take_over(
    chain: LocalChain, world: DemoWorld, vaults: Vaults, store: str, keys: Sequence[coincurve.PrivateKey]
) -> Restaking:
    people, owner, source = vaults.people, world.accounts.owner, vaults.source
    priced = chain.contract(contracts.load("PriceStore").abi, store)
    book = await create(chain, owner, "KeyBook", owner.address)
    answer_s = await answer_s_of(chain, priced)
    settings = (
        EPOCH_S, JOIN_DELAY_S, EVIDENCE_S, CAP_BPS, ETHER, LEAST_MEMBERS, len(keys), THRESHOLD_BPS, STEP_BPS,
        people.timelock.address, answer_s + 1,
    )  # fmt: skip
    sources = [(source.address, _SOURCE_GAS)]
    staked = await create(chain, owner, "StakedSet", store, book.address, sources, settings, owner.address)
    punished = (DISPUTE_S, EXECUTION_S, LEAST_FRACTION, JAIL_S, FINDER_BPS)
    penalties = await create(
        chain, owner, "Penalties", staked.address, book.address, [source.address], people.timelock.address, punished,
        [(world.chain_id, store)],
    )  # fmt: skip
    rewards = await create(
        chain, owner, "Rewards", staked.address, [source.address], [ZERO_ADDRESS], ABSENCE_JAIL_S
    )  # fmt: skip
    for one in (staked, book, source):
        await chain.send(owner, one, "connect", staked.address, penalties.address, rewards.address)
    await chain.send(owner, priced, "transferOwnership", staked.address)
    await chain.send(people.anybody, staked, "acceptStore")
    await chain.settle()
    for operator, key in zip(people.operators, keys, strict=True):
        await _join(chain, book, staked, operator, key)
    return Restaking(vaults=vaults, book=book, set=staked, penalties=penalties, rewards=rewards)


async def _join(chain: LocalChain, book: Any, staked: Any, operator: LocalAccount, key: coincurve.PrivateKey) -> None:
    nonce = await chain.call(book, "nonceOf", operator.address)
    expiry = await chain.block_time_s() + _CONSENT_S
    signed = sign_compact(key, await chain.call(book, "consentDigest", operator.address, nonce, expiry))
    consent = (checksummed(address_of(key)), nonce, expiry, signed[:32], signed[32:])
    await chain.send(operator, book, "setKey", consent)
    await chain.send(operator, staked, "join", gas=GAS_MOST)
    await chain.settle()


async def answer_s_of(chain: LocalChain, store: Any) -> int:
    """For how many seconds after stake was seen words of the set that it was frozen for can be proven, at most."""
    names = ("rotationDelayS", "longestEpochS", "overlapS", "maxPushAgeS")
    return int(sum([await chain.call(store, name) for name in names])) + EVIDENCE_S + OBSERVED_S


def needs_s(rotation_delay_s: int, longest_epoch_s: int, max_push_age_s: int) -> int:
    """For how many seconds after a capture stake must be within reach of a penalty, over a store without overlap."""
    keeps_s = OBSERVED_S + 2 * EPOCH_S  # a source that fails keeps its weight for so long
    return (
        keeps_s
        + OBSERVED_S
        + rotation_delay_s
        + longest_epoch_s
        + max_push_age_s
        + EVIDENCE_S
        + DISPUTE_S
        + EXECUTION_S
    )


async def create(chain: LocalChain, owner: LocalAccount, name: str, *args: Any) -> Any:
    """Deploy one of the project's contracts."""
    own = contracts.load(name)
    return await chain.create(owner, npm.NpmArtifact(abi=own.abi, bytecode="0x" + own.bytecode.hex()), *args)
