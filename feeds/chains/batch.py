"""Calls of many adapters as few eth_calls through Multicall3, at one block, over whichever endpoint answers."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Hashable, Iterable
from itertools import chain
from typing import Any, TypeAlias

from feeds.chains.abi import address
from feeds.chains.agreement import agreed_answer
from feeds.chains.endpoint import Endpoint, Head, ReaderCounts, ReaderLimits
from feeds.chains.endpoints import Endpoints
from feeds.chains.jsonrpc import BlockMissing, TooMuch
from feeds.chains.multicall import pack, packed_size, unpack
from feeds.errors import FeedError, Malformed, NoData, Refused, Reverted, TooLarge
from feeds.types import Call, Reply

_MEMO = 16
_LEAST_CALLS = 64
_Replies: TypeAlias = tuple[Reply, ...]


class Batch:
    """Sends calls in as few requests as the limits allow, and in halves where an endpoint finds them too much.

    Args:
        endpoints: asked in their order until one answers.
        limits: see ReaderLimits.
        counts: where splits are counted.
        multicall: where Multicall3 is on this chain.
    """

    def __init__(self, endpoints: Endpoints, *, limits: ReaderLimits, counts: ReaderCounts, multicall: str) -> None:
        self._endpoints = endpoints
        self._limits = limits
        self._counts = counts
        self._multicall = "0x" + address(multicall).hex()
        self._most_calls = limits.max_calls
        self._memo: list[tuple[tuple[Call, ...], str]] = []
        self._cuts: list[tuple[tuple[Call, ...], list[tuple[Call, ...]]]] = []

    async def replies(self, head: Head, calls: tuple[Call, ...]) -> _Replies:
        """Replies to all calls, in their order.

        Raises:
            BlockMissing: no endpoint has the block.
            FeedError: no endpoint answers, or there is no Multicall3 in the block.
        """
        return await _joined(self._part(head, part) for part in self._parts(calls))

    def _parts(self, calls: tuple[Call, ...]) -> list[tuple[Call, ...]]:
        """Cut where the limits ask for it; calls asked each round are measured once."""
        for known, parts in self._cuts:
            if known == calls:
                return parts
        parts = self._cut(calls)
        self._cuts = [(calls, parts), *self._cuts[: _MEMO - 1]]
        return parts

    def _cut(self, calls: tuple[Call, ...]) -> list[tuple[Call, ...]]:
        parts, start, size = [], 0, 0
        for i, call in enumerate(calls):
            size += packed_size(call)
            if i > start and (i - start >= self._most_calls or size > self._limits.max_calldata):
                parts.append(calls[start:i])
                start, size = i, packed_size(call)
        return [*parts, calls[start:]]

    async def _part(self, head: Head, calls: tuple[Call, ...]) -> _Replies:
        """Replies of one eth_call, in halves if it is too much for the endpoint; a single call keeps its error."""
        try:
            return self._unpacked(await self._eth_call(head, self._packed(calls)), len(calls))
        except (TooMuch, TooLarge) as error:
            if len(calls) == 1:
                return (error,)
        self._counts.splits += 1
        half = len(calls) // 2
        replies = await _joined(self._part(head, part) for part in (calls[:half], calls[half:]))
        if not any(isinstance(r, TooMuch | TooLarge) for r in replies):
            self._most_calls, self._cuts = min(self._most_calls, max(half, _LEAST_CALLS)), []
        return replies

    def _unpacked(self, data: bytes, count: int) -> _Replies:
        if not data:
            raise Refused(
                "no Multicall3 has code at this address in this block: deploy it, or set the chain's own address",
                multicall=self._multicall,
            )
        return unpack(data, count)

    def _packed(self, calls: tuple[Call, ...]) -> str:
        """Return the calldata as text; calls asked each round are packed once."""
        for known, text in self._memo:
            if known == calls:
                return text
        text = "0x" + pack(calls).hex()
        self._memo = [(calls, text), *self._memo[: _MEMO - 1]]
        return text

    async def _eth_call(self, head: Head, data: str) -> bytes:
        """Ask one endpoint after the other; a missing block is asked for twice."""
        if self._limits.agree > 1:
            return await agreed_answer(self._endpoints, self._limits.agree, lambda e: self._ask(e, head, data))
        error: FeedError = NoData("no endpoint")
        for endpoint in self._endpoints.ranked():
            try:
                return await self._ask(endpoint, head, data)
            except (TooMuch, TooLarge, Reverted):
                raise
            except BlockMissing as missing:
                error = missing
            except FeedError as failure:
                error = failure if not isinstance(error, BlockMissing) else error
                self._endpoints.failed(endpoint, failure)
        raise error

    async def _ask(self, endpoint: Endpoint, head: Head, data: str) -> bytes:
        block: dict[str, str | bool] = {"blockHash": head.block_hash}
        if self._limits.require_canonical:
            block["requireCanonical"] = True
        call = {"to": self._multicall, "data": data}
        if self._limits.gas:
            call["gas"] = hex(self._limits.gas)
        try:
            answer = await self._endpoints.request(endpoint, "eth_call", (call, block))
        except BlockMissing:
            await asyncio.sleep(self._limits.missing_ms / 1_000)
            answer = await self._endpoints.request(endpoint, "eth_call", (call, block))
        return _bytes(endpoint, answer)


class CallPredictor:
    """Which calls a source will make once it has its first replies: those that it made in the last two reads alike."""

    def __init__(self) -> None:
        self._last: dict[Any, tuple[tuple[Call, ...], bool]] = {}

    def predicted(self, sources: Iterable[Hashable]) -> dict[Any, tuple[Call, ...]]:
        """Return the calls predicted, by source; those that change from block to block are not."""
        entries = ((source, self._last.get(source)) for source in sources)
        return {source: entry[0] for source, entry in entries if entry is not None and entry[1]}

    def learn(self, made: Iterable[tuple[Any, tuple[Call, ...]]]) -> None:
        """Note the calls of sources that were not predicted."""
        for source, calls in made:
            before = self._last.get(source)
            self._last[source] = calls, before is not None and before[0] == calls


def _bytes(endpoint: Endpoint, answer: Any) -> bytes:
    if isinstance(answer, str) and answer.startswith("0x"):
        try:
            return bytes.fromhex(answer[2:])
        except ValueError:
            pass
    raise Malformed("eth_call answered no bytes", endpoint=endpoint.rpc.name)


async def _joined(parts: Iterable[Coroutine[Any, Any, _Replies]]) -> _Replies:
    """Run the parts side by side; the first error is raised once all have ended."""
    done = await asyncio.gather(*parts, return_exceptions=True)
    for part in done:
        if isinstance(part, BaseException):
            raise part
    return tuple(chain.from_iterable(p for p in done if not isinstance(p, BaseException)))
