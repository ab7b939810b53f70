"""The links that are up: one a pair, taken over without a loss where two were made, and told of to all."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping

import structlog

from oracle.network.mesh.faults import LinkFault, LinkRefused
from oracle.network.mesh.frames import FrameKind, announcement_bodies, reachable_body
from oracle.network.mesh.handshake import Met, Socket
from oracle.network.mesh.hello import HeardHello
from oracle.network.mesh.limits import MeshLimits
from oracle.network.mesh.link import Link
from oracle.network.mesh.peer_state import PeerState
from oracle.network.mesh.roster import Roster
from oracle.network.mesh.router import Router
from oracle.sign.announcement import SignedAnnouncement

_log = structlog.get_logger("oracle.network.mesh.live_links")
_US = 1_000_000
_STRIKES = frozenset({LinkFault.TEXT_FRAME, LinkFault.OVERSIZE, LinkFault.MALFORMED})
_GOODBYE_S = 2.0
_GATHER_S = 0.05
"""Links that come up together are told of together."""


class LiveLinks:
    """Brings links up and down.

    Args:
        roster: members.
        states: of each peer, by address; kept by the mesh.
        router: what handles the frames of links.
        limits: of each peer.
        learned: called with the announcement of a member's hello, and its link.
        on_up: called with a member's address when it can be reached again, or anew.
        now_us: microseconds of a clock that nobody sets.
        now_ms: our time, Unix ms.
    """

    def __init__(
        self,
        roster: Roster,
        states: Mapping[bytes, PeerState],
        router: Router,
        limits: MeshLimits,
        *,
        learned: Callable[[SignedAnnouncement, Link], None],
        on_up: Callable[[bytes], None],
        now_us: Callable[[], int],
        now_ms: Callable[[], int],
    ) -> None:
        self._roster, self._states, self._router, self._limits = roster, states, router, limits
        self._learned, self._on_up, self._now_us, self._now_ms = learned, on_up, now_us, now_ms
        self._running: set[Link] = set()
        self._none_left = asyncio.Event()
        self._none_left.set()
        self._telling: asyncio.TimerHandle | None = None
        self._told: frozenset[bytes] = frozenset()
        self._is_closed = False

    async def close(self) -> None:
        """End all links, with a word to each peer, and take no new one."""
        self._is_closed = True
        if self._telling is not None:
            self._telling.cancel()
        for link in self._running:
            link.stop(LinkRefused(LinkFault.CLOSED, "this process stops"))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_GOODBYE_S):
                await self._none_left.wait()

    def replaces(self, state: PeerState, heard: HeardHello, *, we_dialled: bool) -> bool:
        """Whether a new link of a peer is kept, and not the one that is there.

        Where both dial at once, both keep the link that the lower address dialled. Else the newer one: who dials has none.
        """
        old = state.link
        if old is None or old.heard.hello.instance != heard.hello.instance or old.we_dialled == we_dialled:
            return True
        if self._now_us() - old.since_us > self._limits.handshake_s * _US:
            return True
        return we_dialled == (self._roster.own < state.address)

    async def live(self, state: PeerState, socket: Socket, met: Met, remote: str) -> None:
        """Run a link until it ends. One that is not kept is only read until the peer has gone over to the other."""
        link = Link(state, socket, met, remote, handle=self._router.handle, now_us=self._now_us, now_ms=self._now_ms)
        self._running.add(link)
        self._none_left.clear()
        if self._is_closed or self._states.get(state.address) is not state:
            link.stop(LinkRefused(LinkFault.CLOSED, "this process stops, or it is no member any more"))
        elif self.replaces(state, met.heard, we_dialled=met.we_dialled):
            self._up(state, link)
        else:
            link.retire()
        refused = LinkRefused(LinkFault.CLOSED, "this process stops")
        try:
            refused = await link.run()
        finally:
            self._down(state, link, refused)
            try:
                await link.say_goodbye(refused)
            finally:
                self._running.discard(link)
                if not self._running:
                    self._none_left.set()

    def look_for_ways(self) -> None:
        """Others may reach whom we do not, or no more: what waits goes over them."""
        for state in self._states.values():
            reached = state.link is not None or bool(self._router.carriers(state))
            if reached and not state.was_reached:
                self._router.send_waiting(state)
                if state.may_return(self._now_us()):
                    self._on_up(state.address)
            state.was_reached = reached

    def _up(self, state: PeerState, link: Link) -> None:
        if state.link is not None:
            state.link.retire()
        state.linked(link, self._now_ms())
        self._learned(link.heard.announced, link)
        known = [s.raw for s in self._roster.all_announced() if s.address != state.address]
        for body in announcement_bodies(known):
            link.control(FrameKind.ANNOUNCEMENTS, body)
        link.control(FrameKind.REACHABLE, reachable_body(self._linked()))
        self._tell_soon()
        state.was_reached = True
        self._say(state, "a link to another operator is up", None)
        self._on_up(state.address)

    def _down(self, state: PeerState, link: Link, refused: LinkRefused) -> None:
        if refused.fault is not LinkFault.DUPLICATE:
            state.count(refused, self._now_ms())
            if refused.fault in _STRIKES and not refused.by_peer:
                state.bear(self._limits.strike, self._now_us())
        if state.link is link:
            self._say(state, "a link to another operator ended", refused)
            state.unlinked(self._now_ms())
            self._tell_soon()
            self.look_for_ways()

    def _say(self, state: PeerState, what: str, refused: LinkRefused | None) -> None:
        more = state.warnings.more(what)
        if more is None or self._is_closed:
            return
        if refused is None:
            dialled = state.link is not None and state.link.we_dialled
            _log.info(what, peer=str(state.peer), we_dialled=dialled, more=more)
        else:
            _log.warning(what, peer=str(state.peer), reason=refused.fault.value, why=str(refused), more=more)

    def _linked(self) -> frozenset[bytes]:
        return frozenset(a for a, s in self._states.items() if s.link is not None)

    def _tell_soon(self) -> None:
        """Whom we have links with is told to all, once for all that changes together."""
        if self._telling is None and not self._is_closed:
            self._telling = asyncio.get_running_loop().call_later(_GATHER_S, self._tell)

    def _tell(self) -> None:
        self._telling = None
        linked = self._linked()
        if linked == self._told:
            return
        self._told = linked
        for state in self._states.values():
            if state.link is not None:
                state.link.control(FrameKind.REACHABLE, reachable_body(linked - {state.address}))
