"""The handshake as bytes: two hellos, and two proofs over them. Pure.

1. Who dials says hello: a fresh public point, chain and store, its signed announcement, its versions, the certificate it saw.
2. Who is dialled reads it (4 KiB at most), drops strangers, and says hello with the certificate that it shows itself.
3. Who dials checks the other's hello and proves its network key: a signature over the hash of both hellos and its role.
4. Who is dialled checks that and proves its own.

A signature is worth nothing in another handshake (both points are fresh), for another store (the domain's separator is in
it), in the other direction (the role is), or over another certificate than the one that both name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import msgspec
from eth_hash.auto import keccak

from feeds.decode.values import printable
from oracle.network.mesh.faults import LinkFault, LinkRefused
from oracle.network.mesh.limits import MAX_HELLO
from oracle.sign import curve
from oracle.sign.announcement import BadAnnouncement, SignedAnnouncement, read_announcement
from oracle.sign.eip712 import BadSignature, Domain, recover, separator, sign_compact

MAGIC = "lrt-oracle mesh"
LINK_VERSIONS = (1,)
"""Of the frames and of this handshake; which versions of the agreement a member speaks is in its announcement."""
_PURPOSE = b"lrt-oracle mesh handshake 1"
_Short = Annotated[str, msgspec.Meta(max_length=64)]
_Versions = Annotated[tuple[int, ...], msgspec.Meta(min_length=1, max_length=16)]
_Unsigned = Annotated[int, msgspec.Meta(ge=0, le=(1 << 63) - 1)]


class Hello(msgspec.Struct, frozen=True, array_like=True, kw_only=True):
    """What a side says first. A later version may add fields at the end; they are skipped here, and signed all the same.

    Attributes:
        magic: what this is.
        versions: of the frames that it speaks.
        domain: separator of chain and store, 32 bytes.
        point: fresh public key of this handshake, compressed, 33 bytes.
        announcement: of its own, as signed.
        build: version of its software.
        time_ms: its time, Unix ms.
        instance: drawn when its process started, 8 bytes: two that differ are two processes.
        certificate: SHA-256 of the certificate that it saw (who dials) or shows (who is dialled); b"" where there is none.
        is_probe: it only asks how this member is reached, and will leave.
    """

    magic: _Short
    versions: _Versions
    domain: Annotated[bytes, msgspec.Meta(min_length=32, max_length=32)]
    point: Annotated[bytes, msgspec.Meta(min_length=33, max_length=33)]
    announcement: Annotated[bytes, msgspec.Meta(max_length=2_048)]
    build: _Short
    time_ms: _Unsigned
    instance: Annotated[bytes, msgspec.Meta(min_length=8, max_length=8)]
    certificate: Annotated[bytes, msgspec.Meta(max_length=32)] = b""
    is_probe: bool = False


_decoder = msgspec.msgpack.Decoder(Hello)


@dataclass(frozen=True, slots=True, kw_only=True)
class HeardHello:
    """A hello that was read: the words, the announcement in it, the bytes that are signed."""

    hello: Hello
    announced: SignedAnnouncement
    raw: bytes

    @property
    def version(self) -> int:
        """The newest version of the frames that both speak."""
        return max(set(self.hello.versions) & set(LINK_VERSIONS))

    @property
    def build(self) -> str:
        """Version of its software, as it can be shown: it moves no cursor and draws no line of ours."""
        return printable(self.hello.build)


def hello_bytes(hello: Hello) -> bytes:
    """A hello as it is sent and signed."""
    return msgspec.msgpack.encode(hello)


def read_hello(raw: bytes, domain: Domain) -> HeardHello:
    """Read a stranger's hello; cheap checks first.

    Raises:
        LinkRefused: it is none, of another store, of no version that is known here, or its announcement is worth nothing.
    """
    if len(raw) > MAX_HELLO:
        raise LinkRefused(LinkFault.OVERSIZE, f"a hello of {len(raw)} bytes, at most {MAX_HELLO}")
    try:
        hello = _decoder.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise LinkRefused(LinkFault.MALFORMED, "no hello of an operator: is this port the network's?") from None
    if hello.magic != MAGIC:
        raise LinkRefused(LinkFault.MALFORMED, "no hello of an operator: is this port the network's?")
    if hello.domain != separator(domain):
        raise LinkRefused(LinkFault.OTHER_STORE, "an operator of another store or chain")
    if not set(hello.versions) & set(LINK_VERSIONS):
        raise LinkRefused(
            LinkFault.VERSIONS, f"it speaks versions {_listed(hello.versions)}, we {_listed(LINK_VERSIONS)}"
        )
    try:
        announced = read_announcement(domain, hello.announcement)
    except BadAnnouncement as e:
        raise LinkRefused(LinkFault.BAD_ANNOUNCEMENT, f"its announcement is worth nothing: {e}") from None
    return HeardHello(hello=hello, announced=announced, raw=raw)


def transcript_hash(dialler: bytes, listener: bytes, domain: Domain) -> bytes:
    """Hash of both hellos, as they were sent."""
    return keccak(_PURPOSE + separator(domain) + keccak(dialler) + keccak(listener))


def proof(key: curve.PrivateKey, transcript: bytes, *, dials: bool) -> bytes:
    """A network key's signature over a handshake, 64 bytes."""
    return sign_compact(key, _proof_digest(transcript, dials=dials))


def check_proof(network_key: bytes, transcript: bytes, compact: bytes, *, dials: bool) -> None:
    """Have it proved that the other side holds its network key.

    Raises:
        LinkRefused: it does not.
    """
    try:
        signer = recover(_proof_digest(transcript, dials=dials), compact)
    except BadSignature:
        signer = b""
    if signer != network_key:
        raise LinkRefused(LinkFault.BAD_PROOF, "it does not hold the network key that its report key announced")


def _proof_digest(transcript: bytes, *, dials: bool) -> bytes:
    return keccak(transcript + (b"dialler" if dials else b"listener"))


def _listed(versions: tuple[int, ...]) -> str:
    return ", ".join(map(str, sorted(set(versions))))
