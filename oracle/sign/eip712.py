"""EIP-712 digests of the eight things that report keys sign, and compact (EIP-2098) signatures over them.

``Observed``: an operator's own values for a round_time, the input of the agreement; evidence against nobody.
``Sealed``: all items of a round that operators agreed on: its certificate, which no store takes.
``Batch``: some of these items, for a store. Two of these two kinds with different items for one token and round_time are an
equivocation.
``Arm``: the keys of a signer set that is to come are there. It says nothing about any price.
``Announce``: where an operator is reached, and which key speaks for it between operators. It says nothing about any price.
``Attended``: in how many rounds of an epoch an operator saw each member's signature in time.
``Rewards``: what an epoch's members are owed, computed from what weight T attended.
``EpochVote``: a word of the agreement on that report, which no contract takes.

A ninth type, ``Check``, shows that a key is there: no store, no penalties and no operator take it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from eth_hash.auto import keccak

from feeds.errors import LrtOracleError
from oracle.sign import curve

NAME = "lrt-oracle"
VERSION = "1"
_DOMAIN = keccak(b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)")
_BATCH = keccak(b"Batch(uint48 epoch,uint32 roundTime,bytes items)")
_SEALED = keccak(b"Sealed(uint48 epoch,uint32 roundTime,uint16 step,bytes items)")
_OBSERVED = keccak(b"Observed(uint48 epoch,uint32 roundTime,bytes32 terms,bytes items)")
_ANNOUNCE = keccak(b"Announce(uint64 counter,bytes body)")
_ARM = keccak(b"Arm(uint48 epoch,bytes32 set)")
_ATTENDED = keccak(b"Attended(uint48 epoch,uint32 rounds,bytes counts)")
_REWARDS = keccak(b"Rewards(uint48 epoch,bytes32 root,address[] absent,bytes32 grounds)")
_VOTE = keccak(b"EpochVote(uint48 epoch,uint8 kind,uint16 step,bytes32 content)")
_CHECK = keccak(b"Check(string says)")
_WORTHLESS = "This signature is worth nothing: lrt-oracle check asked whether the key is there."
_SIGNATURE = 64
_HIGH = 1 << 255
NO_TERMS = bytes(32)
"""Of values that are agreed on within one process."""


@dataclass(frozen=True, slots=True)
class Domain:
    """A store on a chain: signatures for one are worth nothing on another."""

    chain_id: int
    store: bytes


class BadSignature(LrtOracleError, ValueError):
    """The bytes are not a signature over this digest."""


@cache
def separator(domain: Domain) -> bytes:
    """EIP-712 domain separator, 32 bytes."""
    return keccak(
        _DOMAIN
        + keccak(NAME.encode())
        + keccak(VERSION.encode())
        + domain.chain_id.to_bytes(32, "big")
        + domain.store.rjust(32, b"\0")
    )


def batch_digest(domain: Domain, epoch: int, round_time_s: int, items: bytes) -> bytes:
    """Digest of a batch."""
    return _digest(domain, _BATCH, epoch, round_time_s, items)


def sealed_digest(domain: Domain, epoch: int, round_time_s: int, step: int, items: bytes) -> bytes:
    """Digest of a round's certificate. ``step``: of the agreement in which it came about."""
    return keccak(sealed_preimage(domain, epoch, round_time_s, step, items))


def sealed_preimage(domain: Domain, epoch: int, round_time_s: int, step: int, items: bytes) -> bytes:
    """The 66 bytes whose keccak is the digest of a round's certificate."""
    words = b"".join(n.to_bytes(32, "big") for n in (epoch, round_time_s, step))
    return _typed(domain, keccak(_SEALED + words + keccak(items)))


def observed_digest(domain: Domain, epoch: int, round_time_s: int, items: bytes, *, terms: bytes = NO_TERMS) -> bytes:
    """Digest of an operator's own values.

    Args:
        domain: store and chain.
        epoch: of the signer set.
        round_time_s: of the round.
        items: its own, by feed index.
        terms: hash of what must be equal for all who agree, 32 bytes.
    """
    return keccak(observed_preimage(domain, epoch, round_time_s, items, terms=terms))


def batch_preimage(domain: Domain, epoch: int, round_time_s: int, items: bytes) -> bytes:
    """The 66 bytes whose keccak is the digest of a batch: for a signer that hashes by itself."""
    return _preimage(domain, _BATCH, epoch, round_time_s, items)


def observed_preimage(domain: Domain, epoch: int, round_time_s: int, items: bytes, *, terms: bytes = NO_TERMS) -> bytes:
    """The 66 bytes whose keccak is the digest of an operator's own values, see `observed_digest`."""
    head = _OBSERVED + epoch.to_bytes(32, "big") + round_time_s.to_bytes(32, "big")
    return _typed(domain, keccak(head + terms + keccak(items)))


