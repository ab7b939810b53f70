"""Exchanges through ccxt: its tickers become quotes, its errors typed ones, and a stand-in answers the real ccxt."""

from __future__ import annotations

import asyncio
import importlib
from typing import Any

import pytest

from demo.venues.faults import Misbehaviour
from demo.venues.server import Venue
from feeds.errors import FeedError
from feeds.streams import ccxt_bridge
from feeds.streams.ccxt_bridge import CcxtBridge, CcxtSource, installed, quote
from feeds.streams.latest import LatestQuotes
from feeds.types import Quote, Tick
from feeds.units import WAD
from tests.feeds.local_venues import quote as show
from tests.feeds.local_venues import until, wall_ms

needs_ccxt = pytest.mark.skipif(not installed(), reason='ccxt is not installed: pip install "lrt-oracle[ccxt]"')
TICKER = {
    "symbol": "ETH/USD", "timestamp": 1_760_130_545_050, "bid": "4000.01", "ask": "4000.03", "last": "4000.02",
    "baseVolume": "30111.5", "info": {},
}  # fmt: skip


def code(ticker: Any) -> str:
    with pytest.raises(FeedError) as caught:
        quote("ETH/USD", ticker)
    return caught.value.code


def test_a_ticker_is_read_exactly() -> None:
    expected = Quote(
        price_wad=400_002 * 10**16, bid_wad=400_001 * 10**16, ask_wad=400_003 * 10**16, last_wad=400_002 * 10**16,
        volume_wad=301_115 * 10**17, stated_at_ms=1_760_130_545_050,
    )  # fmt: skip
    assert quote("ETH/USD", TICKER) == expected
    floats = {k: float(v) if k in ("bid", "ask", "last", "baseVolume") else v for k, v in TICKER.items()}
    assert quote("ETH/USD", floats) == expected, "a float counts as its shortest text"


def test_what_is_missing_may_be_missing_but_the_book() -> None:
    plain = quote("ETH/USD", {**TICKER, "timestamp": None, "last": None, "baseVolume": None})
    assert (plain.last_wad, plain.volume_wad, plain.stated_at_ms) == (None, None, None)
    for bad in (None, float("nan"), True, "text", [], {}):
        assert code({**TICKER, "bid": bad}) == "MALFORMED"
    assert code({**TICKER, "ask": float("inf")}) == "MALFORMED"
    assert code({**TICKER, "bid": 0.0}) == "NOT_POSITIVE"
    assert code({**TICKER, "bid": "4001"}) == "CROSSED"
    assert code({**TICKER, "timestamp": 1_760_130_545}) == "MALFORMED"
    assert code({**TICKER, "symbol": "BTC/USD"}) == "WRONG_SYMBOL"
    assert code(None) == "MALFORMED"
    assert code([]) == "MALFORMED"


def test_without_the_extra_the_config_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ccxt_bridge.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(ValueError, match=r"pip install \"lrt-oracle\[ccxt\]\""):
        CcxtSource(exchange="bitstamp")


@needs_ccxt
def test_an_exchange_that_ccxt_does_not_know_is_refused() -> None:
    assert CcxtSource(exchange="bitstamp").venue == "ccxt:bitstamp"
    with pytest.raises(ValueError, match="not an exchange"):
        CcxtSource(exchange="nope")
    for keys in ({"rest_ms": 1}, {"timeout_ms": 1}, {"rest_ms": 10**9}, {"timeout_ms": 10**9}):
        with pytest.raises(ValueError, match="write"):
            CcxtSource(exchange="bitstamp", **keys)


@needs_ccxt
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("BadSymbol", "WRONG_SYMBOL"), ("RateLimitExceeded", "RATE_LIMITED"), ("DDoSProtection", "RATE_LIMITED"),
        ("RequestTimeout", "TIMED_OUT"), ("OnMaintenance", "UNREACHABLE"), ("ExchangeNotAvailable", "UNREACHABLE"),
        ("ExchangeError", "REFUSED"), ("AuthenticationError", "REFUSED"), ("BaseError", "REFUSED"),
    ],
)  # fmt: skip
def test_every_error_of_ccxt_has_a_type(name: str, expected: str) -> None:
    errors = importlib.import_module("ccxt.base.errors")
    typed = ccxt_bridge.typed_error(errors, getattr(errors, name)("said"), "ccxt:x")
    assert typed.code == expected
    assert typed.detail == "said"


