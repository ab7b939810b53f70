"""One live link: what comes is charged before it is read, what goes waits its turn, pings say how far the peer is."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import structlog

from oracle.network.mesh.faults import LinkFault, LinkRefused
from oracle.network.mesh.frames import End, Frame, FrameKind, Ping, Pong, parse_frame, ping_body, pong_body
from oracle.network.mesh.handshake import Met, Socket, receive, say_goodbye
from oracle.network.mesh.hello import HeardHello
from oracle.network.mesh.limits import MAX_MEMBERS, OFFSET_WARN_MS
from oracle.network.mesh.peer_state import PeerState
from oracle.network.mesh.round_trips import RoundTrips, measured
from oracle.network.mesh.session import CHECK
from oracle.network.mesh.token_bucket import TokenBucket

_log = structlog.get_logger("oracle.network.mesh.link")
_US, _MS_US = 1_000_000, 1_000
_MOST_PINGS = 8
_MOST_CONTROLS = 2 * MAX_MEMBERS
_REPLACED = LinkRefused(LinkFault.DUPLICATE, "another link took over")
Handle = Callable[["Link", Frame], None]


class Link:
    """A peer's link.

    Args:
        peer: whose.
        socket: open, its handshake done.
        met: what the handshake made.
        remote: host and port of the other end.
        handle: called with each frame; what it refuses it raises as LinkRefused.
        now_us: microseconds of a clock that nobody sets.
        now_ms: our time, Unix ms.
    """

    def __init__(
        self,
        peer: PeerState,
        socket: Socket,
        met: Met,
        remote: str,
        *,
        handle: Handle,
        now_us: Callable[[], int],
        now_ms: Callable[[], int],
    ) -> None:
        self.peer, self.remote, self.trips = peer, remote, RoundTrips()
        self._socket, self._met, self._handle = socket, met, handle
        self._now_us, self._now_ms = now_us, now_ms
        self.since_us = now_us()
        self._replays = TokenBucket(peer.limits.messages_per_s, peer.limits.burst_messages, self.since_us)
        self._unanswered = 0
        self._controls: dict[tuple[int, bytes], tuple[int, bytes]] = {}
        self._pings: OrderedDict[int, int] = OrderedDict()
        self._retired, self._end_heard = False, asyncio.Event()
        self._stopped: asyncio.Future[LinkRefused] = asyncio.get_running_loop().create_future()

    @property
    def heard(self) -> HeardHello:
        """The peer's hello."""
        return self._met.heard

    @property
    def we_dialled(self) -> bool:
        """Else it did."""
        return self._met.we_dialled

    def control(self, kind: int, body: bytes) -> None:
        """Send a frame of the mesh itself, before all that waits. Of a kind only the newest counts, but for announcements.

        Of those the newest few are kept for a peer that does not read; it is told of all again over its next link.
        """
        if len(self._controls) >= _MOST_CONTROLS:
            self._controls.pop(
                next((k for k in self._controls if k[0] == FrameKind.ANNOUNCEMENTS), next(iter(self._controls)))
            )
        self._controls[kind, body if kind == FrameKind.ANNOUNCEMENTS else b""] = (kind, body)
        self.peer.wake.set()

    def stop(self, refused: LinkRefused) -> None:
        """End it for this reason."""
        if not self._stopped.done():
            self._stopped.set_result(refused)

    def retire(self) -> None:
        """Another link takes over: send no more here, and read on until the peer says the same, so that nothing is lost."""
        if not self._retired:
            self._retired = True
            self.peer.wake.set()
            loop = asyncio.get_running_loop()
            deadline = loop.call_later(self.peer.limits.handshake_s, self.stop, _REPLACED)
            self._stopped.add_done_callback(lambda _: deadline.cancel())

    async def run(self) -> LinkRefused:
        """Live until something ends it; returns what."""
        loop = asyncio.get_running_loop()
        tasks: list[asyncio.Future[Any]] = [loop.create_task(w) for w in (self._read(), self._write(), self._ping())]
        try:
            await asyncio.wait({*tasks, self._stopped}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
        self.stop(_reason(ended))
        return self._stopped.result()

    async def say_goodbye(self, refused: LinkRefused) -> None:
        """Tell the peer why; whether it hears it is not waited for long."""
        with contextlib.suppress(OSError, TimeoutError):
            await say_goodbye(self._socket, refused)

    async def _read(self) -> NoReturn:
        while True:
            raw = await receive(self._socket, self._charge)
            self._unanswered = 0
            self.peer.traffic.bytes_in += len(raw)
            try:
                self._take(raw)
            except LinkRefused as e:
                if e.fault is LinkFault.FORGED:
                    raise
                if e.fault is LinkFault.REPLAYED:  # not the peer's doing
                    self._note_replay(e, len(raw))
                    continue
                self.peer.refuse(e, self._now_us(), self._now_ms())

    def _note_replay(self, refused: LinkRefused, size: int) -> None:
        """Something on the way repeats frames: on no account of the peer, and where there is no end to it on another link."""
        self.peer.count(refused, self._now_ms())
        self.peer.give_back(size)
        if not self._replays.take(1, self._now_us()):
            raise refused

    def _charge(self, size: int) -> bool:
        """A ping or pong of the WebSocket itself is on the peer's account as any frame is; whether it is answered."""
        if self.peer.may_send(size, self._now_us()):
            return True
        refused = LinkRefused(LinkFault.OVER_LIMIT, "more pings of the WebSocket than a member may send")
        self.peer.refuse(refused, self._now_us(), self._now_ms())
        return False

    def _take(self, raw: bytes) -> None:
        if not self.peer.may_send(len(raw), self._now_us()):
            raise LinkRefused(LinkFault.OVER_LIMIT, "more messages or bytes than a member may send: left unread")
        frame = parse_frame(self._met.opening.opened(raw))
        if isinstance(frame, Ping):
            self.control(FrameKind.PONG, pong_body(frame.token, self._now_ms()))
        elif isinstance(frame, Pong):
            self._took_pong(frame)
        elif isinstance(frame, End):
            self._end_heard.set()
            self.retire()
        else:
            self._handle(self, frame)

    def _took_pong(self, pong: Pong) -> None:
        sent_us = self._pings.pop(pong.token, None)
        if sent_us is not None:
            self.trips.add(measured(sent_us, self._now_us(), pong.time_ms, self._now_ms()))
            self._warn_of_offset()

    def _warn_of_offset(self) -> None:
        best = self.trips.best
        offset_ms = best.offset_us // _MS_US if best is not None else 0
        if abs(offset_ms) > OFFSET_WARN_MS and self.peer.warnings.more("offset") is not None:
            text = f"its clock and ours are {abs(offset_ms)} ms apart ({'it' if offset_ms > 0 else 'we'} ahead): set them (NTP)"
            self.peer.tell(text, self._now_ms())
            _log.warning(
                "the clock of another operator and ours are apart", peer=str(self.peer.peer), offset_ms=offset_ms
            )

    async def _write(self) -> None:
        while (one := await self._next()) is not None:
            await self._send(*one)
        await self._send(FrameKind.END, b"")
        await self._end_heard.wait()

    async def _send(self, kind: int, body: bytes) -> None:
        peer, size = self.peer, len(body) + CHECK + 1
        while wait_us := peer.pause_us(size, self._now_us()):  # noqa: ASYNC110 - only time brings tokens
            await asyncio.sleep(wait_us / _US)
        if kind == FrameKind.PING:
            self._pings[int.from_bytes(body, "big")] = self._now_us()
        await self._socket.send_bytes(self._met.sealing.sealed(kind, body))
        peer.traffic.bytes_out += size
        peer.traffic.messages_out += kind == FrameKind.DATA

    async def _next(self) -> tuple[int, bytes] | None:
        """What is to be sent next; None once another link takes over."""
        peer = self.peer
        while not self._retired:
            if self._controls:
                return self._controls.pop(next(iter(self._controls)))
            waiting = peer.outbox.pop(self._now_us())
            if waiting is not None:
                return waiting.kind, waiting.body
            peer.wake.clear()
            await peer.wake.wait()
        return None

    async def _ping(self) -> NoReturn:
        limits = self.peer.limits
        while True:
            while len(self._pings) >= _MOST_PINGS:
                self._pings.popitem(last=False)
            self.control(FrameKind.PING, ping_body(secrets.randbits(64)))  # a pong cannot be sent before its ping came
            self._unanswered += 1  # counted and not timed: a stall of our own is no silence of the peer
            await asyncio.sleep(limits.ping_s)
            if self._unanswered * limits.ping_s > limits.silent_s:
                raise LinkRefused(LinkFault.SILENT, f"nothing came from it for {limits.silent_s:g} s")


def _reason(ended: Sequence[object]) -> LinkRefused:
    """What ended a link, of what its tasks ended with."""
    for end in ended:
        if isinstance(end, LinkRefused):
            return end
    for end in ended:
        if isinstance(end, OSError):
            return LinkRefused(LinkFault.CLOSED, f"the connection ended ({type(end).__name__})")
    for end in ended:
        if isinstance(end, Exception):
            raise end
    return _REPLACED
