"""News in a burst, worked on once: what changed is gathered for a moment, and then handed over together."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping


class Coalescer:
    """Gathers keys that changed.

    Args:
        pause_s: for how long after the first one.
        work: takes them, each with the moment of its first change (ns of ``now_ns``).
        now_ns: a clock that does not go back.
    """

    def __init__(
        self,
        pause_s: float,
        work: Callable[[Mapping[str, int]], None],
        now_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._pause_s, self._work, self._now_ns = pause_s, work, now_ns
        self._changed_ns: dict[str, int] = {}
        self._wake = asyncio.Event()

    def add(self, keys: Iterable[str]) -> None:
        """These have changed."""
        now_ns = self._now_ns()
        for key in keys:
            self._changed_ns.setdefault(key, now_ns)
        if self._changed_ns:
            self._wake.set()

    async def run(self) -> None:
        """Run until cancelled."""
        while True:
            await self._wake.wait()
            await asyncio.sleep(self._pause_s)
            self._wake.clear()
            changed_ns, self._changed_ns = self._changed_ns, {}
            self._work(changed_ns)
