"""Trades from the exchanges' own wire to a round and to the live lane, with a start of the process in between."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal

import aiohttp
import pytest

from demo.venues.server import Venue
from feeds.chain_follower import IngestHooks
from feeds.ingest import Ingest, VenuePlan
from feeds.observe import Observer
from feeds.units import WAD
from oracle.config.feed_sources import sources_of
from oracle.config.resolve import ResolvedConfig, resolve
from oracle.config.sections import parse
from oracle.model.canonical_json import dump
from oracle.model.canonical_json import parse as parse_stored
from oracle.model.state import FeedState
from oracle.round.live import Live
from oracle.round.rounds import Member, Rounds
from tests.feeds.local_venues import until, wall_ms
from tests.oracle.round.round_world import own_round

pytestmark = pytest.mark.loopback
FEED = "ETH/USD"
PRICES = {"gemini": "102", "coinbase": "100", "kraken": "101"}
SYMBOLS = {"gemini": "ETHUSD", "coinbase": "ETH-USD", "kraken": "ETH/USD"}
QUIET = IngestHooks(
    on_news=lambda _: None, on_stated=lambda *_: None, on_date=lambda *_: None, on_head=lambda *_: None,
    on_reorg=lambda *_: None,
)  # fmt: skip


def resolved() -> ResolvedConfig:
    sources = [{"type": v, "symbol": s} for v, s in SYMBOLS.items()]
    return resolve(parse({"feeds": {FEED: {"method": "vwap", "window_s": 600, "sources": sources}}}))


@asynccontextmanager
async def listening(venues: Sequence[Venue], session: aiohttp.ClientSession) -> AsyncIterator[Observer]:
    """The process's sources, from empty tables, once it hears quotes and trades of all."""
    sources = sources_of(resolved())
    observer, before = Observer(sources), {v.name: v.traders for v in venues}
    plans = {v.name: VenuePlan(ws_url=v.ws_url, rest_url=v.rest_url) for v in venues}
    ingest = Ingest(observer, sources, venues=plans, chains={}, session=session, now_ms=wall_ms, hooks=QUIET)
    tasks = [asyncio.create_task(run()) for run in ingest.tasks().values()]
    try:
        await until(lambda: all(v.traders > before[v.name] for v in venues), within_s=60)
        await until(lambda: all(observer.latest.get(v, s).observed_at_ms for v, s in SYMBOLS.items()), within_s=60)
        yield observer
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await until(lambda: not any(v.traders for v in venues), within_s=60)


async def heard(observer: Observer, *volumes: int) -> None:
    """A trade of each of these volumes has come in, beside those that venues repeat to a new subscriber."""

    def came() -> bool:
        prints = [p for v, s in SYMBOLS.items() for p in observer.tape.prints(v, s, 0, wall_ms()).prints]
        return Counter(v * WAD for v in volumes) <= Counter(p.volume_wad for p in prints)

    await until(came, within_s=60)


async def test_trades_reach_the_price_with_their_own_volume_live_and_final_and_after_a_restart() -> None:
    config = resolved()
    venues = [Venue(name) for name in SYMBOLS]
    async with aiohttp.ClientSession() as session:
        try:
            for v in venues:
                await v.start()
                price = Decimal(PRICES[v.name])
                v.set_quote(SYMBOLS[v.name], price - Decimal("0.01"), price + Decimal("0.01"), price, Decimal(10**6))
            member = Member(name="local", specs=config.specs, states={FEED: FeedState()})
            rounds = Rounds(config.specs, [member], None)
            async with listening(venues, session) as observer:
                live = Live(config.specs, member.states.__getitem__, observer.observe, rounds.published)
                for v in venues:
                    v.trade(SYMBOLS[v.name], Decimal(PRICES[v.name]), Decimal(1_000 if v.name == "coinbase" else 10))
                await heard(observer, 1_000, 10, 10)
                expected = (100 * 1_000 + 101 * 10 + 102 * 10) * WAD // 1_020
                (indicated,) = live.refresh({FEED}, wall_ms())
                first_s = wall_ms() // 1_000 + 1
                done = own_round(rounds, first_s, {FEED: observer.observe(FEED, first_s * 1_000, 0)}, now_ms=wall_ms())
                rounds.commit(done)
                assert done.records[0].report.market_wad == indicated.report.market_wad == expected
                (again,) = live.refresh({FEED}, first_s * 1_000 + 100)
                assert again.report.market_wad == expected, "what a round took in is not indicated twice"
            member.states[FEED] = parse_stored(FeedState, dump(member.states[FEED]))
            async with listening(venues, session) as observer:
                await until(lambda: wall_ms() > first_s * 1_000)
                venues[0].trade(SYMBOLS[venues[0].name], Decimal(102), Decimal(1_020))
                await heard(observer, 1_020)
                next_s = wall_ms() // 1_000 + 1
                done = own_round(
                    rounds, next_s, {FEED: observer.observe(FEED, next_s * 1_000, first_s * 1_000)}, now_ms=wall_ms()
                )
                total = 100 * 1_000 + 101 * 10 + 102 * 1_030
                assert done.records[0].report.market_wad == total * WAD // 2_040
        finally:
            for v in venues:
                await v.stop()
