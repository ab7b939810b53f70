"""One direction of a link: its conditions and counts, and the pump that carries frames from one socket to the other."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

import aiohttp
from aiohttp import WSMsgType, web

from demo.world.link_conditions import CALM, Conditions, FrameFate, fate_of

MOST_WAITING = 4 << 20
"""Bytes that one pump keeps: above, it reads no more, and the sender's socket fills."""
_MS = 1_000
_SAID = (WSMsgType.BINARY, WSMsgType.TEXT)
_CONTROL = (WSMsgType.PING, WSMsgType.PONG)
_NORMAL = 1_000

WebSocket: TypeAlias = "web.WebSocketResponse | aiohttp.ClientWebSocketResponse"


@dataclass(slots=True, kw_only=True)
class DirectionCounts:
    """Frames of one direction since its link was added; control frames are not counted.

    At any time ``frames_in + duplicated == frames_out + dropped + lost + waiting``.

    Attributes:
        frames_in: read from the sender; ``bytes_in`` is their payload.
        frames_out: handed to the receiver's socket; ``bytes_out`` is their payload.
        dropped: vanished by the plan.
        lost: were under way when their connection broke, or broke it.
        delayed: were given a delay.
        stalled: held up all behind them.
        duplicated: were sent a second time.
        reordered: were overtaken by the next frame.
        cuts: frames at which the connection broke.
        waiting: under way now; ``waiting_bytes`` is their payload.
    """

    frames_in: int = 0
    bytes_in: int = 0
    frames_out: int = 0
    bytes_out: int = 0
    dropped: int = 0
    lost: int = 0
    delayed: int = 0
    stalled: int = 0
    duplicated: int = 0
    reordered: int = 0
    cuts: int = 0
    waiting: int = 0
    waiting_bytes: int = 0


