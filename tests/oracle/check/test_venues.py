"""The check asks every exchange, JSON interface and ccxt once; local stand-ins answer."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from demo.venues.faults import Misbehaviour
from demo.venues.server import Venue
from feeds.streams.ccxt_bridge import installed
from oracle.check import venues as asked
from oracle.check.check import check
from oracle.check.venues import VenueAnswers
from oracle.config.resolve import resolve
from oracle.config.sections import parse
from tests.oracle.check.quoted_venues import quoting, show, venues_table

pytestmark = pytest.mark.loopback
FEED = "ETH/USD"


def wall_ms() -> int:
    return time.time_ns() // 1_000_000


PRICES = {
    "coinbase": {"ETH-USD": "2000", "USDT-USD": "0.5"},
    "kraken": {"ETH/USD": "2001", "USDT/USD": "0.5"},
    "binance": {"ETHUSDT": "4004"},
}
"""Ether at 2000 dollars, once in a coin of half a dollar."""


def table(local: dict[str, Venue], folder: Path, *more: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """A config over them; `changes` are merged into the sources of ether by type, `more` sources come after."""
    sources: dict[str, dict[str, Any]] = {
        "coinbase": {"symbol": "ETH-USD"},
        "kraken": {"symbol": "ETH/USD"},
        "binance": {"symbol": "ETHUSDT", "pair": "ETH/USDT", "convert": "USDT/USD"},
    }
    for name, change in changes.items():
        sources[name] |= change
    leg = [{"type": "coinbase", "symbol": "USDT-USD"}, {"type": "kraken", "symbol": "USDT/USD"}]
    return {
        "oracle": {"database": str(folder / "o.db")},
        "venues": venues_table(local),
        "feeds": {
            FEED: {"sources": [*({"type": n, **s} for n, s in sources.items()), *more]},
            "USDT/USD": {"sources": leg, "reference_only": True},
        },
    }


async def found(table: dict[str, Any]) -> dict[str, Any]:
    return await check(resolve(parse(table)), offline=False, environ={})


def source(got: dict[str, Any], name: str) -> dict[str, Any]:
    return next(r for r in got["sources"] if (r["feed"], r["source"]) == (FEED, name))


def errors(got: dict[str, Any]) -> dict[str, str]:
    return {e["key"]: e["text"] for e in got["errors"]}


async def test_every_source_stands_beside_its_feed(tmp_path: Path) -> None:
    async with quoting(PRICES) as local:
        got = await found(table(local, tmp_path))
    assert got["errors"] == []
    prices = {
        r["source"]: (r["price"].rstrip("0").rstrip("."), r["distance_bps"])
        for r in got["sources"]
        if r["feed"] == FEED
    }
    assert prices == {"coinbase": ("2000", -5), "kraken": ("2001", 0), "binance": ("2002", 5)}
    feed = got["feeds"][-1]
    assert (feed["feed"], feed["groups_answered"], feed["silent_groups"]) == (FEED, 3, [])
    assert feed["price"] == "2001.000000000000000000"


@pytest.mark.parametrize(("name", "symbol"), [("coinbase", "ETH-USD"), ("kraken", "ETH/USD"), ("binance", "ETHUSDT")])
async def test_a_delisted_symbol_is_an_error_that_says_what_to_write(name: str, symbol: str, tmp_path: Path) -> None:
    listed = {n: {s: p for s, p in prices.items() if (n, s) != (name, symbol)} for n, prices in PRICES.items()}
    async with quoting(listed) as local:
        got = await found(table(local, tmp_path))
    said = errors(got)
    assert list(said) == [f'feeds."{FEED}".{name}'], said
    assert "WRONG_SYMBOL" in said[f'feeds."{FEED}".{name}']
    assert f"{name} knows no {symbol}: write its own spelling" in said[f'feeds."{FEED}".{name}']
    feed = next(f for f in got["feeds"] if f["feed"] == FEED)
    assert (feed["groups_answered"], feed["silent_groups"]) == (2, [name])


async def test_a_price_of_something_else_is_an_error(tmp_path: Path) -> None:
    async with quoting(PRICES) as local:
        show(local["coinbase"], "ETH-USD", "1500")
        said = errors(await found(table(local, tmp_path)))
    assert list(said) == [f'feeds."{FEED}".coinbase']
    assert "max_spread_bps" in said[f'feeds."{FEED}".coinbase']


async def test_what_fails_at_one_venue_costs_the_others_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asked, "VENUES_S", 3)
    async with quoting(PRICES) as local:
        local["kraken"].misbehave(Misbehaviour.SILENT, ["ETH/USD"])
        local["coinbase"].misbehave(Misbehaviour.HTML, ["ETH-USD"])
        got = await found(table(local, tmp_path))
    assert {k: t.split(":")[0] for k, t in errors(got).items()} == {
        f'feeds."{FEED}".coinbase': "MALFORMED",
        f'feeds."{FEED}".kraken': "TIMED_OUT",
    }
    assert source(got, "binance")["price"] == "2002.000000000000000000"


async def test_a_venue_that_does_not_serve_us_says_what_can_be_done(tmp_path: Path) -> None:
    async def blocked(_: web.Request) -> web.Response:
        return web.json_response({"message": "unavailable in your region"}, status=451)

    async with quoting(PRICES) as local, serving(blocked) as address:
        config = table(local, tmp_path)
        config["venues"]["binance"]["rest_url"] = address
        said = errors(await found(config))
    assert list(said) == [f'feeds."{FEED}".binance']
    text = said[f'feeds."{FEED}".binance']
    assert "status=451" in text
    assert "binance does not serve this address: run where it does, name a proxy in venues.binance.rest_url" in text


@asynccontextmanager
async def serving(answer: Callable[[web.Request], Any]) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def test_json_sources_are_asked_too(tmp_path: Path) -> None:
    async def answer(request: web.Request) -> web.Response:
        return web.json_response({"price": "2003"} if request.path == "/good" else {"nothing": 1})

    async with quoting(PRICES) as local, serving(answer) as address:
        more = [{"type": "json_http", "name": n, "url": f"{address}/{n}", "price": "price"} for n in ("good", "bad")]
        got = await found(table(local, tmp_path, *more))
    assert source(got, "good")["price"] == "2003.000000000000000000"
    assert {k: t.split(":")[0] for k, t in errors(got).items()} == {f'feeds."{FEED}".bad': "MALFORMED"}


@pytest.mark.skipif(not installed(), reason='ccxt is not installed: pip install "lrt-oracle[ccxt]"')
async def test_ccxt_sources_are_asked_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ccxt's own addresses cannot be reached from here: the error says so, and costs the others nothing."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    async with quoting(PRICES) as local:
        more = {"type": "ccxt", "name": "cx", "exchange": "bitstamp", "symbol": "ETH/USD", "timeout_ms": 1_000}
        monkeypatch.setattr(asked, "VENUES_S", 5)
        got = await found(table(local, tmp_path, more))
    assert list(errors(got)) == [f'feeds."{FEED}".cx']
    assert source(got, "cx")["error"]
    assert source(got, "coinbase")["price"]


async def test_offline_nobody_is_asked(tmp_path: Path) -> None:
    async with quoting(PRICES) as local:
        got = await check(resolve(parse(table(local, tmp_path))), offline=True, environ={})
    assert got["sources"] == []
    assert "groups_answered" not in got["feeds"][0]


@pytest.mark.parametrize(("ahead_s", "said"), [(0, ""), (30, "ahead of"), (-30, "behind")])
async def test_a_clock_that_is_far_from_ours_is_noted(ahead_s: int, said: str, tmp_path: Path) -> None:
    async with quoting(PRICES) as local:
        await local["coinbase"].stop()
        local["coinbase"] = moved = Venue("coinbase", now_ms=lambda: wall_ms() + ahead_s * 1_000)
        await moved.start()
        show(moved, "ETH-USD", "2000")
        show(moved, "USDT-USD", "0.5")
        notes = [n for n in (await found(table(local, tmp_path)))["notes"] if "clock" in n]
    assert len(notes) == bool(ahead_s)
    assert all(said in n for n in notes)


def test_whole_seconds_are_no_distance() -> None:
    clocks = asked._Clocks()
    for received_ms in (5_000, 5_999, 6_000):
        clocks.note("v", 5_000, received_ms)
    assert clocks.ahead_ms == {"v": 0}
    clocks.note("w", 5_000, 9_500)
    assert clocks.ahead_ms["w"] == -3_500
    assert (
        VenueAnswers(said={}, clocks=clocks.ahead_ms)
        .clock_notes()[0]
        .startswith("venue w: by its answer its clock is 3.5 s behind")
    )
    clocks.note("w", 9_000, 9_500)
    assert clocks.ahead_ms["w"] == 0, "the least that any answer shows"
