"""EigenLayer's core of v1.4 with slashing, unmodified: what is deployed in which order, for whatever chain does it.

The core's compiled contracts are in the package eigensdk (equal to the tag v1.4.0-testnet-holesky), proxies, strategies and the
register of pausers in the npm package eigenlayer-contracts. The manager of pods is in neither: ``PodManagerStandIn``. Both
packages are installed for tests and the demo only.

``core_steps`` and ``strategy_steps`` are generators of steps that do no I/O: whoever drives them is told what to do, and answers
each creation with its address. ``deploy_eigenlayer`` drives them on a local chain; the tests have a driver of their own.
"""

from __future__ import annotations

import json
from collections.abc import Generator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

import rlp
from eth_abi.abi import encode
from eth_account.signers.local import LocalAccount
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from demo.world import npm
from demo.world.chain import LocalChain
from demo.world.npm import NpmArtifact
from oracle.chain.store_abi import abi_type

NATIVE_STRATEGY = "0xbeaC0eeEeeeeEEeEeEEEEeeEEeEeeeEeeEEBEaC0"
"""Stands for ether of validators in every release; it has no code."""
DAY_S = 86_400

_VERSION = "v1.4.0"
_SENDING_GAS = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class EigenTerms:
    """What the core's constructors fix. The defaults are mainnet's.

    Attributes:
        deallocation_blocks: for how long what was deallocated, and who left a set, can be slashed.
        withdrawal_blocks: for how long what is queued for withdrawal can be slashed.
        configuration_blocks: until an operator's delay before its allocations count takes effect.
        interval_s: rewards are for whole intervals.
        longest_s: rewards are for at most this long.
        retroactive_s: rewards begin at most this long ago.
        genesis_s: rewards begin at or after this time, a multiple of ``interval_s``.
        activation_s: from a posted root until it can be claimed by.
        split_bps: an operator's part of its rewards, unless it says otherwise.
    """

    deallocation_blocks: int = 100_800
    withdrawal_blocks: int = 100_800
    configuration_blocks: int = 126_000
    interval_s: int = DAY_S
    longest_s: int = 70 * DAY_S
    retroactive_s: int = 84 * DAY_S
    future_s: int = 30 * DAY_S
    genesis_s: int = 19_800 * DAY_S
    activation_s: int = 7 * DAY_S
    split_bps: int = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class EigenCore:
    """Addresses of the core, as it is called."""

    allocations: str
    delegation: str
    strategies: str
    rewards: str
    permissions: str
    pods: str
    pausers: str
    strategy_code: str


@dataclass(frozen=True, slots=True)
class Creation:
    """Deploy this; the answer is its address."""

    artifact: NpmArtifact
    args: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Sending:
    """Send this; the answer does not count."""

    to: str
    artifact: NpmArtifact
    function: str
    args: tuple[Any, ...]


Step = Creation | Sending
T = TypeVar("T")


def core(name: str) -> NpmArtifact:
    """Contract ``name`` of the core. The package is only looked for: importing it would start a client.

    Raises:
        MissingPackage: the package, or the contract in it, is not installed.
    """
    spec = find_spec("eigensdk")
    places = (spec.submodule_search_locations if spec else None) or ["eigensdk"]
    return _forge(Path(places[0]) / "contracts" / "ABI" / f"{name}.json")


def periphery(name: str) -> NpmArtifact:
    """Contract ``name`` of the npm package: ``StrategyBase``, ``PauserRegistry``, ``ERC1967Proxy``."""
    return _forge(npm.ROOT / "node_modules" / "eigenlayer-contracts" / "out" / f"{name}.sol" / f"{name}.json")


