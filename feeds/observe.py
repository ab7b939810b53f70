"""Observe: what every source says at one moment, from tables that streams, REST fallback and chain reads keep filled.

``Observer`` is the table and asks nobody; ``Watch`` runs the tasks that fill it.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import aiohttp
import structlog

from feeds.connection import Patience
from feeds.http import HttpClient
from feeds.latest import Latest
from feeds.registry import EXCHANGES
from feeds.rpc import ChainRead, ChainReader, Head, ReaderLimits
from feeds.types import (
    ChainAdapter,
    Failure,
    FeedError,
    Kind,
    NoData,
    Observation,
    Outcome,
    Pair,
    Quote,
    Request,
    Stale,
    Tick,
)
from feeds.units import MS
from feeds.venue import Exchange
from feeds.ws import Stream, StreamHealth

_log = structlog.get_logger(__name__)
_REPLY_BYTES = 1 << 20
_REPLY_S = 5.0
_PROBE_MS = 30_000
_HEADS = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One source of one feed: a venue's symbol, or an adapter on a chain."""

    feed: str
    name: str
    pair: Pair
    group: str
    kind: Kind
    max_age_ms: int
    venue: str | None = None
    symbol: str | None = None
    chain: str | None = None
    adapter: ChainAdapter | None = None


class Observer:
    """What every source said last.

    Args:
        sources: all of them, of all feeds.
    """

    def __init__(self, sources: Sequence[Source]) -> None:
        self.latest = Latest()
        self._by_feed: dict[str, list[Source]] = {}
        self._by_symbol: dict[tuple[str, str], set[str]] = {}
        self._reads: dict[tuple[str, str], tuple[Quote | FeedError, Head]] = {}
        self._chain_error: dict[str, FeedError] = {}
        for source in sources:
            self._by_feed.setdefault(source.feed, []).append(source)
            if source.venue is not None and source.symbol is not None:
                self._by_symbol.setdefault((source.venue, source.symbol), set()).add(source.feed)

    def feeds_of(self, venue: str, symbol: str) -> frozenset[str]:
        """Feeds that a symbol of a venue is a source of."""
        return frozenset(self._by_symbol.get((venue, symbol), ()))

    def put_read(self, chain: str, read: ChainRead) -> None:
        """Keep what a chain read brought; names are ``feed|source``."""
        self._chain_error.pop(chain, None)
        for name, result in read.results.items():
            feed, _, source = name.partition("|")
            self._reads[feed, source] = (result, read.head)

    def put_chain_error(self, chain: str, error: FeedError) -> None:
        """The chain could not be read at all; what was read before goes on ageing."""
        self._chain_error[chain] = error

    def observe(self, feed: str, now_ms: int) -> tuple[Outcome, ...]:
        """One outcome of every source of a feed, at this moment."""
        return tuple(self._outcome(source, now_ms) for source in self._by_feed.get(feed, ()))

    def _outcome(self, source: Source, now_ms: int) -> Outcome:
        found = self._from_venue(source) if source.venue is not None else self._from_chain(source)
        if isinstance(found, FeedError):
            return Failure(pair=source.pair, source=source.name, error=found, failed_at_ms=now_ms)
        age_ms = now_ms - found.observed_at_ms
        if age_ms > source.max_age_ms:
            error = Stale("no newer word", age_ms=age_ms, max_age_ms=source.max_age_ms)
            return Failure(pair=source.pair, source=source.name, error=error, failed_at_ms=now_ms)
        return found

    def _from_venue(self, source: Source) -> Observation | FeedError:
        seen = self.latest.get(source.venue or "", source.symbol or "")
        newest, at_ms = seen.newest, seen.observed_at_ms
        if isinstance(newest, FeedError) or at_ms is None:
            return newest if isinstance(newest, FeedError) else NoData()
        return _observation(source, newest, at_ms)

    def _from_chain(self, source: Source) -> Observation | FeedError:
        held = self._reads.get((source.feed, source.name))
        if held is None:
            return self._chain_error.get(source.chain or "", NoData("the chain was not read yet"))
        result, head = held
        if isinstance(result, FeedError):
            return result
        seen = _observation(source, result, head.time_ms)
        return replace(seen, chain_id=head.chain_id, block=head.number)


