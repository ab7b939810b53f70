"""An operator's announcement: where it is reached, which key speaks for it, which versions it knows, where it pays for pushes.

The report key signs it, so a remote signer never has to sign the frames between operators: the network key does, and it has
no say about prices. Of several announcements of one report key the one with the highest counter counts. It binds the chain
and the store: an operator of two stores announces itself twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from feeds.errors import LrtOracleError
from oracle.sign.eip712 import BadSignature, Domain, announce_digest, announce_preimage, recover

MOST_URLS = 4
_MOST_URL_BYTES = 255
_ADDRESS, _HASH, _SIGNATURE, _COUNTER = 20, 32, 64, 8
_MOST_VERSIONS = 16
MOST_PURSES = 8
_CHAIN = 8
_SCHEMES = frozenset({"ws", "wss"})


class BadAnnouncement(LrtOracleError, ValueError):
    """The bytes are no announcement, or not one of this key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Purse:
    """A gas key that pays for pushes to a store: the store, and the key's address (20 bytes), whose balance anybody can see."""

    domain: Domain
    gas_key: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Announcement:
    """What an operator says of itself.

    Attributes:
        counter: the highest of a report key counts; Unix milliseconds of when it was made will do.
        network_key: address (20 bytes) of the key that signs what it says to other operators.
        urls: where it listens, ws:// or wss://; () for one that only dials.
        certificate: SHA-256 of the certificate that it shows there (DER), 32 bytes; b"" where a public authority vouches.
        versions: of the protocol that it speaks, ascending.
        purses: the stores that it pushes to, one gas key each; () for one that signs and never pushes.
    """

    counter: int
    network_key: bytes
    urls: tuple[str, ...] = ()
    certificate: bytes = b""
    versions: tuple[int, ...] = (1,)
    purses: tuple[Purse, ...] = ()

    def body(self) -> bytes:
        """Its bytes but for the counter, as they are signed.

        Raises:
            BadAnnouncement: it is not one that others would take.
        """
        _check(self)
        parts = [self.network_key, bytes([len(self.certificate)]), self.certificate, bytes([len(self.versions)])]
        parts += [v.to_bytes(2, "big") for v in self.versions]
        parts.append(bytes([len(self.urls)]))
        for url in self.urls:
            raw = url.encode()
            parts += [bytes([len(raw)]), raw]
        parts.append(bytes([len(self.purses)]))
        parts += [p.domain.chain_id.to_bytes(_CHAIN, "big") + p.domain.store + p.gas_key for p in self.purses]
        return b"".join(parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedAnnouncement:
    """An announcement as a report key signed it. Only `read_announcement` and the owner of the key make it.

    ``address``: of the report key. ``raw``: counter, body and signature, as they are passed on.
    """

    address: bytes
    said: Announcement
    raw: bytes


def announcement_preimage(domain: Domain, said: Announcement) -> bytes:
    """What the report key signs: 66 bytes, for a signer that hashes by itself."""
    return announce_preimage(domain, said.counter, said.body())


def signed_announcement(address: bytes, said: Announcement, compact: bytes) -> SignedAnnouncement:
    """Put a signature (r | vs) to it."""
    return SignedAnnouncement(
        address=address, said=said, raw=said.counter.to_bytes(_COUNTER, "big") + said.body() + compact
    )


def read_announcement(domain: Domain, raw: bytes) -> SignedAnnouncement:
    """Read bytes that somebody passed on; who signed them is what comes out.

    Raises:
        BadAnnouncement: they are none of this store.
    """
    if len(raw) < _COUNTER + _SIGNATURE:
        raise BadAnnouncement(f"{len(raw)} bytes are no announcement")
    counter = int.from_bytes(raw[:_COUNTER], "big")
    body, compact = raw[_COUNTER:-_SIGNATURE], raw[-_SIGNATURE:]
    said = _parse(counter, body)
    try:
        address = recover(announce_digest(domain, counter, body), compact)
    except BadSignature as e:
        raise BadAnnouncement(f"its signature cannot be read: {e}") from None
    return SignedAnnouncement(address=address, said=said, raw=raw)


def _check(said: Announcement) -> None:
    if not 0 <= said.counter < 1 << 64:
        raise BadAnnouncement("a counter has 64 bits")
    if len(said.network_key) != _ADDRESS:
        raise BadAnnouncement(f"a network key is given by its address of {_ADDRESS} bytes")
    if len(said.certificate) not in {0, _HASH}:
        raise BadAnnouncement("a certificate is given by its SHA-256")
    if not 0 < len(said.versions) <= _MOST_VERSIONS or list(said.versions) != sorted(set(said.versions)):
        raise BadAnnouncement(f"1 to {_MOST_VERSIONS} versions of the protocol, ascending")
    if len(said.urls) > MOST_URLS:
        raise BadAnnouncement(f"{len(said.urls)} addresses, at most {MOST_URLS}")
    for url in said.urls:
        _check_url(url)
    _check_purses(said.purses)


def _check_purses(purses: Sequence[Purse]) -> None:
    if len(purses) > MOST_PURSES or len({p.domain for p in purses}) < len(purses):
        raise BadAnnouncement(f"at most {MOST_PURSES} stores that it pays at, each once")
    for purse in purses:
        if not 0 <= purse.domain.chain_id < 1 << 8 * _CHAIN:
            raise BadAnnouncement(f"a chain id has at most {8 * _CHAIN} bits")
        if len(purse.domain.store) != _ADDRESS or len(purse.gas_key) != _ADDRESS:
            raise BadAnnouncement(f"a store and its gas key are given by addresses of {_ADDRESS} bytes")


def _check_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as e:
        raise BadAnnouncement(f"not an address: {e}") from None
    if parts.scheme not in _SCHEMES or not parts.hostname or port == 0 or parts.username is not None:
        raise BadAnnouncement("write an address as wss://host:port/path, without a user")
    if not url.isascii() or len(url) > _MOST_URL_BYTES or any(c.isspace() or ord(c) < ord(" ") for c in url):
        raise BadAnnouncement(f"an address has at most {_MOST_URL_BYTES} plain characters")


def _parse(counter: int, body: bytes) -> Announcement:
    at = 0

    def take(count: int) -> bytes:
        nonlocal at
        if at + count > len(body):
            raise BadAnnouncement("it is cut short")
        at += count
        return body[at - count : at]

    network_key = take(_ADDRESS)
    certificate = take(take(1)[0])
    versions = tuple(int.from_bytes(take(2), "big") for _ in range(take(1)[0]))
    raw_urls = [take(take(1)[0]) for _ in range(take(1)[0])]
    purses = tuple(
        Purse(domain=Domain(int.from_bytes(take(_CHAIN), "big"), take(_ADDRESS)), gas_key=take(_ADDRESS))
        for _ in range(take(1)[0])
    )
    if at != len(body):
        raise BadAnnouncement(f"{len(body) - at} bytes too many")
    try:
        urls = tuple(u.decode("ascii") for u in raw_urls)
    except UnicodeDecodeError:
        raise BadAnnouncement("an address has plain characters") from None
    said = Announcement(
        counter=counter, network_key=network_key, urls=urls, certificate=certificate, versions=versions, purses=purses
    )
    _check(said)
    return said
