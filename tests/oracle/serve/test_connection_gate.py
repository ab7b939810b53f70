"""The gate of the endpoint over real sockets: a limited number of connections, and none that only keeps its place."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import pytest

from feeds.units import MS
from oracle.serve.connection_gate import GateLimits, connection_limit, open_file_limit
from oracle.serve.events import StreamLimits
from oracle.serve.interface import StoredRounds
from oracle.serve.server import Server, serve
from oracle.serve.web import Body
from tests.oracle.runtime.log_tools import piped
from tests.oracle.serve.memory_service import ROUND_S, MemoryService, filled

pytestmark = pytest.mark.loopback
T = TypeVar("T")
WHOLE = b"GET /v1/prices/wdivETH/ETH HTTP/1.1\r\nHost: x\r\n\r\n"
HALF = b"GET /v1/prices HTTP/1.1\r\nHost: x\r\n"
HISTORY = b"GET /v1/prices/wdivETH/ETH/history HTTP/1.1\r\nHost: x\r\n\r\n"
STREAM = b"GET /v1/stream HTTP/1.1\r\nHost: x\r\n\r\n"
PLACES = 8
LONG_S = 600.0


class Client:
    """A connection of a client."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def ask(self, request: bytes = WHOLE) -> int:
        """Status of the answer; its body is read."""
        self.writer.write(request)
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
        size = next((int(line.split(":")[1]) for line in head.split("\r\n") if line.startswith("Content-Length")), 0)
        await self.reader.readexactly(size)
        return int(head.split()[1])

    async def close(self) -> None:
        self.writer.transport.abort()
        with contextlib.suppress(OSError):
            await self.writer.wait_closed()

    async def ended(self) -> bytes:
        """What came until the other side closed the connection."""
        try:
            return await self.reader.read()
        except ConnectionError:
            return b""


_CLIENTS: list[Client] = []


@asynccontextmanager
async def served(
    service: MemoryService | None = None, *, idle_s: float = LONG_S, heartbeat_s: float = 15.0
) -> AsyncIterator[Server]:
    server = await serve(
        service or filled(), host="127.0.0.1", port=0, now_ms=lambda: ROUND_S * MS, metrics=bytes,
        limits=StreamLimits(readers=100, heartbeat_s=heartbeat_s), gate_limits=GateLimits(connections=PLACES, idle_s=idle_s),
    )  # fmt: skip
    try:
        async with asyncio.timeout(30):
            yield server
    finally:
        while _CLIENTS:
            await _CLIENTS.pop().close()
        await server.close()


async def connected(server: Server, first: bytes = b"") -> Client:
    client = Client(*await asyncio.open_connection("127.0.0.1", int(server.url.rsplit(":", 1)[1])))
    _CLIENTS.append(client)
    client.writer.write(first)
    return client


def sweep(server: Server) -> None:
    """Let as much time pass as a connection may wait."""
    server.gate.sweep(asyncio.get_running_loop().time() + LONG_S)


async def until(server: Server, number: int) -> None:
    while len(server.gate) != number:  # noqa: ASYNC110 - a counter has no event
        await asyncio.sleep(0.005)


async def unrequested(server: Server, number: int, first: bytes = b"") -> list[Client]:
    clients = [await connected(server, first) for _ in range(number)]
    await until(server, min(PLACES, number))
    return clients


async def test_a_new_connection_gets_the_place_of_the_one_that_has_waited_longest() -> None:
    async with served() as server:
        lines = await unrequested(server, PLACES, HALF)
        newcomer = await connected(server)
        assert await newcomer.ask() == 200
        assert await lines[0].ended() == b""
        assert (len(server.gate), server.gate.displaced, server.gate.refused) == (PLACES, 1, 0)
        assert [await line.ask(b"\r\n") for line in lines[1:]] == [200] * (PLACES - 1), "nobody else lost anything"


async def test_connections_without_a_request_are_closed_before_those_kept_for_a_next_one() -> None:
    async with served() as server:
        kept = await connected(server)
        assert await kept.ask() == 200
        lines = [await connected(server) for _ in range(PLACES - 1)]
        await until(server, PLACES)
        others = [await connected(server) for _ in range(PLACES - 1)]
        assert [await line.ended() for line in lines] == [b""] * (PLACES - 1)
        assert await kept.ask() == 200
        assert [await line.ask() for line in others] == [200] * (PLACES - 1)


class StuckService(MemoryService):
    """Long reads that wait until they are let go."""

    def __init__(self) -> None:
        self.__dict__ = filled().__dict__
        self.release, self.waiting = asyncio.Event(), 0

    async def read_stored(self, read: Callable[[StoredRounds], T]) -> T:
        self.waiting += 1
        await self.release.wait()
        return read(self)


async def test_where_all_are_busy_a_new_connection_is_refused_and_served_once_one_has_ended() -> None:
    service = StuckService()
    async with served(service) as server:
        busy = [await connected(server, HISTORY) for _ in range(PLACES)]
        while service.waiting < PLACES:  # noqa: ASYNC110 - a counter has no event
            await asyncio.sleep(0.005)
        answer = await (await connected(server)).ended()
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert b"Retry-After: 1" in answer
        assert b'"code":"full"' in answer
        assert (len(server.gate), server.gate.refused, server.gate.displaced) == (PLACES, 1, 0)
        busy[0].writer.close()
        await until(server, PLACES - 1)
        assert await (await connected(server)).ask() == 200
        service.release.set()
        assert [await line.ask(b"") for line in busy[1:]] == [200] * (PLACES - 1)


