"""What we hold of one peer, over all its links: what waits for it, what it may still send, what was counted. No I/O.

A new link is no new allowance: buckets and counters belong to the peer.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

from oracle.network.mesh.carry_account import CarryAccount, FrameBucket
from oracle.network.mesh.faults import LinkFault, LinkRefused
from oracle.network.mesh.hello import HeardHello
from oracle.network.mesh.limits import MeshLimits
from oracle.network.mesh.link_status import LinkPath, LinkStatus, Traffic
from oracle.network.mesh.outbox import Outbox
from oracle.network.mesh.replay_window import ReplayWindows
from oracle.network.mesh.roster import Peer
from oracle.network.mesh.round_trips import RoundTrips
from oracle.network.mesh.token_bucket import TokenBucket
from oracle.runtime.log_limit import LogBudget

_US, _MS_US = 1_000_000, 1_000


class LiveLink(Protocol):
    """A link as its peer's state knows it."""

    @property
    def heard(self) -> HeardHello:
        """The peer's hello."""

    @property
    def we_dialled(self) -> bool:
        """Else it did."""

    @property
    def remote(self) -> str:
        """Host and port of the other end."""

    @property
    def trips(self) -> RoundTrips:
        """Its pings."""

    @property
    def since_us(self) -> int:
        """When it came up, by the clock that nobody sets."""

    def control(self, kind: int, body: bytes) -> None:
        """Send a frame of the mesh itself, before all that waits."""

    def retire(self) -> None:
        """Another link takes over."""

    def stop(self, refused: LinkRefused) -> None:
        """End it for this reason."""