def announce_preimage(domain: Domain, counter: int, body: bytes) -> bytes:
    """The 66 bytes whose keccak is the digest of an operator's announcement, see `oracle.sign.announcement`."""
    return _typed(domain, keccak(_ANNOUNCE + counter.to_bytes(32, "big") + keccak(body)))


def announce_digest(domain: Domain, counter: int, body: bytes) -> bytes:
    """Digest of an announcement."""
    return keccak(announce_preimage(domain, counter, body))


def arm_preimage(domain: Domain, epoch: int, set_hash: bytes) -> bytes:
    """The 66 bytes whose keccak is what the next signer set signs. ``set_hash``: of the code of its contract, 32 bytes."""
    return _typed(domain, keccak(_ARM + epoch.to_bytes(32, "big") + set_hash))


def arm_digest(domain: Domain, epoch: int, set_hash: bytes) -> bytes:
    """Digest that arms a signer set, as ``armDigest()`` of the store answers it."""
    return keccak(arm_preimage(domain, epoch, set_hash))


def attended_preimage(domain: Domain, epoch: int, rounds: int, counts: bytes) -> bytes:
    """The 66 bytes whose keccak an operator signs to say who was there in an epoch, see `oracle.sign.epoch_words`."""
    return _typed(domain, keccak(_ATTENDED + epoch.to_bytes(32, "big") + rounds.to_bytes(32, "big") + keccak(counts)))


def rewards_preimage(domain: Domain, epoch: int, root: bytes, absent: Sequence[bytes], grounds: bytes) -> bytes:
    """The 66 bytes whose keccak is the digest of an epoch's report, as ``Rewards.digestOf`` answers it.

    Args:
        domain: store and chain.
        epoch: that has ended.
        root: of the tree of what is owed, 32 bytes.
        absent: operators, 20 bytes each, ascending.
        grounds: hash of the words that it follows from, 32 bytes.
    """
    listed = keccak(b"".join(a.rjust(32, b"\0") for a in absent))
    return _typed(domain, keccak(_REWARDS + epoch.to_bytes(32, "big") + root + listed + grounds))


def vote_preimage(domain: Domain, epoch: int, kind: int, step: int, content: bytes) -> bytes:
    """The 66 bytes whose keccak a member signs in the agreement on an epoch's report, see `oracle.sign.epoch_words`."""
    words = b"".join(n.to_bytes(32, "big") for n in (epoch, kind, step))
    return _typed(domain, keccak(_VOTE + words + content))


def check_preimage(domain: Domain) -> bytes:
    """The 66 bytes that a key signs to show that it is there, of a type that nothing takes.

    They are of the store's own domain: a signer that is limited to that would refuse any other.
    """
    return _typed(domain, keccak(_CHECK + keccak(_WORTHLESS.encode())))


def typed_data_prefix(domain: Domain) -> bytes:
    """The 34 bytes with which all that a report key signs for a store begins: what a signer can be limited to."""
    return b"\x19\x01" + separator(domain)


def _digest(domain: Domain, kind: bytes, epoch: int, round_time_s: int, items: bytes) -> bytes:
    return keccak(_preimage(domain, kind, epoch, round_time_s, items))


def _preimage(domain: Domain, kind: bytes, epoch: int, round_time_s: int, items: bytes) -> bytes:
    return _typed(domain, keccak(kind + epoch.to_bytes(32, "big") + round_time_s.to_bytes(32, "big") + keccak(items)))


def _typed(domain: Domain, struct: bytes) -> bytes:
    return typed_data_prefix(domain) + struct


def batch_bytes(epoch: int, round_time_s: int, items: bytes) -> bytes:
    """First argument of PriceStore.push: epoch 6 bytes | round_time 4 | items of 30 bytes each."""
    return epoch.to_bytes(6, "big") + round_time_s.to_bytes(4, "big") + items


def address_of(key: curve.PrivateKey | curve.PublicKey) -> bytes:
    """20-byte address of a key."""
    public = key.public_key if isinstance(key, curve.PrivateKey) else key
    return keccak(public.format(compressed=False)[1:])[-20:]


def sign_compact(key: curve.PrivateKey, digest: bytes) -> bytes:
    """64 bytes r | vs over a 32-byte digest; s is in the lower half (libsecp256k1 makes it so)."""
    raw = key.sign_recoverable(digest, hasher=None)
    s = int.from_bytes(raw[32:64], "big") | (_HIGH if raw[64] else 0)
    return raw[:32] + s.to_bytes(32, "big")


def recover(digest: bytes, compact: bytes) -> bytes:
    """Address that signed the digest; BadSignature if the bytes are not a signature."""
    if len(compact) != _SIGNATURE:
        raise BadSignature(f"a signature has {_SIGNATURE} bytes, not {len(compact)}")
    vs = int.from_bytes(compact[32:], "big")
    raw = compact[:32] + (vs & (_HIGH - 1)).to_bytes(32, "big") + bytes([vs >> 255])
    try:
        return address_of(curve.PublicKey.from_signature_and_message(raw, digest, hasher=None))
    except ValueError as e:
        raise BadSignature(str(e)) from None
