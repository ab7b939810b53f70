"""The REST fallback of one venue: asks for the symbols whose stream is silent, so that no symbol costs another.

A request that several symbols share, and that fails, is asked again in halves until each symbol has its own answer: what fails
alone, while a neighbour is answered, is remembered and asked alone. No request waits for the answer of another; all of them
keep to the venue's rate limit.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from feeds.errors import FeedError, Malformed, RateLimited, Refused, WrongSymbol
from feeds.streams.ask_schedule import AskSchedule
from feeds.streams.http import Fetched, HttpClient
from feeds.streams.latest import LatestQuote
from feeds.streams.venue import QuotedVenue
from feeds.types import Quote, Request, Tick
from feeds.units import MS

REPLY_BYTES = 1 << 20
REPLY_S = 5.0
_PROBE_MS = 30_000
"""Without an answer for longer, one symbol is asked for to see the venue's clock."""
_SPLIT_PAUSE_MS = 60_000
"""After halves that all failed: the venue fails, not a symbol, so it is not asked in halves again so soon."""
_MISSING = 404
_VENUE_WIDE = frozenset({401, 403, 407, 451})
"""Statuses that are about us or our address, whatever was asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerTable:
    """Where answers go, and what is known already.

    ``latest``: what is known of a symbol. ``put``: takes one symbol's answer, when it was asked for and when it came.
    ``note_date``: takes the time in the head of an answer, and when it came. Times are Unix ms.
    """

    latest: Callable[[str], LatestQuote]
    put: Callable[[Tick, int, int], None]
    note_date: Callable[[int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class FallbackPlan:
    """``silence_ms``: without news on the stream for longer, a symbol is asked for; 0 where there is no stream.

    ``rest_ms``: pause between two requests for one symbol. ``timeout_s``: for one answer.
    """

    silence_ms: int
    rest_ms: int
    timeout_s: float = REPLY_S


class Fallback:
    """Asks one venue by REST.

    Args:
        exchange: how to ask and to read.
        symbols: as the venue writes them.
        plan: how patiently.
        client: sends the requests, within the venue's limit.
        table: takes the answers.
        now_ms: Unix ms.
        sleep: waits some seconds.
    """

    def __init__(
        self,
        exchange: QuotedVenue,
        symbols: Sequence[str],
        plan: FallbackPlan,
        client: HttpClient,
        table: AnswerTable,
        now_ms: Callable[[], int],
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._exchange, self._symbols, self._plan, self._client = exchange, tuple(symbols), plan, client
        self._table, self._now_ms, self._sleep = table, now_ms, sleep
        self._schedule = AskSchedule(self._symbols)
        self._dated_ms = self._probes = 0
        self._split_after_ms = 0

    async def run(self) -> None:
        """Ask until cancelled; ends otherwise only by a bug of ours."""
        self._schedule, self._dated_ms = AskSchedule(self._symbols), self._now_ms()
        async with asyncio.TaskGroup() as asking:
            while True:
                if await self._pass(asking):
                    await self._sleep(self._plan.rest_ms / MS)

    async def once(self) -> None:
        """Ask once for every symbol, whatever the stream says."""
        async with asyncio.TaskGroup() as asking:
            for request in self._requests(self._symbols):
                await self._client.turn(self._exchange.name)
                self._schedule.sent(request.symbols, self._now_ms())
                asking.create_task(self._ask(request))

    async def _pass(self, asking: asyncio.TaskGroup) -> bool:
        """Send what is due, as fast as the venue lets us. False where the time for it ran out: then the rest is next."""
        began_ms = self._now_ms()
        wanted = [s for s in self._symbols if self._silent(s, began_ms)]
        if began_ms - self._dated_ms > _PROBE_MS:
            self._dated_ms = began_ms
            await self._send_probe(asking, self._schedule.due(self._symbols, began_ms))
        for request in self._requests(self._schedule.due(wanted, began_ms)):
            await self._client.turn(self._exchange.name)
            self._schedule.sent(request.symbols, self._now_ms())
            asking.create_task(self._ask(request))
            if self._now_ms() - began_ms > self._plan.rest_ms:
                return False
        return True

    def _silent(self, symbol: str, now_ms: int) -> bool:
        """A symbol without a quote, with one that was taken back, or that is old: by its own time, however late it came."""
        latest = self._table.latest(symbol)
        if latest.observed_at_ms is None or latest.failing:
            return True
        return now_ms - latest.observed_at_ms > self._plan.silence_ms

    def _requests(self, symbols: Sequence[str]) -> tuple[Request, ...]:
        """Requests for symbols that share them, and one for each that may not; in the order of their first symbols."""
        shared = self._exchange.request([s for s in symbols if not self._schedule.apart(s)])
        alone = (r for s in symbols if self._schedule.apart(s) for r in self._exchange.request([s]))
        place = {s: i for i, s in enumerate(symbols)}
        return tuple(sorted((*shared, *alone), key=lambda r: place[r.symbols[0]]))

    async def _ask(self, request: Request) -> None:
        """Bring every symbol of a request its answer, in halves where they cannot be had together."""
        refused: list[tuple[str, FeedError]] = []
        answered = await self._ask_parts(request, refused)
        for symbol, error in refused:
            if isinstance(error, WrongSymbol) or answered:
                self._schedule.refused(symbol, self._now_ms())
            else:
                self._schedule.answered(symbol)
        if len(request.symbols) > 1 and refused and not answered:
            self._split_after_ms = self._now_ms() + _SPLIT_PAUSE_MS

    async def _ask_parts(self, request: Request, refused: list[tuple[str, FeedError]]) -> bool:
        """Whether any symbol of it was answered; what failed alone is added to ``refused``."""
        asked_ms = self._now_ms()
        result = await self._fetched(request)
        if not isinstance(result, FeedError):
            self._take(result, asked_ms, shared=len(request.symbols) > 1)
            return any(isinstance(t.result, Quote) for t in result[0])
        if len(request.symbols) > 1 and self._may_split(result):
            middle = len(request.symbols) // 2
            parts = (request.symbols[:middle], request.symbols[middle:])
            halves = [r for half in parts for r in self._exchange.request(half)]
            return any(await asyncio.gather(*(self._ask_in_turn(r, refused) for r in halves)))
        for symbol in request.symbols:
            self._table.put(Tick(symbol=symbol, result=result), asked_ms, self._now_ms())
            if len(request.symbols) == 1 and not is_venue_wide(result):
                refused.append((symbol, result))
            else:
                self._schedule.answered(symbol)
        return False

    async def _ask_in_turn(self, request: Request, refused: list[tuple[str, FeedError]]) -> bool:
        await self._client.turn(self._exchange.name)
        return await self._ask_parts(request, refused)

    def _may_split(self, error: FeedError) -> bool:
        """Whether it may be one symbol that failed all."""
        now_ms = self._now_ms()
        paused = self._split_after_ms - _SPLIT_PAUSE_MS <= now_ms < self._split_after_ms
        return not is_venue_wide(error) and not paused

    async def _fetched(self, request: Request) -> tuple[tuple[Tick, ...], int] | FeedError:
        """The ticks of an answer and when it came, or why there is none."""
        try:
            answer = await self._send(request)
            return self._exchange.parse_reply(request, answer.body), answer.received_at_ms
        except FeedError as error:
            return read_refusal(self._exchange, request, error)

    async def _send(self, request: Request) -> Fetched:
        answer = await self._client.fetch(
            self._exchange.name, request, timeout_s=self._plan.timeout_s, max_bytes=REPLY_BYTES, in_turn=True
        )
        if answer.date_ms is not None:
            self._dated_ms = self._now_ms()
            self._table.note_date(answer.date_ms, answer.received_at_ms)
        return answer

    def _take(self, answer: tuple[tuple[Tick, ...], int], asked_ms: int, *, shared: bool) -> None:
        """Hand on the ticks of one answer. What costs its neighbours nothing stays with them, even if it is unknown."""
        ticks, received_ms = answer
        for tick in ticks:
            self._table.put(tick, asked_ms, received_ms)
            if isinstance(tick.result, Quote):
                self._schedule.accepted(tick.symbol)
            elif isinstance(tick.result, WrongSymbol) and not shared:
                self._schedule.refused(tick.symbol, self._now_ms())
            else:
                self._schedule.answered(tick.symbol)

    async def _send_probe(self, asking: asyncio.TaskGroup, symbols: Sequence[str]) -> None:
        """Ask for one of these, another each time, only to see the venue's clock."""
        self._probes += 1
        for request in self._exchange.request(symbols[self._probes % len(symbols) :][:1] if symbols else ()):
            await self._client.turn(self._exchange.name)
            asking.create_task(self._probe(request))

    async def _probe(self, request: Request) -> None:
        with suppress(FeedError):
            await self._send(request)


