"""A new signer set while operators run: named by the owner, armed by its members, in force after the store's delay."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

import contracts
from demo import settings
from demo.fleet.fleet import Fleet
from demo.fleet.process import OperatorProcess
from feeds.chains.abi import checksummed
from oracle.chain.quorum_rpc import ChainError
from oracle.chain.signer_sets import SignerSets
from oracle.chain.store_reads import StoreReads
from oracle.config import sections
from oracle.config.resolve import resolve
from oracle.push.arming.by_hand import AlreadyArmed, ArmError, ManualArming
from oracle.push.arming.signatures import ArmingSignatures
from oracle.sign import curve, keyfiles
from oracle.sign.eip712 import Domain
from oracle.sign.signed_batch import packed_signatures

_TARGET = "local"
_BY_THEMSELVES_S = 8.0
_NAMING_GAS = 5_000_000


async def rotate(fleet: Fleet, members: Sequence[str], say: Callable[[str], None]) -> int:
    """Have these operators sign from the store's delay on; returns the Unix time from which they do.

    The owner names them; operators that do not arm the set by themselves do it as `lrt-oracle arm` does: each signs on its own
    machine, one of them sends.
    """
    starts_s = await named_from_s(fleet, [fleet.addresses[n] for n in members])
    say(f"the owner names {', '.join(members)}: they sign from {starts_s} on, once their set is armed")
    await asyncio.sleep(_BY_THEMSELVES_S)
    await arm_by_hand(fleet, members, say)
    return starts_s


async def named_from_s(fleet: Fleet, members: Sequence[bytes]) -> int:
    """The owner names these report addresses, one head each; returns the Unix time from which they sign."""
    store = fleet.chain.contract(contracts.load("PriceStore").abi, fleet.deployment.store)
    addresses = [checksummed(a) for a in members]
    needed = 2 * len(members) // 3 + 1
    await fleet.chain.send(
        fleet.world.accounts.owner, store, "setSigners", addresses, [1] * len(addresses), needed, len(addresses),
        gas=_NAMING_GAS,
    )  # fmt: skip
    await fleet.chain.settle()
    return await _starts_s(fleet)


async def _starts_s(fleet: Fleet) -> int:
    """From when the set that was named takes over, as the chain says."""
    store = StoreReads((fleet.node.url,), Domain(chain_id=fleet.world.chain_id, store=_store(fleet)))
    try:
        sets = SignerSets(store)
        head = await store.head()
        state = await sets.state(await sets.words(head.number), head.number)
    finally:
        await store.close()
    if state.coming is None:
        raise ArmError("the store knows no next signer set")
    return state.coming.from_s


async def arm_by_hand(fleet: Fleet, members: Sequence[str], say: Callable[[str], None]) -> None:
    """What `lrt-oracle arm` does on each machine; the last one sends. Nothing where the set is armed already."""
    gathered: ArmingSignatures | None = None
    for name in members:
        operator = fleet.operators[name]
        arming = ManualArming(resolve(sections.load(operator.config)).config, _TARGET, operator.environ)
        known = [] if gathered is None else [packed_signatures(gathered.coming.signers, gathered.signed)]
        try:
            gathered = await arming.collect(known)
        except AlreadyArmed:
            say("they have armed it by themselves")
            return
        if gathered.suffices:
            await _send(fleet, arming, gathered, operator, say)
            return
    raise ArmError("its members do not weigh the threshold of the next set")


async def _send(
    fleet: Fleet,
    arming: ManualArming,
    gathered: ArmingSignatures,
    operator: OperatorProcess,
    say: Callable[[str], None],
) -> None:
    """Bring the signatures to the store, unless its operators are quicker."""
    try:
        await arming.send(gathered, (_courier(fleet, operator), settings.GAS_PASSPHRASE_ENV))
    except (ArmError, ChainError):
        try:
            await arming.collect([])
        except AlreadyArmed:
            say("they have armed it by themselves")
            return
        raise
    say(f"{len(gathered.signed)} of them have armed it, as `lrt-oracle arm` does")


def _courier(fleet: Fleet, operator: OperatorProcess) -> Path:
    """A key with ether that nobody else uses: anybody may carry these signatures."""
    path = operator.place.folder / "courier.key.json"
    if not path.is_file():
        key = curve.PrivateKey(bytes(fleet.world.accounts.pusher.key))
        keyfiles.save(path, key, operator.environ[settings.GAS_PASSPHRASE_ENV], iterations=1)
    return path


def _store(fleet: Fleet) -> bytes:
    return bytes.fromhex(fleet.deployment.store[2:])
