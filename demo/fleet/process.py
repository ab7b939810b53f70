"""One operator of a fleet as a process: started, killed, stopped; its log goes to a file in its folder."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from demo.fleet.fleet_config import OperatorPlace

_STOP_S = 10.0
_INHERITED = frozenset({"PATH", "HOME", "PYTHONPATH", "LANG", "TZ"})


@dataclass(slots=True)
class OperatorProcess:
    """One operator: its place, its config, and its process while it runs."""

    place: OperatorPlace
    config: Path
    environ: Mapping[str, str]
    behaviour: str = "honest"
    process: asyncio.subprocess.Process | None = None

    @property
    def name(self) -> str:
        """As in the config."""
        return self.place.name

    @property
    def database(self) -> Path:
        """Its file."""
        return self.place.folder / "oracle.db"

    @property
    def log(self) -> Path:
        """What it said."""
        return self.place.folder / "log.txt"

    @property
    def runs(self) -> bool:
        """Whether its process is there."""
        return self.process is not None and self.process.returncode is None

    async def start(self) -> None:
        """Start the process."""
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "demo.fleet.operator_process", str(self.config), self.behaviour,
                env={**_inherited(), **self.environ}, stdout=log, stderr=log,
            )  # fmt: skip

    def reload(self) -> None:
        """SIGHUP: it reads its config anew."""
        if self.process is not None:
            self.process.send_signal(signal.SIGHUP)

    async def kill(self) -> None:
        """As the power fails: SIGKILL."""
        if self.process is not None and self.process.returncode is None:
            self.process.kill()
            await self.process.wait()

    async def stop(self) -> None:
        """SIGTERM, and SIGKILL if that does not end it."""
        if self.process is None or self.process.returncode is not None:
            return
        self.process.terminate()
        try:
            async with asyncio.timeout(_STOP_S):
                await self.process.wait()
        except TimeoutError:
            await self.kill()


def _inherited() -> dict[str, str]:
    return {k: v for k, v in os.environ.items() if k in _INHERITED}
