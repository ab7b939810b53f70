"""Observe: what every source states at one moment, from tables that streams, REST fallback and chain reads keep filled.

``Observer`` is the table and does no I/O; :mod:`feeds.ingest` runs the tasks that fill it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import NamedTuple

from feeds.chains.endpoint import Head
from feeds.chains.pool_history import PoolHistory
from feeds.chains.reader import ChainRead
from feeds.decode.order_book import modelled_depth
from feeds.errors import FeedError, NoData, SequencerDown, Stale
from feeds.streams.ccxt_bridge import CcxtSource
from feeds.streams.latest import LatestQuotes
from feeds.streams.tape import TradeTape
from feeds.streams.venue import QuotedVenue
from feeds.types import ChainAdapter, Depth, Failure, Kind, Observation, Outcome, Pair, Quote
from feeds.units import MS

DEPTH_AGE_MS = 600_000
"""A book that was read longer ago states no depth any more."""


class Block(StrEnum):
    """At which block a source is read. Later certainty costs age: safe about 7 minutes, finalized about 13, on L1."""

    LATEST = "latest"
    SAFE = "safe"
    FINALIZED = "finalized"


class SourceKey(NamedTuple):
    """A source of a feed, as chain reads and their results are keyed."""

    feed: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One source of one feed: a venue's symbol, or an adapter on a chain.

    ``pull``: how to ask a venue that has no adapter of ours; None for one in the registry. ``trades``: its trades are
    needed as well, those of at least ``dust_wad`` base units.
    """

    feed: str
    name: str
    pair: Pair
    group: str
    kind: Kind
    max_age_s: int
    venue: str | None = None
    symbol: str | None = None
    chain: str | None = None
    adapter: ChainAdapter | None = None
    block: Block = Block.LATEST
    pull: QuotedVenue | CcxtSource | None = None
    trades: bool = False
    dust_wad: int = 0

    @property
    def key(self) -> SourceKey:
        """Its place in the tables."""
        return SourceKey(self.feed, self.name)


