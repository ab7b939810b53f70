"""What moving each default feed costs, with every exchange of the default config as a local one that speaks its wire protocol."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import aiohttp
import pytest

from demo.venues.server import Venue
from feeds.chain_follower import IngestHooks
from feeds.chains.endpoint import Head
from feeds.chains.reader import ChainRead
from feeds.ingest import Ingest
from feeds.observe import Observer, SourceKey
from feeds.types import Kind, Pair, Quote
from feeds.units import WAD, Wad
from oracle.config.feed_sources import sources_of, venues_of
from oracle.config.resolve import ResolvedConfig, resolve
from oracle.config.sections import load
from oracle.config.source_plans import SourcePlan
from oracle.config.tables.chain_sections import VenueSection
from oracle.model.publication import Explanation
from oracle.model.state import FeedState
from oracle.model.types import FeedRound, FoldedFeed
from oracle.round.rounds import Member, Rounds
from oracle.serve.evidence import explain_document
from oracle.serve.explain import lines
from tests.feeds.local_venues import until, wall_ms
from tests.oracle.round.round_world import own_round

pytestmark = pytest.mark.loopback
CONFIG = Path(__file__).parents[3] / "config.toml"
IN_ETHER = {"ETH": Decimal(1), "WETH": Decimal(1), "USD": Decimal("0.00025"), "USDT": Decimal("0.00025")}
"""What a unit is worth in ether; every staking token of the config: its rate, 1.05."""
SPREAD, LEVEL = Decimal("0.0001"), Decimal(3)
BLOCKS, BLOCK_MS = 12, 12_000
REDEEMABLE = {Kind.SUPPLY: WAD * 1_000, Kind.BACKING: WAD * 1_000, Kind.OPEN: WAD}


def price(pair: Pair) -> Decimal:
    worth = (IN_ETHER.get(name, Decimal("1.05")) for name in (pair.base, pair.quote))
    base, quote = worth
    return base / quote


def listed(resolved: ResolvedConfig) -> dict[str, dict[str, Pair]]:
    """The symbols of each exchange of the config, and what they are about."""
    found: dict[str, dict[str, Pair]] = {}
    for plan in resolved.sources:
        if plan.venue is not None and plan.pull is None and plan.symbol is not None:
            found.setdefault(plan.venue, {})[plan.symbol] = plan.spec.pair
    return found


@asynccontextmanager
async def exchanges(symbols: dict[str, dict[str, Pair]]) -> AsyncIterator[dict[str, VenueSection]]:
    """Each exchange with a quote and a book for each symbol: 3 units every ten basis points; as sections of the config."""
    async with AsyncExitStack() as running:
        sections = {}
        for name, pairs in symbols.items():
            venue = Venue(name)
            await venue.start()
            running.push_async_callback(venue.stop)
            for symbol, pair in pairs.items():
                middle = price(pair)
                near = [middle * SPREAD * (10 * k + 1) for k in range(30)]
                venue.set_quote(symbol, middle - near[0], middle + near[0], middle, Decimal(50_000))
                venue.set_book(
                    symbol,
                    tuple((round(middle - far, 8), LEVEL) for far in near),
                    tuple((round(middle + far, 8), LEVEL) for far in near),
                )
            sections[name] = VenueSection(ws_url=venue.ws_url, rest_url=venue.rest_url, rest_ms=200, depth_ms=1_000)
        yield sections


def read_of(chain_id: int, plans: Iterable[SourcePlan], at_ms: int) -> ChainRead:
    """What a chain's reader would bring at a block: every pool and rate of it."""
    head = Head(chain_id=chain_id, number=at_ms // BLOCK_MS, block_hash="0x1", time_ms=at_ms)
    results = {}
    for plan in plans:
        wad = Wad(REDEEMABLE.get(plan.spec.kind, int(price(plan.spec.pair) * WAD)))
        quote = Quote(price_wad=wad)
        if plan.spec.kind is Kind.MARKET:
            quote = Quote(
                price_wad=wad, bid_wad=wad, ask_wad=wad, depth_half_wad=50 * WAD, depth_wad=100 * WAD, depth_two_wad=200 * WAD
            )  # fmt: skip
        results[SourceKey(plan.feed, plan.spec.name)] = quote
    return ChainRead(head=head, results=results)


def played(resolved: ResolvedConfig, observer: Observer) -> dict[str, FoldedFeed]:
    """The last of some rounds, one for each block of the minutes before, in which pools get their averages."""
    chains = {p.chain for p in resolved.sources if p.adapter is not None and p.chain is not None}
    member = Member(name="local", specs=resolved.specs, states={f: FeedState() for f in resolved.specs})
    rounds = Rounds(resolved.specs, [member], None)
    now_ms = wall_ms() // 1_000 * 1_000 + 1_000
    for at_ms in range(now_ms - BLOCKS * BLOCK_MS, now_ms + 1, BLOCK_MS):
        for chain in chains:
            plans = [p for p in resolved.sources if p.chain == chain and p.adapter is not None]
            observer.put_read(chain, read_of(resolved.config.chains[chain].chain_id, plans, at_ms))
        done = own_round(rounds, at_ms // 1_000, {f: observer.observe(f, at_ms) for f in resolved.specs}, now_ms=at_ms)
        rounds.commit(done)
    return {f.spec.feed: f for f in done.feeds}


async def test_every_default_feed_says_what_it_costs_to_move() -> None:
    resolved = resolve(load(CONFIG))
    symbols = listed(resolved)
    places = [(v, s) for v, pairs in symbols.items() for s in pairs]
    async with exchanges(symbols) as sections, aiohttp.ClientSession() as session:
        resolved = replace(resolved, config=replace(resolved.config, venues=sections))
        sources = sources_of(resolved)
        observer = Observer(sources)
        quiet = IngestHooks(
            on_news=lambda _: None, on_stated=lambda *_: None, on_date=lambda *_: None, on_head=lambda *_: None,
            on_reorg=lambda *_: None,
        )  # fmt: skip
        ingest = Ingest(
            observer,
            sources,
            venues=venues_of(resolved.config),
            chains={},
            session=session,
            now_ms=wall_ms,
            hooks=quiet,
        )
        tasks = [asyncio.create_task(run()) for run in ingest.tasks().values()]
        try:
            await until(lambda: all(observer.latest.get(*p).observed_at_ms for p in places), within_s=120)
            await until(lambda: all(p in observer._depths or p in ingest.depth_errors for p in places), within_s=120)
            folded = played(resolved, observer)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
    markets = {n: f for n, f in folded.items() if f.spec.has_market}
    assert len(markets) >= 12
    for name, feed in markets.items():
        assert isinstance(feed.result, FeedRound), (name, feed.result)
        explanation = Explanation(
            record=None, rounds=(("local", feed.result),), values=(), legs=(), specs={"local": feed.spec}
        )
        document = explain_document(name, explanation)
        (operator,) = document["operators"]
        assert operator["cost"] or operator["cost_of"] in markets, name
        for cost in operator["cost"]:
            assert Decimal(cost["base"]) > 0, (name, cost)
            assert cost["unknown"] == cost["modelled"] == [], (name, cost)
        assert "None" not in "\n".join(lines(document))
