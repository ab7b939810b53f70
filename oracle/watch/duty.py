"""What a watch does beside hearing: reads chains, writes what was heard, proves. Endless tasks for whoever runs them."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from functools import partial

import structlog

from feeds.units import MS
from oracle.chain.quorum_rpc import ChainError
from oracle.chain.store_reads import StoreReads
from oracle.runtime.log_limit import LogBudget
from oracle.runtime.schedule import every
from oracle.watch.chain_words import ChainWords
from oracle.watch.endpoint_words import EndpointWords
from oracle.watch.prover import Prover
from oracle.watch.watcher import Watcher

_LOOK_S, _PROVE_S, _FLUSH_S, _KEYS_S, _ENDPOINT_S = 4.0, 1.0, 2.0, 12.0, 4.0
_log = structlog.get_logger("oracle.watch.duty")


class WatchDuty:
    """The tasks of a watch.

    Args:
        watcher: hears.
        stores: reads of every target's store, by its name.
        chains: the same followed.
        prover: of what is found; None: evidence is kept only.
        close_prover: closes its connections.
        endpoints: public ones of operators, whose sealed rounds are compared.
        keep_s: words of older rounds are forgotten, seconds.
        now_ms: the clock.
    """

    def __init__(
        self,
        watcher: Watcher,
        stores: Sequence[StoreReads],
        chains: Mapping[str, ChainWords],
        prover: Prover | None,
        *,
        close_prover: Callable[[], Awaitable[None]] | None = None,
        endpoints: Sequence[EndpointWords] = (),
        keep_s: int,
        now_ms: Callable[[], int],
    ) -> None:
        self.watcher, self.chains, self.prover, self.endpoints = watcher, chains, prover, tuple(endpoints)
        self._stores, self._close_prover, self._keep_s, self._now_ms = tuple(stores), close_prover, keep_s, now_ms
        self._told = LogBudget()

    def tasks(self, failed: Callable[[str, Exception], None]) -> dict[str, Callable[[], Coroutine[None, None, None]]]:
        """By name. ``failed``: called with the name of a task, and what one run of it ended with."""
        works: dict[str, tuple[float, Callable[[], Awaitable[None]]]] = {
            "watch: words": (_FLUSH_S, self.keep),
            **{f"watch: {name}": (_LOOK_S, chain.look) for name, chain in self.chains.items()},
        }
        works |= {f"watch: endpoint {e.name}": (_ENDPOINT_S, e.look) for e in self.endpoints}
        if self.prover is not None:
            works["watch: proofs"] = (_PROVE_S, self.prover.tick)
            works["watch: keys"] = (_KEYS_S, self.learn_keys)
        return {
            name: partial(every, pause_s, partial(self._told_once, name, work), partial(failed, name))
            for name, (pause_s, work) in works.items()
        }

    @property
    def proves(self) -> bool:
        """Whether what is found is proven from here."""
        return self.prover is not None and self.prover.pays

    async def look(self) -> tuple[str, ...]:
        """Everything once, in order; the chains that could not be read to their heads."""
        unread = tuple([name for name, chain in self.chains.items() if not await self._done(name, chain.look)])
        for endpoint in self.endpoints:
            await endpoint.look()
        await self.keep()
        if self.prover is not None:
            await self._told_once("keys", self.learn_keys)
            await self._told_once("proofs", self.prover.tick)
        return unread

    async def learn_keys(self) -> None:
        """Ask whose the keys are that were heard."""
        if self.prover is not None:
            self.watcher.learn(await self.prover.operators(self.watcher.keys))

    async def keep(self) -> None:
        """Write what was heard; forget what is too old to be proven."""
        self.watcher.flush()
        self.watcher.rows.prune(self._now_ms() // MS - self._keep_s)

    async def close(self) -> None:
        """Write what was heard, if that can be written, and close the connections."""
        try:
            self.watcher.flush()
        except sqlite3.Error as e:
            _log.error("what was heard last is lost: the database cannot be written", error=repr(e))
        await asyncio.gather(*(s.close() for s in self._stores), *(e.close() for e in self.endpoints))
        if self._close_prover is not None:
            await self._close_prover()

    async def _told_once(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        await self._done(name, work)

    async def _done(self, name: str, work: Callable[[], Awaitable[None]]) -> bool:
        """Whether it was done. A chain that does not answer is told once a minute; the next run goes on from there."""
        try:
            await work()
        except ChainError as e:
            if (more := self._told.more(name)) is not None:
                _log.warning("the watch cannot use a chain", of=name, why=str(e)[:300], more_since_the_last_line=more)
            return False
        return True
