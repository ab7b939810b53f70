"""The next signer set: its members, what arms it, and the calldata that does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from eth_hash.auto import keccak

from feeds.errors import LrtOracleError
from oracle.chain.quorum_rpc import ChainError
from oracle.chain.signer_sets import NEXT_SET
from oracle.chain.store_abi import calldata
from oracle.chain.store_reads import StoreReads
from oracle.chain.store_rules import MAX_AHEAD_S
from oracle.sign.eip712 import BadSignature, arm_digest, recover
from oracle.sign.messages import SignerSet
from oracle.sign.signed_batch import packed_signatures
from oracle.sign.stored_sets import decode_members

_SIGNATURE = 65
ARM = calldata("arm", (b"",))[0][:4]
"""First bytes of a call of PriceStore.arm."""


class WrongSignature(LrtOracleError, RuntimeError):
    """A signature is not one of a member of the next set over its digest: have it made again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NextSignerSet:
    """A signer set that is to come, as read from the chain at one block.

    Attributes:
        signers: its members and the weight that it needs.
        strong: weight with which a price may move by any step.
        from_s: rounds from then on are its own, Unix s, if it is armed before.
        set_hash: of the code of its contract, which holds all of this.
        armed: it takes over for certain: it is armed, or the owner declared an emergency.
    """

    signers: SignerSet
    strong: int
    from_s: int
    set_hash: bytes
    armed: bool

    @property
    def digest(self) -> bytes:
        """What its members sign to arm it."""
        return arm_digest(self.signers.domain, self.signers.epoch, self.set_hash)

    def is_late(self, at_s: int) -> bool:
        """Whether a block of that time (Unix s) cannot arm it any more: rounds may lie so far ahead of one."""
        return at_s + MAX_AHEAD_S >= self.from_s

    def call(self, compact: Mapping[bytes, bytes]) -> bytes:
        """Calldata of PriceStore.arm with these signatures (r | vs) by signer."""
        return calldata("arm", (packed_signatures(self.signers, compact),))[0]


async def read_next_set(store: StoreReads, block: int) -> NextSignerSet | None:
    """The next set, at a block; None where there is none.

    Raises:
        ChainError: too few endpoints answer, or the store's storage does not hold the set that it names.
    """
    epoch, at_s = await store.read("nextSigners", block=hex(block))
    if not epoch:
        return None
    coming = await read_set(store, int(epoch), int(at_s), block)
    if coming is None:
        raise ChainError(
            f"the signer set of epoch {epoch} is not where a PriceStore keeps it: an endpoint lies, or 0x"
            f"{store.domain.store.hex()} is another contract"
        )
    return coming


async def read_set(store: StoreReads, epoch: int, at_s: int, block: int) -> NextSignerSet | None:
    """The set of that epoch and time: its word in storage names the contract whose code holds it. None otherwise."""
    address, at = "0x" + store.domain.store.hex(), hex(block)
    word = int(str(await store.nodes.agreed_value("eth_getStorageAt", address, hex(NEXT_SET), at)), 16)
    if word >> 160 & (1 << 48) - 1 != epoch or word >> 217 != at_s:
        return None
    where = "0x" + (word & (1 << 160) - 1).to_bytes(20, "big").hex()
    code = bytes.fromhex(str(await store.nodes.agreed_value("eth_getCode", where, at))[2:])
    read = decode_members(store.domain, epoch, code)
    if read is None or len(read.signers.signers) != word >> 208 & 0xFF:
        return None
    (armed,) = await store.read("armed", block=at)
    return NextSignerSet(
        signers=read.signers,
        strong=read.strong,
        from_s=at_s,
        set_hash=keccak(code),
        armed=bool(armed),
    )


async def check_digest(store: StoreReads, coming: NextSignerSet, block: int) -> None:
    """Check that the store asks for the digest that follows from what was read here.

    Raises:
        ChainError: it does not, or too few endpoints answer.
    """
    (asked,) = await store.read("armDigest", block=hex(block))
    if asked != coming.digest:
        raise ChainError(
            f"armDigest() answers 0x{bytes(asked).hex()}, the set of epoch {coming.signers.epoch} gives"
            f" 0x{coming.digest.hex()}: an endpoint lies, nothing is signed"
        )


def checked_signatures(coming: NextSignerSet, given: Sequence[bytes]) -> dict[bytes, bytes]:
    """Signatures by member: each must be the member's at its index over the set's digest.

    Args:
        coming: the set.
        given: index 1 | r | vs, one or several after each other.

    Raises:
        WrongSignature: one is not.
    """
    signatures: dict[bytes, bytes] = {}
    for blob in given:
        if not blob or len(blob) % _SIGNATURE:
            raise WrongSignature(
                f"{len(blob)} bytes are not signatures: each has {_SIGNATURE}, as `lrt-oracle arm` prints them"
            )
        for at in range(0, len(blob), _SIGNATURE):
            signatures |= _of_member(coming, blob[at], blob[at + 1 : at + _SIGNATURE])
    return signatures


def _of_member(coming: NextSignerSet, index: int, compact: bytes) -> dict[bytes, bytes]:
    signers = coming.signers
    if index >= len(signers.signers):
        raise WrongSignature(f"index {index}: the set of epoch {signers.epoch} has {len(signers.signers)} members")
    try:
        signer = recover(coming.digest, compact)
    except BadSignature as e:
        raise WrongSignature(f"the signature of index {index} cannot be read: {e}") from None
    if signer != signers.signers[index]:
        raise WrongSignature(
            f"the signature of index {index} is not of 0x{signers.signers[index].hex()} over the set of epoch"
            f" {signers.epoch} as it is now: it is of another set, or damaged; have it made again"
        )
    return {signer: compact}
