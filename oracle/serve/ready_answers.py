"""Prices as whole answers: head and body as one piece of memory, made once a second at most and written as they are.

Only for the plainest request: GET of one feed's price over a connection that stays open, without parameters. Every other goes
the long way and gets the same answer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from email.utils import formatdate

from aiohttp import hdrs, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http import HttpVersion11

from feeds.units import MS
from oracle.model.spec import FeedSpec
from oracle.serve.documents import feed_path
from oracle.serve.freshness import Freshness
from oracle.serve.interface import PriceInterface
from oracle.serve.price_cache import PriceCache
from oracle.serve.web import Body, cors_headers

_SPECIAL = frozenset('%#?"<>\\ ')


class ReadyAnswer(web.Response):
    """An answer that is written as it is, to any number of requests."""

    def __init__(self, data: bytes) -> None:
        super().__init__()
        self._data = data

    @property
    def keep_alive(self) -> bool:
        """The connection stays open, for every request that gets this."""
        return True

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        """Write it whole; wait only where the reader does not take what it was sent."""
        transport = request.transport
        if transport is None:
            raise ConnectionResetError("the reader has left")
        transport.write(self._data)
        if transport.get_write_buffer_size():
            await request.writer.drain()
        return None

    async def write_eof(self, data: bytes = b"") -> None:
        """Nothing is left to write."""
        del data


class _Held:
    """What was made for a feed in one second."""

    __slots__ = ("body", "left_s", "same", "second", "whole")

    def __init__(self, body: Body, second: int, left_s: int, headers: Mapping[str, str]) -> None:
        self.body, self.second, self.left_s = body, second, left_s
        lines = [f"{k}: {v}" for k, v in headers.items()] + [f"Date: {formatdate(second, usegmt=True)}"]
        head = "\r\n".join(lines).encode()
        length = len(body.payload)
        self.whole = ReadyAnswer(
            b"HTTP/1.1 200 OK\r\n%b\r\nContent-Length: %d\r\n\r\n%b" % (head, length, body.payload)
        )
        self.same = ReadyAnswer(b"HTTP/1.1 304 Not Modified\r\n%b\r\n\r\n" % head)


class ReadyAnswers:
    """The price of each feed as a whole answer.

    Args:
        service: whose feeds.
        cache: their prices.
        fresh: how long they may be kept.
        now_ms: the clock, Unix ms.
        cors_origins: origins whose pages may read the answers.
    """

    def __init__(
        self,
        service: PriceInterface,
        cache: PriceCache,
        fresh: Freshness,
        now_ms: Callable[[], int],
        cors_origins: tuple[str, ...],
    ) -> None:
        self._service, self._cache, self._fresh, self._now_ms = service, cache, fresh, now_ms
        self._cors = cors_headers(cors_origins, None)
        self._is_for_any = not cors_origins or "*" in cors_origins
        self._paths: dict[str, FeedSpec] = {}
        self._held: dict[str, _Held] = {}

    def answer(self, request: web.BaseRequest) -> ReadyAnswer | None:
        """The answer to a plain request; None: it has to go the long way."""
        path = request.raw_path
        spec = self._paths.get(path)
        if spec is None or self._service.specs().get(spec.feed) is not spec:
            spec = self._learnt(path)
        if spec is None or request.method != hdrs.METH_GET or request.version != HttpVersion11:
            return None
        if not request.keep_alive or request.can_read_body or self._fresh.behind_s() is not None:
            return None
        headers = request.headers
        if not self._is_for_any and hdrs.ORIGIN in headers:
            return None
        body = self._cache.price(spec, live=False, whole=True)
        if body is None:
            return None
        held = self._of(spec.feed, body)
        known = headers.get(hdrs.IF_NONE_MATCH)
        if known is None:
            return held.whole
        return held.same if known == body.tag else None

    def _of(self, feed: str, body: Body) -> _Held:
        second, left_s = self._now_ms() // MS, self._fresh.left_s()
        held = self._held.get(feed)
        if held is None or held.body is not body or held.second != second or held.left_s != left_s:
            headers = {**body.headers(self._fresh.newest()), **self._cors}
            held = self._held[feed] = _Held(body, second, left_s, headers)
        return held

    def _learnt(self, path: str) -> FeedSpec | None:
        """The feed at a path, where feeds have changed since the last look."""
        if not path.startswith("/v1/prices/"):
            return None
        specs = self._service.specs()
        if len(self._paths) < len(specs) or any(specs.get(s.feed) is not s for s in self._paths.values()):
            self._paths = {feed_path(s.feed): s for s in specs.values()}
            plain = {f"/v1/prices/{s.feed}": s for s in specs.values() if not _SPECIAL & set(s.feed)}
            self._paths |= plain
            self._held = {f: h for f, h in self._held.items() if f in specs}
        return self._paths.get(path)
