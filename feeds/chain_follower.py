"""Follow: one chain, read once for each new head, as far as its sources want certainty, and the blocks it took back."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Hashable, Mapping, Sequence
from dataclasses import dataclass

import aiohttp
import structlog

from feeds.chains.endpoint import Head, ReaderLimits
from feeds.chains.heads import Heads
from feeds.chains.pool_history import BLOCKS, SAMPLE_BLOCKS
from feeds.chains.reader import ChainRead, ChainReader
from feeds.chains.sequencer import Sequencer
from feeds.errors import (
    Disagreed,
    FeedError,
    HeadStopped,
    RateLimited,
    Refused,
    SequencerDown,
    TimedOut,
    Unreachable,
)
from feeds.observe import Block, Observer, Source, SourceKey
from feeds.types import Kind, Quote, Read
from feeds.units import MS

_log = structlog.get_logger(__name__)
_HEADS = 128
_SEQUENCER = "sequencer"
_SEQUENCER_ERRORS = 2
_LEAST_PAUSE_MS = 200
_LOST = (TimedOut, Unreachable, RateLimited, Refused, HeadStopped, Disagreed)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainPlan:
    """How a chain is read. ``announcers``: WebSocket endpoints that announce new heads; between them it is polled."""

    chain_id: int
    endpoints: tuple[str, ...]
    multicall: str
    poll_ms: int
    limits: ReaderLimits
    announcers: tuple[str, ...] = ()
    sequencer: Sequencer | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestHooks:
    """What is called when something comes in: feeds with news, times that venues state, heads, reorganisations."""

    on_news: Callable[[frozenset[str]], None]
    on_stated: Callable[[str, int, int], None]
    on_date: Callable[[str, int, int], None]
    on_head: Callable[[str, Head, ChainRead], None]
    on_reorg: Callable[[str, int, int], None]


class Follower:
    """Reads all sources of one chain.

    Args:
        chain: its name in the config.
        plan: how it is read.
        sources: those on this chain, each with an adapter.
        observer: the tables to fill.
        session: the process's one HTTP session.
        now_ms: the clock.
        hooks: what to call.
        before: read this chain until now, with other sources or in another way: what it knows of heads and pools goes on.
    """

    def __init__(
        self,
        chain: str,
        plan: ChainPlan,
        sources: Sequence[Source],
        observer: Observer,
        *,
        session: aiohttp.ClientSession,
        now_ms: Callable[[], int],
        hooks: IngestHooks,
        before: Follower | None = None,
    ) -> None:
        self._chain, self._plan, self._observer, self._hooks = chain, plan, observer, hooks
        self._sources = {b: [s for s in sources if s.block is b] for b in Block}
        self._read_at: dict[Block, str] = {}
        self._known_heads: deque[Head] = deque(maxlen=_HEADS)
        self._announced = asyncio.Event()
        self._sequencer_errors = _SEQUENCER_ERRORS - 1
        self._is_failing = False
        self._known_pools: set[SourceKey] = set()
        self.heads: Heads | None = None
        if plan.announcers:
            self.heads = Heads(
                chain,
                plan.announcers,
                session=session,
                on_head=self._announced.set,
                stall_ms=plan.limits.stall_ms,
            )
        self.reader = ChainReader(
            chain_id=plan.chain_id,
            endpoints=plan.endpoints,
            session=session,
            now_ms=now_ms,
            limits=plan.limits,
            multicall=plan.multicall,
        )
        if before is not None:
            self._go_on_from(before)

    def _go_on_from(self, before: Follower) -> None:
        """Know what was known of the same chain, but for what was read last: all sources are read at the next look."""
        if before._plan.chain_id != self._plan.chain_id:
            return
        self._known_pools |= before._known_pools & {s.key for s in self._all() if s in before._all()}
        self._sequencer_errors = before._sequencer_errors
        self._known_heads.extend(list(before._known_heads)[:-1])
        if before._plan == self._plan:
            self.reader = before.reader

    def _all(self) -> list[Source]:
        return [s for listed in self._sources.values() for s in listed]

    def tasks(self) -> Mapping[str, Callable[[], Coroutine[None, None, None]]]:
        """Endless tasks by name."""
        out: dict[str, Callable[[], Coroutine[None, None, None]]] = {f"chain {self._chain}": self.run}
        if self.heads is not None:
            out[f"heads {self._chain}"] = self.heads.run
        return out

    async def run(self) -> None:
        """Read each new head, without end."""
        if self._plan.sequencer is None:
            self._observer.put_sequencer(self._chain, None)
        while True:
            self._announced.clear()
            try:
                await self._read_newest()
                if self._is_failing:
                    self._is_failing = False
                    _log.warning("chain is read again", chain=self._chain, ends="chain not readable")
            except FeedError as error:
                self._is_failing = True
                self._observer.put_chain_error(self._chain, error)
                _log.warning("chain not readable", chain=self._chain, why=str(error), advice=error.advice,
                             fingerprint=error.code)  # fmt: skip
            await self._pause()

    async def _pause(self) -> None:
        """Wait for the next announcement, but no longer than the polling interval, nor shorter than the least pause."""
        if self.heads is not None:
            await asyncio.sleep(min(_LEAST_PAUSE_MS, self._plan.poll_ms) / MS)
        try:
            async with asyncio.timeout(self._plan.poll_ms / MS):
                await self._announced.wait()
        except TimeoutError:
            return

    async def _read_newest(self) -> None:
        head = await self.reader.head()
        if head.block_hash in {h.block_hash for h in self._known_heads}:
            return  # seen, or behind what was seen: an endpoint that lags is no reorganisation
        await self._preload_pools(head)
        read = await self._read(Block.LATEST, head)
        await self._note_head(head)
        self._hooks.on_head(self._chain, read.head, read)
        for block in (Block.SAFE, Block.FINALIZED):
            if self._sources[block]:
                certain = await self.reader.block(block.value)
                if self._read_at.get(block) != certain.block_hash:
                    await self._read(block, certain)

    async def _preload_pools(self, head: Head) -> None:
        """Read each pool at earlier blocks, once, so that depth rented for the start does not count whole.

        A chain younger than that has no such blocks. Where a node keeps no old state, a part of the depth counts until the pools
        have shown it.
        """
        pools = [s for s in self._all() if s.kind is Kind.MARKET and s.key not in self._known_pools]
        self._known_pools.update(s.key for s in pools)
        if not pools or head.number < BLOCKS:
            return
        samples: list[ChainRead] = []
        for number in range(head.number - SAMPLE_BLOCKS, head.number - BLOCKS - 1, -SAMPLE_BLOCKS):
            try:
                read = await self.reader.read(await self.reader.block(number), _reads(pools))
            except FeedError as error:
                lost: FeedError | None = error
            else:
                lost = _lost(read)
            if lost is not None:
                _log.warning(
                    "no older blocks: a part of the pools' depth counts until they have shown it", chain=self._chain,
                    block=number, why=str(lost), advice=f"use an endpoint that keeps the state of {BLOCKS} blocks",
                )  # fmt: skip
                break
            samples.append(read)
        self._observer.preload_pools([s.key for s in pools], reversed(samples))

    async def _note_head(self, head: Head) -> None:
        """Remember a head, and report the blocks that it replaced. A failure to find them costs no read."""
        try:
            first = await self.reader.first_replaced(tuple(self._known_heads), head)
        except FeedError as error:
            first = None
            _log.warning("replaced blocks are not known", chain=self._chain, why=str(error), advice=error.advice)
        if first is not None and self._known_heads:
            self._hooks.on_reorg(self._chain, first, self._known_heads[-1].number)
            while self._known_heads and self._known_heads[-1].number >= first:
                self._known_heads.pop()
        self._known_heads.append(head)

    async def _read(self, block: Block, head: Head) -> ChainRead:
        sources = self._sources[block]
        reads = _reads(sources)
        if block is Block.LATEST and self._plan.sequencer is not None:
            reads[_SEQUENCER] = self._plan.sequencer.read_at(head.time_ms)
        read = await self.reader.read(head, reads)
        if _SEQUENCER in read.results:
            self._note_sequencer(read.results[_SEQUENCER])
            read = ChainRead(head=read.head, results={n: r for n, r in read.results.items() if n != _SEQUENCER})
        if (lost := _lost(read)) is not None:
            raise lost  # nothing came: what was read before goes on ageing, and this head is asked again
        self._observer.put_read(self._chain, read)
        self._read_at[block] = head.block_hash
        self._hooks.on_news(frozenset(s.feed for s in sources))
        return read

    def _note_sequencer(self, result: Quote | FeedError) -> None:
        """An uptime feed that fails twice running, or before it ever answered, is taken for a sequencer that is down."""
        if isinstance(result, FeedError) and not isinstance(result, SequencerDown):
            self._sequencer_errors += 1
            if self._sequencer_errors >= _SEQUENCER_ERRORS:
                self._observer.put_sequencer(self._chain, SequencerDown(f"its uptime feed fails: {result}"))
            return
        self._sequencer_errors = 0
        self._observer.put_sequencer(self._chain, result if isinstance(result, SequencerDown) else None)


def _reads(sources: Sequence[Source]) -> dict[Hashable, Read]:
    return {s.key: s.adapter.read() for s in sources if s.adapter is not None}


def _lost(read: ChainRead) -> FeedError | None:
    """Why nothing at all was read; None if something was."""
    lost = [r for r in read.results.values() if isinstance(r, _LOST)]
    return lost[0] if lost and len(lost) == len(read.results) else None
