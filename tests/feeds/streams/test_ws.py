"""The streaming client against a scripted session: backoff, pacing, life, shards, silence. The clock is injected."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest

from feeds.errors import Malformed, Unreachable
from feeds.streams.connection import StreamTimeouts
from feeds.streams.latest import LatestQuotes
from feeds.streams.venue import PlainSession, VenueLimits
from feeds.streams.ws import Stream
from feeds.types import Quote, Request, Tick
from feeds.units import WAD, Wad
from tests.feeds.local_venues import until

T0 = 1_741_064_767_891
LIMITS = VenueLimits(symbols_per_connection=10, connect_interval_ms=100, life_ms=10**9)


@dataclass(frozen=True, kw_only=True)
class Toy(PlainSession):
    """A venue whose frames are ``SYMBOL PRICE TIME``; ``-`` is a heartbeat, ``!`` the end, ``?`` a bug."""

    name: str = "toy"
    ws_url: str = "ws://toy"
    rest_url: str = "http://toy"
    limits: VenueLimits = LIMITS

    def subscribe(self, symbols: Sequence[str], now_ms: int) -> tuple[str, ...]:
        del now_ms
        return (",".join(symbols),)

    def parse(self, frame: str | bytes) -> tuple[Tick, ...]:
        assert isinstance(frame, str)
        if frame == "-":
            return ()
        if frame == "!":
            raise Unreachable("closing soon")
        if frame == "?":
            raise KeyError(frame)
        symbol, _, rest = frame.partition(" ")
        price, _, at = rest.partition(" ")
        if not price.isdigit():
            raise Malformed("no price")
        return (
            Tick(symbol=symbol, result=Quote(price_wad=Wad(int(price) * WAD), stated_at_ms=int(at) if at else None)),
        )

    def request(self, symbols: Sequence[str]) -> tuple[Request, ...]:
        raise NotImplementedError

    def parse_reply(self, request: Request, body: bytes) -> tuple[Tick, ...]:
        raise NotImplementedError


class Socket:
    """Gives its frames, then closes, or stays open and silent."""

    def __init__(self, frames: Sequence[str], *, stays: bool) -> None:
        self.frames = list(frames)
        self.stays = stays
        self.sent: list[str] = []
        self.closed = False
        self.close_code = 1006

    async def send_str(self, text: str) -> None:
        self.sent.append(text)

    async def receive(self) -> aiohttp.WSMessage:
        if self.frames:
            return aiohttp.WSMessage(aiohttp.WSMsgType.TEXT, self.frames.pop(0), None)
        while self.stays and not self.frames:  # noqa: ASYNC110 - tests append frames to a plain list
            await asyncio.sleep(0.001)
        if self.frames:
            return await self.receive()
        return aiohttp.WSMessage(aiohttp.WSMsgType.CLOSED, None, None)

    async def close(self) -> None:
        self.closed = True


@dataclass
class World:
    """A session that follows a script of connections, and a clock that passes by sleeping."""

    script: list[Socket | Exception]
    now: int = T0
    connects_at: list[int] = field(default_factory=list)
    slept: list[float] = field(default_factory=list)
    opened: list[Socket] = field(default_factory=list)
    silent: list[tuple[str, int]] = field(default_factory=list)
    table: LatestQuotes = field(default_factory=LatestQuotes)

    def now_ms(self) -> int:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += round(seconds * 1_000)
        await asyncio.sleep(0)

    async def ws_connect(self, _url: str, **_: Any) -> Socket:
        self.connects_at.append(self.now)
        if not self.script:
            await asyncio.Event().wait()
        step = self.script.pop(0)
        if isinstance(step, Exception):
            raise step
        self.opened.append(step)
        return step

    def stream(
        self,
        symbols: Sequence[str] = ("A",),
        limits: VenueLimits = LIMITS,
        rng: random.Random | None = None,
        **timeouts: int,
    ) -> Stream:
        wait = StreamTimeouts(**{"check_ms": 2, "backoff_ms": 1_000, "backoff_max_ms": 8_000, **timeouts})
        return Stream(
            Toy(limits=limits), symbols, self, self.table.put, self.now_ms,  # type: ignore[arg-type]
            on_silent=lambda _, symbol, age: self.silent.append((symbol, age)),
            timeouts=wait, rng=rng or Jitter(1), sleep=self.sleep,
        )  # fmt: skip

    async def play(self, stream: Stream) -> None:
        """Run until the script is used up and the next connect is waiting."""
        wanted = len(self.script) + 1
        task = asyncio.create_task(stream.run())
        try:
            await until(lambda: len(self.connects_at) >= wanted or task.done())
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


class Jitter(random.Random):
    """Always the top of the range: what is left is the bound itself."""

    def uniform(self, a: float, b: float) -> float:
        del a
        return b


def closes(*frames: str) -> Socket:
    return Socket(frames, stays=False)


def stays(*frames: str) -> Socket:
    return Socket(frames, stays=True)


REFUSED = aiohttp.ClientConnectionError("no")


async def test_the_backoff_doubles_up_to_its_cap() -> None:
    world = World([REFUSED] * 6)
    await world.play(world.stream(limits=VenueLimits(connect_interval_ms=0)))
    assert world.slept == [1, 2, 4, 8, 8, 8]


async def test_a_mere_connect_does_not_reset_the_backoff_and_data_does() -> None:
    world = World([REFUSED, closes(), closes("-"), closes("X 1"), closes("A nothing"), closes("A 5"), closes()])
    await world.play(world.stream(limits=VenueLimits(connect_interval_ms=0)))
    assert world.slept == [1, 2, 4, 8, 8, 1, 2]


async def test_a_repeated_quote_is_no_data() -> None:
    world = World([closes(f"A 5 {T0}"), closes(f"A 5 {T0}"), closes(f"A 5 {T0}")])
    await world.play(world.stream(limits=VenueLimits(connect_interval_ms=0)))
    assert world.slept == [1, 2, 4]


async def test_jitter_spreads_the_delay_over_the_whole_range() -> None:
    world = World([REFUSED] * 40)
    stream = world.stream(rng=random.Random(7), backoff_max_ms=1_000)
    await world.play(stream)
    backoffs = world.slept
    assert min(backoffs) < 0.2
    assert max(backoffs) > 0.8
    assert max(backoffs) <= 1.0


async def test_connects_keep_the_venues_interval() -> None:
    world = World([closes("A 1"), closes("A 2"), closes("A 3")])
    await world.play(world.stream(limits=VenueLimits(connect_interval_ms=5_000), backoff_ms=1))
    gaps = [b - a for a, b in zip(world.connects_at, world.connects_at[1:], strict=False)]
    assert all(gap >= 5_000 for gap in gaps)


async def test_shards_share_the_interval_and_each_symbol_is_subscribed_once() -> None:
    world = World([stays(), stays(), stays()])
    stream = world.stream(
        ("A", "B", "C", "D", "E", "A"), VenueLimits(symbols_per_connection=2, connect_interval_ms=700)
    )
    task = asyncio.create_task(stream.run())
    await until(lambda: stream.health().connects == 3)
    assert stream.health().connected
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert [s.sent for s in world.opened] == [["A,B"], ["C,D"], ["E"]]
    assert [at - T0 for at in world.connects_at] == [0, 700, 1_400]
    assert all(s.closed for s in world.opened)
    assert not stream.health().connected


async def test_a_connection_is_renewed_before_its_life_ends_without_backoff() -> None:
    world = World([stays("A 1"), stays()])
    stream = world.stream(limits=VenueLimits(connect_interval_ms=0, life_ms=60_000), silence_ms=10**9)
    task = asyncio.create_task(stream.run())
    await until(lambda: stream.health().frames == 1)
    world.now += 59_000
    await asyncio.sleep(0.02)
    assert len(world.connects_at) == 1
    world.now += 1_001
    await until(lambda: len(world.connects_at) == 2)
    assert world.slept == []
    assert stream.health().last_error is None
    assert world.opened[0].closed
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_silent_symbol_is_reported_once_and_the_others_keep_the_connection() -> None:
    world = World([stays("A 1", "B 1")])
    stream = world.stream(("A", "B"), silence_ms=1_000)
    task = asyncio.create_task(stream.run())
    await until(lambda: stream.health().frames == 2)
    for i in range(4):
        world.now += 600
        world.opened[0].frames += [f"A {i + 2}", "-"]
        await asyncio.sleep(0.02)
    assert world.silent == [("B", 1_200)]
    assert stream.health().silent == ("B",)
    assert stream.health().connects == 1
    world.opened[0].frames.append("B 7")
    await until(lambda: stream.health().silent == ())
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest.mark.parametrize("frames", [[], ["-"] * 9, ["A nothing"] * 9, ["X 1"] * 9, [f"A 5 {T0}"] * 9])
async def test_a_live_socket_without_news_is_renewed(frames: list[str]) -> None:
    first = stays(f"A 5 {T0}")
    world = World([first, closes()])
    stream = world.stream(silence_ms=1_000)
    task = asyncio.create_task(world.play(stream))
    await until(lambda: stream.health().frames == 1)
    for frame in [*frames, *[""] * 3]:
        world.now += 400
        first.frames += [frame] if frame else []
        await asyncio.sleep(0.01)
    await until(lambda: first.closed)
    await task
    assert world.silent
    assert world.silent[0][0] == "A"
    assert len(world.connects_at) >= 2


async def test_a_frame_that_does_not_parse_is_counted_and_the_stream_lives_on() -> None:
    world = World([stays("junk", "A x", "Z 1", "A 3")])
    stream = world.stream()
    task = asyncio.create_task(stream.run())
    await until(lambda: world.table.get("toy", "A").quote is not None)
    health = stream.health()
    assert health.bad_frames == {"MALFORMED": 2, "WRONG_SYMBOL": 1}
    assert (health.connects, health.frames, health.last_frame_at_ms) == (1, 4, T0)
    assert health.last_tick_at_ms == {"A": T0}
    assert world.table.get("toy", "Z").quote is None
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_an_announced_end_renews_the_connection() -> None:
    world = World([stays("A 1", "!", "A 2")])
    stream = world.stream()
    await world.play(stream)
    assert isinstance(stream.health().last_error, Unreachable)
    assert world.opened[0].closed


@pytest.mark.parametrize(
    ("failure", "code"),
    [
        (aiohttp.ClientConnectionError("x"), "UNREACHABLE"),
        (OSError("x"), "UNREACHABLE"),
        (TimeoutError(), "TIMED_OUT"),
        (aiohttp.WSServerHandshakeError(None, (), status=429, message="x"), "RATE_LIMITED"),  # type: ignore[arg-type]
        (aiohttp.WSServerHandshakeError(None, (), status=404, message="x"), "REFUSED"),  # type: ignore[arg-type]
    ],
)
async def test_a_failed_connect_has_a_type(failure: Exception, code: str) -> None:
    world = World([failure])
    stream = world.stream()
    await world.play(stream)
    error = stream.health().last_error
    assert error is not None
    assert error.code == code


async def test_a_connect_that_hangs_times_out() -> None:
    world = World([])
    stream = world.stream(connect_ms=10)
    task = asyncio.create_task(stream.run())
    await until(lambda: stream.health().last_error is not None)
    assert str(stream.health().last_error).startswith("TIMED_OUT")
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_our_own_bug_is_not_swallowed() -> None:
    world = World([stays("?")])
    with pytest.raises(ExceptionGroup) as caught:
        await world.stream().run()
    assert caught.group_contains(KeyError)
    assert world.opened[0].closed


async def test_no_symbols_means_no_connection() -> None:
    world = World([])
    stream = world.stream(())
    await stream.run()
    assert world.connects_at == []
    assert not stream.health().connected