class Observer:
    """The newest statement of every source.

    Args:
        sources: all of them, of all feeds.
    """

    def __init__(self, sources: Sequence[Source]) -> None:
        self._sources: tuple[Source, ...] = ()
        self._by_feed: dict[str, list[Source]] = {}
        self.forget()
        self.change(sources)

    def forget(self) -> None:
        """Start over with empty tables."""
        self.latest = LatestQuotes()
        self.tape = TradeTape()
        self._depths: dict[tuple[str, str], tuple[Depth, int]] = {}
        self._reads: dict[SourceKey, tuple[Quote | FeedError, Head]] = {}
        self._chain_error: dict[str, FeedError] = {}
        self._down: dict[str, SequencerDown] = {}
        self._pool_history = PoolHistory()

    def change(self, sources: Sequence[Source]) -> Callable[[], None]:
        """Observe these from now on. What the others stated is forgotten, and that of a source that reads something else now.

        Returns:
            What takes it back.
        """
        before = self._sources, self.latest, self._depths, self._reads, self._pool_history
        places, keys = _read_alike(before[0], sources)
        self.latest, self._pool_history = self.latest.of(places), self._pool_history.of(keys)
        self._depths = {p: d for p, d in self._depths.items() if p in places}
        self._reads = {k: r for k, r in self._reads.items() if k in keys}
        self._list(sources)

        def undo() -> None:
            listed, self.latest, self._depths, self._reads, self._pool_history = before
            self._list(listed)

        return undo

    def _list(self, sources: Sequence[Source]) -> None:
        self._sources = tuple(sources)
        self._by_feed = {}
        for source in sources:
            self._by_feed.setdefault(source.feed, []).append(source)

    def put_read(self, chain: str, read: ChainRead) -> None:
        """Keep what a chain read brought, by SourceKey. Pools are screened against their own past."""
        self._chain_error.pop(chain, None)
        for key, result in read.results.items():
            self._reads[key] = (self._pool_history.screened(key, result, read.head.number), read.head)

    def preload_pools(self, pools: Iterable[SourceKey], samples: Iterable[ChainRead]) -> None:
        """Begin with what earlier blocks say of pools; samples ascending, see PoolHistory.preload."""
        self._pool_history.preload(pools, ((s.head.number, s.results) for s in samples))

    def put_sequencer(self, chain: str, down: SequencerDown | None) -> None:
        """Note that a rollup's sequencer is down, or has just come up (None: neither); reads of its chain do not count then."""
        if down is None:
            self._down.pop(chain, None)
        else:
            self._down[chain] = down

    def put_chain_error(self, chain: str, error: FeedError) -> None:
        """The chain could not be read at all; what was read before goes on ageing."""
        self._chain_error[chain] = error

    def put_depth(self, venue: str, symbol: str, depth: Depth, received_at_ms: int) -> None:
        """Keep the depth of a symbol's order book."""
        self._depths[venue, symbol] = depth, received_at_ms

    def has_depth(self, venue: str, symbol: str) -> bool:
        """Whether a symbol's order book was ever read."""
        return (venue, symbol) in self._depths

    def observe(self, feed: str, now_ms: int, trades_after_ms: int = 0) -> tuple[Outcome, ...]:
        """One outcome of every source of a feed, at this moment, with the trades that came after a time: that of the last round."""
        return tuple(self._outcome(source, now_ms, trades_after_ms) for source in self._by_feed.get(feed, ()))

    def _outcome(self, source: Source, now_ms: int, trades_after_ms: int) -> Outcome:
        venue = source.venue is not None
        result = self._from_venue(source, now_ms, trades_after_ms) if venue else self._from_chain(source)
        if isinstance(result, FeedError):
            return Failure(pair=source.pair, source=source.name, error=result, failed_at_ms=now_ms)
        age_ms = now_ms - result.observed_at_ms
        if age_ms > source.max_age_s * MS:
            missed = self._missed(source)
            why = "nothing newer came" if missed is None else f"nothing newer came, and asking for it failed ({missed})"
            error = Stale(why, age_ms=age_ms, max_age_ms=source.max_age_s * MS)
            return Failure(pair=source.pair, source=source.name, error=error, failed_at_ms=now_ms)
        return result

    def _missed(self, source: Source) -> FeedError | None:
        """What went wrong with a venue's symbol, or with its chain, since its last quote."""
        if source.venue is None:
            return self._chain_error.get(source.chain or "")
        return self.latest.get(source.venue, source.symbol or "").missed

    def _from_venue(self, source: Source, now_ms: int, trades_after_ms: int) -> Observation | FeedError:
        place = source.venue or "", source.symbol or ""
        latest = self.latest.get(*place)
        newest, at_ms = latest.newest, latest.observed_at_ms
        if isinstance(newest, FeedError) or at_ms is None:
            return newest if isinstance(newest, FeedError) else NoData()
        observation = _observation(source, newest, at_ms)
        if newest.depth_wad is None and (known := self._depth(place, newest, now_ms)) is not None:
            depth, modelled = known
            observation = replace(
                observation,
                depth_half_wad=depth.half_wad,
                depth_wad=depth.one_wad,
                depth_two_wad=depth.two_wad,
                depth_modelled=modelled,
            )
        if source.trades:
            tape = self.tape.prints(*place, trades_after_ms, now_ms, source.dust_wad)
            observation = replace(
                observation, prints=tape.prints, prints_span_ms=tape.span_ms, prints_from_ms=tape.from_ms
            )
        return observation

    def _depth(self, place: tuple[str, str], quote: Quote, now_ms: int) -> tuple[Depth, bool] | None:
        """A symbol's depth and whether it is only modelled: from its book, else from the day's volume, else unknown."""
        read = self._depths.get(place)
        if read is not None and now_ms - read[1] <= DEPTH_AGE_MS:
            return read[0], False
        return None if quote.volume_wad is None else (modelled_depth(quote.volume_wad), True)

    def _from_chain(self, source: Source) -> Observation | FeedError:
        down = self._down.get(source.chain or "")
        if down is not None:
            return down
        read = self._reads.get(source.key)
        if read is None:
            return self._chain_error.get(source.chain or "", NoData("the chain was not read yet"))
        result, head = read
        if isinstance(result, FeedError):
            return result
        observation = _observation(source, result, head.time_ms)
        return replace(observation, chain_id=head.chain_id, block=head.number)


def _read_alike(
    before: Iterable[Source], after: Iterable[Source]
) -> tuple[frozenset[tuple[str, str]], frozenset[SourceKey]]:
    """Places at venues, and sources on chains, that mean after a change of sources what they meant before it."""
    asked = {(s.venue, s.symbol): s.pull for s in before}
    read = {s.key: (s.chain, s.adapter, s.block) for s in before}
    places = frozenset(
        (s.venue, s.symbol)
        for s in after
        if s.venue is not None and s.symbol is not None and asked.get((s.venue, s.symbol), s) == s.pull
    )
    keys = frozenset(s.key for s in after if s.chain is not None and read.get(s.key) == (s.chain, s.adapter, s.block))
    return places, keys


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
