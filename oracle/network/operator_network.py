"""This process as one operator among others: its announcement, its mesh, and the members that it knows."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

import structlog

from feeds.errors import LrtOracleError
from feeds.units import MS
from oracle.chain.directory import Directory, DirectoryEntry
from oracle.network.mesh.certificates import ServerTls
from oracle.network.mesh.faults import NotAMember, PayloadTooLarge
from oracle.network.mesh.link_status import LinkPath, LinkStatus
from oracle.network.mesh.listener import Listen
from oracle.network.mesh.mesh import Mesh
from oracle.network.mesh.roster import Peer
from oracle.network.peer_words import SpeakingKeys, clock_offset_ms
from oracle.network.seats import LocalMember
from oracle.runtime.listening import cannot_listen
from oracle.sign import curve
from oracle.sign.announcement import (
    MOST_PURSES,
    Announcement,
    BadAnnouncement,
    Purse,
    SignedAnnouncement,
    read_announcement,
)
from oracle.sign.eip712 import Domain, address_of
from oracle.sign.messages import Refusal
from oracle.sign.operator import Operator

_KEY_ROUNDS = 2
"""So many rounds the network key before the newest one speaks on: for words on their way, and no longer."""
_CLOCK_S = 3.0
"""From one look at the others' clocks to the next."""
_RETRY_S = 5.0
_DIRECTORY_S = 60.0
"""From one look at the directory to the next."""
_log = structlog.get_logger("oracle.network.operator_network")


class AnnouncementStore(Protocol):
    """Where announcements outlive the process."""

    def announcements(self) -> list[bytes]:
        """The newest of each operator, as it was signed."""

    def save_announcement(self, address: bytes, counter: int, raw: bytes) -> None:
        """Keep the newest of an operator."""


