"""Ingest: the tasks that keep an Observer filled: streams, their REST fallback, and one follower for each chain."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TypeVar

import aiohttp
import structlog

from feeds.chain_follower import ChainPlan, Follower, IngestHooks
from feeds.chains.reader import ChainReader
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
_T = TypeVar("_T")
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


@dataclass(slots=True, kw_only=True)
class _Parts:
    """What reads, by venue and by chain, and what it was made of. ``feeds``: by venue and symbol."""

    on_chain: dict[str, tuple[ChainPlan, tuple[Source, ...]]] = field(default_factory=dict)
    followers: dict[str, Follower] = field(default_factory=dict)
    symbols: dict[str, tuple[str, ...]] = field(default_factory=dict)
    traded: dict[str, tuple[str, ...]] = field(default_factory=dict)
    pulls: dict[str, QuotedVenue | CcxtSource | None] = field(default_factory=dict)
    plans: dict[str, VenuePlan] = field(default_factory=dict)
    feeds: dict[tuple[str, str], set[str]] = field(default_factory=dict)
    exchanges: dict[str, QuotedVenue] = field(default_factory=dict)
    bridges: dict[str, CcxtBridge] = field(default_factory=dict)
    streams: dict[str, Stream] = field(default_factory=dict)
    trades: dict[str, Stream] = field(default_factory=dict)
    depths: dict[str, DepthPoller] = field(default_factory=dict)
    fallbacks: dict[str, Fallback] = field(default_factory=dict)

    def rest_ms(self, venue: str) -> int:
        """Pause between two requests: the source's own, where it has no stream, else the config's."""
        return self.exchanges[venue].limits.rest_ms or self.plans[venue].rest_ms

    def is_same_venue(self, venue: str, new: _Parts) -> bool:
        """Whether a venue is asked for the same at the same place in the same way."""
        return all(
            venue in mine and mine[venue] == theirs[venue]
            for mine, theirs in (
                (self.symbols, new.symbols), (self.traded, new.traded), (self.pulls, new.pulls), (self.plans, new.plans),
            )
        )  # fmt: skip

    def keep_venue(self, venue: str, old: _Parts) -> None:
        """Take over what reads a venue."""
        _carry(venue, old.exchanges, self.exchanges)
        _carry(venue, old.bridges, self.bridges)
        _carry(venue, old.streams, self.streams)
        _carry(venue, old.trades, self.trades)
        _carry(venue, old.depths, self.depths)
        _carry(venue, old.fallbacks, self.fallbacks)


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
        self._http = HttpClient(session, now_ms)
        self._parts = _Parts()
        self.depth_errors: dict[tuple[str, str], FeedError] = {}
        """(venue, symbol) -> why its book could not be read the last time; nothing where it was."""

        self.change(sources, venues=venues, chains=chains)

    def change(
        self, sources: Sequence[Source], *, venues: Mapping[str, VenuePlan], chains: Mapping[str, ChainPlan]
    ) -> Callable[[], None]:
        """Read these from now on. What is read as before stays as it is: its connections and what they have learned.

        Returns:
            What takes it back. Either way the caller then runs what :meth:`tasks` says.
        """
        before = self._parts
        self._take(self._made(sources, venues, chains))
        return partial(self._take, before)

    def _take(self, parts: _Parts) -> None:
        self._parts = parts
        self._http.set_limits({v: e.limits for v, e in parts.exchanges.items()})

    @property
    def readers(self) -> Mapping[str, ChainReader]:
        """The reader of each chain."""
        return {c: f.reader for c, f in self._parts.followers.items()}

    def tasks(self) -> Mapping[str, Callable[[], Coroutine[None, None, None]]]:
        """Endless tasks by name, to be started and supervised by the caller."""
        out: dict[str, Callable[[], Coroutine[None, None, None]]] = {}
        parts = self._parts
        for venue, stream in parts.streams.items():
            out[f"stream {venue}"] = stream.run
        for venue, stream in parts.trades.items():
            out[f"trades {venue}"] = stream.run
        for venue, poller in parts.depths.items():
            out[f"depth {venue}"] = poller.run
        for venue, fallback in parts.fallbacks.items():
            if parts.rest_ms(venue):
                out[f"rest {venue}"] = fallback.run
        for venue, bridge in parts.bridges.items():
            out[f"ccxt {venue}"] = bridge.run
        for follower in parts.followers.values():
            out |= follower.tasks()
        return out

    async def ask_once(self) -> None:
        """Ask every venue once for each of its symbols, by request: no stream is opened, no chain is read."""
        async with asyncio.TaskGroup() as asking:
            for fallback in self._parts.fallbacks.values():
                asking.create_task(fallback.once())
            for bridge in self._parts.bridges.values():
                asking.create_task(bridge.once())

    def health(self) -> tuple[StreamHealth, ...]:
        """Snapshot of every stream; one of trades is named ``VENUE:trades``."""
        trades = (replace(s.health(), venue=f"{v}:trades") for v, s in self._parts.trades.items())
        return (*(s.health() for s in self._parts.streams.values()), *trades)

    # --- what is read -----------------------------------------------------------------------------------------------

    def _made(
        self, sources: Sequence[Source], venues: Mapping[str, VenuePlan], chains: Mapping[str, ChainPlan]
    ) -> _Parts:
        """All parts for these sources; those of before where nothing about them is new."""
        old, new = self._parts, _Parts()
        for chain, plan in chains.items():
            if on_chain := tuple(s for s in sources if s.chain == chain and s.adapter):
                new.on_chain[chain] = (plan, on_chain)
                new.followers[chain] = self._follower(chain, new)
        symbols: dict[str, set[str]] = {}
        pulls: dict[str, QuotedVenue | CcxtSource] = {}
        traded: dict[str, set[str]] = {}
        for source in sources:
            if source.venue is not None and source.symbol is not None:
                symbols.setdefault(source.venue, set()).add(source.symbol)
                new.feeds.setdefault((source.venue, source.symbol), set()).add(source.feed)
                if source.pull is not None:
                    pulls[source.venue] = source.pull
                elif source.trades:
                    traded.setdefault(source.venue, set()).add(source.symbol)
        for venue, listed in sorted(symbols.items()):
            new.symbols[venue] = tuple(sorted(listed))
            new.plans[venue] = venues.get(venue, VenuePlan())
            new.pulls[venue], new.traded[venue] = pulls.get(venue), tuple(sorted(traded.get(venue, ())))
            if old.is_same_venue(venue, new):
                new.keep_venue(venue, old)
            else:
                self._make_venue(venue, new)
        return new

    def _follower(self, chain: str, new: _Parts) -> Follower:
        """Of a chain: the one of before where it reads the same in the same way."""
        before, (plan, sources) = self._parts.followers.get(chain), new.on_chain[chain]
        if before is not None and self._parts.on_chain[chain] == new.on_chain[chain]:
            return before
        return Follower(
            chain, plan, sources, self._observer, session=self._session, now_ms=self._now_ms, hooks=self._hooks,
            before=before,
        )  # fmt: skip

    def _make_venue(self, venue: str, new: _Parts) -> None:
        plan, symbols, traded, pull = new.plans[venue], new.symbols[venue], new.traded[venue], new.pulls[venue]
        if isinstance(pull, CcxtSource):
            new.bridges[venue] = CcxtBridge(pull, symbols, partial(self._on_answer, venue), self._now_ms)
            return
        exchange = new.exchanges[venue] = _at_plan_urls(EXCHANGES[venue] if pull is None else pull, plan)
        if exchange.ws_url:
            new.streams[venue] = self._stream(venue, exchange, symbols, plan)
        new.fallbacks[venue] = self._fallback(venue, new)
        if pull is None:  # a venue of the registry, at the plan's addresses
            listed = _at_plan_urls(EXCHANGES[venue], plan)
            if traded:
                new.trades[venue] = self._trade_stream(venue, listed, traded)
            if plan.depth_ms:
                new.depths[venue] = DepthPoller(
                    exchange=listed, symbols=symbols, http=self._http, on_depth=self._on_depth, now_ms=self._now_ms,
                    every_ms=plan.depth_ms,
                )  # fmt: skip

    def _stream(self, venue: str, exchange: QuotedVenue, symbols: tuple[str, ...], plan: VenuePlan) -> Stream:
        return Stream(
            exchange,
            symbols,
            self._session,
            self._on_tick,
            self._now_ms,
            fetch=partial(self._handshake, venue),
            timeouts=StreamTimeouts(silence_ms=plan.silence_ms),
        )

    def _trade_stream(self, venue: str, exchange: Exchange, symbols: tuple[str, ...]) -> Stream:
        return Stream(
            TradeChannel(exchange),
            symbols,
            self._session,
            self._on_tick,
            self._now_ms,
            fetch=partial(self._handshake, venue),
            on_trade=self._on_trade,
            timeouts=TRADE_TIMEOUTS,
        )

    def _fallback(self, venue: str, new: _Parts) -> Fallback:
        silence_ms = new.plans[venue].silence_ms if venue in new.streams else 0
        return Fallback(
            new.exchanges[venue],
            new.symbols[venue],
            FallbackPlan(silence_ms=silence_ms, rest_ms=new.rest_ms(venue)),
            self._http,
            AnswerTable(
                latest=lambda symbol: self._observer.latest.get(venue, symbol),
                put=partial(self._on_answer, venue),
                note_date=partial(self._hooks.on_date, venue),
            ),
            self._now_ms,
        )

    # --- what comes in ----------------------------------------------------------------------------------------------

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
            self._hooks.on_news(frozenset(self._parts.feeds.get((venue, tick.symbol), ())))

    def _on_answer(self, venue: str, tick: Tick, asked_at_ms: int, received_at_ms: int) -> None:
        news = self._observer.latest.put_answer(
            venue, tick, received_at_ms, asked_at_ms=asked_at_ms, streamed=venue in self._parts.streams
        )
        self._after(venue, tick, received_at_ms, news=news)


def _carry(venue: str, source: Mapping[str, _T], to: dict[str, _T]) -> None:
    if venue in source:
        to[venue] = source[venue]


def _at_plan_urls(exchange: _V, plan: VenuePlan) -> _V:
    """The adapter at other addresses, where the plan names some."""
    changes = {k: v for k, v in (("ws_url", plan.ws_url), ("rest_url", plan.rest_url)) if v is not None}
    return replace(exchange, **changes) if changes else exchange  # type: ignore[type-var]
