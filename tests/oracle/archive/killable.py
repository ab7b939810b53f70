"""A command of ours as a process that can be killed and started again."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]


class KillableProcess:
    """``python -m`` of something. ``log``: file of what it says."""

    def __init__(self, log: Path, *args: str) -> None:
        self.log, self._args = log, args
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                *self._args,
                cwd=ROOT,
                env={**os.environ, "PYTHONPATH": "."},
                stdout=log,
                stderr=log,
            )

    @property
    def has_ended(self) -> bool:
        """By itself: that is a fault."""
        return self._process is not None and self._process.returncode is not None

    async def kill(self) -> None:
        """Without a word, as a machine that loses its power."""
        if self._process is not None:
            if self._process.returncode is None:
                self._process.kill()
            await self._process.wait()
            self._process = None
