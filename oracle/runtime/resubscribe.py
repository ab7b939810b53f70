"""The sources while the process runs: subscribed anew when our time was set, for what came before bears times that are not true."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from feeds.ingest import Ingest
from feeds.observe import Observer
from oracle.runtime.supervise import Supervisor


class Resubscriber:
    """Keeps an observer filled.

    Args:
        observer: the newest value of every source.
        build: makes the streams and readers that fill it.

    Attributes:
        ingest: the streams and readers as they run; None before.
    """

    def __init__(self, observer: Observer, build: Callable[[], Ingest]) -> None:
        self.ingest: Ingest | None = None
        self._observer, self._build = observer, build
        self._again = asyncio.Event()
        self._supervisor: Supervisor | None = None

    def change(self) -> None:
        """What is read is not what it was: begin to read what is new in it, and end what is gone from it."""
        if self.ingest is not None and self._supervisor is not None:
            self._supervisor.change(self.ingest.tasks())

    def restart(self) -> None:
        """Forget everything, and subscribe to all sources again."""
        self._again.set()

    async def run(self) -> None:
        """Run until cancelled."""
        while True:
            self._again.clear()
            self.ingest = self._build()
            self._supervisor = Supervisor(self.ingest.tasks())
            tasks = asyncio.create_task(self._supervisor.run())
            again = asyncio.create_task(self._again.wait())
            try:
                await asyncio.wait({tasks, again}, return_when=asyncio.FIRST_COMPLETED)
                if tasks.done():
                    tasks.result()
            finally:
                for task in (tasks, again):
                    task.cancel()
                await asyncio.gather(tasks, again, return_exceptions=True)
            self._observer.forget()
