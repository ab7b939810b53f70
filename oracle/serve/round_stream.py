"""The stream of sealed rounds: each reader goes through the stored rounds at its own pace, and then waits for the next one.

A reader has a place in the order of storing and nothing is queued for it, so that one that is slow costs no memory and one that
comes again with the last id it has goes on without a gap. Readers at the same place share what is read for them.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from functools import partial

from aiohttp import hdrs, web

from oracle.serve.error_codes import ErrorCode
from oracle.serve.events import HEARTBEAT, StreamLimits, limit_send_buffer
from oracle.serve.interface import PriceInterface, Update
from oracle.serve.round_documents import RoundFrame, first_place, frames_after
from oracle.serve.web import HttpProblem, Query

MOST_ROUNDS = 10_000
"""Of one connection: more than a day of rounds ten seconds apart. A reader that wants more comes again with its last id."""
_AT_ONCE = 32
_SHARED = 64
"""Answers that are kept for other readers at the same place."""
_TRIES, _PAUSE_S = 5, 1.0
_LAST_EVENT_ID = "Last-Event-ID"
_ROUND_DIGITS, _LAST_ROUND_S = 10, (1 << 32) - 1


def round_frame(frame: RoundFrame) -> bytes:
    """One event: its id is the round."""
    return b"id: %d\nevent: round\ndata: %b\n\n" % (frame.round_time_s, frame.data)


class RoundStream:
    """All readers of sealed rounds.

    Args:
        service: whose rounds.
        limits: of the stream and of each reader.
    """

    def __init__(self, service: PriceInterface, limits: StreamLimits) -> None:
        self._service, self._limits = service, limits
        self._news = asyncio.Event()
        self._version = 0
        self._shared: OrderedDict[tuple[str, int], asyncio.Task[list[RoundFrame]]] = OrderedDict()
        self._readers: set[asyncio.Transport | None] = set()
        self._count = 0
        self._closing = False
        service.subscribe(self._on_update)

    def __len__(self) -> int:
        return self._count

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Run one reader's stream until either side ends it.

        Raises:
            HttpProblem: 400, the place to begin at is none; 503, there are too many readers or the server is closing.
        """
        target, after_s = self._asked(request)
        if self._closing or self._count >= self._limits.readers:
            text = f"{self._count} readers are connected, which is the limit"
            raise HttpProblem(503, ErrorCode.NO_STREAM, text, "try again later, or ask another operator or node")
        self._count += 1
        try:
            read = partial(first_place, target=target, after_s=after_s)
            place = await self._service.read_stored(read)
            headers = {hdrs.CACHE_CONTROL: "no-store", hdrs.CONTENT_TYPE: "text/event-stream"}
            response = web.StreamResponse(headers=headers)
            await response.prepare(request)
            limit_send_buffer(request.transport)
            self._readers.add(request.transport)
            await self._send_all(request, response, target, *place)
        except ConnectionError:
            return response
        finally:
            self._count -= 1
            self._readers.discard(request.transport)
        return response

    async def close(self) -> None:
        """End every stream; a reader that has not taken the end within the grace is disconnected."""
        self._closing = True
        self._wake()
        waited = 0.0
        while self._count and waited < self._limits.grace_s:
            await asyncio.sleep(0.01)
            waited += 0.01
        for transport in tuple(self._readers):
            if transport is not None:
                transport.abort()

    def _asked(self, request: web.Request) -> tuple[str, int | None]:
        """Whose rounds, and after which one. A browser that connects again says so in a header, whatever its address says."""
        query, names = Query(request, ("target", "after")), self._service.targets()
        if not names:
            text = "no store to sign for: configure [targets] and [[operators]]"
            raise HttpProblem(503, ErrorCode.NO_TARGET, text, "rounds that nobody seals are at /v1/stream")
        target, after_s = query.choice("target", names), query.integer("after", least=0, most=_LAST_ROUND_S)
        header = request.headers.get(_LAST_EVENT_ID, "")
        if not header:
            return target, after_s
        if not (header.isascii() and header.isdigit() and len(header) <= _ROUND_DIGITS):
            text = f"{_LAST_EVENT_ID} is {header[:40]!r}"
            raise HttpProblem(
                400, ErrorCode.BAD_PARAMETER, text, "it is the id of an event of this stream: a round_time"
            )
        return target, int(header)

    async def _send_all(
        self, request: web.Request, response: web.StreamResponse, target: str, sequence: int, awaited_s: int
    ) -> None:
        sent = 0
        while sent < MOST_ROUNDS and not self._closing:
            version, news = self._version, self._news
            frames = await self._frames(target, sequence)
            for frame in frames:
                is_known, awaited_s = (
                    frame.round_time_s <= awaited_s,
                    awaited_s if frame.round_time_s < awaited_s else 0,
                )
                if not is_known and not await self._write(request, response, round_frame(frame)):
                    return
            if frames:
                sequence, sent = frames[-1].sequence, sent + len(frames)
            elif version != self._version or await self._waited(news):
                continue
            elif not await self._write(request, response, HEARTBEAT):
                return

    async def _waited(self, news: asyncio.Event) -> bool:
        """Wait for a round; whether one came before it is time for a heartbeat."""
        try:
            async with asyncio.timeout(self._limits.heartbeat_s):
                await news.wait()
        except TimeoutError:
            return False
        return True

    async def _write(self, request: web.Request, response: web.StreamResponse, chunk: bytes) -> bool:
        """Send; a reader that takes nothing for long is disconnected."""
        try:
            async with asyncio.timeout(self._limits.stall_s):
                await response.write(chunk)
        except TimeoutError:
            if request.transport is not None:
                request.transport.abort()
            return False
        return True

    async def _frames(self, target: str, sequence: int) -> Sequence[RoundFrame]:
        """What follows a place; a read that is refused since others are under way is tried again."""
        for tried in range(_TRIES):
            try:
                return await asyncio.shield(self._task(target, sequence))
            except HttpProblem:
                self._shared.pop((target, sequence), None)
                if tried == _TRIES - 1:
                    raise
            await asyncio.sleep(_PAUSE_S)
        return ()

    def _task(self, target: str, sequence: int) -> asyncio.Task[list[RoundFrame]]:
        known = self._shared.get((target, sequence))
        if known is None or (known.done() and (known.cancelled() or known.exception() or not known.result())):
            feeds = tuple(self._service.specs())
            read = partial(frames_after, target=target, sequence=sequence, limit=_AT_ONCE, feeds=feeds)
            known = asyncio.ensure_future(self._service.read_stored(read))
            self._shared[target, sequence] = known
            while len(self._shared) > _SHARED:
                self._shared.popitem(last=False)
        return known

    def _on_update(self, update: Update) -> None:
        if update.round_time_s is not None or update.stored:
            self._wake()

    def _wake(self) -> None:
        """A read that is under way may have come too early for what is new: nobody shares it any more."""
        self._version += 1
        self._shared = OrderedDict((k, t) for k, t in self._shared.items() if t.done())
        self._news.set()
        self._news = asyncio.Event()