def _observation(source: Source, quote: Quote, at_ms: int) -> Observation:
    return Observation(
        pair=source.pair,
        source=source.name,
        group=source.group,
        kind=source.kind,
        price_wad=quote.price_wad,
        observed_at_ms=at_ms,
        bid_wad=quote.bid_wad,
        ask_wad=quote.ask_wad,
        last_wad=quote.last_wad,
        depth_half_wad=quote.depth_half_wad,
        depth_wad=quote.depth_wad,
        depth_two_wad=quote.depth_two_wad,
        volume_wad=quote.volume_wad,
        mean_wad=quote.mean_wad,
        mean_span_ms=quote.mean_span_ms,
        base_share_bps=quote.base_share_bps,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class VenuePlan:
    """Where a venue is and when its silence counts. ``rest_ms``: pause between fallback requests; 0 turns it off."""

    ws_url: str | None = None
    rest_url: str | None = None
    silence_ms: int = 30_000
    rest_ms: int = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainPlan:
    """How a chain is read."""

    chain_id: int
    endpoints: tuple[str, ...]
    multicall: str
    poll_ms: int
    limits: ReaderLimits


@dataclass(frozen=True, slots=True, kw_only=True)
class Hooks:
    """Whom the watch tells: feeds that have news (with the time in ns when it came), clocks, heads, reorganisations."""

    on_news: Callable[[frozenset[str]], None]
    on_stated: Callable[[str, int, int], None]
    on_date: Callable[[str, int, int], None]
    on_head: Callable[[str, Head, ChainRead], None]
    on_reorg: Callable[[str, int, int], None]


class Watch:
    """Runs the streams, the REST fallback and the chain reads that keep an Observer filled.

    Args:
        observer: the tables to fill.
        sources: all sources.
        venues: by name; a venue of a source that is not in it gets the defaults.
        chains: by name.
        session: the process's one HTTP session.
        now_ms: the clock.
        hooks: whom to tell.
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
        hooks: Hooks,
    ) -> None:
        self._observer, self._session, self._now_ms, self._hooks = observer, session, now_ms, hooks
        self._chain_sources = {c: [s for s in sources if s.chain == c and s.adapter] for c in chains}
        self._chains = {c: p for c, p in chains.items() if self._chain_sources[c]}
        symbols: dict[str, set[str]] = {}
        for source in sources:
            if source.venue is not None and source.symbol is not None:
                symbols.setdefault(source.venue, set()).add(source.symbol)
        self._symbols = {v: tuple(sorted(s)) for v, s in sorted(symbols.items())}
        self._plans = {v: venues.get(v, VenuePlan()) for v in self._symbols}
        self._exchanges = {v: _placed(EXCHANGES[v], self._plans[v]) for v in self._symbols}
        self._http = HttpClient(session, now_ms, limits={v: e.limits for v, e in self._exchanges.items()})
        self._streams = {v: self._stream(v) for v, e in self._exchanges.items() if e.ws_url}
        self.readers = {c: self._reader(p) for c, p in self._chains.items()}
        self.fallbacks: Counter[str] = Counter()

    def tasks(self) -> Mapping[str, Callable[[], Coroutine[None, None, None]]]:
        """Endless tasks by name, to be started and supervised by the caller."""
        out: dict[str, Callable[[], Coroutine[None, None, None]]] = {}
        for venue, stream in self._streams.items():
            out[f"stream {venue}"] = stream.run
            if self._plans[venue].rest_ms:
                out[f"rest {venue}"] = partial(self._fall_back, venue)
        for chain in self._chains:
            out[f"chain {chain}"] = partial(self._follow, chain)
        return out

    def health(self) -> tuple[StreamHealth, ...]:
        """Snapshot of every stream."""
        return tuple(s.health() for s in self._streams.values())

    def _stream(self, venue: str) -> Stream:
        patience = Patience(silence_ms=self._plans[venue].silence_ms)
        return Stream(
            self._exchanges[venue],
            self._symbols[venue],
            self._session,
            self._on_tick,
            self._now_ms,
            fetch=partial(self._greet, venue),
            patience=patience,
        )

    async def _greet(self, venue: str, request: Request) -> bytes:
        return (await self._http.fetch(venue, request, timeout_s=_REPLY_S, max_bytes=_REPLY_BYTES)).body

    def _reader(self, chain: ChainPlan) -> ChainReader:
        return ChainReader(
            chain_id=chain.chain_id,
            endpoints=chain.endpoints,
            session=self._session,
            now_ms=self._now_ms,
            limits=chain.limits,
            multicall_address=chain.multicall,
        )

    def _on_tick(self, venue: str, tick: Tick, received_at_ms: int) -> bool:
        news = self._observer.latest.put(venue, tick, received_at_ms)
        result = tick.result
        if isinstance(result, Quote) and result.stated_at_ms is not None:
            self._hooks.on_stated(venue, result.stated_at_ms, received_at_ms)
        if news:
            self._hooks.on_news(self._observer.feeds_of(venue, tick.symbol))
        return news

    async def _fall_back(self, venue: str) -> None:
        """Ask by REST for the symbols whose stream is silent, and now and then for one to see the venue's clock."""
        exchange, plan = self._exchanges[venue], self._plans[venue]
        probed_ms = 0
        while True:
            now_ms = self._now_ms()
            limit_ms = plan.silence_ms if venue in self._streams else 0
            silent = [s for s in self._symbols[venue] if self._silent(venue, s, now_ms, limit_ms)]
            wanted = silent or (list(self._symbols[venue][:1]) if now_ms - probed_ms > _PROBE_MS else [])
            if wanted:
                probed_ms = now_ms
                for request in exchange.request(wanted):
                    await self._ask(venue, exchange, request, keep=bool(silent))
            await asyncio.sleep(plan.rest_ms / MS)

    def _silent(self, venue: str, symbol: str, now_ms: int, silence_ms: int) -> bool:
        received = self._observer.latest.get(venue, symbol).received_at_ms
        return received is None or now_ms - received > silence_ms

    async def _ask(self, venue: str, exchange: Exchange, request: Request, *, keep: bool) -> None:
        try:
            got = await self._http.fetch(venue, request, timeout_s=_REPLY_S, max_bytes=_REPLY_BYTES)
            ticks = exchange.parse_reply(request, got.body)
        except FeedError as error:
            ticks = tuple(Tick(symbol=s, result=error) for s in request.symbols) if keep else ()
            received_ms = self._now_ms()
        else:
            received_ms = got.received_at_ms
            if got.date_ms is not None:
                self._hooks.on_date(venue, got.date_ms, received_ms)
        if keep:
            self.fallbacks[venue] += 1
            for tick in ticks:
                self._on_tick(venue, tick, received_ms)

    async def _follow(self, chain: str) -> None:
        """Read all adapters of a chain once for each new head."""
        reader, plan = self.readers[chain], self._chains[chain]
        seen: deque[Head] = deque(maxlen=_HEADS)
        while True:
            try:
                head = await reader.head()
                if not seen or head.block_hash != seen[-1].block_hash:
                    await self._notice(chain, reader, seen, head)
                    await self._read(chain, reader, head)
            except FeedError as error:
                self._observer.put_chain_error(chain, error)
                _log.warning("chain not readable", chain=chain, why=str(error), advice=error.advice)
            await asyncio.sleep(plan.poll_ms / MS)

    async def _notice(self, chain: str, reader: ChainReader, seen: deque[Head], head: Head) -> None:
        """Remember a head; tell of the blocks that it replaced."""
        first = await reader.first_replaced(tuple(seen), head)
        if first is not None:
            self._hooks.on_reorg(chain, first, seen[-1].number)
            while seen and seen[-1].number >= first:
                seen.pop()
        seen.append(head)

    async def _read(self, chain: str, reader: ChainReader, head: Head) -> None:
        sources = self._chain_sources[chain]
        reads = {f"{s.feed}|{s.name}": s.adapter.read() for s in sources if s.adapter is not None}
        read = await reader.read(head, reads)
        self._observer.put_read(chain, read)
        self._hooks.on_head(chain, read.head, read)
        self._hooks.on_news(frozenset(s.feed for s in sources))


def _placed(exchange: Exchange, plan: VenuePlan) -> Exchange:
    """The adapter at other addresses, where the plan names some."""
    changes = {k: v for k, v in (("ws_url", plan.ws_url), ("rest_url", plan.rest_url)) if v is not None}
    return replace(exchange, **changes) if changes else exchange  # type: ignore[type-var]