class NetworkFault(LrtOracleError, RuntimeError):
    """The operator cannot be announced: why, and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkPlace:
    """Where this operator is reached, by the config.

    Attributes:
        domain: of the home store.
        urls: that are announced; () for one that only dials.
        host, port: where it listens; "" for nowhere.
        tls: what it shows there, whose hash is announced; None for plain ws://.
        peers: of the config, by address.
        interval_s: between rounds.
        versions: of the protocol.
        build: version of the software.
    """

    domain: Domain
    urls: tuple[str, ...]
    host: str
    port: int
    tls: ServerTls | None
    peers: Mapping[bytes, Peer]
    interval_s: int
    versions: tuple[int, ...]
    build: str


class OperatorNetwork:
    """A transport over a mesh. Until it is started, and while a member is not reached, what is sent is lost.

    Args:
        place: where it is.
        operator: whose report key signs the announcement.
        network_key: that speaks for it.
        store: of announcements.
        now_ms: the clock.
    """

    def __init__(
        self,
        place: NetworkPlace,
        operator: Operator,
        network_key: curve.PrivateKey,
        store: AnnouncementStore,
        *,
        now_ms: Callable[[], int],
    ) -> None:
        self.place = place
        self._operator, self._network_key, self._store, self._now_ms = operator, network_key, store, now_ms
        self._mesh: Mesh | None = None
        self._keys = SpeakingKeys(_KEY_ROUNDS * place.interval_s * MS)
        self._weights: Mapping[bytes, int] = {}
        self._purses: dict[Domain, Purse] = {}
        self._by_target: dict[str, frozenset[bytes]] = {}
        self._members: frozenset[bytes] = frozenset(place.peers)
        self.receive: Callable[[bytes, bytes], str] = lambda _sender, _payload: ""
        self.say_again: Callable[[bytes], None] = lambda _to: None
        self.refused: dict[bytes, tuple[int, str]] = {}
        """By member: how many of its payloads counted for nothing, and why the last one did."""
        self.directory: Directory | None = None
        """On the home store's chain; None where none is configured."""
        self.entries: Mapping[bytes, DirectoryEntry] = {}
        """What it gave of each member when it was read last."""
        self.on_clone: Callable[[], None] = lambda: None
        self.on_clock: Callable[[int], None] = lambda _offset_ms: None

    def member(self, member: LocalMember) -> LocalMember:
        """The member with the network key that was announced."""
        return replace(member, network_key=self._network_key)

    @property
    def port(self) -> int:
        """Where it listens; 0 where it does not."""
        return 0 if self._mesh is None else self._mesh.port

    @property
    def network_address(self) -> bytes:
        """Of the key that speaks for this operator."""
        return address_of(self._network_key)

    @property
    def mesh(self) -> Mesh | None:
        """Once it is started."""
        return self._mesh

    async def start(self) -> None:
        """Announce ourselves, listen, and dial.

        Raises:
            NetworkFault: the report key does not sign the announcement.
            CannotListen: the port is taken, or the address is none of this machine's.
        """
        place = self.place
        listen = Listen(host=place.host, port=place.port, tls=place.tls) if place.host else None
        self._mesh = Mesh(
            domain=place.domain,
            network_key=self._network_key,
            announced=await self._announcement(),
            on_message=self._on_message,
            on_up=self.say_again,
            on_announcement=self._on_announcement,
            listen=listen,
            max_backoff_s=max(0.5, min(5.0, place.interval_s / 2)),
            build=place.build,
            now_ms=self._now_ms,
        )
        self._set_peers(self._stored())
        try:
            await self._mesh.start()
        except OSError as e:
            await self._mesh.close()
            raise cannot_listen("network.listen", place.host, place.port, e) from None

    async def run(self) -> None:
        """Start, and be there until cancelled."""
        await self.start()
        try:
            await asyncio.gather(self._compare_clocks(), self._read_directory())
        finally:
            await self.close()

    async def _compare_clocks(self) -> None:
        while True:
            await asyncio.sleep(_CLOCK_S)
            if (offset_ms := self.clock_offset_ms()) is not None:
                self.on_clock(offset_ms)

    async def _read_directory(self) -> None:
        """See now and then where members announce themselves on chain; soon again while that of one is not known."""
        while self.directory is not None:
            members = sorted(self._members | {self._operator.address})
            self.entries = await self.directory.read(members)
            self.note_announced([e.signed for e in self.entries.values() if e.signed is not None])
            missing = any(e.silence is not None for a, e in self.entries.items() if a not in self.place.peers)
            await asyncio.sleep(_RETRY_S if missing else _DIRECTORY_S)

    async def close(self) -> None:
        """End all links."""
        if self._mesh is not None:
            await self._mesh.close()

    async def _announcement(self) -> SignedAnnouncement:
        place = self.place
        said = Announcement(
            counter=max(self._now_ms(), self._last_counter() + 1),
            network_key=address_of(self._network_key),
            urls=place.urls,
            certificate=place.tls.sha256 if place.tls is not None else b"",
            versions=place.versions,
            purses=tuple(self._purses.values())[:MOST_PURSES],
        )
        while True:
            answer = await self._operator.announce(place.domain, said)
            if not isinstance(answer, Refusal):
                self._store.save_announcement(answer.address, answer.said.counter, answer.raw)
                return answer
            _log.error("the report key does not sign the announcement; trying again", why=answer.text)
            await asyncio.sleep(_RETRY_S)

    def _last_counter(self) -> int:
        """Of our own last announcement: others take no older one, and our clock may have gone back since."""
        return max((s.said.counter for s in self._stored() if s.address == self._operator.address), default=0)

    # --- who pays ----------------------------------------------------------------------------------------------------

    def note_purse(self, domain: Domain, gas_key: bytes) -> None:
        """This operator pays for pushes to a store: announced when it starts."""
        self._purses[domain] = Purse(domain=domain, gas_key=gas_key)

    def payers(self, domain: Domain) -> Mapping[bytes, bytes]:
        """Gas keys that pay for pushes to a store, by report address: ours, and what others announced."""
        announced = () if self._mesh is None else self._mesh.announcements()
        known = {s.address: p.gas_key for s in announced for p in s.said.purses if p.domain == domain}
        own = self._purses.get(domain)
        return known if own is None else {**known, self._operator.address: own.gas_key}

    # --- members -----------------------------------------------------------------------------------------------------

    def note_members(self, target: str, members: Iterable[bytes]) -> None:
        """Report addresses of all that sign for a store of this process, or will: they are peers from now on."""
        before = self._members
        self._by_target[target] = frozenset(members)
        self._members = frozenset(self.place.peers).union(*self._by_target.values())
        if self._members != before:
            self._set_peers(())

    def change_peers(self, peers: Mapping[bytes, Peer]) -> None:
        """The config names other peers, or others of their addresses. Links to the rest stay."""
        self.place = replace(self.place, peers=peers)
        self._members = frozenset(peers).union(*self._by_target.values())
        self._set_peers(())

    def note_announced(self, announced: Iterable[SignedAnnouncement]) -> None:
        """What the chain says of where members are."""
        self._set_peers(announced)

    def _set_peers(self, announced: Iterable[SignedAnnouncement]) -> None:
        if self._mesh is None:
            return
        peers = [self.place.peers.get(a, Peer(address=a)) for a in sorted(self._members)]
        self._mesh.set_peers(peers, announced)

    def _stored(self) -> list[SignedAnnouncement]:
        """What was announced before this process started."""
        known: list[SignedAnnouncement] = []
        for raw in self._store.announcements():
            try:
                signed = read_announcement(self.place.domain, raw)
            except BadAnnouncement as e:
                _log.warning("a stored announcement cannot be read", why=str(e))
                continue
            known.append(signed)
        return known

    def _on_announcement(self, signed: SignedAnnouncement) -> None:
        if signed.address == self._operator.address:
            if signed.said.network_key != address_of(self._network_key):
                self.on_clone()
            return
        self._store.save_announcement(signed.address, signed.said.counter, signed.raw)
        self._note_key(signed)

    def _note_key(self, signed: SignedAnnouncement) -> None:
        self._keys.note(signed.address, signed.said.network_key, self._now_ms())

    # --- as a transport ----------------------------------------------------------------------------------------------

    def broadcast(self, payload: bytes) -> None:
        """To all others."""
        if self._mesh is None:
            return
        try:
            self._mesh.broadcast(payload)
        except PayloadTooLarge as e:
            _log.error("a message is too long for the network", why=str(e))

    def send(self, to: bytes, payload: bytes) -> None:
        """To one; lost where it is not reached."""
        if self._mesh is None or to == self._operator.address:
            return
        try:
            self._mesh.send(to, payload)
        except (NotAMember, PayloadTooLarge) as e:
            _log.warning("a message is not sent", to=f"0x{to.hex()}", why=str(e))

    def network_keys(self) -> Mapping[bytes, tuple[bytes, ...]]:
        """Addresses of the network keys that speak for each member, the newest first."""
        if self._mesh is not None:
            for signed in self._mesh.announcements():
                self._note_key(signed)
        return self._keys.at(self._now_ms())

    def trouble(self, member: bytes) -> str:
        """Why a member is not reached; "" where it is."""
        if member == self._operator.address:
            return ""
        links = self.links()
        status = links.get(member)
        if status is None:
            return "no member of the mesh: this process has not started its network"
        if status.path is not LinkPath.NONE:
            return ""
        return f"not connected{': ' + status.last_error if status.last_error else ''}"

    def reachable(self) -> tuple[bytes, ...]:
        """Members that are linked, or that others carry for."""
        return tuple(a for a, s in self.links().items() if s.path is not LinkPath.NONE)

    def note_weights(self, weights: Mapping[bytes, int]) -> None:
        """What each member weighs now: by it their clocks count."""
        self._weights = weights

    def clock_offset_ms(self) -> int | None:
        """How far the others' clocks together are ahead of ours; None where too few are linked to say."""
        known = {a: s.clock_offset_ms for a, s in self.links().items() if s.clock_offset_ms is not None}
        return clock_offset_ms({**known, self._operator.address: 0}, self._weights)

    def links(self) -> Mapping[bytes, LinkStatus]:
        """All peers as they are now."""
        return {} if self._mesh is None else self._mesh.links()

    def note_refused(self, sender: bytes, why: str) -> None:
        """A payload of a member counted for nothing."""
        count, _ = self.refused.get(sender, (0, ""))
        self.refused[sender] = (count + 1, why)

    def _on_message(self, sender: bytes, payload: bytes) -> None:
        if why := self.receive(sender, payload):
            self.note_refused(sender, why)
