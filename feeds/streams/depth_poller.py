"""Reads the order books of an exchange's symbols by REST, slowly, one at a time, for the depth that they state."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass

from feeds.decode import order_book
from feeds.errors import FeedError
from feeds.streams.http import HttpClient
from feeds.streams.venue import Exchange
from feeds.types import Depth
from feeds.units import MS

_REPLY_S = 20.0
_REPLY_BYTES = 16 << 20
_LEAST_PAUSE_S = 1.0

OnDepth = Callable[[str, str, Depth | FeedError, int], None]
"""venue, symbol, its depth or why there is none, received at (Unix ms)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DepthPoller:
    """Asks for each symbol's book every ``every_ms``, the requests spread evenly over it.

    A book that fails costs nothing but itself: quotes come from elsewhere, what was read before goes on ageing, and no book
    waits for another that hangs for longer than a pause.
    """

    exchange: Exchange
    symbols: Sequence[str]
    http: HttpClient
    on_depth: OnDepth
    now_ms: Callable[[], int]
    every_ms: int
    sleep: Callable[[float], Coroutine[None, None, None]] = asyncio.sleep

    async def run(self) -> None:
        """Ask until cancelled."""
        pause_s = max(_LEAST_PAUSE_S, self.every_ms / MS / len(self.symbols))
        waiting: set[str] = set()

        async def ask(symbol: str) -> None:
            try:
                await self.ask(symbol)
            finally:
                waiting.discard(symbol)

        async with asyncio.TaskGroup() as asking:
            while True:
                for symbol in self.symbols:
                    if symbol not in waiting:
                        waiting.add(symbol)
                        await asyncio.wait({asking.create_task(ask(symbol))}, timeout=pause_s)
                    await self.sleep(pause_s)

    async def ask(self, symbol: str) -> None:
        """Read one book."""
        exchange = self.exchange
        try:
            request = exchange.book_request(symbol)
            fetched = await self.http.fetch(exchange.name, request, timeout_s=_REPLY_S, max_bytes=_REPLY_BYTES)
            result: Depth | FeedError = order_book.depth(exchange.parse_book(request, fetched.body))
        except FeedError as error:
            result = error
        self.on_depth(exchange.name, symbol, result, self.now_ms())
