"""News in a burst, worked on together: at once in a quiet moment, and with a rest after each work while there is much."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping

_NS = 1_000_000_000
_REST_PART = 2
"""A rest is so small a part of the work before it: a third of the time is left to others, however much news there is."""


class Coalescer:
    """Gathers keys that changed.

    The first news after a rest is worked on at once, together with what arrives in the same turn of the event loop. After that
    there is a rest in which news is gathered, half as long as the work was, so that much news costs fewer works and not the whole
    loop.

    Args:
        pause_s: the longest rest.
        work: takes the keys, each with the moment of its first change (ns of ``now_ns``).
        now_ns: a clock that does not go back.
    """

    def __init__(
        self,
        pause_s: float,
        work: Callable[[Mapping[str, int]], None],
        now_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._pause_ns, self._work, self._now_ns = round(pause_s * _NS), work, now_ns
        self._changed_ns: dict[str, int] = {}
        self._wake = asyncio.Event()
        self._rested_ns = now_ns()

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
            await asyncio.sleep(max(0, self._rested_ns - self._now_ns()) / _NS)
            self._wake.clear()
            changed_ns, self._changed_ns = self._changed_ns, {}
            began_ns = self._now_ns()
            try:
                self._work(changed_ns)
            finally:
                ended_ns = self._now_ns()
                self._rested_ns = ended_ns + min(self._pause_ns, (ended_ns - began_ns) // _REST_PART)
