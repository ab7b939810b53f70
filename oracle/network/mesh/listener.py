"""The port that other members dial: strangers get little time, few places and no answer.

A connection counts as half open from the moment it is accepted, before TLS, until its handshake is done; of one address and
of all only so many may be, and none for longer than a deadline. What is no WebSocket gets one sentence.
"""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiohttp import web

from oracle.network.mesh.certificates import ServerTls
from oracle.network.mesh.faults import LinkFault
from oracle.network.mesh.handshake import Socket
from oracle.network.mesh.limits import MAX_FRAME, MAX_MEMBERS, MAX_UNPROVED, MeshLimits
from oracle.network.mesh.session import CHECK
from oracle.runtime.passing_protocol import PassingProtocol

_CLOSE_S = 1.0
_NETWORK_BITS = 64
_UPGRADE_REQUIRED = 426
_HERE = "This port is for the operators of an oracle: they speak WebSocket.\n"
OnSocket = Callable[[Socket, str, Callable[[], None]], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Listen:
    """Where to listen. ``tls``: None for plain ws://, behind a proxy that terminates TLS. ``port`` 0: any, see `Listener.port`."""

    host: str = "127.0.0.1"
    port: int = 0
    tls: ServerTls | None = None


class Listener:
    """The server.

    Args:
        listen: where.
        limits: of half-open handshakes.
        on_socket: given an open WebSocket, the address of the other end, and what to call once its handshake is done;
            the connection ends when it returns.
        count: called with what was refused before a handshake.
    """

    def __init__(
        self, listen: Listen, limits: MeshLimits, on_socket: OnSocket, count: Callable[[LinkFault], None]
    ) -> None:
        self._listen, self._limits, self._on_socket, self.count = listen, limits, on_socket, count
        self._half_open: Counter[str] = Counter()
        self._entries: dict[object, _Entry] = {}
        self._all: set[_Entry] = set()
        self._proved: dict[str, None] = {}
        self._is_closed = False
        self._server: asyncio.Server | None = None
        self._web: web.Server | None = None

    @property
    def port(self) -> int:
        """The port; 0 before the start."""
        return int(self._server.sockets[0].getsockname()[1]) if self._server is not None and self._server.sockets else 0

    @property
    def half_open(self) -> int:
        """Handshakes under way."""
        return self._half_open.total()

    async def start(self) -> None:
        """Accept connections; OSError where the port is taken."""
        self._web = web.Server(self._handle, access_log=None)
        make = self._web
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Entry(self, make), self._listen.host, self._listen.port)

    def stop_accepting(self) -> None:
        """Take no new connection; one that was accepted just now is dropped."""
        self._is_closed = True
        if self._server is not None:
            self._server.close()

    async def close(self) -> None:
        """Stop accepting, and end what is there."""
        self.stop_accepting()
        for entry in list(self._all):
            await entry.abort()
        if self._web is not None:
            await self._web.shutdown(_CLOSE_S)

    @property
    def tls(self) -> ssl.SSLContext | None:
        """Of the listening side."""
        return self._listen.tls.context if self._listen.tls is not None else None

    @property
    def handshake_s(self) -> float:
        """The deadline."""
        return self._limits.handshake_s

    def admit(self, entry: _Entry, host: str) -> bool:
        """Give a new connection a place among those half open."""
        full = self.half_open >= self._limits.half_open and host not in self._proved
        if self._is_closed:
            return False
        if self._half_open[host] >= self._limits.half_open_per_ip or full:
            self.count(LinkFault.TOO_MANY)
            return False
        self._half_open[host] += 1
        self._all.add(entry)
        return True

    def release(self, host: str) -> None:
        """A handshake is over, or its connection is."""
        self._half_open[host] -= 1
        if self._half_open[host] <= 0:
            del self._half_open[host]

    def proved(self, host: str) -> None:
        """A member came from this address: it is not kept out when strangers take all places."""
        self._proved.pop(host, None)
        self._proved[host] = None
        if len(self._proved) > MAX_MEMBERS:
            self._proved.pop(next(iter(self._proved)))

    def opened(self, inner: object, entry: _Entry) -> None:
        """A connection may ask now."""
        self._entries[inner] = entry

    def ended(self, inner: object, entry: _Entry) -> None:
        """A connection is over."""
        self._entries.pop(inner, None)
        self._all.discard(entry)

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        entry = self._entries.get(request.protocol)
        if entry is None or request.headers.get("Upgrade", "").lower() != "websocket":
            self.count(LinkFault.MALFORMED)
            response = web.Response(status=_UPGRADE_REQUIRED, text=_HERE, headers={"Upgrade": "websocket"})
            response.force_close()
            return response
        socket = web.WebSocketResponse(autoping=False, compress=False, max_msg_size=MAX_FRAME + CHECK, timeout=_CLOSE_S)
        try:
            await socket.prepare(request)
        except OSError:
            self.count(LinkFault.CLOSED)  # it is gone already
            return web.Response()
        await self._on_socket(socket, entry.remote, entry.proved)
        return socket