class PeerState:
    """One peer.

    Args:
        peer: who.
        limits: of it.
        now_us: microseconds of a clock that nobody sets.
        now_ms: our time, Unix ms.

    Attributes:
        link: the live one.
        reaches: members that it says it has a link with.
        wake: set when something came for it to be sent.
        look: set when it may be time to dial it.
        warnings: what was logged of it in the last minute.
        carry: what is carried for it.
        needs_authority: it announces no certificate, so a public authority must vouch for it.
    """

    def __init__(self, peer: Peer, limits: MeshLimits, now_us: int, now_ms: int) -> None:
        self.peer, self.limits = peer, limits
        self.outbox = Outbox(limits.queue_bytes, int(limits.keep_s * _US))
        self.traffic = Traffic()
        self.window = ReplayWindows()
        self.link: LiveLink | None = None
        self.reaches: frozenset[bytes] = frozenset()
        self.wake, self.look = asyncio.Event(), asyncio.Event()
        self.needs_authority: bool | None = None
        self.was_reached = False
        self.warnings = LogBudget()
        self.probes = 0
        self.carry = CarryAccount(limits, now_us)
        whole = (limits.messages_per_s, limits.burst_messages, limits.bytes_per_s, limits.burst_bytes)
        self._taken = FrameBucket(*whole, now_us)
        self._sent = FrameBucket(*whole, now_us, percent=limits.send_share_percent)
        self._by_others = TokenBucket(limits.messages_per_s, limits.burst_messages, now_us)
        self._renewals = TokenBucket(1, limits.burst_renewals * limits.renewal_s, now_us)
        self._announcements = TokenBucket(limits.announcements_per_s, limits.burst_announcements, now_us)
        self._returns = TokenBucket(limits.returns_per_s, limits.burst_returns, now_us)
        self._connects = TokenBucket(limits.connects_per_s, limits.burst_connects, now_us)
        self._patience = TokenBucket(1, limits.patience, now_us)
        self._banned_until_us = 0
        self._since_ms = now_ms
        self._build, self._error, self._error_ms = "", "", 0

    @property
    def address(self) -> bytes:
        """Of its report key."""
        return self.peer.address

    def may_send(self, size: int, now_us: int) -> bool:
        """Whether it may have sent a frame of so many bytes; charged if so."""
        return self._taken.take(size, now_us)

    def give_back(self, size: int) -> None:
        """A frame of so many bytes was charged, and was not its doing."""
        self._taken.put(size)

    def may_come_by_others(self, now_us: int) -> bool:
        """Whether one more message of it is taken that another peer carried here; charged if so.

        On an account of its own: who carried them may have kept them, and plays them all at once to one that has started anew.
        """
        return self._by_others.take(1, now_us)

    def may_renew(self, now_us: int) -> bool:
        """Whether it may announce itself anew; charged if so."""
        return self._renewals.take(self.limits.renewal_s, now_us)

    def may_announce(self, now_us: int) -> bool:
        """Whether one more unknown announcement of it is read; charged if so."""
        return self._announcements.take(1, now_us)

    def may_return(self, now_us: int) -> bool:
        """Whether it is sent what counts now because others say that they reach it again; charged if so.

        Who says so can take it back and say it again with each frame.
        """
        return self._returns.take(1, now_us)

    def may_connect(self, now_us: int) -> bool:
        """Whether it may make one more handshake; charged if so."""
        return self._connects.take(1, now_us)

    def pause_us(self, size: int, now_us: int) -> int:
        """How long a frame to it waits, for our own sake of its limits; 0: charged, send it."""
        wait_us = self._sent.wait_us(size, now_us)
        if wait_us == 0:
            self._sent.take(size, now_us)
        return wait_us

    def refuse(self, refused: LinkRefused, now_us: int, now_ms: int) -> None:
        """Count what it should not have sent.

        Raises:
            LinkRefused: that was once too often; it is banned from now on.
        """
        self.count(refused, now_ms)
        if not self.bear(1, now_us):
            raise LinkRefused(
                LinkFault.BANNED, f"it went over its limits, last by: {refused}; taken back in {self.limits.ban_s:g} s"
            )

    def bear(self, cost: int, now_us: int) -> bool:
        """Lose so much patience with it; False: there was not so much left, and it is banned from now on."""
        if self._patience.take(cost, now_us):
            return True
        self._banned_until_us = now_us + int(self.limits.ban_s * _US)
        return False

    def count(self, refused: LinkRefused, now_ms: int) -> None:
        """Count a refusal and keep its words."""
        self.traffic.refused[refused.fault.value] += 1
        self._error, self._error_ms = str(refused), now_ms

    def tell(self, text: str, now_ms: int) -> None:
        """Keep the words of something that went wrong and is no refusal."""
        self._error, self._error_ms = text, now_ms

    def banned_us(self, now_us: int) -> int:
        """For how long it is not taken back; 0: it is."""
        return max(0, self._banned_until_us - now_us)

    def linked(self, link: LiveLink, now_ms: int) -> None:
        """A link came up."""
        self.link, self._since_ms = link, now_ms
        self._build = link.heard.build
        self.traffic.connected += 1
        self.wake.set()

    def unlinked(self, now_ms: int) -> None:
        """The link ended."""
        self.link, self.reaches, self._since_ms = None, frozenset(), now_ms
        self.look.set()

    def status(self, via: tuple[str, ...], versions: tuple[int, ...], now_us: int) -> LinkStatus:
        """All of it as plain values. ``via``: names of those who reach it. ``versions``: that it announces."""
        link, traffic = self.link, self.traffic
        self.outbox.expire(now_us)
        best = link.trips.best if link is not None else None
        return LinkStatus(
            address=self.address,
            name=str(self.peer),
            path=_path(link, via),
            via=via if link is None else (),
            remote=link.remote if link is not None else "",
            round_trip_ms=round(best.trip_us / _MS_US, 2) if best is not None else None,
            clock_offset_ms=round(best.offset_us / _MS_US) if best is not None else None,
            build=self._build,
            versions=versions,
            since_ms=self._since_ms,
            connected=traffic.connected,
            messages_in=traffic.messages_in,
            messages_out=traffic.messages_out,
            bytes_in=traffic.bytes_in,
            bytes_out=traffic.bytes_out,
            carried=traffic.carried,
            repeated=traffic.repeated,
            queued_bytes=self.outbox.held,
            dropped=self.outbox.dropped,
            expired=self.outbox.expired,
            refused=dict(traffic.refused),
            last_error=self._error,
            last_error_ms=self._error_ms,
            banned_s=self.banned_us(now_us) / _US,
        )


def _path(link: LiveLink | None, via: tuple[str, ...]) -> LinkPath:
    if link is not None:
        return LinkPath.DIRECT if link.we_dialled else LinkPath.INBOUND
    return LinkPath.VIA if via else LinkPath.NONE
