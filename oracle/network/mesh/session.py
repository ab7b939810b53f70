"""The check at the end of each frame: who terminates TLS on the way can add, change or repeat nothing.

A link may run over a proxy that terminates TLS, or over none at all. So each frame carries its number in the link and a keyed
hash over its bytes and number, under a key that both derive from fresh secrets which their network keys signed (the handshake
is the signed Diffie-Hellman of SIGMA, Krawczyk 2003, without its encryption). What is on the way can leave frames out, as it
can cut the link: one that is missing, or comes after a later one, is no reason to end it. Pure.
"""

from __future__ import annotations

import hmac
from hashlib import blake2b

from eth_hash.auto import keccak

from oracle.network.mesh.faults import LinkFault, LinkRefused
from oracle.network.mesh.replay_window import ReplayWindow
from oracle.sign import curve

_NUMBER, _HASH = 8, 16
CHECK = _NUMBER + _HASH
"""Bytes at the end of a frame."""


class FrameCheck:
    """One direction of a link.

    Args:
        key: 32 bytes, of this direction alone.
    """

    __slots__ = ("_count", "_key", "_seen")

    def __init__(self, key: bytes) -> None:
        self._key, self._count, self._seen = key, 0, ReplayWindow()

    def sealed(self, kind: int, body: bytes) -> bytes:
        """The next frame as it goes on the wire."""
        frame, number = bytes((kind,)) + body, self._count.to_bytes(_NUMBER, "big")
        self._count += 1
        return frame + number + self._hash(frame, number)

    def opened(self, raw: bytes) -> bytes:
        """A frame without its check.

        Raises:
            LinkRefused: it is not what the peer sent here (``FORGED``), or has come already (``REPLAYED``).
        """
        frame, number = raw[:-CHECK], raw[-CHECK:-_HASH]
        if not hmac.compare_digest(self._hash(frame, number), raw[-_HASH:]):
            raise LinkRefused(
                LinkFault.FORGED, "a frame that the peer did not send so: something on the way changed it"
            )
        if not self._seen.is_new(int.from_bytes(number, "big")):
            raise LinkRefused(LinkFault.REPLAYED, "a frame that has come already: something on the way repeats it")
        return frame

    def _hash(self, frame: bytes, number: bytes) -> bytes:
        return blake2b(frame, digest_size=_HASH, key=self._key, salt=number).digest()


def frame_keys(secret: curve.PrivateKey, their_point: bytes, transcript: bytes) -> tuple[bytes, bytes]:
    """Keys of the frames of who dialled, and of who was dialled.

    Args:
        secret: our fresh one of this handshake.
        their_point: their fresh public point, compressed, 33 bytes.
        transcript: hash of both hellos.

    Raises:
        LinkRefused: their point is none of the curve.
    """
    try:
        shared = secret.ecdh(their_point)
    except ValueError:
        raise LinkRefused(LinkFault.MALFORMED, "a hello whose fresh key is no point of the curve") from None
    return keccak(shared + transcript + b"dialler"), keccak(shared + transcript + b"listener")