def core_steps(owner: str, nonce: int, terms: EigenTerms) -> Generator[Step, str, EigenCore]:
    """Deploy the core. Its contracts name one another, so their addresses are computed before.

    Args:
        owner: creates everything; the core's owner, pauser, and the one that lists strategies and posts roots of rewards.
        nonce: of its next transaction.
        terms: delays and bounds.
    """
    codes = 7
    allocations, delegation, strategies, rewards = (created(owner, nonce + codes + i) for i in range(4))
    pausers = yield Creation(periphery("PauserRegistry"), ([owner], owner))
    permissions = yield Creation(core("PermissionController"), (_VERSION,))
    pods = yield Creation(npm.own("PodManagerStandIn"), (delegation,))
    shared = (pausers, permissions)
    delays = (terms.deallocation_blocks, terms.configuration_blocks)
    bounds = (terms.interval_s, terms.longest_s, terms.retroactive_s, terms.future_s, terms.genesis_s)
    withdrawals = terms.withdrawal_blocks
    split = (terms.activation_s, terms.split_bps)
    parts: tuple[tuple[str, tuple[Any, ...], tuple[Any, ...], str], ...] = (
        ("AllocationManager", (delegation, *shared, *delays, _VERSION), (owner, 0), allocations),
        (
            "DelegationManager",
            (strategies, pods, allocations, *shared, withdrawals, _VERSION),
            (owner, 0),
            delegation,
        ),
        ("StrategyManager", (delegation, pausers, _VERSION), (owner, owner, 0), strategies),
        (
            "RewardsCoordinator",
            ((delegation, strategies, allocations, *shared, *bounds, _VERSION),),
            (owner, 0, owner, *split),
            rewards,
        ),
    )
    implementations = []
    for name, args, _, _ in parts:
        implementations.append((yield Creation(core(name), args)))
    for (name, _, initial, expected), implementation in zip(parts, implementations, strict=True):
        proxy = yield Creation(
            periphery("ERC1967Proxy"), (implementation, calldata(core(name), "initialize", *initial))
        )
        if proxy.lower() != expected.lower():
            raise ValueError(f"{name} is at {proxy}, not at {expected}: another transaction came in between")
    strategy_code = yield Creation(periphery("StrategyBase"), (strategies,))
    return EigenCore(
        allocations=allocations,
        delegation=delegation,
        strategies=strategies,
        rewards=rewards,
        permissions=permissions,
        pods=pods,
        pausers=pausers,
        strategy_code=strategy_code,
    )


def strategy_steps(made: EigenCore, token: str) -> Generator[Step, str, str]:
    """Deploy a strategy for a token and open it for deposits; the last answer is its address."""
    initial = calldata(periphery("StrategyBase"), "initialize", token, made.pausers)
    strategy = yield Creation(periphery("ERC1967Proxy"), (made.strategy_code, initial))
    yield Sending(made.strategies, core("StrategyManager"), "addStrategiesToDepositWhitelist", ([strategy],))
    return strategy


async def deploy_eigenlayer(chain: LocalChain, owner: LocalAccount, terms: EigenTerms) -> EigenCore:
    """Deploy the core on a local chain; quick if each transaction has its own block."""
    nonce = int(await chain.rpc("eth_getTransactionCount", owner.address, "pending"), 16)
    return await drive(chain, owner, core_steps(owner.address, nonce, terms))


async def drive(chain: LocalChain, owner: LocalAccount, steps: Generator[Step, str, T]) -> T:
    """Do what a generator of steps says, on a local chain, and return what it returns."""
    answer = ""
    try:
        step = next(steps)
        while True:
            if isinstance(step, Creation):
                answer = (await chain.create(owner, step.artifact, *step.args)).address
            else:
                contract = chain.contract(step.artifact.abi, step.to)
                await chain.send(owner, contract, step.function, *step.args, gas=_SENDING_GAS)
                await chain.settle()
            step = steps.send(answer)
    except StopIteration as end:
        result: T = end.value
        return result


def created(creator: str, nonce: int) -> str:
    """Address of the contract that an account creates with this nonce."""
    return to_checksum_address(keccak(rlp.encode([bytes.fromhex(creator[2:]), nonce]))[12:])


def calldata(artifact: NpmArtifact, function: str, *args: Any) -> bytes:
    """A call of a function of the artifact's that has one form."""
    (entry,) = (e for e in artifact.abi if e["type"] == "function" and e["name"] == function)
    types = [abi_type(i) for i in entry["inputs"]]
    return keccak(text=f"{function}({','.join(types)})")[:4] + encode(types, args)


def _forge(path: Path) -> NpmArtifact:
    """An artefact as forge writes it."""
    try:
        raw = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise npm.MissingPackage(path) from None
    return NpmArtifact(abi=raw["abi"], bytecode=raw["bytecode"]["object"])