@pytest.mark.parametrize("sent", [b"", HALF, b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nx", WHOLE])
async def test_a_connection_without_a_whole_request_is_closed(sent: bytes) -> None:
    """Nothing, half a head, half a body, or one request and no other: the same rule."""
    async with served() as server:
        client = await connected(server)
        await until(server, 1)
        if sent == WHOLE:
            assert await client.ask() == 200
        else:
            client.writer.write(sent)
            await asyncio.sleep(0.05)
        sweep(server)
        await client.ended()
        assert (len(server.gate), server.gate.expired) == (0, 1)
        assert await (await connected(server)).ask() == 200


async def test_idle_connections_are_looked_for_without_being_asked() -> None:
    async with served(idle_s=0.05) as server:
        await (await connected(server)).ended()
        await until(server, 0)
        assert server.gate.expired == 1


async def test_a_byte_at_a_time_is_not_a_request() -> None:
    async with served() as server:
        client = await connected(server, HALF)
        await until(server, 1)
        connected_s = asyncio.get_running_loop().time()
        for _ in range(20):
            client.writer.write(b"x")
            await asyncio.sleep(0.002)
        server.gate.sweep(connected_s + LONG_S)
        await client.ended()
        assert server.gate.expired == 1


class LongAnswer(MemoryService):
    """Answers that no socket's own memory holds."""

    def __init__(self) -> None:
        self.__dict__ = filled().__dict__
        self.body = Body(b"x" * 60_000_000)

    async def read_stored(self, read: Callable[[StoredRounds], T]) -> Any:
        assert read
        return self.body


async def test_a_client_that_reads_nothing_of_its_answer_is_closed_and_one_that_reads_slowly_is_not() -> None:
    """The slow one reads more from one look to the next than the kernel's buffers hold; the other fills them once."""
    async with served(LongAnswer()) as server:
        idle, slow = await connected(server, HISTORY), await connected(server, HISTORY)
        for client in (idle, slow):
            assert await client.reader.readexactly(1)
        sweep(server)
        for _ in range(4):
            assert len(await slow.reader.readexactly(13_000_000)) == 13_000_000
            sweep(server)
            if server.gate.expired:
                break
        assert (len(server.gate), server.gate.expired) == (1, 1)
        assert len(await slow.reader.readexactly(1_000_000)) == 1_000_000
        assert len(await idle.ended()) < 60_000_000


async def test_a_stream_that_sends_only_heartbeats_is_busy() -> None:
    async with served(heartbeat_s=0.02) as server:
        client = await connected(server, STREAM)
        for _ in range(12):
            await client.reader.readuntil(b": alive")
            sweep(server)
        assert (len(server.hub), server.gate.expired) == (1, 0)


async def test_streams_leave_places_to_the_others() -> None:
    async with served() as server:
        streams = [await connected(server, STREAM) for _ in range(PLACES - 2)]
        for line in streams:
            await line.reader.readuntil(b"event: final")
        assert await (await connected(server)).ask(STREAM) == 503
        assert await (await connected(server)).ask() == 200


def test_connections_are_at_most_half_of_the_open_files() -> None:
    for open_files, connections in ((300, 150), (1_024, 512), (8, 8), (1 << 20, 1_000), (None, 1_000)):
        assert connection_limit(1_000, open_files) == connections
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert open_file_limit() == (None if soft == resource.RLIM_INFINITY else soft)


async def test_running_out_of_files_is_one_line() -> None:
    """Whoever else takes the files: asyncio tells each connection that it cannot accept, with a trace, in every loop."""
    loop, told = asyncio.get_running_loop(), list[object]()

    def tell(one: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
        told.append(context)
        one.default_exception_handler(context)

    with piped() as log:
        async with served() as server:
            loop.set_exception_handler(tell)
            place = "127.0.0.1", int(server.url.rsplit(":", 1)[1])
            waiting = [socket.socket() for _ in range(5)]
            with out_of_files():
                for one in waiting:
                    one.setblocking(False)
                    await loop.sock_connect(one, place)
                while len(told) < 2:  # noqa: ASYNC110 - the loop's own retry
                    await asyncio.sleep(0.01)
            assert len([line for line in log.lines() if "accept" in line["event"]]) == 1
            assert await (await connected(server)).ask() == 200, "and goes on once there are files"
            for one in waiting:
                one.close()


@contextlib.contextmanager
def out_of_files() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    held = [os.open(os.devnull, os.O_RDONLY)]
    resource.setrlimit(resource.RLIMIT_NOFILE, (held[0] + 64, hard))
    with contextlib.suppress(OSError):
        while True:
            held.append(os.open(os.devnull, os.O_RDONLY))
    try:
        yield
    finally:
        for one in held:
            os.close(one)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
