"""`lrt-oracle bench`: what this machine does, as ratios within one run. Nothing here is a test.

Chain, latency and aggregate stand in files of their own; the endpoint's and the contracts' are here.
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
import coincurve
from web3 import Web3

from demo import anvil
from demo.bench_aggregate import aggregate
from demo.bench_chain import chain
from demo.bench_latency import latency
from demo.chain import account
from demo.settings import SYMBOLS
from demo.stand import load, standing
from demo.venues import Venue
from feeds.abi import address
from feeds.units import Bps, Wad
from oracle.app import App
from oracle.clock import now_ms
from oracle.eip712 import Domain, address_of, batch_bytes, batch_digest, sign_compact
from oracle.onchain.deploy import Deployer, feed_id
from oracle.report import encode_item
from oracle.types import Report, Status, Why

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


async def gas() -> dict[str, Any]:
    """Gas of a push in steady state, by tokens and signers."""
    table: dict[str, dict[str, int]] = {}
    with anvil.running() as node:
        for signers in (1, 3, 5):
            table[f"{signers} signers"] = {f"{n} tokens": await _push_gas(node.url, signers, n) for n in (1, 5, 20)}
    return table


async def _push_gas(url: str, signers: int, tokens: int) -> int:
    """Gas of the fourth push of `tokens` items with `signers` of 2 * signers - 1 operators."""
    keys = sorted(
        (coincurve.PrivateKey(bytes([7]) * 31 + bytes([i + 1])) for i in range(2 * signers - 1)), key=address_of
    )
    deployer = Deployer(url, _first_key())
    try:
        parties = [Web3.to_checksum_address("0x" + address_of(k).hex()) for k in keys]
        owner = Web3.to_checksum_address("0x" + address_of(_first_key()).hex())
        who = (owner, owner, 3600, 0, 0)
        strong = len(keys)
        weights = [1] * len(keys)
        store = await deployer.create("PriceStore", who, [(1, 500, 600)], parties, weights, signers, strong)
        for i in range(tokens):
            await deployer.call(store.functions.register(feed_id(f"T{i}/ETH"), True, True, 0))  # noqa: FBT003 - Solidity has no names
        domain = Domain(chain_id=await deployer.chain_id(), store=address(store.address))
        now_s, used = now_ms() // 1_000, 0
        for turn in range(4):
            items = b"".join(encode_item(i, _report(turn, now_s + turn)) for i in range(tokens))
            digest = batch_digest(domain, 1, now_s + turn, items)
            signatures = b"".join(bytes([i]) + sign_compact(k, digest) for i, k in enumerate(keys[:signers]))
            receipt = await deployer.call(store.functions.push(batch_bytes(1, now_s + turn, items), signatures))
            used = int(receipt["gasUsed"])
        return used
    finally:
        await deployer.close()


def _report(turn: int, round_s: int) -> Report:
    return Report(
        market_wad=Wad(1_050_000_000_000_000_000 + turn * 7_919_191),
        redemption_wad=Wad(1_060_000_000_000_000_000 + turn * 104_729),
        spread_bps=Bps(7 + turn),
        status=Status.OK,
        why=Why.NONE,
        round_time_s=round_s,
        market_age_s=3,
        redemption_age_h=7,
    )


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


def _first_key() -> coincurve.PrivateKey:
    return coincurve.PrivateKey(bytes(account(0).key))