MARKET = {
    "id": "ethusd", "symbol": "ETH/USD", "base": "ETH", "quote": "USD", "baseId": "eth", "quoteId": "usd",
    "type": "spot", "spot": True, "active": True, "precision": {}, "limits": {}, "info": {},
}  # fmt: skip
HEARD = {
    Misbehaviour.ZERO: "MALFORMED",  # ccxt drops a zero: the book has no bid
    Misbehaviour.NAN: "MALFORMED",
    Misbehaviour.PRICE_TEXT: "MALFORMED",
    Misbehaviour.HTTP_429: "RATE_LIMITED",
    Misbehaviour.HTML: "MALFORMED",  # ccxt takes the page for a ticker without any prices
    Misbehaviour.SILENT: "TIMED_OUT",
    Misbehaviour.SWAPPED_DECIMALS: "OUT_OF_RANGE",
}


def bridge_of(venue: Venue, table: LatestQuotes, *symbols: str, timeout_ms: int = 1_000) -> CcxtBridge:
    """The real ccxt, pointed at a stand-in of Bitstamp; its answers go to the table."""
    api = f"{venue.rest_url}/api"
    markets = {s: {**MARKET, "id": market_id(s), "symbol": s, "base": s.partition("/")[0]} for s in symbols}
    settings = {"urls": {"api": {"public": api, "private": api}}, "markets": markets, "rateLimit": 1}

    def put(tick: Tick, asked_ms: int, received_ms: int) -> None:
        table.put_answer("ccxt:bitstamp", tick, received_ms, asked_at_ms=asked_ms, streamed=False)

    return CcxtBridge(
        CcxtSource(exchange="bitstamp", rest_ms=1_000, timeout_ms=timeout_ms), symbols, put, wall_ms,
        settings=settings, sleep=lambda _: asyncio.sleep(0.01),
    )  # fmt: skip


def market_id(symbol: str) -> str:
    return symbol.replace("/", "").lower()


def price(table: LatestQuotes, symbol: str) -> int:
    return getattr(table.get("ccxt:bitstamp", symbol).newest, "price_wad", 0)


@needs_ccxt
@pytest.mark.loopback
@pytest.mark.parametrize("fault", [None, *HEARD])
async def test_the_real_ccxt_asks_a_stand_in(fault: Misbehaviour | None) -> None:
    venue = Venue("bitstamp")
    await venue.start()
    show(venue, "4000")
    table = LatestQuotes()
    task = asyncio.create_task(bridge_of(venue, table, "ETH/USD").run())
    try:
        await until(lambda: table.get("ccxt:bitstamp", "ETH/USD").quote is not None, within_s=60)
        first = table.get("ccxt:bitstamp", "ETH/USD").quote
        assert first is not None
        assert (first.price_wad, first.volume_wad) == (4000 * WAD, 12 * WAD + WAD // 2)
        assert first.stated_at_ms is not None
        if fault is not None:
            venue.misbehave(fault)
            await until(lambda: table.get("ccxt:bitstamp", "ETH/USD").missed is not None, within_s=60)
            seen = table.get("ccxt:bitstamp", "ETH/USD")
            assert seen.missed is not None
            assert seen.missed.code == HEARD[fault], seen.missed
            is_lost = HEARD[fault] in ("RATE_LIMITED", "TIMED_OUT")
            assert isinstance(seen.newest, Quote if is_lost else FeedError), "what is lost takes no quote back"
            venue.misbehave(None)
        show(venue, "4100")
        await until(lambda: price(table, "ETH/USD") == 4100 * WAD, within_s=60)
        assert not task.done()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await venue.stop()


@needs_ccxt
@pytest.mark.loopback
@pytest.mark.parametrize("fault", [Misbehaviour.SILENT, Misbehaviour.HTML, None])
async def test_one_symbol_costs_no_other_its_ticker(fault: Misbehaviour | None) -> None:
    """One hangs, cannot be read, or is not listed; the others go on, without waiting for it."""
    venue = Venue("bitstamp")
    await venue.start()
    good = ("LDO/USD", "UNI/USD")
    for symbol in good if fault is None else ("ETH/USD", *good):
        show(venue, "4000", market_id(symbol))
    venue.misbehave(fault, [market_id("ETH/USD")])
    table = LatestQuotes()
    task = asyncio.create_task(bridge_of(venue, table, "ETH/USD", *good, timeout_ms=60_000).run())
    try:
        for now in (4000, 4100):
            for symbol in good:
                show(venue, str(now), market_id(symbol))
            await until(lambda now=now: all(price(table, s) == now * WAD for s in good), within_s=60)  # type: ignore[misc]
        assert price(table, "ETH/USD") == 0
        assert not task.done()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await venue.stop()


@needs_ccxt
@pytest.mark.loopback
async def test_it_can_be_asked_just_once() -> None:
    venue = Venue("bitstamp")
    await venue.start()
    show(venue, "4000")
    table = LatestQuotes()
    try:
        await bridge_of(venue, table, "ETH/USD", "NOPE/USD").once()
        assert price(table, "ETH/USD") == 4000 * WAD
        assert table.get("ccxt:bitstamp", "NOPE/USD").error is not None
    finally:
        await venue.stop()
