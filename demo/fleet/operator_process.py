"""``python -m demo.fleet.operator_process CONFIG [BEHAVIOUR]``: the oracle as in production, or with a member that misbehaves."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

from demo.fleet.behaviours import BEHAVIOURS, Behaviour
from demo.fleet.hostile_process import never_mute
from oracle.app import App
from oracle.build import build
from oracle.cli.reloads import Reloads
from oracle.cli.switching import run_with_switches
from oracle.config import sections
from oracle.config.resolve import ResolvedConfig, resolve
from oracle.runtime.clock import Clock, now_ms


async def _run(config: Path, behaviour: Behaviour) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for sign in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(sign, stop.set)
    reloads = Reloads(config, _load)
    loop.add_signal_handler(signal.SIGHUP, reloads.on_signal)
    beside: list[asyncio.Task[None]] = []

    def make(resolved: ResolvedConfig) -> App:
        clock = Clock(wall_ms=lambda: now_ms() + behaviour.clock_ahead_ms)
        components = build(resolved, member=behaviour.member, clock=clock)
        if behaviour is not BEHAVIOURS["honest"]:
            never_mute(components)
        behaviour.prepare(components)
        beside.extend(asyncio.ensure_future(task()) for task in behaviour.tasks(components))
        return App(components)

    try:
        await run_with_switches(_load(config), config, stop, load=_load, make=make, attendant=reloads)
    finally:
        await reloads.close()
        for task in beside:
            task.cancel()
        await asyncio.gather(*beside, return_exceptions=True)


def _load(path: Path) -> ResolvedConfig:
    return resolve(sections.load(path))


def main(arguments: list[str]) -> None:
    """Run until a signal."""
    asyncio.run(_run(Path(arguments[0]), BEHAVIOURS[arguments[1] if len(arguments) > 1 else "honest"]))


if __name__ == "__main__":
    main(sys.argv[1:])