@dataclass
class Direction:
    """One direction of a link, over all its connections. ``flowing`` is clear while it is silent."""

    seed: int
    dialler: str
    listener: str
    sender: str
    conditions: Conditions = CALM
    counts: DirectionCounts = field(default_factory=DirectionCounts)
    flowing: asyncio.Event = field(default_factory=asyncio.Event)
    cut_off: bool = False

    def __post_init__(self) -> None:
        self.renew()

    def renew(self) -> None:
        """Take note of changed conditions; ``cut_off`` is a silent partition above them."""
        if self.conditions.silent or self.cut_off:
            self.flowing.clear()
        else:
            self.flowing.set()

    def fate(self, number: int) -> FrameFate:
        """The fate of a frame under the present conditions."""
        return fate_of(
            self.conditions, seed=self.seed, dialler=self.dialler, listener=self.listener, sender=self.sender,
            number=number,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Waiting:
    due: float
    message: aiohttp.WSMessage
    size: int | None
    """Payload bytes of a frame; None for what is no frame."""


class FramePump:
    """Carries what one socket says to another, as the direction's conditions want it; for one connection.

    Args:
        direction: whose conditions hold.
        source: is read.
        sink: is written.
        on_cut: called when a frame breaks the connection.
    """

    def __init__(self, direction: Direction, source: WebSocket, sink: WebSocket, on_cut: Callable[[], None]) -> None:
        self._direction, self._source, self._sink, self._on_cut = direction, source, sink, on_cut
        self._loop = asyncio.get_running_loop()
        self._queue: deque[_Waiting] = deque()
        self._held: tuple[_Waiting, asyncio.TimerHandle] | None = None
        self._changed = asyncio.Event()
        self._free_at = 0.0
        self._own_bytes = 0

    async def read(self) -> None:
        """Take frames in until the source has ended."""
        direction, going = self._direction, True
        while going:
            await direction.flowing.wait()
            while self._own_bytes > MOST_WAITING:
                self._changed.clear()
                await self._changed.wait()
            message = await self._source.receive()
            if message.type in _SAID:
                going = self._take(message)
                continue
            going = message.type in _CONTROL
            if not going:
                self._let_go()
            self._put(self._timed(message, FrameFate(late_ms=direction.conditions.delay_ms), None))

    async def write(self) -> int | None:
        """Hand frames on when they are due; returns the code with which the source closed, None if it just went."""
        while True:
            while not self._queue:
                self._changed.clear()
                await self._changed.wait()
            first = self._queue[0]
            if (pause := first.due - self._loop.time()) > 0:
                await asyncio.sleep(pause)
            await self._direction.flowing.wait()
            if first.message.type not in _SAID + _CONTROL:
                return (first.message.data or _NORMAL) if first.message.type is WSMsgType.CLOSE else None
            await self._send(first.message)
            self._queue.popleft()
            if first.size is not None:
                self._leave(first.size)
                self._direction.counts.frames_out += 1
                self._direction.counts.bytes_out += first.size
            self._changed.set()

    def end(self) -> None:
        """The connection is over: what is still under way is lost."""
        waiting = [w for w in self._queue if w.size is not None]
        if self._held is not None:
            self._held[1].cancel()
            waiting.append(self._held[0])
        for one in waiting:
            self._leave(one.size or 0)
            self._direction.counts.lost += 1
        self._queue.clear()
        self._held = None

    def _take(self, message: aiohttp.WSMessage) -> bool:
        """Do to a frame what its number wants; False where it breaks the connection."""
        counts = self._direction.counts
        size = len(message.data) if message.type is WSMsgType.BINARY else len(message.data.encode())
        fate = self._direction.fate(counts.frames_in)
        counts.frames_in += 1
        counts.bytes_in += size
        if fate.cuts:
            counts.cuts += 1
            counts.lost += 1
            self._on_cut()
            return False
        if fate.dropped:
            counts.dropped += 1
            return True
        counts.delayed += fate.late_ms > 0
        counts.stalled += fate.stalled_ms > 0
        copies = 1 + fate.duplicated
        counts.duplicated += fate.duplicated
        counts.waiting += copies
        counts.waiting_bytes += size * copies
        self._own_bytes += size * copies
        if fate.reordered and not fate.duplicated and self._held is None:
            self._hold(_Waiting(self._loop.time() + (fate.late_ms + fate.stalled_ms) / _MS, message, size))
            return True
        for _ in range(copies):
            self._put(self._timed(message, fate, size))
        if self._held is not None:
            counts.reordered += 1
            self._let_go()
        return True

    def _hold(self, waiting: _Waiting) -> None:
        wait_s = self._direction.conditions.overtaken_ms / _MS
        self._held = waiting, self._loop.call_later(wait_s, self._let_go)

    def _let_go(self) -> None:
        """Send the frame on that waits to be overtaken."""
        if self._held is not None:
            held, timer = self._held
            timer.cancel()
            self._held = None
            self._put(_Waiting(self._paced(held.due, held.size or 0), held.message, held.size))

    def _timed(self, message: aiohttp.WSMessage, fate: FrameFate, size: int | None) -> _Waiting:
        due = self._loop.time() + (fate.late_ms + fate.stalled_ms) / _MS
        return _Waiting(self._paced(due, size or 0), message, size)

    def _paced(self, due: float, size: int) -> float:
        """When a frame is through where the bandwidth is limited. It is behind those before it in any case: see `write`."""
        rate = self._direction.conditions.bytes_per_s
        if rate is None or not size:
            return due
        self._free_at = max(due, self._free_at) + size / rate
        return self._free_at

    def _put(self, waiting: _Waiting) -> None:
        self._queue.append(waiting)
        self._changed.set()

    def _leave(self, size: int) -> None:
        self._own_bytes -= size
        self._direction.counts.waiting -= 1
        self._direction.counts.waiting_bytes -= size

    async def _send(self, message: aiohttp.WSMessage) -> None:
        if message.type is WSMsgType.BINARY:
            await self._sink.send_bytes(message.data)
        elif message.type is WSMsgType.TEXT:
            await self._sink.send_str(message.data)
        elif message.type is WSMsgType.PING:
            await self._sink.ping(message.data)
        else:
            await self._sink.pong(message.data)
