"""Many readers of the endpoint, in a process of their own: ``python -m demo.bench.crowd``, driven by :mod:`demo.bench.api`.

A request is ``{"url", "readers", "seconds"}``: so many connections that ask for the url again and again. Or ``{"host", "port",
"halves", "seconds"}``: so many that connect and send half a request, at least once each, and again where they are closed.
The answer counts responses by status code, or the connections that were opened, were closed, and failed.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections import Counter
from typing import Any

import aiohttp

from demo.bench.process import respond, standard_lines

_HALF = b"GET /v1/prices HTTP/1.1\r\nHost: half\r\n"
_PAUSE_S = 0.05
_OK = 200


async def _read(url: str, readers: int, seconds: float) -> dict[str, Any]:
    end, counts = time.monotonic() + seconds, Counter[str]()

    async def read(session: aiohttp.ClientSession) -> None:
        while time.monotonic() < end:
            try:
                async with session.get(url) as reply:
                    await reply.read()
                    counts[str(reply.status)] += 1
                if reply.status != _OK:
                    await asyncio.sleep(_PAUSE_S)  # the server says to retry later
            except (aiohttp.ClientError, OSError, TimeoutError):
                counts["failed"] += 1
                await asyncio.sleep(_PAUSE_S)

    limit = aiohttp.ClientTimeout(total=10)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=limit) as session:
        await asyncio.gather(*(read(session) for _ in range(readers)))
    return dict(counts)


async def _half_open(host: str, port: int, halves: int, seconds: float) -> dict[str, Any]:
    end, counts = time.monotonic() + seconds, Counter[str]()

    async def connect() -> None:
        first = True
        while first or time.monotonic() < end:
            first = False
            try:
                reader, writer = await asyncio.open_connection(host, port)
            except OSError:
                counts["failed"] += 1
                await asyncio.sleep(_PAUSE_S)
                continue
            counts["opened"] += 1
            with contextlib.suppress(OSError, TimeoutError):
                writer.write(_HALF)
                async with asyncio.timeout(max(0.0, end - time.monotonic())):
                    await reader.read()
                counts["closed"] += 1
            writer.close()
            await asyncio.sleep(_PAUSE_S)

    await asyncio.gather(*(connect() for _ in range(halves)))
    return dict(counts)


async def _serve() -> None:
    lines = await standard_lines()
    while line := await lines.readline():
        request = json.loads(line)
        respond(await (_half_open(**request) if "halves" in request else _read(**request)))


if __name__ == "__main__":
    asyncio.run(_serve())
