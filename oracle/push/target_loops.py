"""The targets of a process as they run: each is looked at twice a second and after each round, and may be another one from one look to the next."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

from feeds.errors import LrtOracleError
from oracle.chain.store_client import Unfit
from oracle.config.tables.schema import ConfigError, Problem
from oracle.push.target import Target
from oracle.round.rounds import Round
from oracle.runtime.schedule import every

_TARGET_S = 0.5
"""Pause between two looks at a target; a new round ends it early."""
_LOOK_S = 30.0
"""So long a look that is under way is waited for."""


class TargetBusy(LrtOracleError, RuntimeError):
    """What a target has under way does not come to its end: it cannot be changed now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Loop:
    """The looks at the target of one name. ``looking``: held while one lasts."""

    name: str
    loops: TargetLoops
    news: asyncio.Event = field(default_factory=asyncio.Event)
    looking: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def run(self) -> None:
        """Look again and again, without end."""
        await every(_TARGET_S, self._look, lambda e: self.loops.failed(f"push {self.name}", e), self.news)

    async def _look(self) -> None:
        async with self.looking:
            target = self.loops.targets.get(self.name)
            if target is not None and self.loops.may_look():
                await target.tick()


class TargetLoops:
    """Looks at targets.

    Args:
        targets: by name. What is in it is looked at; it is filled anew where targets change.
        may_look: whether our time is believed, and rounds are made.
        failed: told of a look that failed, with the name of the job.
    """

    def __init__(
        self, targets: dict[str, Target], *, may_look: Callable[[], bool], failed: Callable[[str, Exception], None]
    ) -> None:
        self.targets, self.may_look, self.failed = targets, may_look, failed
        self._loops: dict[str, _Loop] = {}

    def _loop(self, name: str) -> _Loop:
        return self._loops.setdefault(name, _Loop(name=name, loops=self))

    async def start(self) -> None:
        """Connect to every store; one that contradicts the config stops the start.

        Raises:
            ConfigError: which, and why.
        """
        results = await asyncio.gather(*(t.start() for t in self.targets.values()), return_exceptions=True)
        problems = []
        for name, error in zip(self.targets, results, strict=True):
            if isinstance(error, Unfit):
                problems.append(Problem(f"targets.{name}", str(error)))
            elif error is not None:
                raise error
        if problems:
            raise ConfigError(problems)

    def tasks(self) -> Mapping[str, Callable[[], Coroutine[None, None, None]]]:
        """Endless tasks by name; that of a name stays the same, whichever target it is."""
        return {f"push {name}": self._loop(name).run for name in self.targets}

    def offer(self, done: Round, names: Iterable[str] | None = None) -> None:
        """A round was stored: have targets look at it; None for all."""
        for name in self.targets if names is None else names:
            if name in self.targets:
                self.targets[name].offer(done)
                self._loop(name).news.set()

    @asynccontextmanager
    async def at_rest(self, names: Iterable[str]) -> AsyncIterator[None]:
        """No look at these targets lasts, and none begins.

        Raises:
            TargetBusy: one does not come to its end.
        """
        async with AsyncExitStack() as held:
            for name in sorted(names):
                try:
                    async with asyncio.timeout(_LOOK_S):
                        await held.enter_async_context(self._loop(name).looking)
                except TimeoutError:
                    text = f"target {name} is busy with its chain for more than {_LOOK_S:g} s: try again"
                    raise TargetBusy(text) from None
            yield

    def replace(self, targets: Mapping[str, Target]) -> Callable[[], None]:
        """These are the targets from now on, in this order. Returns what takes it back."""
        before = dict(self.targets)

        def put(listed: Mapping[str, Target]) -> None:
            self.targets.clear()
            self.targets.update(listed)

        put(dict(targets))
        return lambda: put(before)
