"""The check at the end of each frame: who terminates TLS on the way can add, change, leave out or repeat nothing unnoticed.

A link may run over a proxy that terminates TLS, or over none at all. So each frame carries a keyed hash over its bytes and
its number in the link, under a key that both derive from fresh secrets which their network keys signed (the handshake is
the signed Diffie-Hellman of SIGMA, Krawczyk 2003, without its encryption). Pure.
"""

from __future__ import annotations

import hmac
from hashlib import blake2b

import coincurve
from eth_hash.auto import keccak

from oracle.network.faults import LinkFault, LinkRefused

CHECK = 16


class FrameCheck:
    """One direction of a link. Frames must pass in order, which the WebSocket sees to.

    Args:
        key: 32 bytes, of this direction alone.
    """

    __slots__ = ("_count", "_key")

    def __init__(self, key: bytes) -> None:
        self._key, self._count = key, 0

    def sealed(self, kind: int, body: bytes) -> bytes:
        """The next frame as it goes on the wire."""
        frame = bytes((kind,)) + body
        return frame + self._next(frame)

    def opened(self, raw: bytes) -> bytes:
        """The next frame without its check.

        Raises:
            LinkRefused: it is not what the peer sent here; the link is worth nothing any more.
        """
        frame, check = raw[:-CHECK], raw[-CHECK:]
        if not hmac.compare_digest(self._next(frame), check):
            raise LinkRefused(
                LinkFault.FORGED, "a frame that the peer did not send so: something on the way changed it"
            )
        return frame

    def skip(self) -> None:
        """Leave the next frame unread: it counts all the same."""
        self._count += 1

    def _next(self, frame: bytes) -> bytes:
        number = self._count.to_bytes(8, "big")
        self._count += 1
        return blake2b(frame, digest_size=CHECK, key=self._key, salt=number).digest()


def frame_keys(secret: coincurve.PrivateKey, their_point: bytes, transcript: bytes) -> tuple[bytes, bytes]:
    """Keys of the frames of who dialled, and of who was dialled.

    Args:
        secret: our fresh one of this handshake.
        their_point: their fresh public point, compressed, 33 bytes.
        transcript: hash of both hellos.
    """
    try:
        shared = secret.ecdh(their_point)
    except ValueError:
        raise LinkRefused(LinkFault.MALFORMED, "a hello whose fresh key is no point of the curve") from None
    return keccak(shared + transcript + b"dialler"), keccak(shared + transcript + b"listener")
