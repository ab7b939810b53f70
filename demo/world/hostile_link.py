"""One link of the hostile network: an address that one operator dials, and what stands between it and another's."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any, NamedTuple

import aiohttp
from aiohttp import web

from demo.world.anvil import reserved_port
from demo.world.frame_pump import Direction, DirectionCounts, FramePump, WebSocket
from demo.world.self_signed import ServerCertificate

_HOST = "127.0.0.1"
_MOST_FRAME = 64 << 20
_CLOSE_S = 0.5
_BAD_GATEWAY = 502
_HOP_HEADERS = frozenset({"host", "connection", "upgrade", "content-length", "transfer-encoding"})
_PROTOCOLS = "Sec-WebSocket-Protocol"


class LinkName(NamedTuple):
    """A link: who dials it, and who listens at its end."""

    dialler: str
    listener: str


@dataclass(slots=True, kw_only=True)
class LinkCounts:
    """What a link saw.

    Attributes:
        sent_by: counts of each direction, by the operator whose frames they are.
        dials: connections that were asked for.
        refused: of these, turned away by the plan.
        failed: of these, the listener could not be reached or declined.
        connections: of these, made.
        live: connections at this moment.
    """

    sent_by: dict[str, DirectionCounts] = field(default_factory=dict)
    dials: int = 0
    refused: int = 0
    failed: int = 0
    connections: int = 0
    live: int = 0


class _TurnedAway(asyncio.Protocol):
    """A connection that is closed before a byte of it is read."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Hang up."""
        if isinstance(transport, asyncio.Transport):
            transport.abort()


