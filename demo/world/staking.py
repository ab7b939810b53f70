"""The whole system of stake on the local chain: store, set, key book, delegations, penalties and rewards, connected."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import coincurve
from eth_account.signers.local import LocalAccount
from eth_utils.address import to_checksum_address

import contracts
from demo.world.chain import MAX_UINT, ZERO_ADDRESS, LocalChain
from demo.world.npm import NpmArtifact
from oracle.sign.eip712 import address_of, sign_compact
from oracle.sign.key_consent import KeyConsent

_HOUR_S, _DAY_S = 3_600, 86_400
_OBSERVED_S, _SOURCE_GAS = _HOUR_S, 150_000
"""For so long the set takes what was observed for what sources say; and what a source is given to say it."""
_ETHER = 10**18
_GET_RATE = bytes.fromhex("679aefce")
"""Selector of getRate()."""
_GAS = 8_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class StakingTerms:
    """What is fixed when the contracts are deployed.

    Attributes:
        epoch_s: least seconds between two freezes.
        delay_s: from a freeze to its set.
        longest_s: of an epoch; the store is silent after it.
        join_s: from joining to the first freeze that counts.
        evidence_s: how long words can be proven after the last moment at which they could be used.
        window_s: for how long an exit is open.
        dispute_s: of a penalty.
        least_stake: of a member, wei.
        cap_bps: largest share of one member.
        least_members: with fewer no set is made.
        most_members: 31 at most.
    """

    epoch_s: int = _DAY_S
    delay_s: int = 2 * _HOUR_S
    longest_s: int = 4 * _DAY_S
    join_s: int = 2 * _HOUR_S
    evidence_s: int = _DAY_S
    window_s: int = 2 * _DAY_S
    dispute_s: int = 3 * _DAY_S
    least_stake: int = 10 * _ETHER
    cap_bps: int = 3_400
    least_members: int = 3
    most_members: int = 7
    overlap_s: int = 600
    push_age_s: int = 60

    @property
    def answer_s(self) -> int:
        """From the moment at which stake was seen to the last second at which a word of its epoch can be proven."""
        return _OBSERVED_S + self.delay_s + self.longest_s + self.overlap_s + self.push_age_s + self.evidence_s


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


def artifact(name: str) -> NpmArtifact:
    """One of our own contracts, as the chain takes it."""
    made = contracts.load(name)
    return NpmArtifact(made.abi, "0x" + made.bytecode.hex())


async def deploy_staking(
    chain: LocalChain,
    owner: LocalAccount,
    token: Any,
    first: Sequence[coincurve.PrivateKey],
    feeds: Sequence[str],
    terms: StakingTerms | None = None,
) -> StakingWorld:
    """Deploy and connect them; the set owns the store at the end.

    Args:
        chain: the local chain.
        owner: deploys; is guardian, timelock, arbiter and treasury here, which a real deployment would part.
        token: that is delegated, with its own rate.
        first: keys of the store's first signers, of one weight each.
        feeds: ids that are registered.
        terms: others than the usual ones.
    """  # fmt: skip
    t, me = terms or StakingTerms(), owner.address
    roles = (me, me, t.push_age_s, t.delay_s, t.overlap_s, t.longest_s)
    signers = sorted(to_checksum_address(address_of(k)) for k in first)
    least = 2 * len(signers) // 3 + 1
    weights = [1] * len(signers)
    store = await chain.create(owner, artifact("PriceStore"), roles, [(1, 9_999, 1)], signers, weights, least, least)
    for feed in feeds:
        await chain.send(owner, store, "register", feed.encode().ljust(32, b"\0"), True, True, 0)  # noqa: FBT003
    book = await chain.create(owner, artifact("KeyBook"), me)
    listing = (token.address, token.address, _GET_RATE, 10_000, 1_000)
    values = await chain.create(owner, artifact("CollateralValues"), [listing])
    assets = [ZERO_ADDRESS, token.address]
    source = await chain.create(
        owner, artifact("DelegatedStake"), me, token.address, values.address, me, t.window_s, 2_000, assets
    )
    settings = (
        t.epoch_s, t.join_s, t.evidence_s, t.cap_bps, t.least_stake, t.least_members, t.most_members, 6_700, 8_000, me,
        t.answer_s + _DAY_S,
    )  # fmt: skip
    signer_set = await chain.create(
        owner, artifact("StakedSet"), store.address, book.address, [(source.address, _SOURCE_GAS)], settings, me
    )
    penal = (t.dispute_s, _DAY_S, _ETHER // 20, 30 * _DAY_S, 500)
    domain = (await chain.chain_id(), store.address)
    penalties = await chain.create(
        owner, artifact("Penalties"), signer_set.address, book.address, [source.address], me, penal, [domain]
    )
    rewards = await chain.create(owner, artifact("Rewards"), signer_set.address, [source.address], assets, _DAY_S)
    for one in (signer_set, book, source):
        await chain.send(owner, one, "connect", signer_set.address, penalties.address, rewards.address)
    await chain.send(owner, store, "transferOwnership", signer_set.address)
    await chain.send(owner, signer_set, "acceptStore")
    await chain.settle()
    return StakingWorld(
        token=token, store=store, book=book, values=values, source=source, set=signer_set, penalties=penalties,
        rewards=rewards,
    )  # fmt: skip


async def enter(
    chain: LocalChain, world: StakingWorld, operator: LocalAccount, key: coincurve.PrivateKey, tokens: int
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


async def arm(chain: LocalChain, world: StakingWorld, payer: LocalAccount, keys: Sequence[coincurve.PrivateKey]) -> int:
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
