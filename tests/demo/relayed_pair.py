"""Two ends of one link of the hostile network: a server that keeps what it hears, and a client that keeps what it is sent."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
from aiohttp import WSMsgType, web

from demo.world.frame_pump import DirectionCounts
from demo.world.hostile_link import LinkCounts, LinkName
from demo.world.hostile_network import HostileNetwork
from demo.world.self_signed import ServerCertificate

LONG_S = 60.0
"""How long a test waits for what must come."""
LINK = LinkName("a", "b")


@dataclass
class End:
    """One end of a WebSocket, and all that it heard."""

    socket: web.WebSocketResponse | aiohttp.ClientWebSocketResponse | None = None
    heard: list[bytes | str] = field(default_factory=list)
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    code: int | None = None
    times: list[float] = field(default_factory=list)

    async def listen(self, socket: web.WebSocketResponse | aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        async for message in socket:
            if message.type in (WSMsgType.BINARY, WSMsgType.TEXT):
                self.heard.append(message.data)
                self.times.append(asyncio.get_running_loop().time())
        self.code = socket.close_code
        self.ended.set()

    async def send(self, *frames: bytes) -> None:
        assert self.socket is not None
        for frame in frames:
            await self.socket.send_bytes(frame)

    async def heard_all(self, count: int) -> None:
        await until(lambda: len(self.heard) >= count)


class Listener:
    """A WebSocket server on the loopback; ``ends`` are its connections, the newest last."""

    def __init__(self, certificate: ServerCertificate | None = None) -> None:
        self.ends: list[End] = []
        self.asked: list[web.Request] = []
        self.url = ""
        self._certificate = certificate
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        app = web.Application()
        app.router.add_get("/{path:.*}", self._serve)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
        await self._runner.setup()
        context = self._certificate.server_context() if self._certificate else None
        await web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=context).start()
        self.url = f"{'wss' if context else 'ws'}://127.0.0.1:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request)
        if request.path == "/closed":
            return web.Response(status=403)
        socket = web.WebSocketResponse(protocols=("oracle.1",), max_msg_size=1 << 24)
        await socket.prepare(request)
        end = End()
        self.ends.append(end)
        await end.listen(socket)
        return socket


@dataclass
class Pair:
    """A listener "b", a link a -> b before it, and dials of "a" through it."""

    network: HostileNetwork
    listener: Listener
    url: str
    session: aiohttp.ClientSession
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    async def dial(self, path: str = "", **more: object) -> tuple[End, End]:
        """Both ends of a new connection: the dialler's, the listener's."""
        before = len(self.listener.ends)
        socket = await self.session.ws_connect(self.url + path, **more)  # type: ignore[arg-type]
        near = End(socket)
        self.tasks.append(asyncio.create_task(near.listen(socket)))
        await until(lambda: len(self.listener.ends) > before and self.listener.ends[-1].socket is not None)
        return near, self.listener.ends[-1]

    def counts(self, sender: str = "a") -> DirectionCounts:
        return self.link.sent_by[sender]

    @property
    def link(self) -> LinkCounts:
        return self.network.stats()[LINK]


@asynccontextmanager
async def relayed(
    seed: int = 7, *, own: ServerCertificate | None = None, shown: ServerCertificate | None = None
) -> AsyncIterator[Pair]:
    listener = Listener(own)
    await listener.start()
    async with HostileNetwork(seed) as network, aiohttp.ClientSession() as session:
        pair = Pair(network, listener, await network.add_link(*LINK, listener.url, certificate=shown), session)
        try:
            yield pair
        finally:
            for task in pair.tasks:
                task.cancel()
            await asyncio.gather(*pair.tasks, return_exceptions=True)
            await listener.stop()


async def until(reached: Callable[[], bool]) -> None:
    """Wait for something that must come."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(LONG_S):
            while not reached():  # noqa: ASYNC110 - counts have no events
                await asyncio.sleep(0.002)
    assert reached()


def frames(count: int, size: int = 8) -> list[bytes]:
    """Frames that say their number."""
    return [i.to_bytes(size, "big") for i in range(count)]


def numbers(heard: list[bytes | str]) -> list[int]:
    """The numbers of such frames."""
    return [int.from_bytes(f, "big") for f in heard if isinstance(f, bytes)]


def balanced(counts: DirectionCounts) -> bool:
    """Nothing is lost to the counts."""
    return counts.frames_in + counts.duplicated == (counts.frames_out + counts.dropped + counts.lost + counts.waiting)


async def settled(pair: Pair, sender: str, count: int) -> DirectionCounts:
    """Counts once so many frames came in and none is under way."""
    await until(lambda: (c := pair.counts(sender)).frames_in >= count and not c.waiting)
    assert balanced(pair.counts(sender))
    return pair.counts(sender)
