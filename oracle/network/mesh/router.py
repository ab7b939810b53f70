"""Which way a payload takes, and what becomes of what comes: direct, or one hop over a member that says it reaches the other."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping

from oracle.network.mesh.faults import LinkFault, LinkRefused
from oracle.network.mesh.frames import (
    Announcements,
    Data,
    Forward,
    Frame,
    FrameKind,
    Reachable,
    forward_signer,
    signed_forward,
)
from oracle.network.mesh.handshake import Identity
from oracle.network.mesh.link import Link
from oracle.network.mesh.peer_state import PeerState
from oracle.network.mesh.replay_window import RUN_BITS
from oracle.network.mesh.roster import Roster
from oracle.sign.announcement import BadAnnouncement, SignedAnnouncement, read_announcement


class Router:
    """Sends and takes payloads over the links that there are.

    Args:
        me: what we show; its network key signs what others carry for us.
        roster: members.
        states: of each peer, by address; kept by the mesh.
        now_us: microseconds of a clock that nobody sets.
        deliver: called with a member's address and its payload.
        learned: called with a member's announcement that is news, and the link that it came by.
        reached: called with the peers that may be reached now, as others say.
    """

    def __init__(
        self,
        me: Identity,
        roster: Roster,
        states: Mapping[bytes, PeerState],
        *,
        now_us: Callable[[], int],
        deliver: Callable[[bytes, bytes], None],
        learned: Callable[[SignedAnnouncement, Link], None],
        reached: Callable[[], None],
    ) -> None:
        self._me, self._roster, self._states, self._now_us = me, roster, states, now_us
        self._deliver, self._learned, self._reached = deliver, learned, reached
        self._number = secrets.randbits(RUN_BITS) << RUN_BITS
        self._turn = 0

    def send(self, to: PeerState, payload: bytes) -> None:
        """Send a payload, or keep it for a while where there is no way."""
        carriers = self._next_carriers(to) if to.link is None else []
        if carriers:
            self._send_over(self._asked_to_carry(carriers, len(payload)), to, payload)
        else:
            to.outbox.push(FrameKind.DATA, payload, self._now_us())
            to.wake.set()

    def send_waiting(self, to: PeerState) -> None:
        """What waits for a peer without a link goes over others, if there are some now."""
        if to.link is not None or not self.carriers(to):
            return
        for waiting in to.outbox.drain(self._now_us()):
            if waiting.kind == FrameKind.DATA:  # what was carried for others has had its hop
                self.send(to, waiting.body)

    def carriers(self, to: PeerState) -> list[PeerState]:
        """Members with a link to us that say they have one to this peer, in the order of their addresses."""
        found = (s for s in self._states.values() if s.link is not None and to.address in s.reaches)
        return sorted(found, key=lambda s: s.address)

    def handle(self, link: Link, frame: Frame) -> None:
        """Take a frame of a link.

        Raises:
            LinkRefused: the peer should not have sent it.
        """
        if isinstance(frame, Data):
            link.peer.traffic.messages_in += 1
            self._deliver(link.peer.address, frame.payload)
        elif isinstance(frame, Reachable):
            link.peer.reaches = frame.members
            self._reached()
        elif isinstance(frame, Announcements):
            self._read_announcements(link, frame)
        elif isinstance(frame, Forward):
            (self._take_carried if frame.carried else self._carry)(link.peer, frame)

    def _next_carriers(self, to: PeerState) -> list[PeerState]:
        """Some of the carriers, others each time: one that swallows does not get all."""
        found = self.carriers(to)
        if not found:
            return []
        self._turn += 1
        first = self._turn % len(found)
        return (found[first:] + found[:first])[: to.limits.copies]

    def _asked_to_carry(self, carriers: list[PeerState], size: int) -> list[PeerState]:
        """Those that may be asked to carry one more: who asks for more than that is disconnected by them."""
        return [c for c in carriers if c.carry.may_ask(size, self._now_us())]

    def _send_over(self, carriers: list[PeerState], to: PeerState, payload: bytes) -> None:
        if not carriers:
            to.outbox.dropped += 1
            return
        self._number += 1
        own = self._me.announced().address
        frame = signed_forward(
            self._me.domain, self._me.network_key, to=to.address, sender=own, number=self._number, payload=payload
        )
        body = frame.body()
        for carrier in carriers:
            carrier.outbox.push(FrameKind.FORWARD, body, self._now_us())
            carrier.wake.set()
        to.traffic.messages_out += 1

    def _carry(self, sender: PeerState, frame: Forward) -> None:
        """Hand a peer's payload on, one hop, on the account of both."""
        if frame.sender != sender.address or frame.to == self._me.announced().address:
            raise LinkRefused(LinkFault.NOT_FOR_ME, "a payload to be carried that is not its own, or is for ourselves")
        to = self._states.get(frame.to)
        if to is None:
            raise LinkRefused(LinkFault.STRANGER, "a payload to be carried to no member")
        if forward_signer(self._me.domain, frame) != self._roster.network_key(sender.address):
            raise LinkRefused(LinkFault.BAD_PROOF, "a payload to be carried that it has not signed")
        if to.link is None:
            sender.traffic.refused[LinkFault.NO_ROUTE.value] += 1  # it went away meanwhile: nobody's fault
            return
        now_us = self._now_us()
        if not sender.carry.may_carry_from(len(frame.payload), now_us):
            raise LinkRefused(LinkFault.OVER_LIMIT, "more to be carried than a member may ask for")
        if not to.carry.may_carry_to(sender.address, len(frame.payload), now_us):
            to.traffic.refused[LinkFault.OVER_LIMIT.value] += 1  # others asked for it as well: not the sender's fault
            return
        sender.traffic.carried += 1
        to.traffic.carried += 1
        to.outbox.push(FrameKind.CARRIED, frame.body(), now_us, is_own=False)
        to.wake.set()

    def _take_carried(self, carrier: PeerState, frame: Forward) -> None:
        """Take a payload that a peer carried here.

        The carrier answers for what it can know: that it is for us, and not its own. What the two may know differently for
        a moment (the members, a new network key) is only counted, on the account of who is said to have sent it.
        """
        if frame.to != self._me.announced().address or frame.sender == carrier.address:
            raise LinkRefused(
                LinkFault.NOT_FOR_ME, "a carried payload that is for somebody else: it has had its one hop"
            )
        sender = self._states.get(frame.sender)
        if sender is None:
            carrier.traffic.refused[LinkFault.STRANGER.value] += 1
            return
        if sender.window.has(frame.number):
            sender.traffic.repeated += 1
            return
        key = self._roster.network_key(frame.sender)
        if key is None or forward_signer(self._me.domain, frame) != key:
            carrier.traffic.refused[LinkFault.BAD_PROOF.value] += 1
            return
        sender.window.is_new(frame.number)
        if not sender.may_come_by_others(self._now_us()):
            sender.traffic.refused[LinkFault.OVER_LIMIT.value] += 1
            return
        sender.traffic.messages_in += 1
        self._deliver(frame.sender, frame.payload)

    def _read_announcements(self, link: Link, frame: Announcements) -> None:
        for raw in frame.raw:
            if self._roster.knows(raw):
                continue
            if not link.peer.may_announce(self._now_us()):
                raise LinkRefused(
                    LinkFault.OVER_LIMIT, "more announcements than a member may bring: the rest is left unread"
                )
            try:
                self._learned(read_announcement(self._me.domain, raw), link)
            except BadAnnouncement as e:
                raise LinkRefused(
                    LinkFault.BAD_ANNOUNCEMENT, f"it passed on an announcement that is worth nothing: {e}"
                ) from None