class HostileLink:
    """A server on a port of its own; made by the network.

    Args:
        name: of the link.
        target_url: where the listener listens, ws:// or wss://; the dialler's path and query are added.
        seed: of the network.
        certificate: shown to the dialler, who then dials wss://; None for ws://.
    """

    def __init__(self, name: LinkName, target_url: str, *, seed: int, certificate: ServerCertificate | None) -> None:
        self.name, self.url = name, ""
        self.blocked = False
        self.directions = {
            sender: Direction(seed, name.dialler, name.listener, sender) for sender in (name.dialler, name.listener)
        }
        self.counts = LinkCounts(sent_by={sender: d.counts for sender, d in self.directions.items()})
        self._target = target_url.rstrip("/")
        self._certificate = certificate
        self._stack = contextlib.ExitStack()
        self._web = web.Server(self._handle, access_log=None)
        self._server: asyncio.Server | None = None
        self._ends: set[asyncio.Future[None]] = set()
        self._refused_until = 0.0

    async def start(self) -> None:
        """Listen; ``url`` is known afterwards."""
        port = self._stack.enter_context(reserved_port())
        context = self._certificate.server_context() if self._certificate is not None else None
        self._server = await asyncio.get_running_loop().create_server(self._accepted, _HOST, port, ssl=context)
        self.url = f"{'ws' if context is None else 'wss'}://{_HOST}:{port}"

    async def close(self) -> None:
        """Break what is open and stop listening."""
        self.blocked = True
        if self._server is not None:
            self._server.close()
        self.break_connections()
        for direction in self.directions.values():
            direction.flowing.set()
        await self._web.shutdown(timeout=_CLOSE_S)
        self._stack.close()

    def break_connections(self) -> None:
        """Break all connections at once, as a reset does; what is under way is lost."""
        for end in self._ends:
            if not end.done():
                end.set_result(None)

    def cut(self) -> None:
        """Break all connections and refuse dials until :meth:`heal`."""
        self.blocked = True
        self.break_connections()

    def silence(self) -> None:
        """Carry nothing in either direction until :meth:`heal`, and tell nobody."""
        for direction in self.directions.values():
            direction.cut_off = True
            direction.renew()

    def heal(self) -> None:
        """End what :meth:`cut`, :meth:`silence` or a frame's fate has begun; the planned conditions stay."""
        self.blocked, self._refused_until = False, 0.0
        for direction in self.directions.values():
            direction.cut_off = False
            direction.renew()

    @property
    def refusing(self) -> bool:
        """Whether a dial is turned away now."""
        return self.blocked or asyncio.get_running_loop().time() < self._refused_until

    def _cut(self, sender: str) -> None:
        """A frame breaks the connection: so the plan wants it."""
        refused_s = self.directions[sender].conditions.cut_ms / 1_000
        self._refused_until = asyncio.get_running_loop().time() + refused_s
        self.break_connections()

    def _accepted(self) -> asyncio.BaseProtocol:
        self.counts.dials += 1
        if self.refusing:
            self.counts.refused += 1
            return _TurnedAway()
        return self._web()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """One connection from its handshake, which takes a round trip of the planned delays, to its end."""
        with self._ending() as end:
            for direction in self.directions.values():
                await direction.flowing.wait()
            await asyncio.sleep(sum(d.conditions.delay_ms for d in self.directions.values()) / 1_000)
            gone = request.transport is None or request.transport.is_closing()
            if gone or self.refusing or end.done():
                self.counts.refused += 1
                return _hang_up(request)
            async with aiohttp.ClientSession() as session:
                try:
                    upstream = await self._dial(session, request)
                except aiohttp.WSServerHandshakeError as refusal:
                    self.counts.failed += 1
                    return web.Response(status=refusal.status)
                except (aiohttp.ClientError, OSError, TimeoutError):
                    self.counts.failed += 1
                    return _hang_up(request)
                return await self._connect(request, upstream, end)

    async def _connect(
        self, request: web.BaseRequest, upstream: aiohttp.ClientWebSocketResponse, end: asyncio.Future[None]
    ) -> web.StreamResponse:
        """Answer the dialler, now that the listener has answered, and relay."""
        chosen = (upstream.protocol,) if upstream.protocol else ()
        downstream = web.WebSocketResponse(
            timeout=_CLOSE_S, autoping=False, protocols=chosen, compress=False, max_msg_size=_MOST_FRAME
        )
        try:
            await downstream.prepare(request)
        except (web.HTTPException, ConnectionError):
            self.counts.failed += 1
            return _hang_up(request)
        self.counts.connections += 1
        await self._relay(downstream, upstream, end)
        if end.done() and request.transport is not None:
            request.transport.abort()
        return downstream

    @contextlib.contextmanager
    def _ending(self) -> Iterator[asyncio.Future[None]]:
        """A future that is set when the connection must break."""
        end: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._ends.add(end)
        try:
            yield end
        finally:
            self._ends.discard(end)

    async def _dial(self, session: aiohttp.ClientSession, request: web.BaseRequest) -> aiohttp.ClientWebSocketResponse:
        headers = [
            (k, v)
            for k, v in request.headers.items()
            if k.lower() not in _HOP_HEADERS and not k.lower().startswith("sec-websocket")
        ]
        path = "" if request.path_qs == "/" else request.path_qs
        return await session.ws_connect(
            self._target + path,
            protocols=[p.strip() for p in request.headers.get(_PROTOCOLS, "").split(",") if p.strip()],
            headers=headers,
            autoping=False,
            compress=0,
            max_msg_size=_MOST_FRAME,
            timeout=aiohttp.ClientWSTimeout(ws_close=_CLOSE_S),
            ssl=_any_certificate(),
        )

    async def _relay(self, downstream: WebSocket, upstream: WebSocket, end: asyncio.Future[None]) -> None:
        """Carry frames both ways until one side is through or the connection breaks."""
        forth, back = (self.directions[sender] for sender in self.name)
        pumps = {
            FramePump(forth, downstream, upstream, lambda: self._cut(self.name.dialler)): upstream,
            FramePump(back, upstream, downstream, lambda: self._cut(self.name.listener)): downstream,
        }
        writers = {asyncio.create_task(pump.write()): sink for pump, sink in pumps.items()}
        tasks = list(writers)
        readers = {asyncio.create_task(pump.read()) for pump in pumps}
        self.counts.live += 1
        try:
            ends: list[asyncio.Future[Any]] = [*tasks, end]
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            over = [task for task in tasks if task.done()]
            for task in (*tasks, *readers):
                task.cancel()
            await asyncio.gather(*tasks, *readers, return_exceptions=True)
            for pump in pumps:
                pump.end()
            self.counts.live -= 1
        for task in over:
            if task.exception() is None and (code := task.result()) is not None and not end.done():
                await writers[task].close(code=code)
                return
        if not end.done():
            end.set_result(None)


@cache
def _any_certificate() -> ssl.SSLContext:
    """The network believes whoever listens: what it carries is none of its business."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _hang_up(request: web.BaseRequest) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=_BAD_GATEWAY)
