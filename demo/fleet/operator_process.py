"""``python -m demo.fleet.operator_process CONFIG [BEHAVIOUR]``: the oracle as in production, or with a member that misbehaves."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

from demo.fleet.behaviours import BEHAVIOURS
from oracle.app import App
from oracle.build import build
from oracle.cli.switching import run_with_switches
from oracle.config import sections
from oracle.config.resolve import ResolvedConfig, resolve


async def _run(config: Path, behaviour: str) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for sign in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(sign, stop.set)
    await run_with_switches(
        _load(config), config, stop, load=_load, make=lambda r: App(build(r, member=BEHAVIOURS[behaviour]))
    )


def _load(path: Path) -> ResolvedConfig:
    return resolve(sections.load(path))


def main(arguments: list[str]) -> None:
    """Run until a signal."""
    asyncio.run(_run(Path(arguments[0]), arguments[1] if len(arguments) > 1 else "honest"))


if __name__ == "__main__":
    main(sys.argv[1:])
