"""Frames between two members: a byte that says the kind, then the body. Pure; everything wrong is a typed refusal.

| kind | body |
|---|---|
| 1 data | the payload, opaque |
| 2 ping | 8 bytes that come back |
| 3 pong | these 8 bytes, the time of who answers (Unix ms, 8 bytes) |
| 4 reachable | addresses of 20 bytes: members that the sender has a link with |
| 5 announcements | each 2 bytes of length and a signed announcement |
| 6 forward | to 20, from 20, number 8, signature 64, payload: to be carried one hop |
| 7 carried | the same, as it is handed on |
| 8 end | nothing: the sender sends no more on this link, for there is another |

Numbers are big-endian. On the wire each frame ends with its number and its check, see `oracle.network.mesh.session`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum

from eth_hash.auto import keccak

from oracle.network.mesh.faults import LinkFault, LinkRefused
from oracle.network.mesh.limits import MAX_FRAME, MAX_MEMBERS, MAX_PAYLOAD
from oracle.sign import curve
from oracle.sign.eip712 import BadSignature, Domain, recover, separator, sign_compact

_ADDRESS, _SIGNATURE, _WORD, _LENGTH = 20, 64, 8, 2
_CARRY_HEAD = 2 * _ADDRESS + _WORD + _SIGNATURE
_FORWARD_PURPOSE = b"lrt-oracle mesh forward 1"


class FrameKind(IntEnum):
    """What a frame is: its first byte."""

    DATA = 1
    PING = 2
    PONG = 3
    REACHABLE = 4
    ANNOUNCEMENTS = 5
    FORWARD = 6
    CARRIED = 7
    END = 8


@dataclass(frozen=True, slots=True)
class Data:
    """A payload of the peer itself."""

    payload: bytes


@dataclass(frozen=True, slots=True)
class Ping:
    """``token``: what the pong brings back."""

    token: int


@dataclass(frozen=True, slots=True)
class Pong:
    """``token``: of the ping. ``time_ms``: of who answers, Unix ms."""

    token: int
    time_ms: int


@dataclass(frozen=True, slots=True)
class Reachable:
    """``members``: that the peer has a link with."""

    members: frozenset[bytes]


@dataclass(frozen=True, slots=True)
class Announcements:
    """``raw``: announcements as they were signed; not read yet."""

    raw: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class End:
    """The peer sends no more on this link; what it sent before it is all there."""


@dataclass(frozen=True, slots=True)
class Forward:
    """A payload that a third member carries one hop.

    Attributes:
        to, sender: report keys' addresses.
        number: the sender's run in its upper half, and in its lower half one more each time.
        signature: of the sender's network key over all of it.
        payload: opaque.
        carried: whether it has had its hop.
    """

    to: bytes
    sender: bytes
    number: int
    signature: bytes
    payload: bytes
    carried: bool = False

    def body(self) -> bytes:
        """Its bytes, the same before and after the hop."""
        return b"".join((self.to, self.sender, self.number.to_bytes(_WORD, "big"), self.signature, self.payload))


Frame = Data | Ping | Pong | Reachable | Announcements | Forward | End


def parse_frame(raw: bytes) -> Frame:
    """Read a frame without its check.

    Raises:
        LinkRefused: it is of no kind that is known, or not whole.
    """
    if len(raw) > MAX_FRAME:
        raise LinkRefused(LinkFault.OVERSIZE, f"a frame of {len(raw)} bytes, at most {MAX_FRAME}")
    if not raw:
        raise LinkRefused(LinkFault.MALFORMED, "an empty frame")
    try:
        kind = FrameKind(raw[0])
    except ValueError:
        raise LinkRefused(LinkFault.UNKNOWN_KIND, f"a frame of kind {raw[0]}, which is not known here") from None
    return _PARSERS[kind](raw[1:])


def ping_body(token: int) -> bytes:
    """Body of a ping."""
    return token.to_bytes(_WORD, "big")


def pong_body(token: int, time_ms: int) -> bytes:
    """Body of a pong."""
    return token.to_bytes(_WORD, "big") + time_ms.to_bytes(_WORD, "big")


def reachable_body(members: frozenset[bytes]) -> bytes:
    """Body of a list of members."""
    return b"".join(sorted(members)[:MAX_MEMBERS])


def announcement_bodies(raws: Sequence[bytes]) -> list[bytes]:
    """Bodies that hold all of these announcements: as many as are needed."""
    bodies, parts, size = [], list[bytes](), 0
    for raw in raws:
        part = len(raw).to_bytes(_LENGTH, "big") + raw
        if size + len(part) > MAX_PAYLOAD:
            bodies.append(b"".join(parts))
            parts, size = [], 0
        parts.append(part)
        size += len(part)
    return [*bodies, b"".join(parts)] if parts else bodies


def signed_forward(
    domain: Domain, key: curve.PrivateKey, *, to: bytes, sender: bytes, number: int, payload: bytes
) -> Forward:
    """A payload to be carried, signed by its sender's network key."""
    signature = sign_compact(key, _forward_digest(domain, to, sender, number, payload))
    return Forward(to, sender, number, signature, payload)


