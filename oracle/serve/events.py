"""Server-sent events: a frame is encoded once and queued for every reader; a slow reader is disconnected.

Slow is a reader for which more than ``backlog_bytes`` are queued, or that accepts nothing for ``stall_s``. What is queued for
it is thrown away; where it goes on reading, its last event says why the stream ends. It connects again and starts with the
current prices. Nothing is sent twice, and what was missed is not sent later: the history has it.
"""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from dataclasses import dataclass

import orjson
from aiohttp import hdrs, web

from oracle.serve.error_codes import ErrorCode
from oracle.serve.web import HttpProblem

HEARTBEAT = b": alive\n\n"
"""What is sent while nothing happens: a comment."""
_SOCKET_BYTES = 1 << 18


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamLimits:
    """Limits of the stream and of each reader. ``grace_s``: how long streams may take to end when the server closes."""

    readers: int = 1_000
    backlog_bytes: int = 1 << 20
    stall_s: float = 30.0
    heartbeat_s: float = 15.0
    grace_s: float = 1.0


def frame(event: str, data: bytes) -> bytes:
    """One event; data is one line of JSON."""
    return b"event: %b\ndata: %b\n\n" % (event.encode(), data)


_TOO_SLOW = {
    "code": ErrorCode.TOO_SLOW,
    "message": "events came faster than they were read",
    "hint": "connect again, or read /v1/prices from time to time",
}
_LAST = frame("dropped", orjson.dumps({"error": _TOO_SLOW}))


class _StreamReader:
    """One connection and what is queued for it."""

    def __init__(self, transport: asyncio.Transport | None) -> None:
        self._transport = transport
        self._chunks: deque[bytes] = deque()
        self._ready = asyncio.Event()
        self._open = True
        self.queued_bytes = 0

    def put(self, chunk: bytes) -> None:
        self._chunks.append(chunk)
        self.queued_bytes += len(chunk)
        self._ready.set()

    def end(self, last: bytes = b"") -> None:
        """Send this instead of what is queued, and then nothing more."""
        self._open = False
        self._chunks.clear()
        if last:
            self._chunks.append(last)
        self._ready.set()

    def abort(self) -> None:
        self.end()
        if self._transport is not None:
            self._transport.abort()

    async def take(self, heartbeat_s: float) -> bytes | None:
        """All that is queued, a heartbeat if nothing comes for a while, None when the stream is over."""
        try:
            async with asyncio.timeout(heartbeat_s):
                await self._ready.wait()
        except TimeoutError:
            return HEARTBEAT
        if not self._open and not self._chunks:
            return None
        if self._open:
            self._ready.clear()
        chunk = b"".join(self._chunks)
        self._chunks.clear()
        self.queued_bytes = 0
        return chunk


class EventHub:
    """All readers of the stream.

    Args:
        limits: of the stream and of each reader.
    """

    def __init__(self, limits: StreamLimits) -> None:
        self._limits = limits
        self._readers: set[_StreamReader] = set()
        self._closing = False
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._readers)

    @property
    def queued_bytes(self) -> int:
        """The longest queue of any reader."""
        return max((r.queued_bytes for r in self._readers), default=0)

    def publish(self, chunk: bytes) -> None:
        """Queue the same bytes for every reader; never waits."""
        for reader in tuple(self._readers):
            if reader.queued_bytes + len(chunk) > self._limits.backlog_bytes:
                self._drop(reader)
                reader.end(_LAST)
            else:
                reader.put(chunk)

    async def serve(self, request: web.Request, first: bytes) -> web.StreamResponse:
        """Run one reader's stream until either side ends it; it starts with the bytes ``first``.

        Raises:
            HttpProblem: 503, there are too many readers, or the server is closing.
        """
        if self._closing or len(self._readers) >= self._limits.readers:
            hint = "read /v1/prices, or try again later"
            raise HttpProblem(
                503, ErrorCode.NO_STREAM, f"{len(self._readers)} readers are connected, which is the limit", hint
            )
        response = web.StreamResponse(headers={hdrs.CACHE_CONTROL: "no-store", hdrs.CONTENT_TYPE: "text/event-stream"})
        reader = _StreamReader(request.transport)
        self._readers.add(reader)
        try:
            await response.prepare(request)
            limit_send_buffer(request.transport)
            reader.put(first)
            await self._send(reader, response)
        except ConnectionError:
            pass
        finally:
            self._readers.discard(reader)
        return response

    async def close(self) -> None:
        """End every stream; a reader that has not taken the end within the grace is disconnected."""
        self._closing = True
        for reader in self._readers:
            reader.end()
        waited = 0.0
        while self._readers and waited < self._limits.grace_s:
            await asyncio.sleep(0.01)
            waited += 0.01
        for reader in tuple(self._readers):
            reader.abort()

    async def _send(self, reader: _StreamReader, response: web.StreamResponse) -> None:
        while (chunk := await reader.take(self._limits.heartbeat_s)) is not None:
            try:
                async with asyncio.timeout(self._limits.stall_s):
                    await response.write(chunk)
            except TimeoutError:
                self._drop(reader)
                reader.abort()
                return

    def _drop(self, reader: _StreamReader) -> None:
        if reader in self._readers:
            self._readers.discard(reader)
            self.dropped += 1


def limit_send_buffer(transport: asyncio.Transport | None) -> None:
    """Keep the kernel from buffering megabytes for a reader that does not read."""
    sock = transport.get_extra_info("socket") if transport is not None else None
    if sock is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SOCKET_BYTES)
