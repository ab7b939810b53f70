"""A crowd at the endpoint, in a process of its own: ``python -m demo.bench.crowd``, asked by :mod:`demo.bench.api`.

Each document asked is ``{"url", "readers", "seconds"}``: so many connections that ask for the url again and again. Or
``{"host", "port", "halves", "seconds"}``: so many that connect and send half a request, and again where they are closed.
The answer counts what came: by status code, or the connections that were opened, were closed, and failed.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections import Counter
from typing import Any

import aiohttp

from demo.bench.process import say, standard_lines

_HALF = b"GET /v1/prices HTTP/1.1\r\nHost: half\r\n"
_PAUSE_S = 0.05
_OK = 200


async def _read(url: str, readers: int, seconds: float) -> dict[str, Any]:
    end, found = time.monotonic() + seconds, Counter[str]()

    async def one(session: aiohttp.ClientSession) -> None:
        while time.monotonic() < end:
            try:
                async with session.get(url) as reply:
                    await reply.read()
                    found[str(reply.status)] += 1
                if reply.status != _OK:
                    await asyncio.sleep(_PAUSE_S)  # told to come again later
            except (aiohttp.ClientError, OSError, TimeoutError):
                found["failed"] += 1
                await asyncio.sleep(_PAUSE_S)

    limit = aiohttp.ClientTimeout(total=10)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=limit) as session:
        await asyncio.gather(*(one(session) for _ in range(readers)))
    return dict(found)


async def _halve(host: str, port: int, halves: int, seconds: float) -> dict[str, Any]:
    end, found = time.monotonic() + seconds, Counter[str]()

    async def one() -> None:
        while time.monotonic() < end:
            try:
                reader, writer = await asyncio.open_connection(host, port)
            except OSError:
                found["failed"] += 1
                await asyncio.sleep(_PAUSE_S)
                continue
            found["opened"] += 1
            with contextlib.suppress(OSError, TimeoutError):
                writer.write(_HALF)
                async with asyncio.timeout(max(0.0, end - time.monotonic())):
                    await reader.read()
                found["closed"] += 1
            writer.close()
            await asyncio.sleep(_PAUSE_S)

    await asyncio.gather(*(one() for _ in range(halves)))
    return dict(found)


async def _serve() -> None:
    lines = await standard_lines()
    while line := await lines.readline():
        asked = json.loads(line)
        say(await (_halve(**asked) if "halves" in asked else _read(**asked)))


if __name__ == "__main__":
    asyncio.run(_serve())
