"""`lrt-oracle bench`: what this machine does, as ratios within one run. Nothing here is a test."""

from __future__ import annotations

import asyncio
import random
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
import coincurve
import numpy as np
from web3 import Web3

import contracts
from demo import anvil
from demo.chain import Chain, account
from demo.deploy import backdated, deploy
from demo.settings import SYMBOLS
from demo.stand import load, standing
from demo.venues import Venue
from feeds import multicall
from feeds.abi import address
from feeds.rates.call import RateCall
from feeds.rpc import ChainReader
from feeds.types import Call
from feeds.units import Bps, Wad
from oracle.app import App
from oracle.clock import now_ms
from oracle.deploy import Deployer, feed_id
from oracle.eip712 import Domain, address_of, batch_bytes, batch_digest, sign_compact
from oracle.methods.median import median
from oracle.report import encode_item
from oracle.types import Input, Report, Status, Why

_RUNS = 9
_SECONDS = 8.0
_PROBES = 100
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


async def chain(reads: int = 50) -> dict[str, Any]:
    """Phase-1 reads of one block: ours, the same by single web3 calls, and one bare Multicall3 call of ready bytes."""
    with anvil.running(extra=backdated()) as node:
        async with Chain(node.url) as local, aiohttp.ClientSession() as session:
            world = await deploy(local)
            text = "convertToAssets(uint256)"
            adapters = [RateCall(contract=world.div_eth, function=text, args=(str(10**18 + i),)) for i in range(reads)]
            reader = ChainReader(chain_id=world.chain_id, endpoints=[node.url], session=session, now_ms=now_ms)
            head = await reader.head()
            before = reader.stats.requests

            async def ours() -> None:
                await reader.read(head, {str(i): a.read() for i, a in enumerate(adapters)})

            await ours()
            calls_for_one = reader.stats.requests - before
            contract = Web3(Web3.HTTPProvider(node.url)).eth.contract(
                address=Web3.to_checksum_address(world.div_eth), abi=contracts.load("DivETH", _demo_artifacts()).abi
            )

            def single() -> None:
                for i in range(reads):
                    contract.functions.convertToAssets(10**18 + i).call(block_identifier=head.number)

            calls: tuple[Call, ...] = tuple(c for a in adapters for c in next(a.read()))
            data = "0x" + multicall.pack(calls).hex()

            async def bare() -> None:
                params = [{"to": world.multicall3, "data": data}, {"blockHash": head.block_hash}]
                body = {"jsonrpc": "2.0", "id": 1, "method": "eth_call", "params": params}
                async with session.post(node.url, json=body) as reply:
                    await reply.read()

            ours_ms, bare_ms = await _median_ms(ours), await _median_ms(bare)
            single_ms = _median_sync_ms(single)
    return {
        "reads": reads,
        "eth_calls": calls_for_one,
        "ours_ms": round(ours_ms, 3),
        "web3_single_ms": round(single_ms, 3),
        "bare_multicall_ms": round(bare_ms, 3),
        "ratio_web3": round(single_ms / ours_ms, 1),
        "ratio_bare": round(ours_ms / bare_ms, 2),
    }


async def latency() -> dict[str, Any]:
    """The demo's whole service with three venues streaming quickly: tick received to live answer."""
    with tempfile.TemporaryDirectory(prefix="lrt-oracle-bench-") as folder:
        async with standing(Path(folder), port=anvil.free_port()) as stand:
            await _list(stand.venues)
            app = App(load(stand), environ=stand.environ)
            stop = asyncio.Event()
            service = asyncio.create_task(app.run(stop))
            await _stream(stand.venues, 2.0)
            app.live_us.clear()
            probe = asyncio.create_task(_probe(stand.venues, app.plan.config.api.port))
            cpu, started = time.process_time(), time.monotonic()
            sent = await _stream(stand.venues, _SECONDS)
            spent = time.monotonic() - started
            seen = sorted(await probe)
            cpu_share = (time.process_time() - cpu) / spent
            stop.set()
            await service
            live = sorted(app.live_us)
            durable = sorted(app.durable_ms)
    return {
        "venues": len(stand.venues),
        "messages_per_s": round(sent / spent),
        "live_updates": len(live),
        "tick_to_live_p50_ms": _at(live, 50) / 1_000,
        "tick_to_live_p99_ms": _at(live, 99) / 1_000,
        "venue_to_stream_reader_p50_ms": _at(seen, 50) / 1_000,
        "venue_to_stream_reader_p99_ms": _at(seen, 99) / 1_000,
        "probes": len(seen),
        "deadline_to_durable_p99_ms": _at(durable, 99),
        "cpu_share_with_venues": round(cpu_share, 2),
    }


async def aggregate() -> dict[str, Any]:
    """Median of seven sources for many feeds: exact integers one by one, and numpy over all at once."""
    rng = random.Random(1)
    feeds = [
        [
            Input(source=str(i), group=str(i), price_wad=Wad(rng.randrange(10**17, 10**19)), weight=1, at_ms=0)
            for i in range(7)
        ]
        for _ in range(1_000)
    ]
    matrix = np.array([[i.price_wad / 1e18 for i in row] for row in feeds])
    exact = _median_sync_ms(lambda: [median(row) for row in feeds])
    vector = _median_sync_ms(lambda: np.median(matrix, axis=1))
    return {
        "feeds": len(feeds),
        "sources": 7,
        "exact_ms": round(exact, 3),
        "numpy_ms": round(vector, 3),
        "exact_us_per_feed": round(exact, 3),
        "ratio_numpy": round(exact / vector, 1),
    }


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


async def _probe(venues: Mapping[str, Venue], port: int) -> list[int]:
    """Set a price that nobody has seen at two venues, and wait for it on the event stream: microseconds, end to end."""
    rng, spent = random.Random(3), []
    async with (
        aiohttp.ClientSession(read_bufsize=1 << 20) as session,
        session.get(f"http://127.0.0.1:{port}/v1/stream", timeout=aiohttp.ClientTimeout(total=None)) as stream,
    ):
        for _ in range(_PROBES):
            price = Decimal(99_000 + rng.randrange(2_000)) / 100_000 + Decimal(rng.randrange(1, 10**6)) / 10**11
            started = time.perf_counter()
            for venue, symbol in _PROBED:
                venues[venue].set_quote(symbol, price, price, price, Decimal(5))
            await _until_said(stream, '"feed":"USDT/USD"', f'"price":"{price:.18f}"')
            spent.append(int((time.perf_counter() - started) * 1_000_000))
            await asyncio.sleep(0.04)
    return spent


async def _until_said(stream: aiohttp.ClientResponse, feed: str, price: str) -> None:
    async for line in stream.content:
        if line.startswith(b"data: ") and feed in (text := line.decode()) and price in text:
            return


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


async def _median_ms(work: Callable[[], Awaitable[None]]) -> float:
    times = []
    for _ in range(_RUNS):
        started = time.perf_counter()
        await work()
        times.append((time.perf_counter() - started) * 1_000)
    return statistics.median(times)


def _median_sync_ms(work: Callable[[], object]) -> float:
    times = []
    for _ in range(_RUNS):
        started = time.perf_counter()
        work()
        times.append((time.perf_counter() - started) * 1_000)
    return statistics.median(times)


def _at(ranked: list[int], percent: int) -> int:
    return ranked[min(len(ranked) - 1, len(ranked) * percent // 100)] if ranked else 0


def _demo_artifacts() -> Path:
    return Path(__file__).parent / "artifacts"


def _first_key() -> coincurve.PrivateKey:
    return coincurve.PrivateKey(bytes(account(0).key))
