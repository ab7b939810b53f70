"""The way of every request: who asks, may they, is the answer ready; else to the routes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from math import ceil
from time import monotonic

from aiohttp import hdrs, web

from oracle.serve.connection_gate import ConnectionGate, GatedConnection
from oracle.serve.error_codes import ErrorCode
from oracle.serve.public_limits import Visitor
from oracle.serve.ready_answers import ReadyAnswers
from oracle.serve.visitors import Visitors
from oracle.serve.web import QUERY_PATH, HttpProblem

RequestHandler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
Dress = Callable[[web.BaseRequest, web.StreamResponse], Awaitable[None]]
_STREAMS = ("/v1/stream", "/v1/rounds/stream")
_LONG = ("/history", "/twap", "/explain", "/report", "/security", "/changes", "/pushes", "/sealed")
"""Ends of paths whose answers are read from the stored rounds, or made by asking others."""
_QUERY_TOKENS, _LONG_TOKENS, _LIST_TOKENS = 40, 10, 4
_LISTS = ("/v1/prices", "/v1/feeds", "/v1/operators", "/v1/trends", "/metrics")


def tokens_of(path: str) -> int:
    """What a request costs its address: 1, more where the answer is long, and more where it has to be read from disk."""
    path = path.partition("?")[0]
    if path == QUERY_PATH:
        return _QUERY_TOKENS
    if path.endswith(_LONG):
        return _LONG_TOKENS
    return _LIST_TOKENS if path in _LISTS else 1


class FrontDoor:
    """All requests pass here.

    Args:
        gate: of connections.
        visitors: who asks.
        ready: answers that are made already.
        dress: puts headers on an answer that does not come from the routes.

    Attributes:
        answered: requests by the way of their answer: ready, routed, malformed.
        limited: requests and streams that were refused, by which limit: rate, streams, key.
    """

    def __init__(self, gate: ConnectionGate, visitors: Visitors, ready: ReadyAnswers, dress: Dress) -> None:
        self._gate, self.visitors, self._ready, self._dress = gate, visitors, ready, dress
        self.answered, self.limited = (
            Counter[str](ready=0, routed=0, malformed=0),
            Counter[str](rate=0, streams=0, key=0),
        )

    def not_understood(self) -> None:
        """A request could not be read: it is answered with 400, and its connection is closed."""
        self.answered["malformed"] += 1

    def before(self, routes: RequestHandler) -> RequestHandler:
        """The handler of the server: this first, then the routes."""

        async def handle(request: web.BaseRequest) -> web.StreamResponse:
            connection = request.transport.get_protocol() if request.transport is not None else None
            if not isinstance(connection, GatedConnection):
                return await routes(request)
            self._gate.mark_busy(connection)
            try:
                return await self._answer(request, connection.visitor, routes)
            finally:
                self._gate.mark_waiting(connection)

        return handle

    async def _answer(self, request: web.BaseRequest, peer: Visitor, routes: RequestHandler) -> web.StreamResponse:
        now_s, path = monotonic(), request.raw_path
        try:
            visitor = self._visitor(request, peer, path, now_s)
            if visitor.is_limited:
                self._take(visitor, path, now_s)
        except HttpProblem as problem:
            return await self._refused(request, problem)
        ready = self._ready_answer(request)
        if ready is not None:
            self.answered["ready"] += 1
            return ready
        self.answered["routed"] += 1
        if path.startswith(_STREAMS):
            return await self._streamed(request, visitor, routes)
        return await routes(request)

    def _ready_answer(self, request: web.BaseRequest) -> web.StreamResponse | None:
        try:
            return self._ready.answer(request)
        except Exception:  # noqa: BLE001 - a bug: the routes run into it too, and log and answer it
            return None

    def _visitor(self, request: web.BaseRequest, peer: Visitor, path: str, now_s: float) -> Visitor:
        """Whose limits hold; who tries keys is limited by address."""
        try:
            holder = self.visitors.by_key(request)
        except HttpProblem:
            self.limited["key"] += 1
            self._take(self.visitors.of(request, peer, now_s), path, now_s)
            raise
        return holder or self.visitors.of(request, peer, now_s)

    def _take(self, visitor: Visitor, path: str, now_s: float) -> None:
        missing_s = visitor.take(tokens_of(path), now_s)
        if missing_s:
            self.limited["rate"] += 1
            limits = visitor.limits
            text = f"more than {limits.per_s} requests a second after the first {limits.burst}; long answers count as {_LONG_TOKENS}, a question as {_QUERY_TOKENS}"
            raise _too_many(text, ceil(missing_s))

    async def _streamed(self, request: web.BaseRequest, visitor: Visitor, routes: RequestHandler) -> web.StreamResponse:
        most = visitor.limits.streams
        if visitor.is_limited and visitor.streams >= most:
            self.limited["streams"] += 1
            return await self._refused(request, _too_many(f"{most} streams are open, which is the limit", 30))
        visitor.streams += 1
        try:
            return await routes(request)
        finally:
            visitor.streams -= 1

    async def _refused(self, request: web.BaseRequest, problem: HttpProblem) -> web.StreamResponse:
        answer = problem.response()
        if request.can_read_body:
            answer.force_close()
        await self._dress(request, answer)
        return answer


def _too_many(text: str, wait_s: int) -> HttpProblem:
    hint = "ask again after Retry-After; a cache in front, a stream, or a key of the operator's saves requests"
    return HttpProblem(429, ErrorCode.TOO_MANY, text, hint, {hdrs.RETRY_AFTER: str(max(1, wait_s))})
