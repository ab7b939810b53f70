"""The shipped config against stand-ins of every venue and chain that it names: each feed has a price, and a cost to move it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from demo.venues.server import Venue
from feeds.chain_follower import IngestHooks
from feeds.ingest import Ingest
from feeds.observe import Observer
from feeds.units import MS
from oracle.build import build_ingest
from oracle.config.feed_sources import sources_of
from oracle.config.resolve import ResolvedConfig, resolve
from oracle.config.sections import load
from oracle.config.tables.chain_sections import VenueSection
from oracle.model.publication import Explanation
from oracle.model.state import FeedState
from oracle.model.types import FeedRound
from oracle.round.rounds import Member, Round, Rounds
from oracle.runtime.supervise import Supervisor
from oracle.serve.evidence import explain_document
from oracle.serve.explain import lines
from tests.e2e.mainnet_stand_in import BLOCK_S, ETHER_USD, MainnetStandIn
from tests.feeds.local_venues import until

pytestmark = pytest.mark.loopback
CONFIG = Path(__file__).parents[2] / "config.toml"
_STEPS = 9
"""Blocks that are read: more than the minute over which pools are averaged."""


class Clock:
    """Time that stands still until it is moved: whole blocks."""

    def __init__(self) -> None:
        now_s = int(time.time())
        self.ms = (now_s - now_s % BLOCK_S) * MS

    def __call__(self) -> int:
        return self.ms


def price_of(symbol: str) -> Decimal:
    """A tether is a dollar, everything else an ether; quoted in dollars or in ether."""
    if symbol.startswith("USDT"):
        return Decimal(1)
    in_dollars = "USD" in symbol
    return Decimal(ETHER_USD if in_dollars else 1)


@dataclass
class World:
    resolved: ResolvedConfig
    clock: Clock
    observer: Observer
    ingest: Ingest
    venues: dict[str, Venue]
    symbols: dict[str, list[str]]

    async def next_block(self) -> None:
        """Move the clock by a block, quote everything again, and wait until all of it has come."""
        self.clock.ms += BLOCK_S * MS
        for name, venue in self.venues.items():
            for symbol in self.symbols[name]:
                mid = price_of(symbol)
                venue.set_quote(symbol, mid * Decimal("0.9999"), mid * Decimal("1.0001"), mid, Decimal(100_000))
        await until(self._all_fresh, within_s=60)

    def _all_fresh(self) -> bool:
        outcomes = [o for feed in self.resolved.specs for o in self.observer.observe(feed, self.clock.ms)]
        return all(getattr(o, "observed_at_ms", 0) == self.clock.ms for o in outcomes)


@asynccontextmanager
async def world() -> AsyncIterator[World]:
    clock, config = Clock(), load(CONFIG)
    chains = [MainnetStandIn(resolve(config), clock) for _ in range(2)]
    for chain in chains:
        await chain.start()
    plans = [p for p in chains[0].resolved.sources if p.venue is not None and p.symbol is not None]
    symbols = {v: sorted({p.symbol or "" for p in plans if p.venue == v}) for v in {p.venue or "" for p in plans}}
    venues = {name: Venue(name, now_ms=clock, beat_s=0.2) for name in symbols}
    for name, venue in venues.items():
        await venue.start()
        for symbol in symbols[name]:
            mid = price_of(symbol)
            venue.set_quote(symbol, mid * Decimal("0.9999"), mid * Decimal("1.0001"), mid, Decimal(100_000))
    sections = {n: VenueSection(ws_url=v.ws_url, rest_url=v.rest_url) for n, v in venues.items()}
    ethereum = replace(config.chains["ethereum"], endpoints=tuple(c.url for c in chains), poll_ms=50)
    resolved = resolve(replace(config, chains={"ethereum": ethereum}, venues=sections))
    observer = Observer(sources_of(resolved))
    hooks = IngestHooks(
        on_news=lambda _: None, on_stated=lambda *_: None, on_date=lambda *_: None, on_head=lambda *_: None,
        on_reorg=lambda *_: None,
    )  # fmt: skip
    async with aiohttp.ClientSession() as session:
        ingest = build_ingest(resolved, observer, session, clock, hooks)
        tasks = asyncio.create_task(Supervisor(ingest.tasks()).run())
        try:
            yield World(resolved, clock, observer, ingest, venues, symbols)
        finally:
            tasks.cancel()
            await asyncio.gather(tasks, return_exceptions=True)
            for venue in venues.values():
                await venue.stop()
            for chain in chains:
                await chain.stop()


async def rounds_of(world: World) -> Round:
    """Some rounds, a block apart; the last one."""
    specs = world.resolved.specs
    member = Member(name="local", specs=specs, states={f: FeedState() for f in specs})
    rounds = Rounds(specs, [member])
    for _ in range(_STEPS):
        await world.next_block()
        at_ms = world.clock.ms
        observed = {f: world.observer.observe(f, at_ms, at_ms - BLOCK_S * MS) for f in specs}
        done = rounds.finish(rounds.fold(at_ms // MS, observed, now_ms=at_ms), {})
        rounds.commit(done)
    return done


async def test_every_default_feed_has_a_price_and_a_cost() -> None:
    async with world() as running:
        books = [(v, s) for v, listed in running.symbols.items() for s in listed]
        await until(lambda: all(running.observer.has_depth(v, s) for v, s in books), within_s=60)
        assert not running.ingest.depth_errors
        done = await rounds_of(running)
    assert {f: a.text for f, a in done.abstained.items()} == {}
    for folded in done.feeds:
        spec, feed, result = folded.spec, folded.spec.feed, folded.result
        assert isinstance(result, FeedRound)
        if spec.sources and spec.has_market:
            rounds = ((folded.operator, result),)
            explained = Explanation(record=None, rounds=rounds, values=(), legs=(), specs={folded.operator: spec})
            document: dict[str, Any] = explain_document(feed, explained)
            (operator,) = document["operators"]
            assert operator["market"]["rejected"] == [], feed
            assert operator["cost"], feed
            for cost in operator["cost"]:
                assert Decimal(cost["base"]) > 0, (feed, cost)
                assert cost["unknown"] == [], (feed, cost)
            assert "None" not in "\n".join(lines(document))
