"""What the endpoint is compared with: one aiohttp handler that answers the same bytes with the same headers, and does nothing else.

``python -m demo.bench.bare_http``: one line of JSON on standard input: ``{"port", "nice", "path", "headers", "body"}``; it answers with its
process id once it listens.
"""

from __future__ import annotations

import asyncio
import json
import os

from aiohttp import web

from demo.bench.process import respond, standard_lines


async def _serve() -> None:
    lines = await standard_lines()
    wanted = json.loads(await lines.readline())
    os.nice(wanted["nice"])
    body, headers = wanted["body"].encode(), wanted["headers"]

    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=body, headers=headers)

    app = web.Application()
    app.router.add_get(wanted["path"], answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", wanted["port"]).start()
    respond({"pid": os.getpid()})
    await lines.read()


if __name__ == "__main__":
    asyncio.run(_serve())
