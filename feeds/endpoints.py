"""Which endpoint of a chain is well: heads polled side by side, chain ids checked, stopped nodes left out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from feeds.endpoint import Counts, Endpoint, EndpointState, Head, ReaderLimits
from feeds.jsonrpc import BlockMissing, JsonRpc, quantity
from feeds.types import FeedError, HeadStopped, Malformed, TimedOut, WrongChain

_HASH_TEXT = 66


class Endpoints:
    """The endpoints of one chain in the order of the config; the first that is well is used.

    Args:
        chain_id: the chain every endpoint must serve.
        clients: one for each address.
        now_ms: the clock.
        limits: see ReaderLimits.
        counts: where requests, failures, failovers and reorgs are counted.
    """

    def __init__(
        self,
        *,
        chain_id: int,
        clients: Sequence[JsonRpc],
        now_ms: Callable[[], int],
        limits: ReaderLimits,
        counts: Counts,
    ) -> None:
        self._chain_id = chain_id
        self._all = [Endpoint(client) for client in clients]
        self._now_ms = now_ms
        self._limits = limits
        self._counts = counts
        self._active = self._all[0]

    def states(self) -> tuple[EndpointState, ...]:
        """Snapshot of all, in the order of the config."""
        return tuple(e.state() for e in self._all)

    def ranked(self) -> list[Endpoint]:
        """Return the usable ones, the active one first; all of them if none is usable."""
        well = [e for e in self._all if e.usable] or self._all
        return sorted(well, key=lambda e: e is not self._active)

    async def poll(self) -> Head:
        """Ask every endpoint that is due for its newest block; return the head to use.

        Raises:
            HeadStopped: every endpoint that answers has stopped.
            FeedError: of the first endpoint, if none answers.
        """
        now = self._now_ms()
        due = [e for e in self._all if e.retry_at_ms <= now] or self._all
        tasks = {asyncio.create_task(self._ask(e)): e for e in due}
        try:
            await self._gather(tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        return self._choose(self._now_ms())

    async def _gather(self, tasks: dict[asyncio.Task[None], Endpoint]) -> None:
        """Await the first good answer, and the others for the grace; who is later has failed for now."""
        waiting = set(tasks)
        while waiting and not any(t.done() and tasks[t].error is None for t in tasks):
            _, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        if waiting:
            _, waiting = await asyncio.wait(waiting, timeout=self._limits.grace_ms / 1_000)
        for task in waiting:
            self.failed(tasks[task], TimedOut("slower than the others", endpoint=tasks[task].rpc.name))
        for task in set(tasks) - waiting:
            task.result()

    async def _ask(self, endpoint: Endpoint) -> None:
        try:
            if not endpoint.checked:
                await self._check_chain(endpoint)
            head = await self.block(endpoint)
            if endpoint.accept(head, self._now_ms()):
                self._counts.reorgs += 1
                await self._check_chain(endpoint)
        except FeedError as error:
            self.failed(endpoint, error)

    async def _check_chain(self, endpoint: Endpoint) -> None:
        served = quantity(await self.request(endpoint, "eth_chainId", ()))
        if served != self._chain_id:
            raise WrongChain(endpoint=endpoint.rpc.name, expected=self._chain_id, served=str(served)[:20])
        endpoint.checked = True

    async def block(self, endpoint: Endpoint, number: int | None = None) -> Head:
        """Return the newest block, or the one of that number; BlockMissing if there is none."""
        tag = "latest" if number is None else hex(number)
        found = await self.request(endpoint, "eth_getBlockByNumber", (tag, False))
        if found is None:
            raise BlockMissing("no such block", endpoint=endpoint.rpc.name, block=tag)
        text = found.get("hash") if isinstance(found, dict) else None
        if not isinstance(text, str) or len(text) != _HASH_TEXT:
            raise Malformed("not a block", endpoint=endpoint.rpc.name)
        parent = found.get("parentHash")
        return Head(
            chain_id=self._chain_id,
            number=quantity(found.get("number")),
            block_hash=text,
            time_ms=quantity(found.get("timestamp")) * 1_000,
            parent_hash=parent if isinstance(parent, str) else "",
        )

    async def request(self, endpoint: Endpoint, method: str, params: tuple[Any, ...]) -> Any:
        """Send one request, counted."""
        self._counts.requests += 1
        return await endpoint.rpc.request(method, params)

    def failed(self, endpoint: Endpoint, error: FeedError) -> None:
        """Note a failure; the chain id is asked again after it, for another node may answer next."""
        self._counts.failures += 1
        endpoint.error, endpoint.checked = error, False
        pause = min(self._limits.retry_ms << min(endpoint.failures, 16), self._limits.max_retry_ms)
        endpoint.failures += 1
        endpoint.retry_at_ms = self._now_ms() + pause

    def _choose(self, now_ms: int) -> Head:
        newest = max((e.head.time_ms for e in self._all if e.head and not e.error), default=0)
        for e in self._all:
            e.stopped = self._stopped(e, now_ms, newest)
        for e in self._all:
            if e.usable and e.head is not None:
                self._counts.failovers += e is not self._active
                self._active = e
                return e.head
        raise next(e.stopped for e in self._all if e.stopped) if newest else self._first_error()

    def _first_error(self) -> FeedError:
        return next(e.error for e in self._all if e.error)

    def _stopped(self, e: Endpoint, now_ms: int, newest_ms: int) -> FeedError | None:
        if e.head is None or e.error is not None:
            return None
        age, still = now_ms - e.head.time_ms, now_ms - e.moved_at_ms
        if still > self._limits.stall_ms or (age > self._limits.max_head_age_ms and e.head.time_ms < newest_ms):
            return HeadStopped(endpoint=e.rpc.name, block=e.head.number, age_ms=age, unchanged_ms=still)
        return None
