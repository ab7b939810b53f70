"""Ingest: the tasks that keep an Observer filled: streams, their REST fallback, and one follower for each chain."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

import aiohttp
import structlog

from feeds.chain_follower import ChainPlan, Follower, IngestHooks
from feeds.errors import FeedError
from feeds.observe import Observer, Source
from feeds.registry import EXCHANGES
from feeds.streams.ccxt_bridge import CcxtBridge, CcxtSource
from feeds.streams.connection import StreamTimeouts
from feeds.streams.depth_poller import DepthPoller
from feeds.streams.fallback import REPLY_BYTES, REPLY_S, AnswerTable, Fallback, FallbackPlan
from feeds.streams.http import HttpClient
from feeds.streams.trade_channel import TRADE_TIMEOUTS, TradeChannel
from feeds.streams.venue import Exchange, QuotedVenue
from feeds.streams.ws import Stream, StreamHealth
from feeds.types import Depth, Quote, Request, Tick, TradeTick

_log = structlog.get_logger(__name__)
_V = TypeVar("_V", bound=QuotedVenue)


@dataclass(frozen=True, slots=True, kw_only=True)
class VenuePlan:
    """Where a venue is, and after how long it counts as silent.

    ``rest_ms``: pause between fallback requests; ``depth_ms``: how often each order book is read; 0 turns one off.
    """

    ws_url: str | None = None
    rest_url: str | None = None
    silence_ms: int = 30_000
    rest_ms: int = 2_000
    depth_ms: int = 60_000


class Ingest:
    """Runs the streams, the REST fallback and the chain reads that keep an Observer filled.

    Args:
        observer: the tables to fill.
        sources: all sources.
        venues: by name; a venue of a source that is not in it gets the defaults.
        chains: by name.
        session: the process's one HTTP session.
        now_ms: the clock.
        hooks: what to call.
    """

    def __init__(
        self,
        observer: Observer,
        sources: Sequence[Source],
        *,
        venues: Mapping[str, VenuePlan],
        chains: Mapping[str, ChainPlan],
        session: aiohttp.ClientSession,
        now_ms: Callable[[], int],
        hooks: IngestHooks,
    ) -> None:
        self._observer, self._session, self._now_ms, self._hooks = observer, session, now_ms, hooks
        on_chain = {c: [s for s in sources if s.chain == c and s.adapter] for c in chains}
        self._followers = {
            c: Follower(c, p, on_chain[c], observer, session=session, now_ms=now_ms, hooks=hooks)
            for c, p in chains.items()
            if on_chain[c]
        }
        symbols: dict[str, set[str]] = {}
        pulls: dict[str, QuotedVenue | CcxtSource] = {}
        traded: dict[str, set[str]] = {}
        for source in sources:
            if source.venue is not None and source.symbol is not None:
                symbols.setdefault(source.venue, set()).add(source.symbol)
                if source.pull is not None:
                    pulls[source.venue] = source.pull
                elif source.trades:
                    traded.setdefault(source.venue, set()).add(source.symbol)
        self._symbols = {v: tuple(sorted(s)) for v, s in sorted(symbols.items())}
        self._feeds = {(v, s): observer.feeds_of(v, s) for v, listed in symbols.items() for s in listed}
        self._plans = {v: venues.get(v, VenuePlan()) for v in self._symbols}
        self._exchanges: dict[str, QuotedVenue] = {
            v: _at_plan_urls(EXCHANGES[v] if pull is None else pull, self._plans[v])
            for v in self._symbols
            if not isinstance(pull := pulls.get(v), CcxtSource)
        }
        self._bridges = {
            v: CcxtBridge(pull, self._symbols[v], partial(self._on_answer, v), now_ms)
            for v, pull in sorted(pulls.items())
            if isinstance(pull, CcxtSource)
        }
        # each venue of the registry, at the plan's addresses
        self._listed: dict[str, Exchange] = {
            v: _at_plan_urls(EXCHANGES[v], self._plans[v]) for v in self._symbols if v not in pulls
        }
        self._http = HttpClient(session, now_ms, limits={v: e.limits for v, e in self._exchanges.items()})
        self._streams = {v: self._stream(v) for v, e in self._exchanges.items() if e.ws_url}
        self._trades = {v: self._trade_stream(v, tuple(sorted(s))) for v, s in sorted(traded.items())}
        self._depths = {v: self._depth_poller(v) for v in self._listed if self._plans[v].depth_ms}
        self.readers = {c: f.reader for c, f in self._followers.items()}
        self.depth_errors: dict[tuple[str, str], FeedError] = {}
        """(venue, symbol) -> why its book could not be read the last time; nothing where it was."""

    def tasks(self) -> Mapping[str, Callable[[], Coroutine[None, None, None]]]:
        """Endless tasks by name, to be started and supervised by the caller."""
        out: dict[str, Callable[[], Coroutine[None, None, None]]] = {}
        for venue, stream in self._streams.items():
            out[f"stream {venue}"] = stream.run
        for venue, stream in self._trades.items():
            out[f"trades {venue}"] = stream.run
        for venue, poller in self._depths.items():
            out[f"depth {venue}"] = poller.run
        for venue in self._exchanges:
            if self._rest_ms(venue):
                out[f"rest {venue}"] = self._fallback(venue).run
        for venue, bridge in self._bridges.items():
            out[f"ccxt {venue}"] = bridge.run
        for follower in self._followers.values():
            out |= follower.tasks()
        return out

    async def ask_once(self) -> None:
        """Ask every venue once for each of its symbols, by request: no stream is opened, no chain is read."""
        async with asyncio.TaskGroup() as asking:
            for venue in self._exchanges:
                asking.create_task(self._fallback(venue).once())
            for bridge in self._bridges.values():
                asking.create_task(bridge.once())

    def health(self) -> tuple[StreamHealth, ...]:
        """Snapshot of every stream; one of trades is named ``VENUE:trades``."""
        trades = (replace(s.health(), venue=f"{v}:trades") for v, s in self._trades.items())
        return (*(s.health() for s in self._streams.values()), *trades)

    def _stream(self, venue: str) -> Stream:
        timeouts = StreamTimeouts(silence_ms=self._plans[venue].silence_ms)
        return Stream(
            self._exchanges[venue],
            self._symbols[venue],
            self._session,
            self._on_tick,
            self._now_ms,
            fetch=partial(self._handshake, venue),
            timeouts=timeouts,
        )

    def _trade_stream(self, venue: str, symbols: tuple[str, ...]) -> Stream:
        return Stream(
            TradeChannel(self._listed[venue]),
            symbols,
            self._session,
            self._on_tick,
            self._now_ms,
            fetch=partial(self._handshake, venue),
            on_trade=self._on_trade,
            timeouts=TRADE_TIMEOUTS,
        )

    def _depth_poller(self, venue: str) -> DepthPoller:
        return DepthPoller(
            exchange=self._listed[venue],
            symbols=self._symbols[venue],
            http=self._http,
            on_depth=self._on_depth,
            now_ms=self._now_ms,
            every_ms=self._plans[venue].depth_ms,
        )

    def _on_trade(self, venue: str, tick: TradeTick, received_at_ms: int) -> FeedError | None:
        return self._observer.tape.put(venue, tick, received_at_ms)

    def _on_depth(self, venue: str, symbol: str, result: Depth | FeedError, received_at_ms: int) -> None:
        before = self.depth_errors.pop((venue, symbol), None)
        if isinstance(result, Depth):
            self._observer.put_depth(venue, symbol, result, received_at_ms)
            return
        self.depth_errors[venue, symbol] = result
        if before is None or before.code != result.code:
            _log.warning("book not read", venue=venue, symbol=symbol, error=str(result), advice=result.advice)

    async def _handshake(self, venue: str, request: Request) -> bytes:
        return (await self._http.fetch(venue, request, timeout_s=REPLY_S, max_bytes=REPLY_BYTES)).body

    def _on_tick(self, venue: str, tick: Tick, received_at_ms: int) -> bool:
        news = self._observer.latest.put(venue, tick, received_at_ms)
        self._after(venue, tick, received_at_ms, news=news)
        return news

    def _after(self, venue: str, tick: Tick, received_at_ms: int, *, news: bool) -> None:
        result = tick.result
        if isinstance(result, Quote) and result.stated_at_ms is not None:
            self._hooks.on_stated(venue, result.stated_at_ms, received_at_ms)
        if news:
            self._hooks.on_news(self._feeds.get((venue, tick.symbol), frozenset()))

    def _on_answer(self, venue: str, tick: Tick, asked_at_ms: int, received_at_ms: int) -> None:
        news = self._observer.latest.put_answer(
            venue, tick, received_at_ms, asked_at_ms=asked_at_ms, streamed=venue in self._streams
        )
        self._after(venue, tick, received_at_ms, news=news)

    def _fallback(self, venue: str) -> Fallback:
        silence_ms = self._plans[venue].silence_ms if venue in self._streams else 0
        return Fallback(
            self._exchanges[venue],
            self._symbols[venue],
            FallbackPlan(silence_ms=silence_ms, rest_ms=self._rest_ms(venue)),
            self._http,
            AnswerTable(
                latest=lambda symbol: self._observer.latest.get(venue, symbol),
                put=partial(self._on_answer, venue),
                note_date=partial(self._hooks.on_date, venue),
            ),
            self._now_ms,
        )

    def _rest_ms(self, venue: str) -> int:
        """Pause between two requests: the source's own, where it has no stream, else the config's."""
        return self._exchanges[venue].limits.rest_ms or self._plans[venue].rest_ms


def _at_plan_urls(exchange: _V, plan: VenuePlan) -> _V:
    """The adapter at other addresses, where the plan names some."""
    changes = {k: v for k, v in (("ws_url", plan.ws_url), ("rest_url", plan.rest_url)) if v is not None}
    return replace(exchange, **changes) if changes else exchange  # type: ignore[type-var]
