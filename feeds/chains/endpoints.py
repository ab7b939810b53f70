"""Which endpoints of a chain are healthy: heads polled side by side, chain ids checked, stopped nodes left out."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any

import structlog

from feeds.chains.endpoint import Endpoint, EndpointState, Head, ReaderCounts, ReaderLimits
from feeds.chains.jsonrpc import BlockMissing, JsonRpc, quantity
from feeds.chains.quorum import highest_reached
from feeds.errors import Disagreed, FeedError, HeadStopped, Malformed, TimedOut, WrongChain
from feeds.units import MS

_log = structlog.get_logger(__name__)
_FAILS = "an endpoint fails while others of its chain answer"
_HASH_TEXT = 66
_LONGEST_QUARANTINE_MS = 86_400_000


class Endpoints:
    """The endpoints of one chain in the order of the config; the first healthy one is used.

    One that fails loses its place to the next for a while; one that was outvoted is not asked at all for longer. Where
    several must agree, the head is the newest block that as many of them have reached.

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
        counts: ReaderCounts,
    ) -> None:
        self._chain_id = chain_id
        self._all = [Endpoint(client) for client in clients]
        self._now_ms = now_ms
        self._limits = limits
        self._counts = counts
        self._active = self._all[0]
        self._told = set[str]()

    def states(self) -> tuple[EndpointState, ...]:
        """Snapshot of all, in the order of the config."""
        return tuple(e.state() for e in self._all)

    @property
    def active(self) -> Endpoint:
        """Whose head is used."""
        return self._active

    def ranked(self) -> list[Endpoint]:
        """Return the usable ones, the active one first; all that are not in quarantine if none is usable."""
        well = [e for e in self._trusted() if e.usable] or self._trusted()
        return sorted(well, key=lambda e: (e is not self._active, self._demerit(e)))

    def _trusted(self) -> list[Endpoint]:
        now_ms = self._now_ms()
        return [e for e in self._all if e.quarantined_until_ms <= now_ms] or self._all

    def _demerit(self, endpoint: Endpoint) -> int:
        return endpoint.demerit(self._now_ms(), self._limits.forget_ms) // 100

    async def poll(self) -> Head:
        """Ask every endpoint that is due for its newest block; return the head to use.

        Raises:
            HeadStopped: every endpoint that answers has stopped.
            FeedError: of the first endpoint, if none answers.
        """
        now = self._now_ms()
        due = [e for e in self._trusted() if e.retry_at_ms <= now] or self._trusted()
        tasks = {asyncio.create_task(self._ask(e)): e for e in due}
        try:
            await self._gather(tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        return self._choose(self._now_ms())

    async def _gather(self, tasks: dict[asyncio.Task[None], Endpoint]) -> None:
        """Await as many good answers as must agree, and the others for the grace; a later one has failed for now."""
        waiting = set(tasks)
        while waiting and sum(t.done() and tasks[t].error is None for t in tasks) < self._limits.agree:
            _, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        if waiting:
            _, waiting = await asyncio.wait(waiting, timeout=self._limits.grace_ms / MS)
        for task in waiting:
            checked = tasks[task].checked
            self.failed(tasks[task], TimedOut("slower than the others", endpoint=tasks[task].rpc.name))
            tasks[task].checked = checked  # late is not another node
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

    async def block(self, endpoint: Endpoint, which: int | str = "latest") -> Head:
        """Return the block of a number or tag (latest, safe, finalized); BlockMissing if there is none."""
        tag = hex(which) if isinstance(which, int) else which
        block = await self.request(endpoint, "eth_getBlockByNumber", (tag, False))
        if block is None:
            raise BlockMissing("no such block", endpoint=endpoint.rpc.name, block=tag)
        text = block.get("hash") if isinstance(block, dict) else None
        if not isinstance(text, str) or len(text) != _HASH_TEXT:
            raise Malformed("not a block", endpoint=endpoint.rpc.name)
        parent = block.get("parentHash")
        return Head(
            chain_id=self._chain_id,
            number=quantity(block.get("number")),
            block_hash=text,
            time_ms=quantity(block.get("timestamp")) * MS,
            parent_hash=parent if isinstance(parent, str) else "",
        )

    async def request(self, endpoint: Endpoint, method: str, params: tuple[Any, ...]) -> Any:
        """Send one request, counted and timed."""
        self._counts.requests += 1
        began_s = time.monotonic()
        answer = await endpoint.rpc.request(method, params)
        endpoint.answered((time.monotonic() - began_s) * MS)
        return answer

    def failed(self, endpoint: Endpoint, error: FeedError) -> None:
        """Note a failure; the chain id is asked again after it, for another node may answer next."""
        self._counts.failures += 1
        endpoint.error, endpoint.checked = error, False
        endpoint.blame(self._now_ms(), self._limits.forget_ms)
        pause = min(self._limits.retry_ms << min(endpoint.failures, 16), self._limits.max_retry_ms)
        endpoint.failures += 1
        endpoint.retry_at_ms = self._now_ms() + pause

    def outvoted(self, endpoint: Endpoint, error: Disagreed) -> None:
        """Name an endpoint that said something else than the majority, and leave it alone for long."""
        endpoint.lies += 1
        self._counts.lies += 1
        self.failed(endpoint, error)
        pause_ms = min(self._limits.quarantine_ms << min(endpoint.lies - 1, 16), _LONGEST_QUARANTINE_MS)
        endpoint.quarantined_until_ms = endpoint.retry_at_ms = self._now_ms() + pause_ms
        _log.error(
            "an endpoint was outvoted and is not asked any more for now", endpoint=endpoint.rpc.name, lies=endpoint.lies,
            why=str(error), pause_s=pause_ms // MS, advice=error.advice,
        )  # fmt: skip

    def _choose(self, now_ms: int) -> Head:
        newest = max((e.head.time_ms for e in self._all if e.head and not e.error), default=0)
        for e in self._all:
            e.stopped = self._stopped(e, now_ms, newest)
            e.polled(now_ms)
        well = [(e, e.head) for e in sorted(self._trusted(), key=self._demerit) if e.usable and e.head is not None]
        if well:
            self._tell()
            chosen, head = self._reached(well)
            self._counts.failovers += chosen is not self._active
            self._active = chosen
            return head
        raise next(e.stopped for e in self._all if e.stopped) if newest else self._first_error()

    def _tell(self) -> None:
        """Log which endpoints fail while others answer, and which no longer do."""
        for e in self._all:
            error, place = e.error or e.stopped, {"chain_id": self._chain_id, "endpoint": e.rpc.name}
            if error is not None:
                self._told.add(e.rpc.name)
                _log.warning(_FAILS, **place, why=str(error), advice=error.advice, fingerprint="endpoint fails")
            elif e.usable and e.rpc.name in self._told:
                self._told.discard(e.rpc.name)
                _log.warning("an endpoint answers again", **place, ends=_FAILS)

    def _reached(self, well: list[tuple[Endpoint, Head]]) -> tuple[Endpoint, Head]:
        """Return the first endpoint's head, or where several must agree the newest that as many have reached."""
        agree = self._limits.agree
        if agree == 1:
            return well[0]
        number = highest_reached((h.number for _, h in well), agree)
        if number is None:
            raise Disagreed("fewer endpoints are healthy than must agree", well=len(well), agree=agree)
        there = [(e, h) for e, h in well if h.number == number]
        hashes = [h.block_hash for _, h in there]
        return max(there, key=lambda pair: hashes.count(pair[1].block_hash))

    def _first_error(self) -> FeedError:
        return next(e.error for e in self._all if e.error)

    def _stopped(self, e: Endpoint, now_ms: int, newest_ms: int) -> FeedError | None:
        if e.head is None or e.error is not None:
            return None
        age, still = now_ms - e.head.time_ms, now_ms - e.moved_at_ms
        if still > self._limits.stall_ms or (age > self._limits.max_head_age_s * MS and e.head.time_ms < newest_ms):
            return HeadStopped(endpoint=e.rpc.name, block=e.head.number, age_ms=age, unchanged_ms=still)
        return None
