"""The streaming client: all connections to one venue, spread over its symbols, reconnected whenever they are lost.

Where a connection is lost early again and again, its symbols get two in its place, and so on: what the venue ends it for
is then alone, and costs its neighbours nothing.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import aiohttp

from feeds.errors import FeedError
from feeds.streams.connection import (
    Connection,
    Fetch,
    OnSilent,
    OnTick,
    OnTrade,
    StreamContext,
    StreamCounts,
    StreamTimeouts,
)
from feeds.streams.venue import StreamedVenue
from feeds.units import MS

_TIMEOUTS = StreamTimeouts()
_MOST_PARTS = 8
"""So many times at most: enough to find one symbol among 250."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamHealth:
    """A snapshot. Times are Unix ms. ``bad_frames``: frames and ticks that were no quote, by error code.

    ``connections``: how many there are. ``connected``: every connection is up. ``silent``: symbols without news for longer than ``StreamTimeouts.silence_ms``.
    """

    venue: str
    connected: bool
    connections: int
    connects: int
    frames: int
    bad_frames: Mapping[str, int]
    last_frame_at_ms: int | None
    last_tick_at_ms: Mapping[str, int]
    silent: tuple[str, ...]
    last_error: FeedError | None


class Stream:
    """All connections to one venue.

    Args:
        exchange: what to say and how to read.
        symbols: as the venue writes them.
        session: shared; the caller closes it.
        on_tick: receives each tick of a subscribed symbol.
        now_ms: Unix ms.
        fetch: sends the request of a venue's handshake; needed for venues that have one.
        on_silent: called for a symbol without news.
        on_trade: receives each trade of a subscribed symbol.
        timeouts: see StreamTimeouts.
        rng: jitter of the backoff and of the planned reconnects.
        sleep: waits some seconds.
    """

    def __init__(
        self,
        exchange: StreamedVenue,
        symbols: Sequence[str],
        session: aiohttp.ClientSession,
        on_tick: OnTick,
        now_ms: Callable[[], int],
        *,
        fetch: Fetch | None = None,
        on_silent: OnSilent | None = None,
        on_trade: OnTrade | None = None,
        timeouts: StreamTimeouts = _TIMEOUTS,
        rng: random.Random | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._limits = exchange.limits
        self._now_ms, self._sleep = now_ms, sleep
        self._counts = StreamCounts(exchange.name)
        self._connecting = asyncio.Lock()
        self._last_connect_ms: int | None = None
        context = StreamContext(
            session=session,
            fetch=fetch,
            on_tick=on_tick,
            on_silent=on_silent,
            on_trade=on_trade,
            now_ms=now_ms,
            sleep=sleep,
            connect_slot=self._connect_slot,
            rng=rng or random.Random(),  # noqa: S311 - jitter is no secret
            timeouts=timeouts,
            counts=self._counts,
            may_part=self._may_part,
        )
        self._exchange, self._context, self._parts = exchange, context, 0
        size = max(1, self._limits.symbols_per_connection)
        names = tuple(dict.fromkeys(symbols))
        groups = [names[i : i + size] for i in range(0, len(names), size)]
        self._connections = [Connection(exchange, group, context) for group in groups]

    async def run(self) -> None:
        """Keep all connections up until cancelled. Ends otherwise only by a bug, which it raises in a group."""
        async with asyncio.TaskGroup() as group:
            for connection in tuple(self._connections):
                group.create_task(self._keep(connection, group))

    async def _keep(self, connection: Connection, group: asyncio.TaskGroup) -> None:
        """Run a connection, and the two that come in its place where it is parted."""
        await connection.run()
        names = tuple(sorted(connection.symbols))
        middle = len(names) // 2
        halves = [Connection(self._exchange, part, self._context) for part in (names[:middle], names[middle:])]
        self._connections = [c for c in self._connections if c is not connection] + halves
        for half in halves:
            half.news_at_ms = {s: t for s, t in connection.news_at_ms.items() if s in half.symbols}
            group.create_task(self._keep(half, group))

    def _may_part(self) -> bool:
        self._parts += 1
        return self._parts <= _MOST_PARTS

    def health(self) -> StreamHealth:
        """Return a snapshot."""
        return StreamHealth(
            venue=self._counts.venue,
            connections=len(self._connections),
            connected=bool(self._connections) and all(c.connected for c in self._connections),
            connects=self._counts.connects,
            frames=self._counts.frames,
            bad_frames=MappingProxyType(dict(sorted(self._counts.bad.items()))),
            last_frame_at_ms=self._counts.last_frame_at_ms,
            last_tick_at_ms={k: v for c in self._connections for k, v in c.news_at_ms.items()},
            silent=tuple(sorted(k for c in self._connections for k in c.silent)),
            last_error=self._counts.last_error,
        )

    async def _connect_slot(self) -> None:
        """Wait until the venue's interval between two connects has passed."""
        interval_ms = self._limits.connect_interval_ms
        async with self._connecting:
            if self._last_connect_ms is not None:
                # a wall clock that was set back holds the connection off for no longer than the interval
                wait_ms = min(self._last_connect_ms + interval_ms - self._now_ms(), interval_ms)
                if wait_ms > 0:
                    await self._sleep(wait_ms / MS)
            self._last_connect_ms = self._now_ms()
