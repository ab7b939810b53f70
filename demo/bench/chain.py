"""`bench chain`: pool and rate reads of one block through our reader, by single web3 calls, and by one bare Multicall3 call.

A read is one contract call. Ours is all that a new head costs: the adapters' calls (pools ask in two phases; what they
asked in the second for two blocks in turn goes along with the first, ``eth_calls`` says how many requests were left),
packing, answers decoded, and every pool priced at size with its depths. The three are measured alternately, run by run, so
that other load on the machine affects all alike. ``pricing_ms`` is the adapters' arithmetic alone, over
answers that are already here; ``reading_ms`` our reader alone, with adapters that ask the same and ignore the answers. The
single calls are given their bytes and decode nothing. The bare call holds the calls of both phases in one request, packed
beforehand, and its answer is read and thrown away.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import orjson
from web3 import Web3

from demo.bench.tools import median_sync_ms, medians_ms
from demo.world import anvil
from demo.world.balancer import BalancerPool
from demo.world.chain import LocalChain
from demo.world.deploy import DemoWorld, backdated, deploy
from feeds.chains import multicall
from feeds.chains.endpoint import Head
from feeds.chains.reader import ChainReader
from feeds.errors import FeedError
from feeds.pools.balancer_stable import BalancerStable
from feeds.pools.uniswap_v3 import UniswapV3
from feeds.rates.call import RateCall
from feeds.types import Call, ChainAdapter, Quote, Read, Reply
from feeds.units import Wad
from oracle.runtime.clock import now_ms

_POOLS = ("demolrt_uniswap", "wdiveth_balancer", "demolrt_balancer")
"""The demo's pools but one: its pool of 1 bp has so narrow ticks that it alone asks for 500."""
_JSON = {"Content-Type": "application/json"}
_UNPRICED = Quote(price_wad=Wad(1))
_RUNS = 41
_ROUNDS = 2
"""Each pool is read at so many notionals."""


@dataclass(slots=True)
class _Recording:
    """Calls and replies of one adapter, phase by phase."""

    calls: list[tuple[Call, ...]] = field(default_factory=list)
    replies: list[tuple[Reply, ...]] = field(default_factory=list)


async def chain(reads: int = 500) -> dict[str, Any]:
    """Measure so many contract calls; at least what the pools ask for (about 170)."""
    with anvil.running(extra=backdated()) as node:
        async with LocalChain(node.url) as local, aiohttp.ClientSession() as session:
            world = await deploy(local)
            reader = ChainReader(chain_id=world.chain_id, endpoints=[node.url], session=session, now_ms=now_ms)
            head = await reader.head()
            adapters = _pools(world)
            pool_calls = sum(len(c) for r in (await _recorded(reader, head, adapters)).values() for c in r.calls)
            adapters |= {f"rate {i}": _rate(world, i) for i in range(reads - pool_calls)}
            recorded = await _recorded(reader, head, adapters)
            calls = tuple(c for r in recorded.values() for phase in r.calls for c in phase)

            async def ours() -> None:
                await reader.read(head, {n: a.read() for n, a in adapters.items()})

            async def reading() -> None:
                await reader.read(head, {n: _asking_again(t) for n, t in recorded.items()})

            await ours()
            before = reader.stats.requests
            await ours()
            eth_calls = reader.stats.requests - before
            bare_body = _bare_body(world, calls, head)

            async def bare() -> None:
                async with session.post(node.url, data=bare_body, headers=_JSON) as reply:
                    await reply.read()

            ours_ms, reading_ms, bare_ms = await medians_ms((ours, reading, bare), runs=_RUNS)
            pricing_ms = median_sync_ms(lambda: _price_again(adapters, recorded))
            single_ms = median_sync_ms(lambda: _singly(node.url, calls, head.number), runs=3)
    return {
        "reads": len(calls),
        "sources": {"pools": len(_POOLS) * _ROUNDS, "rates": len(adapters) - len(_POOLS) * _ROUNDS},
        "eth_calls": eth_calls,
        "ours_ms": round(ours_ms, 3),
        "pricing_ms": round(pricing_ms, 3),
        "reading_ms": round(reading_ms, 3),
        "web3_single_ms": round(single_ms, 3),
        "bare_multicall_ms": round(bare_ms, 3),
        "ratio_web3": round(single_ms / ours_ms, 1),
        "ratio_bare": round(ours_ms / bare_ms, 2),
        "ratio_bare_reading": round(reading_ms / bare_ms, 2),
    }


def _pools(world: DemoWorld) -> dict[str, ChainAdapter]:
    return {f"{name} {i}": _pool(world, name, str(i + 1)) for name in _POOLS for i in range(_ROUNDS)}


def _pool(world: DemoWorld, name: str, notional: str) -> ChainAdapter:
    pool = world.pools[name]
    if isinstance(pool, BalancerPool):
        return BalancerStable(
            vault=world.vault,
            pool=pool.address,
            pool_id=pool.pool_id,
            base=pool.token,
            quote=world.weth,
            notional=notional,
        )
    return UniswapV3(pool=pool.address, base=pool.token, quote=world.weth, notional=notional)


def _rate(world: DemoWorld, index: int) -> ChainAdapter:
    """Each with its own argument, so that no two calls are the same."""
    return RateCall(contract=world.div_eth, function="convertToAssets(uint256)", args=(str(10**18 + index),))


async def _recorded(reader: ChainReader, head: Head, adapters: Mapping[str, ChainAdapter]) -> dict[str, _Recording]:
    """Each adapter's calls and replies at a block. A source that fails ends the run, for it would be cheap to read."""
    recordings = {name: _Recording() for name in adapters}
    read = await reader.read(head, {n: _recording_read(a.read(), recordings[n]) for n, a in adapters.items()})
    failures = {n: str(r) for n, r in read.results.items() if isinstance(r, FeedError)}
    if failures:
        raise RuntimeError(f"not every source could be read: {failures}")
    return recordings


def _recording_read(read: Read, recording: _Recording) -> Read:
    try:
        calls = next(read)
        while True:
            recording.calls.append(calls)
            replies = yield calls
            recording.replies.append(replies)
            calls = read.send(replies)
    except StopIteration as done:
        quote: Quote = done.value
        return quote


def _asking_again(recording: _Recording) -> Read:
    for calls in recording.calls:  # noqa: UP028 - what is sent back must not go to the list
        yield calls
    return _UNPRICED


def _price_again(adapters: Mapping[str, ChainAdapter], recordings: Mapping[str, _Recording]) -> None:
    """The adapters' own work alone: the same answers, without asking."""
    for name, adapter in adapters.items():
        read = adapter.read()
        next(read)
        with contextlib.suppress(StopIteration):
            for replies in recordings[name].replies:
                read.send(replies)


def _bare_body(world: DemoWorld, calls: tuple[Call, ...], head: Head) -> bytes:
    call = {"to": world.multicall3, "data": "0x" + multicall.pack(calls).hex()}
    return orjson.dumps(
        {"jsonrpc": "2.0", "id": 1, "method": "eth_call", "params": [call, {"blockHash": head.block_hash}]}
    )


def _singly(url: str, calls: tuple[Call, ...], block: int) -> None:
    eth = Web3(Web3.HTTPProvider(url)).eth
    for call in calls:
        eth.call({"to": Web3.to_checksum_address(call.to), "data": call.data}, block)
