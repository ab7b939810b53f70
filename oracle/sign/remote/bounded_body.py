"""An answer over HTTP, whole and not without an end."""

from __future__ import annotations

import aiohttp


async def bounded_body(reply: aiohttp.ClientResponse, most: int) -> bytes | None:
    """The body of an answer; None where it is longer than this many bytes."""
    body = bytearray()
    async for part in reply.content.iter_any():
        body += part
        if len(body) > most:
            return None
    return bytes(body)
