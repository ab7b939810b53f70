"""A process that pushes and kills itself (SIGKILL) at the n-th step of its journal or broadcast. See test_faults.

python push_worker.py PLACE NOW_S KILL_AT SECONDS; writes its clock, a line a second.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import structlog

from oracle.chain.rpc_answers import Broadcast
from oracle.chain.store_client import StoreClient
from oracle.model.publication import PushRow
from oracle.storage.database import Database
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

    @contextmanager
    def around(self) -> Iterator[None]:
        self.burn()
        yield
        self.burn()


class FusedDatabase(Database):
    """A database whose journal of pushes burns the fuse."""

    def __init__(self, path: Path, fuse: Fuse) -> None:
        super().__init__(path)
        self._fuse = fuse

    def add_push(self, row: PushRow) -> PushRow:
        with self._fuse.around():
            return super().add_push(row)

    def update_push(self, push_id: int, **changes: Any) -> None:
        with self._fuse.around():
            super().update_push(push_id, **changes)

    def add_refusal(self, at_ms: int, target: str, round_s: int, items: bytes, why: str, error: str) -> None:
        with self._fuse.around():
            super().add_refusal(at_ms, target, round_s, items, why, error)


class FusedClient(StoreClient):
    """A client whose broadcasts burn the fuse."""

    def __init__(self, *args: Any, fuse: Fuse, **options: Any) -> None:
        super().__init__(*args, **options)
        self._fuse = fuse

    async def broadcast(self, raw: bytes) -> Broadcast:
        with self._fuse.around():
            return await super().broadcast(raw)


def tell(now_s: int) -> None:
    sys.stdout.write(f"{now_s}\n")
    sys.stdout.flush()


async def main(place: Place, now_s: int, kill_at: int, seconds: int) -> None:
    fuse = Fuse(kill_at)
    database_class, client_class = partial(FusedDatabase, fuse=fuse), partial(FusedClient, fuse=fuse)
    async with FaultWorld(place, now_s, database_class=database_class, client_class=client_class) as world:
        for second in range(seconds):
            await world.step(mine=second % BLOCK_S == 0, tick=tell)


if __name__ == "__main__":
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    asyncio.run(main(Place.of(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])))
