"""The mesh: a link with every member that can be had, opaque payloads over them, and what is known of each.

It knows nothing of rounds, and is trusted with nothing: what counts is signed inside the payloads. Either side of a pair may
dial; one that never listens works as long as the other does, or a third carries.
"""

from __future__ import annotations

import contextlib
import secrets
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from functools import partial

import structlog

from oracle.network.mesh.dialler import Dialled, Dialler, client_session
from oracle.network.mesh.faults import LinkFault, LinkRefused, NotAMember, PayloadTooLarge
from oracle.network.mesh.frames import FrameKind, announcement_bodies
from oracle.network.mesh.handshake import Identity, Socket, meet_as_listener, say_goodbye
from oracle.network.mesh.hello import HeardHello
from oracle.network.mesh.limits import MAX_PAYLOAD, MeshLimits
from oracle.network.mesh.link import Link
from oracle.network.mesh.link_status import LinkStatus
from oracle.network.mesh.listener import Listen, Listener
from oracle.network.mesh.live_links import LiveLinks
from oracle.network.mesh.peer_state import PeerState
from oracle.network.mesh.probed import serve_probe
from oracle.network.mesh.redial import Redial
from oracle.network.mesh.roster import Peer, Roster
from oracle.network.mesh.router import Router
from oracle.runtime.clock import monotonic_us
from oracle.runtime.clock import now_ms as machine_ms
from oracle.runtime.log_limit import LogBudget
from oracle.sign import curve
from oracle.sign.announcement import SignedAnnouncement
from oracle.sign.eip712 import Domain

_log = structlog.get_logger("oracle.network.mesh.mesh")
OnMessage = Callable[[bytes, bytes], None]
OnUp = Callable[[bytes], None]
OnAnnouncement = Callable[[SignedAnnouncement], None]


