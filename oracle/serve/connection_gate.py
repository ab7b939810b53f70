"""The gate of the endpoint: a limited number of connections, and none that keeps its place without asking for anything.

One rule: a connection is *busy* from a whole request until its answer is made, and *waiting* otherwise. Waiting are those
that have sent nothing, that send a request byte by byte, that do not accept their answer, and that are kept open for a next
request. A connection that has waited for ``idle_s`` is closed. Where all places are taken, a new connection gets the place of
the one that has waited longest, first of those that never sent a whole request. A new connection is refused only where all
are busy.
"""

from __future__ import annotations

import asyncio
import resource
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import orjson
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from oracle.runtime.passing_protocol import PassingProtocol
from oracle.serve.error_codes import ErrorCode

_SWEEPS = 4
"""Idle connections are looked for so many times while one may wait."""
_LEAST_CONNECTIONS = 8
_FILES_PER_CONNECTION = 2
"""One open file in so many may be a connection here: the rest is for sources, chains and the database."""
_BODY = orjson.dumps(
    {
        "error": {
            "code": ErrorCode.FULL,
            "message": "all connections are taken",
            "hint": "close some, or try again in a second",
        }
    }
)
_FULL = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nCache-Control: no-store\r\n"
    b"Retry-After: 1\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%b" % (len(_BODY), _BODY)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class GateLimits:
    """``connections``: at a time. ``idle_s``: how long one may wait between whole requests."""

    connections: int = 1_024
    idle_s: float = 15.0


def open_file_limit() -> int | None:
    """How many files this process may have open; None: no limit."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if soft == resource.RLIM_INFINITY else soft


def connection_limit(wanted: int, open_files: int | None) -> int:
    """As many connections as wanted, but no more than half of the open files that are allowed (None: any), and at least 8."""
    if open_files is None:
        return wanted
    return max(_LEAST_CONNECTIONS, min(wanted, open_files // _FILES_PER_CONNECTION))


class _Connection(PassingProtocol):
    """One connection: everything is passed to the server's own protocol, once the gate has admitted it."""

    def __init__(self, gate: ConnectionGate, make_inner: Callable[[], asyncio.Protocol]) -> None:
        super().__init__(make_inner)
        self._gate = gate
        self.has_requested = False
        self.unsent_bytes = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Let it in, or say that there is no place."""
        super().connection_made(transport)
        if self.transport is None:
            return
        if self._gate.admit(self):
            self.pass_on_to(self.transport)
        else:
            self.transport.write(_FULL)
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Its place is free."""
        self._gate.release(self)
        super().connection_lost(exc)

    def is_reading(self) -> bool:
        """Whether the client has accepted a part of its answer since the last call; False where nothing is left to send."""
        before = self.unsent_bytes
        self.unsent_bytes = self.transport.get_write_buffer_size() if self.transport else 0
        return self.unsent_bytes > 0 and (not before or self.unsent_bytes < before)

    def close(self) -> None:
        """End it; what the kernel has taken of an answer still goes out, the rest does not."""
        if self.transport is None:
            return
        if self.transport.get_write_buffer_size():
            self.transport.abort()
        else:
            self.transport.close()


class ConnectionGate:
    """All connections of the endpoint.

    Args:
        limits: of connections.

    Attributes:
        refused: new connections that found all places busy.
        displaced: connections that were closed for a new one.
        expired: connections that were closed for waiting too long.
    """

    def __init__(self, limits: GateLimits) -> None:
        self._limits = limits
        self._connections: set[_Connection] = set()
        self._unrequested: OrderedDict[_Connection, float] = OrderedDict()
        self._kept_alive: OrderedDict[_Connection, float] = OrderedDict()
        self._sweeper: asyncio.TimerHandle | None = None
        self._closed = False
        self.refused = self.displaced = self.expired = 0

    def __len__(self) -> int:
        return len(self._connections)

    def counts(self) -> Mapping[str, int]:
        """How many connections were refused or closed since the start, by how."""
        return {"refused": self.refused, "displaced": self.displaced, "expired": self.expired}

    def factory(self, make_inner: Callable[[], asyncio.Protocol]) -> Callable[[], asyncio.Protocol]:
        """What makes the protocol of a connection, given what makes the server's own."""
        return lambda: _Connection(self, make_inner)

    def middleware(self) -> Middleware:
        """Tells the gate which connections are busy. It must be the outermost."""

        @web.middleware
        async def track_busy(request: web.Request, handler: Handler) -> web.StreamResponse:
            connection = request.transport.get_protocol() if request.transport is not None else None
            if not isinstance(connection, _Connection):
                return await handler(request)
            self._mark_busy(connection)
            try:
                return await handler(request)
            finally:
                self._mark_waiting(connection)

        return track_busy

    def start(self) -> None:
        """Close idle connections from now on."""
        self._sweeper = asyncio.get_running_loop().call_later(self._limits.idle_s / _SWEEPS, self._sweep_again)

    def close(self) -> None:
        """Stop looking for idle connections, end all that are left, and let nobody in any more: not one that was accepted just before either."""
        self._closed = True
        if self._sweeper is not None:
            self._sweeper.cancel()
        for connection in tuple(self._connections):
            if connection.transport is not None:
                connection.transport.abort()

    def admit(self, connection: _Connection) -> bool:
        """Give a new connection a place, if need be that of the one that has waited longest; False if all are busy, or it is closed."""
        if self._closed:
            return False
        if len(self._connections) >= self._limits.connections:
            oldest = next(iter(self._unrequested), None) or next(iter(self._kept_alive), None)
            if oldest is None:
                self.refused += 1
                return False
            self.displaced += 1
            self._close(oldest)
        self._connections.add(connection)
        self._mark_waiting(connection)
        return True

    def release(self, connection: _Connection) -> None:
        """A connection has ended."""
        self._connections.discard(connection)
        self._unrequested.pop(connection, None)
        self._kept_alive.pop(connection, None)

    def _mark_busy(self, connection: _Connection) -> None:
        connection.has_requested = True
        self._unrequested.pop(connection, None)
        self._kept_alive.pop(connection, None)

    def _mark_waiting(self, connection: _Connection) -> None:
        if connection in self._connections:
            waiting = self._kept_alive if connection.has_requested else self._unrequested
            waiting[connection] = asyncio.get_running_loop().time()

    def sweep(self, now_s: float) -> None:
        """Close what has waited for too long at a time of the event loop's clock."""
        before = now_s - self._limits.idle_s
        for waiting in (self._unrequested, self._kept_alive):
            for connection in [c for c, since in waiting.items() if since <= before]:
                if connection.is_reading():
                    waiting.pop(connection)
                    self._mark_waiting(connection)
                else:
                    self.expired += 1
                    self._close(connection)

    def _sweep_again(self) -> None:
        self.sweep(asyncio.get_running_loop().time())
        self.start()

    def _close(self, connection: _Connection) -> None:
        self.release(connection)
        connection.close()
