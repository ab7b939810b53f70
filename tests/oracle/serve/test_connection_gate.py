"""The door of the endpoint over real sockets: so many connections, none that only keeps its place, one line a kind of fault."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import resource
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import pytest

from feeds.units import MS
from oracle.runtime.log_limit import LogBudget, LogLimit, limit_logs
from oracle.serve.connection_gate import GateLimits, affordable
from oracle.serve.events import StreamLimits
from oracle.serve.interface import Past
from oracle.serve.server import Server, serve
from oracle.serve.web import Body
from tests.oracle.serve.memory_desk import ROUND_S, MemoryDesk, filled

pytestmark = pytest.mark.loopback
T = TypeVar("T")
WHOLE = b"GET /v1/prices/wdivETH/ETH HTTP/1.1\r\nHost: x\r\n\r\n"
HALF = b"GET /v1/prices HTTP/1.1\r\nHost: x\r\n"
HISTORY = b"GET /v1/prices/wdivETH/ETH/history HTTP/1.1\r\nHost: x\r\n\r\n"
STREAM = b"GET /v1/stream HTTP/1.1\r\nHost: x\r\n\r\n"
PLACES = 8
LONG_S = 600.0


class Line:
    """A connection and what it reads."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def ask(self, request: bytes = WHOLE) -> int:
        """Status of the answer; its body is read."""
        self.writer.write(request)
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
        size = next((int(one.split(":")[1]) for one in head.split("\r\n") if one.startswith("Content-Length")), 0)
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


_LINES: list[Line] = []


@asynccontextmanager
async def served(idle_s: float = LONG_S, desk: MemoryDesk | None = None) -> AsyncIterator[Server]:
    server = await serve(
        desk or filled(), host="127.0.0.1", port=0, now_ms=lambda: ROUND_S * MS, metrics=bytes,
        limits=StreamLimits(readers=100), gate_limits=GateLimits(connections=PLACES, idle_s=idle_s),
    )  # fmt: skip
    try:
        async with asyncio.timeout(30):
            yield server
    finally:
        while _LINES:
            await _LINES.pop().close()
        await server.close()


async def connected(server: Server, first: bytes = b"") -> Line:
    line = Line(*await asyncio.open_connection("127.0.0.1", int(server.url.rsplit(":", 1)[1])))
    _LINES.append(line)
    line.writer.write(first)
    return line


async def until(server: Server, number: int) -> None:
    while len(server.gate) != number:  # noqa: ASYNC110 - a counter has no event
        await asyncio.sleep(0.005)


async def silent(server: Server, number: int, first: bytes = b"") -> list[Line]:
    lines = [await connected(server, first) for _ in range(number)]
    await until(server, len(server.gate) if not number else min(PLACES, number))
    return lines


async def test_a_newcomer_gets_the_place_of_who_has_said_nothing_for_longest() -> None:
    async with served() as server:
        lines = await silent(server, PLACES, HALF)
        newcomer = await connected(server)
        assert await newcomer.ask() == 200
        assert await lines[0].ended() == b""
        assert (len(server.gate), server.gate.displaced, server.gate.refused) == (PLACES, 1, 0)
        assert [await line.ask(b"\r\n") for line in lines[1:]] == [200] * (PLACES - 1), "nobody else lost anything"


async def test_who_never_asked_goes_before_who_is_kept_for_a_next_request() -> None:
    async with served() as server:
        kept = await connected(server)
        assert await kept.ask() == 200
        lines = [await connected(server) for _ in range(PLACES - 1)]
        await until(server, PLACES)
        others = [await connected(server) for _ in range(PLACES - 1)]
        assert [await line.ended() for line in lines] == [b""] * (PLACES - 1)
        assert await kept.ask() == 200
        assert [await line.ask() for line in others] == [200] * (PLACES - 1)


class Stuck(MemoryDesk):
    """Long reads that wait until they are let go."""

    def __init__(self) -> None:
        self.__dict__ = filled().__dict__
        self.go, self.waiting = asyncio.Event(), 0

    async def past(self, work: Callable[[Past], T]) -> T:
        self.waiting += 1
        await self.go.wait()
        return work(self)


async def test_where_all_are_at_work_a_newcomer_is_refused_and_served_once_one_has_ended() -> None:
    desk = Stuck()
    async with served(desk=desk) as server:
        busy = [await connected(server, HISTORY) for _ in range(PLACES)]
        while desk.waiting < PLACES:  # noqa: ASYNC110 - a counter has no event
            await asyncio.sleep(0.005)
        said = await (await connected(server)).ended()
        assert said.startswith(b"HTTP/1.1 503 ")
        assert b"Retry-After: 1" in said
        assert b'"code":"full"' in said
        assert (len(server.gate), server.gate.refused, server.gate.displaced) == (PLACES, 1, 0)
        busy[0].writer.close()
        await until(server, PLACES - 1)
        assert await (await connected(server)).ask() == 200
        desk.go.set()
        assert [await line.ask(b"") for line in busy[1:]] == [200] * (PLACES - 1)


