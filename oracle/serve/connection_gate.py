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

from oracle.runtime.passing_protocol import PassingProtocol
from oracle.serve.error_codes import ErrorCode
from oracle.serve.public_limits import Visitor, VisitorLimits

_SWEEPS = 4
"""Idle connections are looked for so many times while one may wait."""
_LEAST_CONNECTIONS = 8
_FILES_PER_CONNECTION = 2
"""One open file in so many may be a connection here: the rest is for sources, chains and the database."""


def _refusal(status: bytes, code: ErrorCode, message: str, hint: str) -> bytes:
    body = orjson.dumps({"error": {"code": code, "message": message, "hint": hint}})
    return (
        b"HTTP/1.1 %b\r\nContent-Type: application/json\r\nCache-Control: no-store\r\n"
        b"Retry-After: 1\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%b" % (status, len(body), body)
    )


_FULL = _refusal(
    b"503 Service Unavailable", ErrorCode.FULL, "all connections are taken", "close some, or try again in a second"
)
_CROWDED = _refusal(
    b"429 Too Many Requests", ErrorCode.TOO_MANY, "your address has as many connections as it may have",
    "use those that are open",
)  # fmt: skip
_NOBODY = Visitor("", VisitorLimits(), is_limited=False)
"""Who is at the other end where addresses make no difference."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GateLimits:
    """How many connections, and how long one may wait.

    ``connections``: at a time; ``per_address``: of those of one address. ``idle_s``: between whole requests; ``first_s``: until
    the first one is whole.
    """

    connections: int = 1_024
    per_address: int = 1 << 30
    idle_s: float = 15.0
    first_s: float = 15.0


def open_file_limit() -> int | None:
    """How many files this process may have open; None: no limit."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if soft == resource.RLIM_INFINITY else soft


def connection_limit(wanted: int, open_files: int | None) -> int:
    """As many connections as wanted, but no more than half of the open files that are allowed (None: any), and at least 8."""
    if open_files is None:
        return wanted
    return max(_LEAST_CONNECTIONS, min(wanted, open_files // _FILES_PER_CONNECTION))


class GatedConnection(PassingProtocol):
    """One connection: everything is passed to the server's own protocol, once the gate has admitted it.

    Args:
        gate: that admits it.
        make_inner: makes the server's own protocol.

    Attributes:
        visitor: who is at the other end.
        has_requested: whether it has sent a whole request.
        unsent_bytes: of an answer, when they were counted last.
    """

    def __init__(self, gate: ConnectionGate, make_inner: Callable[[], asyncio.Protocol]) -> None:
        super().__init__(make_inner)
        self._gate = gate
        self.visitor = _NOBODY
        self.has_requested = False
        self.unsent_bytes = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Let it in, or say that there is no place."""
        super().connection_made(transport)
        if self.transport is None:
            return
        if (refusal := self._gate.admit(self)) is None:
            self.pass_on_to(self.transport)
        else:
            self.transport.write(refusal)
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
        visitor_at: who is at an address; None: one address is as good as another.

    Attributes:
        refused: new connections that found all places busy.
        displaced: connections that were closed for a new one.
        expired: connections that were closed for waiting too long.
        crowded: new connections whose address had as many as it may have.
    """

    def __init__(self, limits: GateLimits, visitor_at: Callable[[str, float], Visitor] | None = None) -> None:
        self._limits, self._visitor_at = limits, visitor_at
        self._connections: set[GatedConnection] = set()
        self._unrequested: OrderedDict[GatedConnection, float] = OrderedDict()
        self._kept_alive: OrderedDict[GatedConnection, float] = OrderedDict()
        self._sweeper: asyncio.TimerHandle | None = None
        self._closed = False
        self.refused = self.displaced = self.expired = self.crowded = 0

    def __len__(self) -> int:
        return len(self._connections)

    def counts(self) -> Mapping[str, int]:
        """How many connections were refused or closed since the start, by how."""
        return {
            "refused": self.refused, "displaced": self.displaced, "expired": self.expired, "crowded": self.crowded,
        }  # fmt: skip

    def factory(self, make_inner: Callable[[], asyncio.Protocol]) -> Callable[[], asyncio.Protocol]:
        """What makes the protocol of a connection, given what makes the server's own."""
        return lambda: GatedConnection(self, make_inner)

    def start(self) -> None:
        """Close idle connections from now on."""
        self._sweeper = asyncio.get_running_loop().call_later(
            min(self._limits.idle_s, self._limits.first_s) / _SWEEPS, self._sweep_again
        )

    def close(self) -> None:
        """Stop looking for idle connections, end all that are left, and let nobody in any more: not one that was accepted just before either."""
        self._closed = True
        if self._sweeper is not None:
            self._sweeper.cancel()
        for connection in tuple(self._connections):
            if connection.transport is not None:
                connection.transport.abort()

    def admit(self, connection: GatedConnection) -> bytes | None:
        """Give a new connection a place, if need be that of the one that has waited longest; the refusal if all are busy, or it is closed."""
        if self._closed:
            return _FULL
        if (visitor := self._visitor(connection)) is not None:
            if visitor.is_limited and visitor.connections >= self._limits.per_address:
                self.crowded += 1
                return _CROWDED
            connection.visitor = visitor
        if len(self._connections) >= self._limits.connections:
            oldest = next(iter(self._unrequested), None) or next(iter(self._kept_alive), None)
            if oldest is None:
                self.refused += 1
                return _FULL
            self.displaced += 1
            self._close(oldest)
        self._connections.add(connection)
        connection.visitor.connections += 1
        self.mark_waiting(connection)
        return None

    def _visitor(self, connection: GatedConnection) -> Visitor | None:
        peer = connection.transport.get_extra_info("peername") if connection.transport is not None else None
        if self._visitor_at is None or not isinstance(peer, tuple):
            return None
        return self._visitor_at(peer[0], asyncio.get_running_loop().time())

    def release(self, connection: GatedConnection) -> None:
        """A connection has ended."""
        if connection in self._connections:
            self._connections.discard(connection)
            connection.visitor.connections -= 1
        self._unrequested.pop(connection, None)
        self._kept_alive.pop(connection, None)

    def mark_busy(self, connection: GatedConnection) -> None:
        """A whole request has come."""
        connection.has_requested = True
        self._unrequested.pop(connection, None)
        self._kept_alive.pop(connection, None)

    def mark_waiting(self, connection: GatedConnection) -> None:
        """Its answer is made."""
        if connection in self._connections:
            waiting = self._kept_alive if connection.has_requested else self._unrequested
            waiting[connection] = asyncio.get_running_loop().time()

    def sweep(self, now_s: float) -> None:
        """Close what has waited for too long at a time of the event loop's clock."""
        limits = self._limits
        for waiting, wait_s in (
            (self._unrequested, min(limits.first_s, limits.idle_s)),
            (self._kept_alive, limits.idle_s),
        ):
            before = now_s - wait_s
            for connection in [c for c, since in waiting.items() if since <= before]:
                if connection.is_reading():
                    waiting.pop(connection)
                    self.mark_waiting(connection)
                else:
                    self.expired += 1
                    self._close(connection)

    def _sweep_again(self) -> None:
        self.sweep(asyncio.get_running_loop().time())
        self.start()

    def _close(self, connection: GatedConnection) -> None:
        self.release(connection)
        connection.close()
