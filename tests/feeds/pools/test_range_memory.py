"""A pool whose price moves is asked for other ticks each time: what was asked for before is not kept for ever."""

from __future__ import annotations

import gc
from pathlib import Path

import pytest

from feeds.pools.uniswap_v3 import UniswapV3
from feeds.pools.uniswap_v4 import UniswapV4
from feeds.types import Call, Quote
from oracle.config.resolve import resolve
from oracle.config.sections import load
from tests.e2e.mainnet_stand_in import MainnetStandIn

CONFIG = Path(__file__).parents[3] / "config.toml"
_MOVES = 100
_MOST_CALLS = 32 * 512


@pytest.mark.parametrize("kind", [UniswapV3, UniswapV4])
def test_calls_for_ticks_of_long_ago_are_let_go(kind: type[UniswapV3] | type[UniswapV4]) -> None:
    at_ms = 0
    chain = MainnetStandIn(resolve(load(CONFIG)), lambda: at_ms, block_s=1, wander_bps=2_000)
    pool = next(p.adapter for p in chain.resolved.sources if isinstance(p.adapter, kind) and p.adapter.fee <= 100)
    gc.collect()
    before = sum(type(o) is Call for o in gc.get_objects())
    prices = set()
    for move in range(_MOVES):
        at_ms = move * 7_000
        reading = pool.read()
        calls = next(reading)
        try:
            while True:
                calls = reading.send(tuple(chain.reply(call) for call in calls))
        except StopIteration as end:
            assert isinstance(end.value, Quote)
            prices.add(end.value.price_wad)
    assert len(prices) > _MOVES // 2, "it was asked for other ticks each time"
    gc.collect()
    assert sum(type(o) is Call for o in gc.get_objects()) - before < _MOST_CALLS
