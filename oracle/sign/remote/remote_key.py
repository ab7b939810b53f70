"""A key that is not in this process: asked for one signature at a time, and every answer is checked.

What a signature is over is given as the preimage, whose keccak is signed; whether the bytes or their hash leave this process
is the matter of each kind of signer. What comes back must be the key's own signature over these bytes, else it is none.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod

from eth_hash.auto import keccak

from feeds.errors import LrtOracleError
from oracle.sign import curve
from oracle.sign.eip712 import address_of

_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
_SIGNATURE, _RS = 65, 64
_HIGH = 1 << 255


class SignerError(LrtOracleError, RuntimeError):
    """A key that is elsewhere did not sign: what its signer said and what to do. Never holds what was to be signed."""


class RemoteKey(ABC):
    """One key that is elsewhere.

    Args:
        address: 20 bytes, of the key that must sign.
        name: of its signer, for errors: "the signer at HOST". Holds no secret.
        timeout_ms: of a signature, with all that comes before the first one.
    """

    def __init__(self, address: bytes, name: str, *, timeout_ms: int) -> None:
        self.address = address
        self.name = name
        self._timeout_s = timeout_ms / 1_000

    def __repr__(self) -> str:
        return f"{type(self).__name__}(0x{self.address.hex()} at {self.name})"

    async def sign(self, preimage: bytes) -> bytes:
        """Sign: 65 bytes r | s | y (0 or 1) over keccak(preimage), s in the lower half.

        Raises:
            SignerError: no answer in time, no such key there, or the answer is not a signature of the key.
        """
        try:
            async with asyncio.timeout(self._timeout_s):
                raw = await self._request(preimage)
        except TimeoutError:
            raise SignerError(self._too_late()) from None
        signature = checked_signature(raw, keccak(preimage), self.address)
        if signature is None:
            raise SignerError(f"{self.name} answered with no signature of 0x{self.address.hex()}")
        return signature

    async def sign_compact(self, preimage: bytes) -> bytes:
        """The 64 bytes r | vs (EIP-2098) over keccak(preimage); SignerError as `sign`."""
        return compact_of(await self.sign(preimage))

    def _too_late(self) -> str:
        return f"{self.name} does not answer within {self._timeout_s} s"

    @abstractmethod
    async def _request(self, preimage: bytes) -> bytes:
        """Ask: r | s | v, or r | s; SignerError where there is no answer of this form. The rest of the time runs out here."""

    @abstractmethod
    async def close(self) -> None:
        """Close the connection; the next signature opens it again."""


def compact_of(signature: bytes) -> bytes:
    """The 64 bytes r | vs (EIP-2098) of a signature r | s | y (0 or 1) with s in its lower half."""
    s = int.from_bytes(signature[32:64], "big") | (_HIGH if signature[64] else 0)
    return signature[:32] + s.to_bytes(32, "big")


def checked_signature(raw: bytes, digest: bytes, address: bytes) -> bytes | None:
    """The signature r | s | y of a key over a digest, s in the lower half (EIP-2); None where the bytes are none of it.

    Args:
        raw: r | s | v with v 0, 1, 27 or 28, or r | s: then the parity is found by what it recovers to.
        digest: 32 bytes.
        address: 20 bytes, of the key.
    """
    if len(raw) == _RS:
        parities: tuple[int, ...] = (0, 1)
    elif len(raw) == _SIGNATURE and raw[64] in {0, 1, 27, 28}:
        parities = (raw[64] % 27,)
    else:
        return None
    s, flip = int.from_bytes(raw[32:64], "big"), 0
    if s > _ORDER // 2:
        s, flip = _ORDER - s, 1
    if s <= 0:
        return None
    made = (raw[:32] + s.to_bytes(32, "big") + bytes([y ^ flip]) for y in parities)
    return next((signature for signature in made if signer_of(signature, digest) == address), None)


def signer_of(signature: bytes, digest: bytes) -> bytes | None:
    """The address that a signature r | s | y recovers to; None where it is none."""
    try:
        return address_of(curve.PublicKey.from_signature_and_message(signature, digest, hasher=None))
    except ValueError:
        return None


def address_of_point(point: bytes) -> bytes | None:
    """The address of an uncompressed point on the curve, 64 bytes or 65 that begin with 4; None where it is none."""
    raw = point if len(point) == _SIGNATURE else b"\x04" + point
    try:
        return address_of(curve.PublicKey(raw))
    except ValueError:
        return None
