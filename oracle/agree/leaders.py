"""Who leads a round: an order drawn by weight, the same for everybody who knows the set and the epoch's randomness. Pure.

A draw without replacement in which the next place goes to a member with the probability of its weight among those that are
left. It is made as Efraimidis and Spirakis do (Weighted random sampling with a reservoir, 2006), in the form of exponential
clocks: each member has a uniform number u of its own, and the members follow each other by -log(u) / weight. The logarithm is
one in fixed point and ratios are compared as fractions, so everybody gets the same order on every machine.

A member's number hangs on nobody else's weight. So a change of one weight moves that one member and leaves the order of the
others as it was: where a signer is removed in the middle of an epoch, those who have heard of it and those who have not yet
agree on everybody else.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

from eth_hash.auto import keccak

from oracle.sign.messages import SignerSet

NO_RANDOMNESS = bytes(32)
"""Of an epoch whose randomness is not confirmed yet, see `oracle.network.membership`."""
_TAG = b"lrt-oracle leader order 1"
_HASH_BITS = 256
_DIGITS = 96
"""Binary places of a logarithm: a place is off its probability by less than 2**-64."""
_MANTISSA_BITS = 192
"""Binary places that are carried along; each digit costs one."""


def leader_order(signers: SignerSet, randomness: bytes, round_time_s: int) -> tuple[bytes, ...]:
    """Addresses of all members with weight, in the order in which they lead the attempts of a round.

    Args:
        signers: the set of the round, its members listed in any order.
        randomness: of the set's epoch, 32 bytes.
        round_time_s: the round's time, Unix s.

    Raises:
        ValueError: the randomness has another length.
    """
    if len(randomness) != len(NO_RANDOMNESS):
        raise ValueError(f"the randomness of an epoch has {len(NO_RANDOMNESS)} bytes, not {len(randomness)}")
    return draw(_seed(signers, randomness, round_time_s), dict(zip(signers.signers, signers.weights, strict=True)))


def draw(seed: bytes, weights: Mapping[bytes, int]) -> tuple[bytes, ...]:
    """Addresses with weight in an order drawn from 32 bytes of seed: whoever knows both has the same order."""
    places = [
        (Fraction(_minus_log2(keccak(seed + address)), weight), address)
        for address, weight in weights.items()
        if weight > 0
    ]
    return tuple(address for _, address in sorted(places))


def members_hash(signers: SignerSet) -> bytes:
    """32 bytes over the epoch and who is in its set, whatever the order and the weights, which may fall to 0 within it."""
    members = b"".join(sorted(signers.signers))
    return keccak(signers.epoch.to_bytes(32, "big") + members)


def _seed(signers: SignerSet, randomness: bytes, round_time_s: int) -> bytes:
    domain = signers.domain
    place = domain.chain_id.to_bytes(32, "big") + domain.store + members_hash(signers)
    return keccak(_TAG + place + randomness + round_time_s.to_bytes(8, "big"))


def _minus_log2(digest: bytes) -> int:
    """-log2 of a uniform number in (0, 1], times 2**_DIGITS: (digest + 1) / 2**256, one binary digit at a time."""
    number = int.from_bytes(digest, "big") + 1
    whole = number.bit_length() - 1
    mantissa = (number << _MANTISSA_BITS) >> whole
    log2 = whole
    for _ in range(_DIGITS):
        mantissa = mantissa * mantissa >> _MANTISSA_BITS
        digit = mantissa >> (_MANTISSA_BITS + 1)
        mantissa >>= digit
        log2 = log2 << 1 | digit
    return (_HASH_BITS << _DIGITS) - log2
