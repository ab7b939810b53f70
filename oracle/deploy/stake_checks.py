"""What the chain must be like for the contracts of stake, looked at before anything is sent; and how far they are connected."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

from web3.exceptions import BadFunctionCallOutput, ContractLogicError

import contracts
from feeds.chains.abi import checksummed
from oracle.chain.store_abi import call_of
from oracle.config.tables.forms import address_or_none, raw_address
from oracle.config.tables.stake_sections import StakeSection, StoreTimes
from oracle.deploy.create2 import DeployError
from oracle.deploy.rehearsal import DeployStep
from oracle.deploy.stake_contracts import StakePlan
from oracle.stake.reads import ZERO


async def check_chain(web3: Any, stake: StakeSection, store: StoreTimes) -> None:
    """Check that every contract that the settings name is there, and that EigenLayer's stake is within reach for long enough.

    Raises:
        DeployError: it is not: which key, and what to do.
    """
    for key, where in _named(stake):
        code = bytes(await web3.eth.get_code(cast("Any", checksummed(where))))
        if not code:
            raise DeployError(
                f"stake.{key}: no contract at {checksummed(where)} on this chain: correct the address; nothing was sent"
            )
    if stake.eigenlayer is None:
        return
    core = _functions(web3, "IOperatorSets", raw_address(stake.eigenlayer.allocation_manager))
    try:
        queue = _functions(web3, "IDelegation", raw_address(str(await core.delegation().call())))
        blocks = min(int(await core.DEALLOCATION_DELAY().call()), int(await queue.minWithdrawalDelayBlocks().call()))
    except (BadFunctionCallOutput, ContractLogicError):
        raise DeployError(
            f"stake.eigenlayer.allocation_manager: {stake.eigenlayer.allocation_manager} does not answer as EigenLayer's"
            " AllocationManager does: correct the address; nothing was sent"
        ) from None
    reach_s, needs_s = blocks * stake.eigenlayer.seconds_per_block, stake.needs_s(store)
    if reach_s < needs_s:
        raise DeployError(
            f"stake.eigenlayer: stake there stays within reach for {reach_s} s, {blocks} blocks, and {needs_s} s are needed (2"
            " epoch_s + 7200 + rotation_delay_s + longest_epoch_s + overlap_s + max_push_age_s + evidence_s + dispute_s +"
            " execution_s): shorten these, or leave it out; nothing was sent"
        )


def _named(stake: StakeSection) -> Iterator[tuple[str, bytes]]:
    """Keys that name contracts of others, and where they are."""
    for i, one in enumerate(stake.tokens):
        token, rated_by, _ = one.listing
        yield f"collateral[{i}].token" if stake.collateral else "delegated.token", token
        if any(rated_by):
            yield f"collateral[{i}].rate_contract", rated_by
    for i, paid in enumerate(stake.reward_tokens):
        yield f"reward_tokens[{i}]", raw_address(paid)
    if (core := stake.symbiotic) is not None:
        names = (
            "vault_factory", "network_registry", "middleware_service", "operator_rewards_factory",
            "staker_rewards_factory", "wrapped_ether",
        )  # fmt: skip
        yield from ((f"symbiotic.{name}", raw_address(getattr(core, name))) for name in names)
    if (eigen := stake.eigenlayer) is not None:
        own = ("allocation_manager", "rewards_coordinator", "wrapped_ether")
        at = ((f"eigenlayer.{name}", address_or_none(getattr(eigen, name))) for name in own)
        yield from ((name, where) for name, where in at if where is not None)
        for i, strategy in enumerate(eigen.strategies):
            if not strategy.is_native:
                yield f"eigenlayer.strategies[{i}].strategy", raw_address(strategy.strategy)


async def connecting(web3: Any, plan: StakePlan) -> list[DeployStep]:
    """The calls that are left by which each is told who the others are.

    Raises:
        DeployError: one of them was told of others, and for good.
    """
    left = []
    for name in plan.connected:
        made = plan.contracts[name]
        where = checksummed(made.address)
        known = ZERO
        if await web3.eth.get_code(cast("Any", where)):
            known = str(await _functions(web3, "StakedSet", made.address).set().call())
        if int(known, 16) == 0:
            label = f"{made.label} is told who the others are"
            left.append(DeployStep(label=label, to=made.address, data=plan.connection()))
        elif known != checksummed(plan.at("set")):
            raise DeployError(
                f"{made.label} at {where} belongs to the set {known}, and for good: an earlier run had other settings of"
                " stake. Use those again, or make a new store with another --salt and --out"
            )
    return left


async def taking_over(web3: Any, plan: StakePlan, store: Any, me: str, where: str) -> list[DeployStep]:
    """The calls that are left until the set owns the store. None where it is somebody else's, who must offer it.

    Args:
        web3: the chain.
        plan: with the set.
        store: functions of the store.
        me: who deploys.
        where: address of the store.
    """
    signers = checksummed(plan.at("set"))
    owner = pending = ""
    named = ZERO
    if await web3.eth.get_code(cast("Any", where)):
        owner, pending, named = [str(await f().call()) for f in (store.owner, store.pendingOwner, store.setOwner)]
    left = []
    mine, at = owner in ("", me), raw_address(where)
    if mine and int(named, 16):
        left.append(_call("nobody may name signers any more", at, "PriceStore", "setSetOwner", bytes(20)))
    if mine and pending != signers:
        left.append(_call("the store is offered to the set", at, "PriceStore", "transferOwnership", plan.at("set")))
    if mine or pending == signers:
        left.append(_call("the set accepts the store", plan.at("set"), "StakedSet", "acceptStore"))
    return left


def _functions(web3: Any, name: str, where: bytes) -> Any:
    return web3.eth.contract(address=checksummed(where), abi=contracts.load(name).abi).functions


def _call(label: str, to: bytes, contract: str, name: str, *args: Any) -> DeployStep:
    return DeployStep(label=label, to=to, data=call_of(contract, name, args)[0])
