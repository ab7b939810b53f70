"""Symbiotic's core v1 and rewards, unmodified: deployed, with vaults, and this project's network over them.

What to do is written as plans: generators of steps, each answered by what the step gave. So the same plans run on a local
chain (``play``) and on an EVM in a process, which needs four lines for it. From the Solidity sources of the package: what each
constructor and each ``initialize`` takes, and that a factory numbers its kinds in the order in which they are whitelisted.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from eth_abi.abi import encode
from eth_account.signers.local import LocalAccount

import contracts
from demo.world import npm
from demo.world.chain import ZERO_ADDRESS, LocalChain

RESOLVER_EPOCHS = 3
"""After so many epochs a network's new resolver stands; Symbiotic takes no less."""
_GAS = 6_000_000
_VAULT = "(address,address,uint48,bool,bool,uint256,address,address,address,address,address)"
_HOOKED = "(address,address,address)"
"""A delegator's admin, its hook, and who may set the hook."""


@dataclass(frozen=True, slots=True)
class ChainStep:
    """A contract to make (``to`` is None) or a function to call; it is answered by an address, or by what the call returns.

    Attributes:
        contract: whose ABI it is: a name of ours or, with ``theirs``, of the package.
        function: to call.
        args: of the constructor or of the function.
        to: address of the contract.
        sender: address; None is the owner.
        theirs: whether the contract is Symbiotic's.
    """

    contract: str
    function: str
    args: tuple[Any, ...]
    to: str | None = None
    sender: str | None = None
    theirs: bool = True

    @property
    def artifact(self) -> npm.NpmArtifact:
        """ABI and creation code."""
        if self.theirs:
            return npm.symbiotic(self.contract)
        own = contracts.load(self.contract)
        return npm.NpmArtifact(abi=own.abi, bytecode="0x" + own.bytecode.hex())


