"""The signer set that is to come: who is in it, what arms it, and the calldata that does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from eth_hash.auto import keccak

from feeds.errors import LrtOracleError
from oracle.chain.quorum_rpc import ChainError
from oracle.chain.store_abi import calldata
from oracle.chain.store_client import StoreClient
from oracle.chain.store_rules import MAX_AHEAD_S
from oracle.sign.eip712 import BadSignature, arm_digest, recover
from oracle.sign.messages import SignerSet
from oracle.sign.sealing import packed_signatures

_WORD, _SIGNATURE = 32, 65
_NEXT_SET = 4 * 65_536 + 15
"""Storage place of StoreSigners.nextSet: behind the arrays of StoreSlots, four of StoreRoles, nine of StoreFeeds, and set and
previousSet."""
ARM = calldata("arm", (b"",))[0][:4]
"""First bytes of a call of PriceStore.arm."""


class WrongSignature(LrtOracleError, RuntimeError):
    """What was given is no signature of a member of the next set over its digest: have it made again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Coming:
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


async def coming_set(client: StoreClient, block: int) -> Coming | None:
    """The set that is to come, at a block; None where none is.

    Raises:
        ChainError: too few endpoints answer, or the store's storage does not hold the set that it tells of.
    """
    epoch, at_s = await client.read("nextSigners", block=hex(block))
    if not epoch:
        return None
    found = await set_of(client, int(epoch), int(at_s), block)
    if found is None:
        raise ChainError(
            f"the signer set of epoch {epoch} is not where a PriceStore keeps it: an endpoint lies, or 0x"
            f"{client.domain.store.hex()} is another contract"
        )
    return found


async def set_of(client: StoreClient, epoch: int, at_s: int, block: int) -> Coming | None:
    """The set of that epoch and time: its word in storage names the contract whose code holds it. None if that is not so."""
    store, at = "0x" + client.domain.store.hex(), hex(block)
    word = int(str(await client.nodes.agreed("eth_getStorageAt", store, hex(_NEXT_SET), at)), 16)
    if word >> 160 & (1 << 48) - 1 != epoch or word >> 217 != at_s:
        return None
    where = "0x" + (word & (1 << 160) - 1).to_bytes(20, "big").hex()
    code = bytes.fromhex(str(await client.nodes.agreed("eth_getCode", where, at))[2:])
    words = [code[i : i + _WORD] for i in range(1, len(code), _WORD)]
    if len(words) != (word >> 208 & 0xFF) + 1 or len(words[-1]) != _WORD:
        return None
    (armed,) = await client.read("armed", block=at)
    head, members = words[0], words[1:]
    return Coming(
        signers=SignerSet(
            domain=client.domain,
            epoch=epoch,
            signers=tuple(w[:20] for w in members),
            weights=tuple(int.from_bytes(w[20:], "big") for w in members),
            threshold=int.from_bytes(head[20:], "big"),
        ),
        strong=int.from_bytes(head[8:20], "big"),
        from_s=at_s,
        set_hash=keccak(code),
        armed=bool(armed),
    )


async def check_digest(client: StoreClient, coming: Coming, block: int) -> None:
    """See that the store asks for the digest that follows from what was read here.

    Raises:
        ChainError: it does not, or too few endpoints answer.
    """
    (asked,) = await client.read("armDigest", block=hex(block))
    if asked != coming.digest:
        raise ChainError(
            f"armDigest() answers 0x{bytes(asked).hex()}, the set of epoch {coming.signers.epoch} gives"
            f" 0x{coming.digest.hex()}: an endpoint lies, nothing is signed"
        )


def checked(coming: Coming, given: Sequence[bytes]) -> dict[bytes, bytes]:
    """Signatures by member: each must be the member's at its index over the set's digest.

    Args:
        coming: the set.
        given: index 1 | r | vs, one or several after each other.

    Raises:
        WrongSignature: one is not.
    """
    found: dict[bytes, bytes] = {}
    for one in given:
        if not one or len(one) % _SIGNATURE:
            raise WrongSignature(
                f"{len(one)} bytes are no signatures: each has {_SIGNATURE}, as `lrt-oracle arm` prints them"
            )
        for at in range(0, len(one), _SIGNATURE):
            found |= _one(coming, one[at], one[at + 1 : at + _SIGNATURE])
    return found


def _one(coming: Coming, index: int, compact: bytes) -> dict[bytes, bytes]:
    signers = coming.signers
    if index >= len(signers.signers):
        raise WrongSignature(f"index {index}: the set of epoch {signers.epoch} has {len(signers.signers)} members")
    try:
        signer = recover(coming.digest, compact)
    except BadSignature as e:
        raise WrongSignature(f"the signature of index {index} is none: {e}") from None
    if signer != signers.signers[index]:
        raise WrongSignature(
            f"the signature of index {index} is not of 0x{signers.signers[index].hex()} over the set of epoch"
            f" {signers.epoch} as it is now: it is of another set, or damaged; have it made again"
        )
    return {signer: compact}
