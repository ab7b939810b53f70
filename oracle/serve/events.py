"""Server-sent events: a frame is encoded once and handed to every reader; a slow reader is dropped by rule.

The rule: a reader that lets more than ``backlog_bytes`` wait in this process, or takes nothing for ``stall_s``, loses its
connection. It connects again and starts with the current prices; nothing is sent twice, and what was missed is not made
up for: the history has it.
"""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from dataclasses import dataclass

from aiohttp import hdrs, web

from oracle.serve.web import HttpProblem

_HEARTBEAT = b": alive\n\n"
_SOCKET_BYTES = 1 << 18


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamLimits:
    """What a reader is granted. ``grace_s``: how long streams may take to end when the server closes."""

    readers: int = 1_000
    backlog_bytes: int = 1 << 20
    stall_s: float = 30.0
    heartbeat_s: float = 15.0
    grace_s: float = 1.0


def frame(event: str, data: bytes) -> bytes:
    """One event; data is one line of JSON."""
    return b"event: %b\ndata: %b\n\n" % (event.encode(), data)


class _Reader:
    """One connection and what waits for it."""

    def __init__(self, transport: asyncio.Transport | None) -> None:
        self._transport = transport
        self._chunks: deque[bytes] = deque()
        self._news = asyncio.Event()
        self._open = True
        self.waiting = 0

    def put(self, chunk: bytes) -> None:
        self._chunks.append(chunk)
        self.waiting += len(chunk)
        self._news.set()

    def end(self) -> None:
        self._open = False
        self._news.set()

    def abort(self) -> None:
        self.end()
        self._chunks.clear()
        if self._transport is not None:
            self._transport.abort()

    async def take(self, heartbeat_s: float) -> bytes | None:
        """All that waits, a heartbeat if nothing comes for a while, None when the stream is over."""
        try:
            async with asyncio.timeout(heartbeat_s):
                await self._news.wait()
        except TimeoutError:
            return _HEARTBEAT
        if not self._open:
            return None
        self._news.clear()
        chunk = b"".join(self._chunks)
        self._chunks.clear()
        self.waiting = 0
        return chunk


class Hub:
    """All readers of the stream.

    Args:
        limits: what a reader is granted.
    """

    def __init__(self, limits: StreamLimits) -> None:
        self._limits = limits
        self._readers: set[_Reader] = set()
        self._closing = False
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._readers)

    def publish(self, chunk: bytes) -> None:
        """Hand the same bytes to every reader; never waits."""
        for reader in tuple(self._readers):
            if reader.waiting + len(chunk) > self._limits.backlog_bytes:
                self._drop(reader)
            else:
                reader.put(chunk)

    async def serve(self, request: web.Request, hello: bytes) -> web.StreamResponse:
        """Run one reader's stream until either side ends it.

        Raises:
            Problem: 503, there are too many readers, or the server is closing.
        """
        if self._closing or len(self._readers) >= self._limits.readers:
            hint = "read /v1/prices, or try again later"
            raise HttpProblem(503, "no_stream", f"{len(self._readers)} readers are connected, no more are taken", hint)
        response = web.StreamResponse(headers={hdrs.CACHE_CONTROL: "no-store", hdrs.CONTENT_TYPE: "text/event-stream"})
        reader = _Reader(request.transport)
        self._readers.add(reader)
        try:
            await response.prepare(request)
            _bound(request.transport)
            reader.put(hello)
            await self._send(reader, response)
        except ConnectionError:
            pass
        finally:
            self._readers.discard(reader)
        return response

    async def close(self) -> None:
        """End every stream; whoever does not take the end within the grace is cut off."""
        self._closing = True
        for reader in self._readers:
            reader.end()
        waited = 0.0
        while self._readers and waited < self._limits.grace_s:
            await asyncio.sleep(0.01)
            waited += 0.01
        for reader in tuple(self._readers):
            reader.abort()

    async def _send(self, reader: _Reader, response: web.StreamResponse) -> None:
        while (chunk := await reader.take(self._limits.heartbeat_s)) is not None:
            try:
                async with asyncio.timeout(self._limits.stall_s):
                    await response.write(chunk)
            except TimeoutError:
                self._drop(reader)
                return

    def _drop(self, reader: _Reader) -> None:
        if reader in self._readers:
            self._readers.discard(reader)
            self.dropped += 1
        reader.abort()


def _bound(transport: asyncio.Transport | None) -> None:
    """Keep the kernel from buffering megabytes for a reader that does not read."""
    sock = transport.get_extra_info("socket") if transport is not None else None
    if sock is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SOCKET_BYTES)
