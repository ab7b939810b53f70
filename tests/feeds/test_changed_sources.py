"""Sources that change while they are read: what is read as before is kept, and what means something else now is forgotten."""

from __future__ import annotations

from dataclasses import replace

import aiohttp
import pytest

from feeds.chain_follower import ChainPlan, IngestHooks
from feeds.chains.endpoint import Head, ReaderLimits
from feeds.chains.multicall import ADDRESS
from feeds.chains.reader import ChainRead
from feeds.errors import NoData
from feeds.ingest import Ingest, VenuePlan
from feeds.observe import Observer, Source
from feeds.rates.call import RateCall
from feeds.registry import EXCHANGES
from feeds.types import Failure, Kind, Observation, Pair, Quote, Tick
from feeds.units import WAD, Wad

PAIR, T0 = Pair.parse("ETH/USD"), 1_700_000_000_000
HEAD = Head(number=1, block_hash="0x1", parent_hash="0x0", time_ms=T0, chain_id=1)
QUOTE = Quote(price_wad=Wad(2_000 * WAD))


def listed(venue: str, symbol: str, feed: str = "ETH/USD") -> Source:
    return Source(
        feed=feed, name=venue, pair=PAIR, group=venue, kind=Kind.MARKET, max_age_s=60, venue=venue, symbol=symbol
    )


def on_chain(function: str) -> Source:
    adapter = RateCall(contract="0x" + "11" * 20, function=function, args=())
    return Source(
        feed="ETH/USD", name="rate", pair=PAIR, group="rate", kind=Kind.REDEMPTION, max_age_s=60, chain="local",
        adapter=adapter,
    )  # fmt: skip


COINBASE, KRAKEN, RATE = listed("coinbase", "ETH-USD"), listed("kraken", "ETH/USD"), on_chain("getRate()")
PLAN = ChainPlan(chain_id=1, endpoints=("http://127.0.0.1:1",), multicall=ADDRESS, poll_ms=100, limits=ReaderLimits())


def told(observer: Observer, source: Source) -> bool:
    (outcome,) = (o for o in observer.observe(source.feed, T0) if o.source == source.name)
    if isinstance(outcome, Failure):
        assert isinstance(outcome.error, NoData)
    return isinstance(outcome, Observation)


def filled() -> Observer:
    observer = Observer([COINBASE, KRAKEN, RATE])
    observer.latest.put("coinbase", Tick(symbol="ETH-USD", result=QUOTE), T0)
    observer.latest.put("kraken", Tick(symbol="ETH/USD", result=QUOTE), T0)
    observer.put_read("local", ChainRead(head=HEAD, results={RATE.key: QUOTE}))
    return observer


def test_what_a_source_stated_stays_with_what_it_reads() -> None:
    observer = filled()
    other_rate = on_chain("getExchangeRate()")
    undo = observer.change([COINBASE, listed("kraken", "XBT/USD"), other_rate])
    assert told(observer, COINBASE)
    assert not told(observer, KRAKEN), "another symbol"
    assert not told(observer, other_rate), "another function of the contract: what the first one said is not its rate"
    undo()
    assert all(told(observer, s) for s in (COINBASE, KRAKEN, RATE))
    elsewhere = replace(KRAKEN, pull=EXCHANGES["coinbase"])
    observer.change([COINBASE, elsewhere, RATE])()
    assert told(observer, KRAKEN)
    observer.change([COINBASE, elsewhere, RATE])
    assert not told(observer, elsewhere), "the same words, asked of another server"
    observer.change([COINBASE, KRAKEN, RATE])
    observer.latest.put("kraken", Tick(symbol="ETH/USD", result=QUOTE), T0)
    observer.put_read("local", ChainRead(head=HEAD, results={RATE.key: QUOTE}))
    observer.change([KRAKEN])
    observer.change([COINBASE, KRAKEN, RATE])
    assert [told(observer, s) for s in (COINBASE, KRAKEN, RATE)] == [False, True, False]


@pytest.mark.parametrize(
    ("sources", "venues", "plan", "kept"),
    [
        ([COINBASE, KRAKEN, RATE], {}, PLAN, {"coinbase", "kraken", "local"}),
        ([COINBASE, replace(KRAKEN, max_age_s=5, feed="ETH/USD#2"), RATE], {}, PLAN, {"coinbase", "kraken", "local"}),
        ([COINBASE, KRAKEN, listed("kraken", "SOL/USD"), RATE], {}, PLAN, {"coinbase", "local"}),
        ([COINBASE, KRAKEN, RATE], {"kraken": VenuePlan(silence_ms=1)}, PLAN, {"coinbase", "local"}),
        ([COINBASE, RATE], {}, PLAN, {"coinbase", "local"}),
        ([COINBASE, KRAKEN, RATE], {}, replace(PLAN, endpoints=("http://127.0.0.1:2",)), {"coinbase", "kraken"}),
        ([COINBASE, KRAKEN, on_chain("other()")], {}, PLAN, {"coinbase", "kraken"}),
    ],
)
async def test_only_what_is_read_in_another_way_begins_anew(
    sources: list[Source], venues: dict[str, VenuePlan], plan: ChainPlan, kept: set[str]
) -> None:
    news: list[frozenset[str]] = []
    hooks = IngestHooks(
        on_news=news.append, on_stated=lambda *_: None, on_date=lambda *_: None, on_head=lambda *_: None,
        on_reorg=lambda *_: None,
    )  # fmt: skip
    async with aiohttp.ClientSession() as session:
        ingest = Ingest(
            Observer([COINBASE, KRAKEN, RATE]), [COINBASE, KRAKEN, RATE], venues={}, chains={"local": PLAN}, session=session,
            now_ms=lambda: T0, hooks=hooks,
        )  # fmt: skip
        before = ingest.tasks()
        undo = ingest.change(sources, venues=venues, chains={"local": plan})
        after = ingest.tasks()
        same = {name.split()[1] for name, start in after.items() if before.get(name) == start}
        assert same == kept
        assert {n.split()[1] for n in after} == {s.venue or "local" for s in sources}
        undo()
        assert ingest.tasks() == before
