"""The whole system of stake on the local chain: store, set, key book, delegations, penalties and rewards, connected."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from eth_account.signers.local import LocalAccount
from eth_utils.address import to_checksum_address

import contracts
from demo.world.chain import MAX_UINT, LocalChain
from feeds.chains.abi import checksummed
from oracle.config.tables.forms import raw_address
from oracle.config.tables.stake_sections import StakeSection
from oracle.config.tables.stake_sources import DelegatedSection
from oracle.deploy.deployer import Deployer
from oracle.deploy.deployment_file import Deployment
from oracle.deploy.store_settings import ClassLimits, StoreSettings
from oracle.sign import curve
from oracle.sign.eip712 import address_of, sign_compact
from oracle.sign.key_consent import KeyConsent

_HOUR_S, _DAY_S = 3_600, 86_400
_GAS = 8_000_000


def staked_store(token: str, owner: str, first: Sequence[curve.PrivateKey]) -> StoreSettings:
    """A store whose signers follow from what is delegated: every role is the owner's, which a real deployment would part.

    Args:
        token: that is delegated, with its own rate.
        owner: guardian, timelock, arbiter and treasury.
        first: keys of the store's first signers, of one weight each.
    """
    me = raw_address(owner)
    signers = sorted(address_of(k) for k in first)
    least = 2 * len(signers) // 3 + 1
    return StoreSettings(
        signers=tuple(signers), weights=(1,) * len(signers), threshold=least, step_threshold=least, max_push_age_s=60,
        guardian=me, owner=me, rotation_delay_s=2 * _HOUR_S, overlap_s=600, longest_epoch_s=4 * _DAY_S,
        classes=(ClassLimits(min_gap_s=1, step_bps=9_999, step_wait_s=1),),
        stake=StakeSection(
            join_delay_s=2 * _HOUR_S, cap_bps=3_400, min_stake_eth="10", min_members=3, arbiter=owner,
            reward_tokens=(token,), delegated=DelegatedSection(token=token, treasury=owner),
        ),
    )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class StakingWorld:
    """The contracts, as web3 contract objects."""

    token: Any
    store: Any
    book: Any
    values: Any
    source: Any
    set: Any
    penalties: Any
    rewards: Any


async def deploy_staking(
    chain: LocalChain, url: str, owner: LocalAccount, token: Any, first: Sequence[curve.PrivateKey], feeds: Sequence[str]
) -> StakingWorld:  # fmt: skip
    """Deploy and connect them as `lrt-oracle deploy` does; the set owns the store at the end.

    Args:
        chain: the local chain.
        url: of its node.
        owner: deploys.
        token: that is delegated, with its own rate.
        first: keys of the store's first signers.
        feeds: ids that are registered, without a view.
    """
    settings = staked_store(token.address, owner.address, first)
    deployer = Deployer(url, curve.PrivateKey(bytes(owner.key)))
    try:
        store, _ = deployer.plan_contracts(settings, ())
        await deployer.ensure(store)
        for feed in feeds:
            await deployer.register(checksummed(store.address), feed, market=True, redemption=True)
        done = await deployer.deploy(settings, ())
    finally:
        await deployer.close()
    return staking_at(chain, token, done)


def staking_at(chain: LocalChain, token: Any, done: Deployment) -> StakingWorld:
    """What a deployment has made, over what is delegated."""

    def at(contract: str, name: str) -> Any:
        return chain.contract(contracts.load(contract).abi, done.stake[name])

    return StakingWorld(
        token=token, store=chain.contract(contracts.load("PriceStore").abi, done.store), book=at("KeyBook", "book"),
        values=at("CollateralValues", "values"), source=at("DelegatedStake", "delegated"), set=at("StakedSet", "set"),
        penalties=at("Penalties", "penalties"), rewards=at("Rewards", "rewards"),
    )  # fmt: skip


async def enter(
    chain: LocalChain, world: StakingWorld, operator: LocalAccount, key: curve.PrivateKey, tokens: int
) -> None:
    """An operator opts in, with its own tokens as its stake."""
    me = operator.address
    nonce = await chain.call(world.book, "nonceOf", me)
    expiry_s = await chain.block_time_s() + _HOUR_S
    said = KeyConsent(
        chain_id=await chain.chain_id(), book=bytes.fromhex(world.book.address[2:]), operator=bytes.fromhex(me[2:]),
        nonce=nonce, expiry_s=expiry_s,
    )  # fmt: skip
    compact = sign_compact(key, said.digest())
    consent = (to_checksum_address(address_of(key)), nonce, expiry_s, compact[:32], compact[32:])
    await chain.send(operator, world.book, "setKey", consent)
    await chain.send(operator, world.source, "enroll", 1_000)
    await chain.send(operator, world.token, "approve", world.source.address, MAX_UINT)
    await chain.send(operator, world.source, "deposit", me, tokens)
    await chain.settle()
    await chain.send(operator, world.set, "join", gas=_GAS)
    await chain.settle()


async def jump(chain: LocalChain, seconds: int) -> None:
    """Let time pass, and mine a block."""
    await chain.rpc("evm_increaseTime", seconds)
    await chain.rpc("evm_mine")


async def arm(chain: LocalChain, world: StakingWorld, payer: LocalAccount, keys: Sequence[curve.PrivateKey]) -> int:
    """The members of the set that is to come sign, and its time comes; its epoch."""
    epoch, active_at = await chain.call(world.store, "nextSigners")
    members, _, _ = await chain.call(world.set, "membersOf", epoch)
    digest = await chain.call(world.store, "armDigest")
    by_key = {to_checksum_address(address_of(k)): k for k in keys}
    signed = b"".join(bytes([i]) + sign_compact(by_key[m], digest) for i, m in enumerate(members))
    await chain.send(payer, world.store, "arm", signed, gas=_GAS)
    await chain.settle()
    await jump(chain, active_at - await chain.block_time_s())
    return int(epoch)


async def rotate(chain: LocalChain, world: StakingWorld, payer: LocalAccount) -> None:
    """Freeze stakes as soon as anybody can."""
    due = await chain.call(world.set, "nextRotateAt")
    await jump(chain, max(1, due - await chain.block_time_s()))
    await chain.send(payer, world.set, "rotate", gas=_GAS)
    await chain.settle()