@pytest.mark.parametrize("said", [b"", HALF, b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nx", WHOLE])
async def test_who_asks_nothing_whole_is_cut_off(said: bytes) -> None:
    """Nothing, half a head, half a body, or one request and no other: the same rule."""
    async with served(idle_s=0.05) as server:
        line = await connected(server, said)
        await line.ended()
        await until(server, 0)
        assert server.gate.expired == 1
        assert await (await connected(server)).ask() == 200


async def test_one_byte_at_a_time_is_no_request() -> None:
    async with served(idle_s=0.05) as server:
        line = await connected(server, HALF)
        while not server.gate.expired:
            line.writer.write(b"x")
            await asyncio.sleep(0.002)
        await line.ended()
        assert server.gate.expired == 1


class Long(MemoryDesk):
    """Answers that no socket's own memory holds."""

    def __init__(self) -> None:
        self.__dict__ = filled().__dict__
        self.body = Body(b"x" * 60_000_000)

    async def past(self, work: Callable[[Past], T]) -> Any:
        assert work
        return self.body


async def test_who_takes_no_answer_is_cut_off_and_who_takes_it_slowly_is_not() -> None:
    async with served(idle_s=0.5, desk=Long()) as server:
        idle, slow = await connected(server, HISTORY), await connected(server, HISTORY)
        while not server.gate.expired:
            assert await slow.reader.read(20_000)
            await asyncio.sleep(0.001)
        assert (len(server.gate), server.gate.expired) == (1, 1)
        assert len(await slow.reader.readexactly(10_000_000)) == 10_000_000
        assert len(await idle.ended()) < 60_000_000


async def test_a_stream_and_its_heartbeats_are_no_waiting() -> None:
    async with served(idle_s=0.05) as server:
        server.hub._limits = StreamLimits(heartbeat_s=0.02)
        line = await connected(server, STREAM)
        for _ in range(12):
            await line.reader.readuntil(b": alive")
        assert (len(server.hub), server.gate.expired) == (1, 0)


async def test_streams_leave_places_to_the_others() -> None:
    async with served() as server:
        streams = [await connected(server, STREAM) for _ in range(PLACES - 2)]
        for line in streams:
            await line.reader.readuntil(b"event: final")
        assert await (await connected(server)).ask(STREAM) == 503
        assert await (await connected(server)).ask() == 200


def test_connections_are_at_most_half_of_the_files(monkeypatch: pytest.MonkeyPatch) -> None:
    for soft, found in ((300, 150), (1_024, 512), (8, 8), (1 << 20, 1_000), (resource.RLIM_INFINITY, 1_000)):
        monkeypatch.setattr(resource, "getrlimit", lambda _, soft=soft: (soft, soft))
        assert affordable(1_000) == found


# --- the log ---------------------------------------------------------------------------------------------------------


def test_a_kind_of_fault_is_one_line_a_period_with_the_count_of_those_before() -> None:
    now = [0.0]
    tally = LogBudget(60.0, lambda: now[0])
    assert [tally.more("a") for _ in range(5)] == [0, None, None, None, None]
    assert tally.more("b") == 0, "another kind is another line"
    now[0] = 60.0
    assert [tally.more("a"), tally.more("a"), tally.more("b")] == [4, None, 0]


def test_kinds_without_end_are_not_remembered_without_end() -> None:
    tally = LogBudget(60.0, lambda: 0.0)
    assert {tally.more(i) for i in range(10_000)} == {0}
    assert len(tally._said) <= 256


def test_a_library_that_repeats_itself_writes_one_line(caplog: pytest.LogCaptureFixture) -> None:
    now = [0.0]
    logger = logging.getLogger("a.noisy.library")
    logger.addFilter(LogLimit(LogBudget(60.0, lambda: now[0])))
    for port in range(100):
        logger.error("cannot accept\nsocket %s", port)
        logger.error("something else %s", port)
    now[0] = 61.0
    logger.error("cannot accept\nsocket %s", 7)
    assert [r.getMessage() for r in caplog.records] == [
        "cannot accept\nsocket 0",
        "something else 0",
        "cannot accept\nsocket 7 (99 more of this kind since its last line)",
    ]


async def test_running_out_of_files_is_one_line(caplog: pytest.LogCaptureFixture) -> None:
    """Whoever else takes the files: asyncio tells each connection that it cannot accept, with a trace, in every loop."""
    logger, loop, told = logging.getLogger("asyncio"), asyncio.get_running_loop(), list[object]()
    logger.filters[:] = []
    limit_logs()
    limit_logs()
    assert len(logger.filters) == 1

    def tell(one: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
        told.append(context)
        one.default_exception_handler(context)

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
        assert len([r for r in caplog.records if "accept" in r.getMessage()]) == 1
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
