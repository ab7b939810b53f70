"""One client of a local exchange: its subscriptions and its outbox."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable, Mapping

from aiohttp import web

from demo.venues.protocols import ConnectionState, Frame

_MOST_FRAMES_BEHIND = 10_000


class Subscriber:
    """A client with an outbox that keeps the order, and what the venue remembers of its connection."""

    def __init__(self, socket: web.WebSocketResponse, request: web.Request, connection: ConnectionState) -> None:
        self.connection = connection
        self.socket = socket
        self._request = request
        self._outbox: asyncio.Queue[Frame] = asyncio.Queue(_MOST_FRAMES_BEHIND)

    @property
    def symbols(self) -> Mapping[str, int]:
        """What it has subscribed to, with the number of each subscription."""
        return self.connection.numbers

    def send(self, frames: Iterable[Frame]) -> None:
        """Queue frames; a client for which too many are queued is disconnected."""
        try:
            for frame in frames:
                self._outbox.put_nowait(frame)
        except asyncio.QueueFull:
            self.cut()

    async def write(self) -> None:
        """Send what is queued until the connection ends."""
        with contextlib.suppress(ConnectionError):
            while True:
                frame = await self._outbox.get()
                await (self.socket.send_str(frame) if isinstance(frame, str) else self.socket.send_bytes(frame))

    def cut(self) -> None:
        """Break the connection without a goodbye."""
        if self._request.transport is not None:
            self._request.transport.abort()
