"""Another Python process that a benchmark talks to: a JSON document in, a JSON document out, one a line."""

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

    def __init__(self, module: str, lines: asyncio.StreamReader, asked: asyncio.StreamWriter) -> None:
        self._module, self._lines, self._asked = module, lines, asked

    async def hear(self) -> Any:
        """Return its next document."""
        line = await asyncio.wait_for(self._lines.readline(), _ANSWER_S)
        if not line:
            raise RuntimeError(f"the process of {self._module} ended: start `python -m {self._module}` to see why")
        return json.loads(line)

    async def say(self, document: Mapping[str, Any]) -> None:
        """Ask for something."""
        self._asked.write(json.dumps(document).encode() + b"\n")
        await self._asked.drain()


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
    """The documents that such a process is asked, on its standard input."""
    loop, lines = asyncio.get_running_loop(), asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    return lines


def say(document: Mapping[str, Any]) -> None:
    """Answer on standard output."""
    sys.stdout.write(json.dumps(document) + "\n")
    sys.stdout.flush()
