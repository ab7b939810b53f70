"""Another Python process of a benchmark: JSON requests in, JSON responses out, one a line."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

_ANSWER_S = 60.0
_LONGEST_LINE = 1 << 20


class Process:
    """The other process, once :func:`running`."""

    def __init__(self, module: str, responses: asyncio.StreamReader, requests: asyncio.StreamWriter) -> None:
        self._module, self._responses, self._requests = module, responses, requests

    async def receive(self) -> Any:
        """Return its next document."""
        line = await asyncio.wait_for(self._responses.readline(), _ANSWER_S)
        if not line:
            raise RuntimeError(f"the process of {self._module} ended: run `python -m {self._module}` to see why")
        return json.loads(line)

    async def send(self, document: Mapping[str, Any]) -> None:
        """Send a request."""
        self._requests.write(json.dumps(document).encode() + b"\n")
        await self._requests.drain()


@asynccontextmanager
async def running(module: str, **environ: str) -> AsyncIterator[Process]:
    """Start ``python -m module`` with further variables in its environment, and end it afterwards."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", module, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        limit=_LONGEST_LINE, env={**os.environ, **environ},
    )  # fmt: skip
    try:
        if process.stdout is None or process.stdin is None:
            raise RuntimeError(f"no pipes to the process of {module}")
        yield Process(module, process.stdout, process.stdin)
    finally:
        process.kill()
        await process.wait()


async def standard_lines() -> asyncio.StreamReader:
    """The requests to such a process, on its standard input."""
    loop, lines = asyncio.get_running_loop(), asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    return lines


def respond(document: Mapping[str, Any]) -> None:
    """Write a response to standard output."""
    sys.stdout.write(json.dumps(document) + "\n")
    sys.stdout.flush()