Plan = Generator[ChainStep, Any, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class SymbioticCore:
    """Addresses of the core and of the factories of rewards."""

    vault_factory: str
    delegator_factory: str
    slasher_factory: str
    network_registry: str
    operator_registry: str
    middleware_service: str
    vault_opt_ins: str
    network_opt_ins: str
    configurator: str
    operator_rewards_factory: str
    staker_rewards_factory: str


class DelegatorKind(IntEnum):
    """How a vault gives its stake away."""

    NETWORK_RESTAKE = 0
    FULL_RESTAKE = 1
    OPERATOR = 2
    OPERATOR_NETWORK = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class VaultTerms:
    """What a vault is made with; its curator may do everything that somebody may.

    Attributes:
        collateral: the token that is deposited.
        burner: receives what is slashed.
        curator: sets limits and shares.
        epoch_s: how long stake stays slashable after a capture.
        kind: of the delegator.
        veto_s: None: slashed at once.
        operator: of the two kinds that are for one.
        network: of the kind that is for one.
        hook: told by the delegator of each slash.
        burner_hook: whether the burner is told too.
    """

    collateral: str
    burner: str
    curator: str
    epoch_s: int
    kind: DelegatorKind = DelegatorKind.NETWORK_RESTAKE
    veto_s: int | None = None
    operator: str = ZERO_ADDRESS
    network: str = ZERO_ADDRESS
    hook: str = ZERO_ADDRESS
    burner_hook: bool = False

    def delegator_params(self) -> bytes:
        """As the delegator's ``initialize`` takes them."""
        base = (self.curator, self.hook, self.curator)
        if self.kind is DelegatorKind.OPERATOR_NETWORK:
            return encode([f"({_HOOKED},address,address)"], [(base, self.network, self.operator)])
        if self.kind is DelegatorKind.OPERATOR:
            return encode([f"({_HOOKED},address[],address)"], [(base, [self.curator], self.operator)])
        return encode([f"({_HOOKED},address[],address[])"], [(base, [self.curator], [self.curator])])

    def slasher_params(self) -> bytes:
        """As the slasher's ``initialize`` takes them."""
        if self.veto_s is None:
            return encode(["((bool))"], [((self.burner_hook,),)])
        return encode(["((bool),uint48,uint256)"], [((self.burner_hook,), self.veto_s, RESOLVER_EPOCHS)])

    def order(self) -> tuple[Any, ...]:
        """Return the argument of ``VaultConfigurator.create``."""
        nobody = (ZERO_ADDRESS,) * 4
        vault = (self.collateral, self.burner, self.epoch_s, False, False, 0, self.curator, *nobody)
        slasher = (True, int(self.veto_s is not None), self.slasher_params())
        return (1, self.curator, encode([_VAULT], [vault]), int(self.kind), self.delegator_params(), *slasher)


@dataclass(frozen=True, slots=True)
class SymbioticVault:
    """Addresses of a vault and its two parts."""

    vault: str
    delegator: str
    slasher: str
    terms: VaultTerms


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceTerms:
    """What ``SymbioticStake`` is made with, beside the core: see the contract's settings."""

    values: str
    wrapped_ether: str
    burners: Sequence[str]
    min_reach_s: int
    dispute_s: int
    min_value_wei: int
    max_counted: int = 5
    last_step_s: int = 3_600
    shared_bps: int = 5_000
    max_commission_bps: int = 3_000


def deploy_core(owner: str) -> Generator[ChainStep, Any, SymbioticCore]:
    """Make the core and the factories of rewards, with every kind of delegator and slasher whitelisted."""
    vaults = yield _made("VaultFactory", owner)
    delegators = yield _made("DelegatorFactory", owner)
    slashers = yield _made("SlasherFactory", owner)
    networks = yield _made("NetworkRegistry")
    operators = yield _made("OperatorRegistry")
    middleware = yield _made("NetworkMiddlewareService", networks)
    by_vault = yield _made("OptInService", operators, vaults, "OperatorVaultOptInService")
    by_network = yield _made("OptInService", operators, networks, "OperatorNetworkOptInService")
    vault = yield _made("Vault", delegators, slashers, vaults)
    yield _sent("VaultFactory", vaults, "whitelist", vault)
    general = (networks, vaults, by_vault, by_network, delegators)
    for kind, name in enumerate(("NetworkRestakeDelegator", "FullRestakeDelegator")):
        made = yield _made(name, *general, kind)
        yield _sent("DelegatorFactory", delegators, "whitelist", made)
    for kind, name in enumerate(("OperatorSpecificDelegator", "OperatorNetworkSpecificDelegator"), start=2):
        made = yield _made(name, operators, *general, kind)
        yield _sent("DelegatorFactory", delegators, "whitelist", made)
    made = yield _made("Slasher", vaults, middleware, slashers, 0)
    yield _sent("SlasherFactory", slashers, "whitelist", made)
    made = yield _made("VetoSlasher", vaults, middleware, networks, slashers, 1)
    yield _sent("SlasherFactory", slashers, "whitelist", made)
    configurator = yield _made("VaultConfigurator", vaults, delegators, slashers)
    to_operators = yield _made("DefaultOperatorRewards", middleware)
    to_stakers = yield _made("DefaultStakerRewards", vaults, middleware)
    return SymbioticCore(
        vault_factory=vaults,
        delegator_factory=delegators,
        slasher_factory=slashers,
        network_registry=networks,
        operator_registry=operators,
        middleware_service=middleware,
        vault_opt_ins=by_vault,
        network_opt_ins=by_network,
        configurator=configurator,
        operator_rewards_factory=(yield _made("DefaultOperatorRewardsFactory", to_operators)),
        staker_rewards_factory=(yield _made("DefaultStakerRewardsFactory", to_stakers)),
    )


def create_vault(core: SymbioticCore, terms: VaultTerms) -> Generator[ChainStep, Any, SymbioticVault]:
    """Make a vault; anybody may."""
    made = yield _sent("VaultConfigurator", core.configurator, "create", terms.order())
    vault, delegator, slasher = made
    return SymbioticVault(vault, delegator, slasher, terms)


def deploy_source(core: SymbioticCore, terms: SourceTerms, maker: str) -> Generator[ChainStep, Any, str]:
    """Make our network over a core and return its address; ``maker`` still has to tell it by ``connect`` who the others are."""
    settings = (
        core.network_registry,
        core.middleware_service,
        core.operator_rewards_factory,
        core.staker_rewards_factory,
        terms.wrapped_ether,
        terms.last_step_s,
        terms.max_commission_bps,
    )
    times = (terms.min_reach_s, terms.dispute_s, terms.shared_bps, terms.min_value_wei, terms.max_counted)
    listing = (core.vault_factory, terms.values, *times, list(terms.burners))
    address: str = yield ChainStep("SymbioticStake", "", (maker, settings, listing), theirs=False)
    return address


def register_operator(core: SymbioticCore, operator: str, network: str, vaults: Sequence[str]) -> Plan:
    """Register an operator, if it is new, and opt in to a network and to vaults; the operator sends all of it."""
    if not (yield _sent("OperatorRegistry", core.operator_registry, "isEntity", operator)):
        yield _sent("OperatorRegistry", core.operator_registry, "registerOperator", sender=operator)
    for service, where in ((core.network_opt_ins, network), *((core.vault_opt_ins, vault) for vault in vaults)):
        yield _sent("IOptInService", service, "optIn", where, sender=operator)


def subnetwork(network: str, identifier: int = 0) -> bytes:
    """Return a network and one of its identifiers as Symbiotic names them."""
    return bytes.fromhex(network[2:]) + identifier.to_bytes(12, "big")


def give_stake(made: SymbioticVault, network: str, *, limit: int, shares: Mapping[str, int]) -> Plan:
    """Give a network stake of a vault, up to ``limit``, and split it among operators by shares; the curator sends it.

    A vault that restakes in full has a limit for each operator in place of shares, and one of a single operator has neither.
    """
    curator, kind, to = made.terms.curator, made.terms.kind, made.delegator
    where = subnetwork(network)
    name = "OperatorSpecificDelegator" if kind is DelegatorKind.OPERATOR else "NetworkRestakeDelegator"
    if limit:
        yield _sent(name, to, "setNetworkLimit", where, limit, sender=curator)
    for operator, share in shares.items():
        yield _sent(name, to, "setOperatorNetworkShares", where, operator, share, sender=curator)


async def play(chain: LocalChain, accounts: Mapping[str, LocalAccount], owner: LocalAccount, plan: Plan) -> Any:
    """Run a plan on a local chain that mines a block for each transaction; returns what the plan returns.

    Args:
        chain: the local chain.
        accounts: of every sender that the plan names, by address.
        owner: pays where no sender is named.
        plan: what to do.

    Raises:
        TransactionReverted: a step failed.
    """
    answer: Any = None
    while True:
        try:
            step = plan.send(answer)
        except StopIteration as done:
            return done.value
        signer = owner if step.sender is None else accounts[step.sender]
        if step.to is None:
            answer = (await chain.create(signer, step.artifact, *step.args)).address
            continue
        contract = chain.contract(step.artifact.abi, step.to)
        answer = await chain.call(contract, step.function, *step.args, sender=signer.address)
        if not _reads(step):
            await chain.send(signer, contract, step.function, *step.args, gas=_GAS)
            await chain.settle()


def _reads(step: ChainStep) -> bool:
    found = [e for e in step.artifact.abi if e["type"] == "function" and e["name"] == step.function]
    return all(e["stateMutability"] == "view" for e in found)


def _made(contract: str, *args: Any) -> ChainStep:
    return ChainStep(contract, "", args)


def _sent(contract: str, to: str, function: str, *args: Any, sender: str | None = None) -> ChainStep:
    return ChainStep(contract, function, args, to, sender)
