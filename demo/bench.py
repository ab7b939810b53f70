"""`lrt-oracle bench`: what this machine does, as ratios within one run. Nothing here is a test.

Each stands in files of its own but the endpoint's, which is here.
"""

from __future__ import annotations

import asyncio
import random
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp

from demo import anvil
from demo.bench_aggregate import aggregate
from demo.bench_chain import chain
from demo.bench_gas import gas
from demo.bench_latency import latency
from demo.settings import SYMBOLS
from demo.stand import load, standing
from demo.venues import Venue
from oracle.app import App

_PROBED = (("coinbase", "USDT-USD"), ("kraken", "USDT/USD"))


async def run(what: str) -> dict[str, Any]:
    """Run one benchmark by name; returns its JSON document."""
    benches: Mapping[str, Callable[[], Awaitable[dict[str, Any]]]] = {
        "chain": chain,
        "latency": latency,
        "aggregate": aggregate,
        "api": api,
        "gas": gas,
    }
    return await benches[what]()


async def api() -> dict[str, Any]:
    """Requests for one price against the local endpoint, 32 connections, with and without an entity tag."""
    with tempfile.TemporaryDirectory(prefix="lrt-oracle-bench-") as folder:
        async with standing(Path(folder), port=anvil.free_port()) as stand:
            await _list(stand.venues)
            app = App(load(stand), environ=stand.environ)
            stop = asyncio.Event()
            service = asyncio.create_task(app.run(stop))
            await _stream(stand.venues, 3.0)
            url = f"http://127.0.0.1:{app.plan.config.api.port}/v1/prices/ETH/USD"
            async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=32)) as session:
                async with session.get(url) as first:
                    tag = first.headers["ETag"]
                full = await _requests(session, url, {})
                cached = await _requests(session, url, {"If-None-Match": tag})
            stop.set()
            await service
    return {"requests_per_s": full, "requests_per_s_with_etag": cached, "client": "in the same process"}


async def _list(venues: Mapping[str, Venue]) -> None:
    """Give every symbol a first quote, so that it can be subscribed."""
    for venue, symbol in _PROBED:
        venues[venue].set_quote(symbol, Decimal(1), Decimal(1), Decimal(1), Decimal(5))
    await _stream(venues, 0.0)


async def _stream(venues: Mapping[str, Venue], seconds: float) -> int:
    """Have every venue change every one of its quotes as fast as this loop allows, about 1,000 messages/s each."""
    rng, sent, end = random.Random(2), 0, time.monotonic() + seconds
    bases = {
        "ETH/USD": Decimal(2000),
        "ETH/USDT": Decimal(2000),
        "USDT/USD": Decimal(1),
        "wdivETH/ETH": Decimal("1.05"),
    }
    while not sent or time.monotonic() < end:
        for name, venue in venues.items():
            for pair, symbol in SYMBOLS[name].items():
                if pair == "USDT/USD":
                    continue  # the probe's own
                mid = bases.get(pair, Decimal("1.02")) * (1 + Decimal(rng.randrange(-9, 10)) / 100_000)
                venue.set_quote(symbol, mid * Decimal("0.9999"), mid * Decimal("1.0001"), mid, Decimal(5))
                sent += 1
        await asyncio.sleep(0.003)
    return sent


async def _requests(session: aiohttp.ClientSession, url: str, headers: Mapping[str, str]) -> int:
    end, count = time.monotonic() + 3.0, 0

    async def one() -> None:
        nonlocal count
        while time.monotonic() < end:
            async with session.get(url, headers=headers) as reply:
                await reply.read()
            count += 1

    await asyncio.gather(*(one() for _ in range(32)))
    return round(count / 3.0)