def forward_signer(domain: Domain, frame: Forward) -> bytes | None:
    """Address of the network key that signed a payload which came by another member; None where there is none."""
    try:
        digest = _forward_digest(domain, frame.to, frame.sender, frame.number, frame.payload)
        return recover(digest, frame.signature)
    except BadSignature:
        return None


def _forward_digest(domain: Domain, to: bytes, sender: bytes, number: int, payload: bytes) -> bytes:
    head = _FORWARD_PURPOSE + separator(domain) + to + sender + number.to_bytes(_WORD, "big")
    return keccak(head + keccak(payload))


def _ping(body: bytes) -> Ping:
    _exactly(body, _WORD)
    return Ping(int.from_bytes(body, "big"))


def _pong(body: bytes) -> Pong:
    _exactly(body, 2 * _WORD)
    return Pong(int.from_bytes(body[:_WORD], "big"), int.from_bytes(body[_WORD:], "big"))


def _reachable(body: bytes) -> Reachable:
    if len(body) % _ADDRESS or len(body) > MAX_MEMBERS * _ADDRESS:
        raise LinkRefused(LinkFault.MALFORMED, f"{len(body)} bytes are no list of at most {MAX_MEMBERS} members")
    return Reachable(frozenset(body[i : i + _ADDRESS] for i in range(0, len(body), _ADDRESS)))


def _announcements(body: bytes) -> Announcements:
    raws, at = list[bytes](), 0
    while at < len(body):
        start = at + _LENGTH
        at = start + int.from_bytes(body[at:start], "big")
        if start > len(body) or at > len(body):
            raise LinkRefused(LinkFault.MALFORMED, "a list of announcements that is cut short")
        raws.append(body[start:at])
        if len(raws) > MAX_MEMBERS:
            raise LinkRefused(LinkFault.MALFORMED, f"more than {MAX_MEMBERS} announcements in a frame")
    return Announcements(tuple(raws))


def _carry(body: bytes, *, carried: bool) -> Forward:
    if not _CARRY_HEAD <= len(body) <= _CARRY_HEAD + MAX_PAYLOAD:
        raise LinkRefused(LinkFault.MALFORMED, f"{len(body)} bytes are nothing to be carried")
    to, sender = body[:_ADDRESS], body[_ADDRESS : 2 * _ADDRESS]
    number = int.from_bytes(body[2 * _ADDRESS : 2 * _ADDRESS + _WORD], "big")
    signature = body[_CARRY_HEAD - _SIGNATURE : _CARRY_HEAD]
    return Forward(to, sender, number, signature, body[_CARRY_HEAD:], carried)


def _end(body: bytes) -> End:
    _exactly(body, 0)
    return End()


def _exactly(body: bytes, size: int) -> None:
    if len(body) != size:
        raise LinkRefused(LinkFault.MALFORMED, f"a frame of {len(body)} bytes where {size} belong")


_PARSERS: Mapping[FrameKind, Callable[[bytes], Frame]] = {
    FrameKind.DATA: Data,
    FrameKind.PING: _ping,
    FrameKind.PONG: _pong,
    FrameKind.REACHABLE: _reachable,
    FrameKind.ANNOUNCEMENTS: _announcements,
    FrameKind.FORWARD: lambda body: _carry(body, carried=False),
    FrameKind.CARRIED: lambda body: _carry(body, carried=True),
    FrameKind.END: _end,
}