class Mesh:
    """Links with all members.

    Args:
        domain: chain and store whose operators these are.
        network_key: speaks for us here; our announcement names it.
        announced: our announcement.
        on_message: called with a member's address and its payload.
        on_up: called with a member's address when it can be reached again, or anew: send it what counts now.
        on_announcement: called with a member's newer announcement, to be kept; one of our own address is newer than ours.
        listen: where; None: we only dial.
        limits: of each peer.
        max_backoff_s: the longest pause between two dials of a member; at most half an interval.
        build: version of the software.
        now_ms: our time, Unix ms.
        now_us: microseconds of a clock that nobody sets.
    """

    def __init__(
        self,
        *,
        domain: Domain,
        network_key: curve.PrivateKey,
        announced: SignedAnnouncement,
        on_message: OnMessage,
        on_up: OnUp = lambda _: None,
        on_announcement: OnAnnouncement = lambda _: None,
        listen: Listen | None = None,
        limits: MeshLimits | None = None,
        max_backoff_s: float = 5.0,
        build: str = "",
        now_ms: Callable[[], int] = machine_ms,
        now_us: Callable[[], int] = monotonic_us,
    ) -> None:
        self._limits = MeshLimits() if limits is None else limits
        self._announced, self._max_backoff_s = announced, max_backoff_s
        self._on_message, self._on_announcement = on_message, on_announcement
        self._now_ms, self._now_us = now_ms, now_us
        self._roster = Roster(announced.address)
        self._states: dict[bytes, PeerState] = {}
        self._me = Identity(
            domain=domain,
            network_key=network_key,
            announced=lambda: self._announced,
            build=build,
            instance=secrets.token_bytes(8),
            now_ms=now_ms,
        )
        self._router = Router(
            self._me,
            self._roster,
            self._states,
            now_us=now_us,
            deliver=self._deliver,
            learned=self._learned,
            reached=self._look_for_ways,
        )
        self._listener = Listener(listen, self._limits, self._met_inbound, self._count) if listen is not None else None
        self._own_certificate = listen.tls.sha256 if listen is not None and listen.tls is not None else b""
        self._live_links = LiveLinks(
            self._roster,
            self._states,
            self._router,
            self._limits,
            learned=self._learned,
            on_up=lambda address: self._call(partial(on_up, address), "on_up"),
            now_us=now_us,
            now_ms=now_ms,
        )
        self._redial: Redial | None = None
        self._stack = contextlib.AsyncExitStack()
        self._strangers: Counter[str] = Counter()
        self._warnings = LogBudget()

    @property
    def port(self) -> int:
        """The port that it listens on; 0 where it does not."""
        return self._listener.port if self._listener is not None else 0

    @property
    def refused(self) -> Mapping[str, int]:
        """What was refused of those who did not prove to be a member, by reason."""
        return dict(self._strangers)

    @property
    def half_open(self) -> int:
        """Handshakes under way at our port."""
        return self._listener.half_open if self._listener is not None else 0

    async def start(self) -> None:
        """Listen, and dial whom we know; OSError where the port is taken."""
        if self._listener is not None:
            await self._listener.start()
        session = await self._stack.enter_async_context(client_session())
        self._redial = Redial(
            Dialler(session, self._me, self._roster),
            self._roster,
            self._limits,
            self._max_backoff_s,
            listens=lambda: bool(self._announced.said.urls),
            live=self._live,
            now_us=self._now_us,
            now_ms=self._now_ms,
        )
        for address in self._states:
            self._start_dialling(address)

    async def close(self) -> None:
        """End all links."""
        if self._listener is not None:
            self._listener.stop_accepting()
        await self._live_links.close()
        redial, self._redial = self._redial, None
        if redial is not None:
            await redial.close()
        if self._listener is not None:
            await self._listener.close()
        await self._stack.aclose()

    def set_peers(self, peers: Iterable[Peer], announced: Iterable[SignedAnnouncement] = ()) -> None:
        """Members from now on, with what is known of their addresses; ourselves among them or not.

        Links with those who stay go on, unless their network key changed.

        Args:
            peers: all members.
            announced: announcements from elsewhere (the chain, the database), in any order.
        """
        self._roster.set_peers(peers)
        for gone in set(self._states) - set(self._roster.peers):
            self._drop(gone)
        for address, peer in self._roster.peers.items():
            state = self._states.get(address)
            if state is None:
                self._states[address] = PeerState(peer, self._limits, self._now_us(), self._now_ms())
                self._start_dialling(address)
            else:
                state.peer = peer
                state.look.set()
        for signed in announced:
            self._learned(signed, None)
        self._look_for_ways()

    def announce(self, announced: SignedAnnouncement) -> None:
        """Say something new of ourselves, under the same network key; all peers hear it.

        Raises:
            ValueError: it is not ours, or names another key.
        """
        if (announced.address, announced.said.network_key) != (
            self._announced.address,
            self._announced.said.network_key,
        ):
            raise ValueError("an announcement of another report or network key: start again with that key")
        self._announced = announced
        self._pass_on(announced, None)

    def send(self, to: bytes, payload: bytes) -> None:
        """Send a payload to a member; it is kept for a while where there is no way to it.

        Raises:
            NotAMember: there is no such peer.
            PayloadTooLarge: no frame can carry it.
        """
        state = self._states.get(to)
        if state is None:
            raise NotAMember(f"0x{to.hex()} is no other member of the set")
        self._router.send(state, _checked(payload))

    def broadcast(self, payload: bytes) -> None:
        """Send a payload to all members; raises PayloadTooLarge."""
        _checked(payload)
        for state in self._states.values():
            self._router.send(state, payload)

    def links(self) -> Mapping[bytes, LinkStatus]:
        """All peers as they are now."""
        return {a: s.status(self._via(s), self._versions(a), self._now_us()) for a, s in self._states.items()}

    def announcements(self) -> tuple[SignedAnnouncement, ...]:
        """The newest announcement of every peer that has made one."""
        return self._roster.all_announced()

    def _via(self, state: PeerState) -> tuple[str, ...]:
        return tuple(str(c.peer) for c in self._router.carriers(state))

    def _versions(self, address: bytes) -> tuple[int, ...]:
        newest = self._roster.announced(address)
        return newest.said.versions if newest is not None else ()

    def _start_dialling(self, address: bytes) -> None:
        if self._redial is not None:
            self._redial.start(self._states[address])

    def _look_for_ways(self) -> None:
        self._live_links.look_for_ways()

    async def _live(self, state: PeerState, dialled: Dialled) -> None:
        await self._live_links.live(state, dialled.socket, dialled.met, dialled.remote)

    def _drop(self, address: bytes) -> None:
        state = self._states.pop(address)
        if state.link is not None:
            state.link.stop(LinkRefused(LinkFault.STRANGER, "it is no member any more"))
        if self._redial is not None:
            self._redial.stop(address)

    async def _met_inbound(self, socket: Socket, remote: str, done: Callable[[], None]) -> None:
        """Somebody dialled us."""
        try:
            met = await meet_as_listener(socket, self._me, self._roster, self._own_certificate, self._admit)
        except LinkRefused as e:
            self._count(e.fault)
            claimed = self._states.get(e.claimed)
            if claimed is not None and claimed.link is None and not e.by_peer:
                claimed.tell(f"it, or somebody with its announcement, dialled us and was refused: {e}", self._now_ms())
            await _goodbye(socket, e)
            return
        except OSError:
            self._count(LinkFault.CLOSED)
            return
        done()
        state = self._states.get(met.address)
        if state is None:
            await _goodbye(socket, LinkRefused(LinkFault.STRANGER, "it is no member any more"))
        elif met.heard.hello.is_probe:
            await serve_probe(state, socket, met, self._now_us, self._now_ms)
        else:
            await self._live_links.live(state, socket, met, remote)

    def _admit(self, heard: HeardHello, proved: bool) -> None:
        """Whether a member that dialled us is taken now."""
        state = self._states[heard.announced.address]
        if state.banned_us(self._now_us()):
            raise LinkRefused(LinkFault.BANNED, "it is not taken back yet")
        if proved and not state.may_connect(self._now_us()):
            raise LinkRefused(LinkFault.TOO_MANY, "it connects too often")
        if not heard.hello.is_probe and not self._live_links.replaces(state, heard, we_dialled=False):
            raise LinkRefused(LinkFault.DUPLICATE, "there is another link already")

    def _learned(self, signed: SignedAnnouncement, link: Link | None) -> None:
        """An announcement came: of a member or of ourselves, news or not."""
        if signed.address == self._announced.address:
            if signed.said.counter > self._announced.said.counter:
                self._call(partial(self._on_announcement, signed), "on_announcement")
            return
        if not self._roster.is_news(signed):
            return
        state = self._states[signed.address]
        is_due = state.may_renew(self._now_us())
        if not is_due and link is not None and signed is not link.heard.announced:  # it was passed on
            state.traffic.refused[LinkFault.OVER_LIMIT.value] += 1
            return
        self._roster.learn(signed)
        state.needs_authority = None
        if state.link is not None and state.link.heard.announced.said.network_key != signed.said.network_key:
            state.link.stop(LinkRefused(LinkFault.OLD_KEY, "its network key was replaced by a newer announcement"))
        state.look.set()
        self._call(partial(self._on_announcement, signed), "on_announcement")
        if is_due:
            self._pass_on(signed, link)

    def _pass_on(self, signed: SignedAnnouncement, link: Link | None) -> None:
        for body in announcement_bodies([signed.raw]):
            for state in self._states.values():
                if state.link is not None and state.link is not link and state.address != signed.address:
                    state.link.control(FrameKind.ANNOUNCEMENTS, body)

    def _deliver(self, sender: bytes, payload: bytes) -> None:
        self._call(partial(self._on_message, sender, payload), "on_message")

    def _call(self, callback: Callable[[], None], name: str) -> None:
        """Call what the owner gave us: a fault there is no fault of a link."""
        try:
            callback()
        except Exception:  # noqa: BLE001 - logged whole, and of no account to the link
            if self._warnings.more(name) is not None:
                _log.exception("a callback of the mesh failed; the link goes on", callback=name)

    def _count(self, fault: LinkFault) -> None:
        self._strangers[fault.value] += 1


def _checked(payload: bytes) -> bytes:
    if len(payload) > MAX_PAYLOAD:
        raise PayloadTooLarge(f"a payload of {len(payload)} bytes, at most {MAX_PAYLOAD}")
    return payload


async def _goodbye(socket: Socket, refused: LinkRefused) -> None:
    with contextlib.suppress(OSError, TimeoutError):
        await say_goodbye(socket, refused)
