"""Who is a member, where each is reached, and whose network key speaks for it. Pure.

Membership comes from the store; addresses from announcements, of which the highest counter counts, and from the config,
which overrides them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from oracle.network.mesh.faults import LinkFault, LinkRefused
from oracle.sign.announcement import SignedAnnouncement


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """A member as the store and the config know it.

    Attributes:
        address: of its report key, 20 bytes.
        name: for people; its address where it has none.
        urls: where it listens, by the config; () for what it announces.
        certificate: SHA-256 of what it shows there, by the config; b"" for what it announces.
    """

    address: bytes
    name: str = ""
    urls: tuple[str, ...] = ()
    certificate: bytes = b""

    def __str__(self) -> str:
        return self.name or f"0x{self.address.hex()}"


class Roster:
    """Members and their announcements. Ourselves are no peer.

    Args:
        own: address of our report key.
    """

    def __init__(self, own: bytes) -> None:
        self.own = own
        self.peers: Mapping[bytes, Peer] = {}
        self._announced: dict[bytes, SignedAnnouncement] = {}

    def set_peers(self, peers: Iterable[Peer]) -> None:
        """Members from now on; what those who left announced is forgotten."""
        self.peers = {p.address: p for p in peers if p.address != self.own}
        self._announced = {a: s for a, s in self._announced.items() if a in self.peers}

    def is_news(self, signed: SignedAnnouncement) -> bool:
        """Whether it is a member's, and newer than what we know of it."""
        known = self._announced.get(signed.address)
        return signed.address in self.peers and (known is None or known.said.counter < signed.said.counter)

    def learn(self, signed: SignedAnnouncement) -> bool:
        """Keep a member's announcement; whether it is newer than what we knew."""
        if not self.is_news(signed):
            return False
        self._announced[signed.address] = signed
        return True

    def announced(self, address: bytes) -> SignedAnnouncement | None:
        """The newest announcement of a member; None before the first."""
        return self._announced.get(address)

    def knows(self, raw: bytes) -> bool:
        """Whether exactly these bytes are somebody's newest announcement."""
        return any(s.raw == raw for s in self._announced.values())

    def all_announced(self) -> tuple[SignedAnnouncement, ...]:
        """The newest of all members that we know one of."""
        return tuple(self._announced.values())

    def network_key(self, address: bytes) -> bytes | None:
        """The key that speaks for a member, 20 bytes; None before its first announcement."""
        newest = self._announced.get(address)
        return newest.said.network_key if newest is not None else None

    def urls(self, address: bytes) -> tuple[str, ...]:
        """Where a member is dialled; () where it is not known, or does not listen."""
        own = self.peers[address].urls
        newest = self._announced.get(address)
        return own or (newest.said.urls if newest is not None else ())

    def admit(self, shown: SignedAnnouncement) -> bytes:
        """Check who says hello; returns the key that it must prove.

        An older announcement than we know is as good, while it names the same key.

        Raises:
            LinkRefused: no member, ourselves, or a key that a newer announcement has replaced.
        """
        if shown.address == self.own:
            raise LinkRefused(
                LinkFault.ITSELF, "it is this operator itself: an address leads back here, or a second process"
            )
        if shown.address not in self.peers:
            raise LinkRefused(LinkFault.STRANGER, "a stranger: its report key is no member of the store's set")
        known = self._announced.get(shown.address)
        newest = known if known is not None and known.said.counter > shown.said.counter else shown
        if newest.said.network_key != shown.said.network_key:
            raise LinkRefused(LinkFault.OLD_KEY, "its network key was replaced by a newer announcement")
        return shown.said.network_key
