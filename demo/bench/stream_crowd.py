"""Many readers of an event stream, in a process of their own: ``python -m demo.bench.stream_crowd``.

A request is ``{"host", "port", "readers", "seconds"}``. For every event ``final`` that all readers got it is measured how long
after the first reader each of the others had the whole of it.
"""

from __future__ import annotations

import asyncio
import json
import resource
import time
from collections import defaultdict
from typing import Any

from demo.bench.process import respond, standard_lines
from demo.bench.tools import at_percent

_ASK = b"GET /v1/stream HTTP/1.1\r\nHost: bench\r\n\r\n"
_ROUND = b'"round":'
_AT_ONCE, _CONNECT_S = 50, 60.0
_US, _LIMIT = 1_000_000, 1 << 21


class _Readers:
    """When each round came to whom."""

    def __init__(self) -> None:
        self.connected = self.ended = 0
        self.arrived: dict[bytes, list[float]] = defaultdict(list)

    async def read(self, host: str, port: int, gate: asyncio.Semaphore) -> None:
        """Read one stream until it ends."""
        async with gate:
            reader, writer = await asyncio.open_connection(host, port, limit=_LIMIT)
            writer.write(_ASK)
            await reader.readuntil(b"\n\n")  # the first event: what the prices are now
        self.connected += 1
        try:
            while event := await reader.readuntil(b"\n\n"):
                if b"event: final" in event:
                    at = event.rfind(_ROUND)
                    self.arrived[event[at : at + 24]].append(time.perf_counter())
        except (asyncio.IncompleteReadError, ConnectionError):
            self.ended += 1
        finally:
            writer.close()

    def spread(self, readers: int) -> dict[str, Any]:
        """Of the events that all got: how long after the first reader the others had it, in ms."""
        whole = [sorted(times) for times in self.arrived.values() if len(times) == readers]
        late_us = sorted(round((t - times[0]) * _US) for times in whole for t in times)
        slowest_us = sorted(round((times[-1] - times[0]) * _US) for times in whole)
        shown = {f"p{p}": at_percent(late_us, p) / 1_000 for p in (50, 90, 99)}
        return {
            "readers": readers, "connected": self.connected, "dropped": self.ended, "events_that_all_got": len(whole),
            "events_that_some_got": len(self.arrived), "after_the_first_ms": shown,
            "slowest_reader_ms": {f"p{p}": at_percent(slowest_us, p) / 1_000 for p in (50, 100)},
        }  # fmt: skip


async def _crowd(host: str, port: int, readers: int, seconds: float) -> dict[str, Any]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    crowd, gate = _Readers(), asyncio.Semaphore(_AT_ONCE)
    tasks = [asyncio.create_task(crowd.read(host, port, gate)) for _ in range(readers)]
    try:
        async with asyncio.timeout(_CONNECT_S):
            while crowd.connected < readers and not any(t.done() for t in tasks):  # noqa: ASYNC110 - a counter has no event
                await asyncio.sleep(0.1)
    except TimeoutError:
        pass
    crowd.arrived.clear()
    await asyncio.sleep(seconds)
    for task in tasks:
        task.cancel()
    faults = await asyncio.gather(*tasks, return_exceptions=True)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    other = {type(f).__name__ for f in faults if isinstance(f, Exception)}
    return {**crowd.spread(readers), "faults": sorted(other)}


async def _serve() -> None:
    lines = await standard_lines()
    while line := await lines.readline():
        respond(await _crowd(**json.loads(line)))


if __name__ == "__main__":
    asyncio.run(_serve())
