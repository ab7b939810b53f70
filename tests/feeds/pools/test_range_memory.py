"""A pool whose price moves is asked for other ticks each time: what was asked for before is not kept for ever."""

from __future__ import annotations

import gc
from pathlib import Path

import pytest

from feeds.pools.uniswap_v3 import UniswapV3
from feeds.pools.uniswap_v4 import UniswapV4
from feeds.types import Call, Quote
from feeds.units import Wad
from oracle.config.resolve import resolve
from oracle.config.sections import load
from tests.e2e.mainnet_stand_in import MainnetStandIn

CONFIG = Path(__file__).parents[3] / "config.toml"
_MOVES = 100
_MOST_CALLS = 32 * 512


def price_of(pool: UniswapV3 | UniswapV4, chain: MainnetStandIn) -> Wad:
    reading = pool.read()
    calls = next(reading)
    while True:
        try:
            calls = reading.send(tuple(chain.reply(call) for call in calls))
        except StopIteration as end:
            quote: Quote = end.value
            return quote.price_wad


@pytest.mark.parametrize("kind", [UniswapV3, UniswapV4])
def test_calls_for_ticks_of_long_ago_are_let_go(kind: type[UniswapV3 | UniswapV4]) -> None:
    at_ms = 0
    chain = MainnetStandIn(resolve(load(CONFIG)), lambda: at_ms, block_s=1, wander_bps=2_000)
    pool = next(p.adapter for p in chain.resolved.sources if isinstance(p.adapter, kind) and p.adapter.fee <= 100)
    gc.collect()
    before = sum(type(o) is Call for o in gc.get_objects())
    prices = set()
    for move in range(_MOVES):
        at_ms = move * 7_000
        prices.add(price_of(pool, chain))
    assert len(prices) > _MOVES // 2, "it was asked for other ticks each time"
    gc.collect()
    assert sum(type(o) is Call for o in gc.get_objects()) - before < _MOST_CALLS