def host_of(address: str) -> str:
    """What counts as one address: an IPv4 address, or the 64 bits of an IPv6 one that somebody has all addresses of."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.IPv6Network((int(parsed), _NETWORK_BITS), strict=False))


class _Entry(PassingProtocol):
    """One accepted connection: counted, put under TLS, and handed to the HTTP server."""

    def __init__(self, listener: Listener, make_inner: Callable[[], asyncio.Protocol]) -> None:
        super().__init__(make_inner)
        self._listener = listener
        self._held = bytearray()
        self._unproved = 0
        self._deadline: asyncio.TimerHandle | None = None
        self._upgrade: asyncio.Task[None] | None = None
        self._host = self.remote = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Give it a place, and TLS where this port has it."""
        super().connection_made(transport)
        if self.transport is None:
            return
        host, port = (transport.get_extra_info("peername") or ("?", 0))[:2]
        self.remote = f"{host}:{port}"
        if not self._listener.admit(self, host_of(host)):
            self.transport.abort()
            return
        self._host = host_of(host)
        loop = asyncio.get_running_loop()
        self._deadline = loop.call_later(self._listener.handshake_s, self._end, LinkFault.DEADLINE)
        if self._listener.tls is None:
            self._attach(self.transport)
            return
        self.transport.pause_reading()  # its first bytes are for TLS
        self._upgrade = loop.create_task(self._start_tls(self.transport, self._listener.tls))

    async def _start_tls(self, transport: asyncio.Transport, tls: ssl.SSLContext) -> None:
        loop = asyncio.get_running_loop()
        deadline_s = self._listener.handshake_s
        try:
            secured = await loop.start_tls(
                transport, self, tls, server_side=True, ssl_handshake_timeout=deadline_s, ssl_shutdown_timeout=_CLOSE_S
            )
        except OSError:  # and ssl.SSLError
            secured = None
        if secured is None:
            self._listener.count(LinkFault.MALFORMED)
            transport.abort()
            self.connection_lost(None)
            return
        self.transport = secured
        self._attach(secured)

    def _attach(self, transport: asyncio.Transport) -> None:
        self.pass_on_to(transport)
        self._listener.opened(self.inner, self)
        if self._held:
            super().data_received(bytes(self._held))
            self._held.clear()

    def data_received(self, data: bytes) -> None:
        """Bytes came; until TLS stands they are kept."""
        self._unproved += len(data) if self._deadline is not None else 0
        if self._unproved > MAX_UNPROVED:
            self._end(LinkFault.OVERSIZE)
        elif self.inner is None:
            self._held += data
        else:
            super().data_received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """Its place is free."""
        self.done()
        self._listener.ended(self.inner, self)
        super().connection_lost(exc)

    def proved(self) -> None:
        """It is a member."""
        self._listener.proved(self._host)
        self.done()

    def done(self) -> None:
        """Its handshake is over, or it is."""
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
            self._listener.release(self._host)

    async def abort(self) -> None:
        """End it at once."""
        if self._upgrade is not None:
            self._upgrade.cancel()
            await asyncio.gather(self._upgrade, return_exceptions=True)
        self._abort()

    def _abort(self) -> None:
        if self.transport is not None:
            self.transport.abort()

    def _end(self, fault: LinkFault) -> None:
        if self._deadline is not None:
            self._listener.count(fault)
        self.done()
        self._abort()