def is_venue_wide(error: FeedError) -> bool:
    """Whether an error is about us and nothing that was asked: the venue wants a pause, or does not serve this address."""
    if isinstance(error, Refused):
        return error.facts.get("status") in _VENUE_WIDE
    return isinstance(error, RateLimited)


def read_refusal(exchange: QuotedVenue, request: Request, error: FeedError) -> FeedError:
    """What a refusal says of a symbol, where it says more than its status: read by the venue's adapter. Pure."""
    if not isinstance(error, Refused) or is_venue_wide(error):
        return error
    said: list[Quote | FeedError]
    try:
        said = [t.result for t in exchange.parse_reply(request, error.body)] if error.body else []
    except Malformed:
        said = []
    except FeedError as read:
        said = [read]
    exact = next((s for s in said if isinstance(s, WrongSymbol | RateLimited)), None)
    if exact is None and error.facts.get("status") == _MISSING and _is_named(request):
        return WrongSymbol(error.detail, status=_MISSING)
    return exact or error


def _is_named(request: Request) -> bool:
    """Whether the address is that of one symbol, so that nothing there means no such symbol."""
    plain = [c for c in request.symbols[0].lower() if c.isalnum()] if len(request.symbols) == 1 else []
    return bool(plain) and "".join(plain) in "".join(c for c in request.url.lower() if c.isalnum())
