"""The chain reader: all contract reads of a round in one eth_call at one pinned block, whichever endpoint is healthy."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import chain
from typing import Any, TypeAlias

import aiohttp

from feeds.chains.abi import address, calldata
from feeds.chains.batch import Batch, CallPredictor
from feeds.chains.endpoint import EndpointState, Head, ReaderCounts, ReaderLimits
from feeds.chains.endpoints import Endpoints
from feeds.chains.jsonrpc import BlockMissing, JsonRpc
from feeds.chains.multicall import ADDRESS as MULTICALL3
from feeds.decode import abi_words
from feeds.errors import Disagreed, FeedError, Malformed
from feeds.types import Call, Quote, Read, Reply
from feeds.units import MS

_PHASES = 2
_Waiting: TypeAlias = dict[Any, tuple[Read, tuple[Call, ...]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainRead:
    """What was read, by the key of each read, and at which block: ``head`` may be one block before the one asked for."""

    head: Head
    results: Mapping[Any, Quote | FeedError]


@dataclass(frozen=True, slots=True, kw_only=True)
class RpcStats:
    """Counters since the start, and the endpoints as they stand.

    ``reorgs``: heads that replaced blocks already seen. ``earlier_blocks``: reads that had to step one block back.
    ``bugs``: adapters that broke on an answer instead of refusing it; each is a fault of this program. ``lies``: answers
    of an endpoint that were outvoted.
    """

    requests: int
    failures: int
    failovers: int
    splits: int
    earlier_blocks: int
    reorgs: int
    bugs: int
    lies: int
    endpoints: tuple[EndpointState, ...]


class ChainReader:
    """Reads one chain through its endpoints, the preferred one first.

    Args:
        chain_id: the chain every endpoint must serve.
        endpoints: their addresses.
        session: the HTTP session of the process.
        now_ms: the clock, Unix ms.
        limits: see ReaderLimits.
        multicall: where Multicall3 is on this chain.
    """

    def __init__(
        self,
        *,
        chain_id: int,
        endpoints: Sequence[str],
        session: aiohttp.ClientSession,
        now_ms: Callable[[], int],
        limits: ReaderLimits | None = None,
        multicall: str = MULTICALL3,
    ) -> None:
        if not endpoints:
            raise ValueError(f"chain {chain_id} has no endpoint: write at least one address")
        most = limits or ReaderLimits()
        clients = [JsonRpc(u, session=session, timeout_ms=most.timeout_ms, max_body=most.max_body) for u in endpoints]
        self._limits = most
        self._counts = ReaderCounts()
        self._endpoints = Endpoints(chain_id=chain_id, clients=clients, now_ms=now_ms, limits=most, counts=self._counts)
        self._clock = Call(to=address(multicall), data=calldata("getCurrentBlockTimestamp()"))
        self._predictor = CallPredictor()
        self._batch = Batch(self._endpoints, limits=most, counts=self._counts, multicall=multicall)

    @property
    def stats(self) -> RpcStats:
        """Snapshot of the counters and of the endpoints."""
        return RpcStats(**asdict(self._counts), endpoints=self._endpoints.states())

    async def head(self) -> Head:
        """Return the newest block of the first healthy endpoint.

        Raises:
            HeadStopped: every endpoint that answers has stopped.
            FeedError: of the first endpoint, if none answers.
        """
        return await self._endpoints.poll()

    async def block(self, which: int | str) -> Head:
        """Return the block of a number or a tag (``safe``, ``finalized``), as the first healthy endpoint knows it.

        Raises:
            FeedError: it does not answer, or knows no such block.
        """
        return await self._endpoints.block(self._endpoints.ranked()[0], which)

    async def first_replaced(self, known: Sequence[Head], head: Head) -> int | None:
        """Return the lowest of the blocks known that a new head does not stand on, None if it stands on all of them.

        Asks nothing in the usual case, that the new head is the child of the newest one known.

        Args:
            known: heads that were read, ascending.
            head: the new one.

        Raises:
            FeedError: the blocks could not be asked for.
        """
        lowest = None
        for old in reversed(known):
            if head.number == old.number + 1 and head.parent_hash == old.block_hash:
                break
            if head.number <= old.number:
                now_hash = head.block_hash if head.number == old.number else ""
            else:
                now_hash = (await self.block(old.number)).block_hash
            if now_hash == old.block_hash:
                break
            lowest = old.number
        return lowest

    async def read(self, head: Head, reads: Mapping[Any, Read]) -> ChainRead:
        """Run the adapters' reads at one block: the calls of all together, then once more for those that ask again.

        Second calls that are predicted go along with the first: where the adapter makes them, no second request is sent. A
        failure of any kind is the value of the sources it hit; nothing is raised.

        Args:
            head: the block to read at.
            reads: generators of :meth:`feeds.types.ChainAdapter.read`, fresh, by any key; a source keeps its key from read to read.
        """
        results: dict[Any, Quote | FeedError] = {}
        waiting: _Waiting = {}
        for key, read in reads.items():
            self._advance(key, read, None, waiting, results)
        ahead = self._predictor.predicted(waiting)
        for phase in range(_PHASES):
            if not waiting:
                break
            calls = tuple(chain.from_iterable(c + ahead.get(key, ()) for key, (_, c) in waiting.items()))
            if phase == 0 and self._limits.agree > 1:
                head, replies = await self._replies_and_time(head, calls)
            else:
                head, replies = await self._replies(head, calls, first=phase == 0)
            waiting, ahead = self._resume(waiting, replies, results, ahead), {}
            if phase == 0:
                self._predictor.learn((key, c) for key, (_, c) in waiting.items())
        for key, (read, _) in waiting.items():
            self._asked_too_often(key, read, results)
        return ChainRead(head=head, results=results)

    def _resume(
        self,
        waiting: _Waiting,
        replies: tuple[Reply, ...] | FeedError,
        results: dict[Any, Quote | FeedError],
        ahead: Mapping[Any, tuple[Call, ...]],
    ) -> _Waiting:
        again: _Waiting = {}
        at = 0
        for key, (read, calls) in waiting.items():
            if isinstance(replies, FeedError):
                read.close()
                results[key] = replies
                continue
            end = at + len(calls)
            self._advance(key, read, replies[at:end], again, results)
            at = end
            predicted = ahead.get(key)
            if predicted is not None:
                at += len(predicted)
                if key in again and again[key][1] == predicted:
                    del again[key]
                    third: _Waiting = {}
                    self._advance(key, read, replies[end:at], third, results)
                    if third:
                        self._asked_too_often(key, read, results)
        return again

    def _asked_too_often(self, key: Hashable, read: Read, results: dict[Any, Quote | FeedError]) -> None:
        read.close()
        results[key] = self._bug(f"asks more than {_PHASES} times")

    def _advance(
        self,
        key: Hashable,
        read: Read,
        replies: tuple[Reply, ...] | None,
        waiting: _Waiting,
        results: dict[Any, Quote | FeedError],
    ) -> None:
        try:
            waiting[key] = read, next(read) if replies is None else read.send(replies)
        except StopIteration as done:
            results[key] = done.value
        except FeedError as error:
            results[key] = error
        except Exception as error:  # noqa: BLE001 - the one boundary: an adapter's bug costs its own source only, counted
            results[key] = self._bug(_where(error))

    def _bug(self, what: str) -> FeedError:
        self._counts.bugs += 1
        return Malformed(f"a bug in the adapter: {what}")

    async def _replies_and_time(
        self, head: Head, calls: tuple[Call, ...]
    ) -> tuple[Head, tuple[Reply, ...] | FeedError]:
        """Replies at the head, whose time as many endpoints must state as the values.

        A head comes from a single endpoint, which could name an old block with the newest time.
        """
        read_at, replies = await self._replies(head, (self._clock, *calls), first=True)
        if isinstance(replies, FeedError):
            return read_at, replies
        try:
            time_ms = abi_words.uint_at(abi_words.returned(replies[0])) * MS
        except FeedError as error:
            return read_at, error
        if time_ms == read_at.time_ms:
            return read_at, replies[1:]
        liar = self._endpoints.active
        text = "its head states another time than the block that it names"
        lie = Disagreed(text, endpoint=liar.rpc.name, stated_ms=read_at.time_ms, time_ms=time_ms)
        self._endpoints.outvoted(liar, lie)
        return read_at, lie

    async def _replies(
        self, head: Head, calls: tuple[Call, ...], *, first: bool
    ) -> tuple[Head, tuple[Reply, ...] | FeedError]:
        """Replies at the head; in the first phase one block earlier if no endpoint has it any more or yet."""
        try:
            return head, await self._batch.replies(head, calls)
        except BlockMissing as error:
            if not first or head.number == 0:
                return head, error
        except FeedError as error:
            return head, error
        try:
            earlier = await self.block(head.number - 1)
            self._counts.earlier_blocks += 1
            return earlier, await self._batch.replies(earlier, calls)
        except FeedError as error:
            return head, error


def _where(error: Exception) -> str:
    """Return the kind of an exception and the line it came from."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return type(error).__name__
    file = trace.tb_frame.f_code.co_filename.replace("\\", "/").rpartition("/")[2]
    return f"{type(error).__name__} at {file}:{trace.tb_lineno}"
