"""Tasks that must not die unnoticed: watched by name, restarted after a growing pause, counted."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping

import structlog

from oracle.runtime.schedule import Fatal

_log = structlog.get_logger("oracle.runtime.supervise")
_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 30.0


class Supervisor:
    """Keeps endless tasks alive until it is cancelled, or until one of them ends with a fault that is fatal.

    Args:
        tasks: what to run, by name; each call starts it again.
        sleep: waits some seconds.
    """

    def __init__(
        self,
        tasks: Mapping[str, Callable[[], Coroutine[None, None, None]]],
        *,
        sleep: Callable[[float], Coroutine[None, None, None]] = asyncio.sleep,
    ) -> None:
        self._tasks = dict(tasks)
        self._running: dict[str, asyncio.Task[None]] = {}
        self._group: asyncio.TaskGroup | None = None
        self._sleep = sleep
        self.restarts: Counter[str] = Counter(dict.fromkeys(tasks, 0))

    def change(self, tasks: Mapping[str, Callable[[], Coroutine[None, None, None]]]) -> None:
        """Run these from now on. One that is called the same and started by the same goes on; one that is gone is ended."""
        before, self._tasks = self._tasks, dict(tasks)
        self.restarts.update({name: 0 for name in tasks if name not in self.restarts})
        if self._group is None:
            return
        for name in [n for n in self._running if tasks.get(n) != before[n]]:
            self._running.pop(name).cancel()
        for name in [n for n in tasks if n not in self._running]:
            self._start(self._group, name)

    def _start(self, group: asyncio.TaskGroup, name: str) -> None:
        self._running[name] = group.create_task(self._keep(name, self._tasks[name]), name=name)

    async def run(self) -> None:
        """Run everything until cancelled.

        Raises:
            Fatal: what a task ended with.
        """
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                for name in self._tasks:
                    self._start(group, name)
        except* Fatal as e:
            fatal = e.exceptions[0]
        else:
            return
        finally:
            self._group = None
        raise fatal

    async def _keep(self, name: str, start: Callable[[], Coroutine[None, None, None]]) -> None:
        pause_s = _FIRST_PAUSE_S
        while True:
            try:
                await start()
            except (asyncio.CancelledError, Fatal):
                raise
            except Exception:  # noqa: BLE001 - the one place where any bug is caught: logged whole, counted, restarted
                _log.exception("a task failed; it is started again", task=name, in_s=pause_s)
            else:
                _log.error("a task ended that should never end; it is started again", task=name, in_s=pause_s)
            self.restarts[name] += 1
            await self._sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
