"""The door of the endpoint: so many connections and no more, and none that keeps its place without asking for anything.

One rule: a connection is *busy* from a whole request until its answer is made, and *waiting* else. Waiting are those that
have said nothing, that send a request byte by byte, that do not take their answer, and that are kept for a next request.
Who has waited for ``idle_s`` is cut off; where all places are taken, a newcomer gets the place of who has waited longest,
first of those that never asked. Only where all are busy a newcomer is refused.
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

_SWEEPS = 4
"""In the time that a connection may wait, how often it is looked whether one has."""
_LEAST = 8
_FILES_OF_ALL = 2
"""One file of so many may be a connection here: the rest is for sources, chains and the database."""
_BODY = orjson.dumps(
    {"error": {"code": "full", "message": "all connections are taken", "hint": "close some, or try again in a second"}}
)
_FULL = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nCache-Control: no-store\r\n"
    b"Retry-After: 1\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%b" % (len(_BODY), _BODY)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class GateLimits:
    """What the endpoint grants. ``connections``: at a time. ``idle_s``: how long one may wait between whole requests."""

    connections: int = 1_024
    idle_s: float = 15.0


def affordable(connections: int) -> int:
    """So many connections as the limit of open files leaves room for: a half of the files, and at least 8."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return connections
    return max(_LEAST, min(connections, soft // _FILES_OF_ALL))


class _Door(asyncio.Protocol):
    """One connection: everything goes to the server's own protocol, once there is a place."""

    def __init__(self, gate: ConnectionGate, make: Callable[[], asyncio.Protocol]) -> None:
        self._gate, self._make = gate, make
        self._inner: asyncio.Protocol | None = None
        self.transport: asyncio.Transport | None = None
        self.asked = False
        self.unsent = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if not isinstance(transport, asyncio.Transport):
            raise TypeError(f"{type(transport).__name__} is no stream")
        self.transport = transport
        if not self._gate.admit(self):
            transport.write(_FULL)
            transport.close()
            return
        self._inner = self._make()
        self._inner.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        if self._inner is not None:
            self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        return self._inner.eof_received() if self._inner is not None else None

    def pause_writing(self) -> None:
        if self._inner is not None:
            self._inner.pause_writing()

    def resume_writing(self) -> None:
        if self._inner is not None:
            self._inner.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        self._gate.leave(self)
        if self._inner is not None:
            self._inner.connection_lost(exc)

    def takes(self) -> bool:
        """Whether the reader has taken something of its answer since the last look; nothing left to take is no."""
        before, self.unsent = self.unsent, self.transport.get_write_buffer_size() if self.transport else 0
        return self.unsent > 0 and (not before or self.unsent < before)

    def cut(self) -> None:
        """End it; what the system has taken of an answer still goes out, what it has not does not."""
        if self.transport is None:
            return
        if self.transport.get_write_buffer_size():
            self.transport.abort()
        else:
            self.transport.close()


class ConnectionGate:
    """All connections of the endpoint.

    Args:
        limits: what is granted.

    Attributes:
        refused: newcomers that found all places busy.
        displaced: connections that gave their place to a newcomer.
        expired: connections that waited for too long.
    """

    def __init__(self, limits: GateLimits) -> None:
        self._limits = limits
        self._doors: set[_Door] = set()
        self._silent: OrderedDict[_Door, float] = OrderedDict()
        self._kept: OrderedDict[_Door, float] = OrderedDict()
        self._sweeper: asyncio.TimerHandle | None = None
        self.refused = self.displaced = self.expired = 0

    def __len__(self) -> int:
        return len(self._doors)

    @property
    def most(self) -> int:
        """Connections at a time."""
        return self._limits.connections

    def counts(self) -> Mapping[str, int]:
        """How many connections were not let be, since the start."""
        return {"refused": self.refused, "displaced": self.displaced, "expired": self.expired}

    def factory(self, make: Callable[[], asyncio.Protocol]) -> Callable[[], asyncio.Protocol]:
        """What makes the protocol of a connection, given what makes the server's own."""
        return lambda: _Door(self, make)

    def middleware(self) -> Middleware:
        """Tells the gate what is busy. It must be the outermost."""

        @web.middleware
        async def told(request: web.Request, handler: Handler) -> web.StreamResponse:
            door = request.transport.get_protocol() if request.transport is not None else None
            if not isinstance(door, _Door):
                return await handler(request)
            self._busy(door)
            try:
                return await handler(request)
            finally:
                self._wait(door)

        return told

    def start(self) -> None:
        """Look from now on whether a connection has waited for too long."""
        self._sweeper = asyncio.get_running_loop().call_later(self._limits.idle_s / _SWEEPS, self._sweep)

    def close(self) -> None:
        """Look no more."""
        if self._sweeper is not None:
            self._sweeper.cancel()

    def admit(self, door: _Door) -> bool:
        """Give a newcomer a place, if need be that of who has waited longest."""
        if len(self._doors) >= self._limits.connections:
            oldest = next(iter(self._silent), None) or next(iter(self._kept), None)
            if oldest is None:
                self.refused += 1
                return False
            self.displaced += 1
            self._cut(oldest)
        self._doors.add(door)
        self._wait(door)
        return True

    def leave(self, door: _Door) -> None:
        """A connection has ended."""
        self._doors.discard(door)
        self._silent.pop(door, None)
        self._kept.pop(door, None)

    def _busy(self, door: _Door) -> None:
        door.asked = True
        self._silent.pop(door, None)
        self._kept.pop(door, None)

    def _wait(self, door: _Door) -> None:
        if door in self._doors:
            (self._kept if door.asked else self._silent)[door] = asyncio.get_running_loop().time()

    def _sweep(self) -> None:
        before = asyncio.get_running_loop().time() - self._limits.idle_s
        for waiting in (self._silent, self._kept):
            for door in [d for d, since in waiting.items() if since <= before]:
                if door.takes():
                    waiting.pop(door)
                    self._wait(door)
                else:
                    self.expired += 1
                    self._cut(door)
        self.start()

    def _cut(self, door: _Door) -> None:
        self.leave(door)
        door.cut()
