"""What is used of coincurve, without it: secrets stay with OpenSSL, what is public is computed here.

The same bytes as libsecp256k1 makes: nonces after RFC 6979, s in the lower half. Signing and ECDH use a secret and are OpenSSL's; finding who
signed uses none, and is plain arithmetic, so it need not take the same time for every input.
"""

from __future__ import annotations

import hashlib
import secrets

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from eth_keys.backends.native.jacobian import from_jacobian, jacobian_add, jacobian_double
from eth_keys.constants import SECPK1_G, SECPK1_N, SECPK1_P

ORDER: int = SECPK1_N
FIELD: int = SECPK1_P
_CURVE = ec.SECP256K1()
_SECRET = 32
_SIGNATURE = 65
_Jacobian = tuple[int, int, int]
_NOWHERE: _Jacobian = (0, 0, 0)
_G: _Jacobian = (*SECPK1_G, 1)


class PublicKey:
    """A point of the curve.

    Args:
        data: compressed (33 bytes) or not (65).

    Raises:
        ValueError: it is no point of the curve.
    """

    __slots__ = ("_point",)

    def __init__(self, data: bytes) -> None:
        self._point = ec.EllipticCurvePublicKey.from_encoded_point(_CURVE, data)

    @classmethod
    def from_signature_and_message(cls, signature: bytes, digest: bytes, hasher: None = None) -> PublicKey:
        """The key that signed.

        Args:
            signature: 65 bytes r | s | y.
            digest: 32 bytes.
            hasher: the digest is signed as it is.

        Raises:
            ValueError: no key can have made it.
        """
        del hasher
        if len(signature) != _SIGNATURE or len(digest) != _SECRET:
            raise ValueError("a signature has 65 bytes, what it signs 32")
        r, s, y = int.from_bytes(signature[:32]), int.from_bytes(signature[32:64]), signature[64]
        if not (0 < r < ORDER and 0 < s < ORDER and y <= 3) or (y & 2 and r + ORDER >= FIELD):  # noqa: PLR2004 - two bits
            raise ValueError("no signature of the curve")
        x = r + (ORDER if y & 2 else 0)
        nonce = ec.EllipticCurvePublicKey.from_encoded_point(
            _CURVE, bytes([2 + (y & 1)]) + x.to_bytes(32)
        ).public_numbers()
        of_r = pow(r, -1, ORDER)
        found = _two_products(-int.from_bytes(digest) * of_r % ORDER, _G, s * of_r % ORDER, (nonce.x, nonce.y, 1))
        if found[1] == 0:
            raise ValueError("no key makes this signature")
        px, py = from_jacobian(found)
        return cls(b"\x04" + px.to_bytes(32) + py.to_bytes(32))

    def format(self, compressed: bool = True) -> bytes:
        """33 bytes, or 65."""
        form = PublicFormat.CompressedPoint if compressed else PublicFormat.UncompressedPoint
        return self._point.public_bytes(Encoding.X962, form)


class PrivateKey:
    """A secret key; without an argument a new one.

    Args:
        secret: a number from 1 to the curve's order less one, up to 32 bytes.

    Raises:
        ValueError: it is none.
    """

    __slots__ = ("_key", "public_key", "secret")

    def __init__(self, secret: bytes | None = None) -> None:
        number = 1 + secrets.randbelow(ORDER - 1) if secret is None else int.from_bytes(secret)
        if not 0 < number < ORDER:
            raise ValueError("Secret scalar must be greater than 0 and less than the curve's order.")
        self.secret = number.to_bytes(_SECRET)
        self._key = ec.derive_private_key(number, _CURVE)
        self.public_key = PublicKey(self._key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint))

    def __repr__(self) -> str:
        return "PrivateKey(...)"

    @classmethod
    def from_int(cls, number: int) -> PrivateKey:
        """The key of a number."""
        return cls(number.to_bytes(_SECRET))

    def to_int(self) -> int:
        """The number."""
        return int.from_bytes(self.secret)

    def sign_recoverable(self, digest: bytes, hasher: None = None) -> bytes:
        """65 bytes r | s | y over a 32-byte digest; the same each time, s in the lower half."""
        del hasher
        if len(digest) != _SECRET:
            raise ValueError("a digest has 32 bytes")
        try:
            method = ec.ECDSA(Prehashed(SHA256()), deterministic_signing=True)
            r, s = decode_dss_signature(self._key.sign(digest, method))
        except UnsupportedAlgorithm:  # an OpenSSL before 3.2: any nonce is right, only not the same each time
            r, s = decode_dss_signature(self._key.sign(digest, ec.ECDSA(Prehashed(SHA256()))))
        body = r.to_bytes(32) + min(s, ORDER - s).to_bytes(32)
        ours = self.public_key.format()
        for y in range(4):
            try:
                if PublicKey.from_signature_and_message(body + bytes([y]), digest).format() == ours:
                    return body + bytes([y])
            except ValueError:  # no point for this y
                continue
        raise ValueError("the signature is not this key's")  # pragma: no cover - a wrong OpenSSL

    def ecdh(self, point: bytes) -> bytes:
        """SHA-256 of the compressed point that both sides have, as libsecp256k1 hashes it.

        Raises:
            ValueError: what was given is no point of the curve.
        """
        theirs = ec.EllipticCurvePublicKey.from_encoded_point(_CURVE, point)
        number, x = self.to_int(), int.from_bytes(self._key.exchange(ec.ECDH(), theirs))
        other = theirs.public_numbers()
        if number == ORDER - 1:
            return _hashed(x, FIELD - other.y)
        # OpenSSL tells x alone; which of both y it is, the next multiple of the point tells
        y = ec.EllipticCurvePublicKey.from_encoded_point(_CURVE, b"\x02" + x.to_bytes(32)).public_numbers().y
        beyond = int.from_bytes(ec.derive_private_key(number + 1, _CURVE).exchange(ec.ECDH(), theirs))
        is_even = from_jacobian(jacobian_add((x, y, 1), (other.x, other.y, 1)))[0] == beyond
        return _hashed(x, y if is_even else FIELD - y)


def _hashed(x: int, y: int) -> bytes:
    return hashlib.sha256(bytes([2 + (y & 1)]) + x.to_bytes(32)).digest()


def _two_products(a: int, p: _Jacobian, b: int, q: _Jacobian) -> _Jacobian:
    """Compute a*p + b*q, both at once (Shamir)."""
    both = jacobian_add(p, q)
    found = _NOWHERE
    for bit in range(max(a.bit_length(), b.bit_length()) - 1, -1, -1):
        found = jacobian_double(found)
        which = (a >> bit & 1) | (b >> bit & 1) << 1
        if which:
            found = jacobian_add(found, (p, q, both)[which - 1])
    return found
