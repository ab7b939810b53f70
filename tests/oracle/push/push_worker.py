"""A process that pushes and kills itself (SIGKILL) at the n-th step of its journal or broadcast. See test_push_faults.

python push_worker.py PLACE NOW_S KILL_AT SECONDS; writes its clock, a line a second.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

import structlog

from tests.oracle.push.fault_world import FaultWorld, Place

BLOCK_S = 2


class Fuse:
    """Burns down by one before and after each step."""

    def __init__(self, length: int) -> None:
        self.left = length

    def burn(self) -> None:
        self.left -= 1
        if self.left <= 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def around(self, step: Callable[..., Any]) -> Callable[..., Any]:
        def plain(*args: Any, **kwargs: Any) -> Any:
            self.burn()
            made = step(*args, **kwargs)
            self.burn()
            return made

        return plain

    def around_async(self, step: Callable[..., Any]) -> Callable[..., Any]:
        async def plain(*args: Any, **kwargs: Any) -> Any:
            self.burn()
            made = await step(*args, **kwargs)
            self.burn()
            return made

        return plain


def tell(now_s: int) -> None:
    sys.stdout.write(f"{now_s}\n")
    sys.stdout.flush()


async def main(place: Place, now_s: int, kill_at: int, seconds: int) -> None:
    fuse = Fuse(kill_at)
    async with FaultWorld(place, now_s) as world:
        for name in ("add_push", "update_push", "add_refusal"):
            setattr(world.stores[0], name, fuse.around(getattr(world.stores[0], name)))
        world.clients[0].broadcast = fuse.around_async(world.clients[0].broadcast)  # type: ignore[method-assign]
        for second in range(seconds):
            await world.step(mine=second % BLOCK_S == 0, tick=tell)


if __name__ == "__main__":
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    asyncio.run(main(Place.of(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])))
