"""Uniswap pools without a chain: configs that cannot be meant, keys of version 4, pools at the edge of sense."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feeds.errors import FeedError
from feeds.pools.uniswap_v2 import UniswapV2
from feeds.pools.uniswap_v3 import UniswapV3
from feeds.pools.uniswap_v4 import DYNAMIC_FEE, NATIVE, UniswapV4
from feeds.pools.v3_dialects import DIALECTS
from feeds.pools.v3_math import MAX_TICK, sqrt_at_tick
from feeds.types import Call, ChainAdapter, Quote, Reply
from feeds.units import WAD
from tests.feeds.pools.curve_reference import word, words

BASE, QUOTE, POOL = "0x" + "1a" * 20, "0x" + "2b" * 20, "0x" + "c0" * 20
USDC, WSTETH = "0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48", "0x7f39C581F595B53c5cb19bD0b3f8dA6c935E2Ca0"
HOOKS = {flags: f"0x{'11' * 18}{flags:04x}" for flags in (0x0080, 0x00C8, 0x0048, 0x0004, 0x2000)}
V2 = UniswapV2(pool=POOL, base=BASE, quote=QUOTE, notional="1")
V3 = UniswapV3(pool=POOL, base=BASE, quote=QUOTE, notional="1")
V4 = UniswapV4(state_view=POOL, base=NATIVE, quote=USDC, notional="1", fee=500, spacing=10)


def read(adapter: ChainAdapter, answer: Callable[[Call], Reply]) -> Quote | FeedError:
    reading = adapter.read()
    try:
        calls = next(reading)
        while True:
            calls = reading.send(tuple(answer(call) for call in calls))
    except StopIteration as done:
        quote: Quote = done.value
        return quote
    except FeedError as e:
        return e


@pytest.mark.parametrize(
    ("adapter", "change", "says"),
    [
        (V2, {"fee": 100_001}, "write millionths, 3000 for 0.3 %"),
        (V2, {"fee": -1}, "write millionths"),
        (V2, {"dialect": "solidly", "fee": 3_050}, "a multiple of 100"),
        (V2, {"dialect": "curve"}, "write one of uniswap, solidly"),
        (V2, {"quote": BASE}, "the same token"),
        (V3, {"dialect": "sushi"}, "write one of uniswap, pancake"),
        (V3, {"range_bps": 209}, "depth is measured up to 2 %"),
        (V3, {"dialect": "integral", "twap_s": 60}, "keeps no mean of its own"),
        (V3, {"notional": "0"}, "above 0"),
        (V4, {"fee": 1_000_000}, "8388608 if the hook sets it"),
        (V4, {"fee": DYNAMIC_FEE}, "write accept_hooks = true"),
        (V4, {"hooks": HOOKS[0x00C8]}, "write accept_hooks = true"),
        (V4, {"hooks": HOOKS[0x0048]}, "write accept_hooks = true"),
        (V4, {"hooks": HOOKS[0x0004]}, "write accept_hooks = true"),
        (V4, {"spacing": 0}, "tick spacing, 1 to 32767"),
        (V4, {"pool_id": "0x" + "12" * 32}, "correct one of the two"),
        (V4, {"pool_id": "twelve"}, "correct one of the two"),
        (V4, {"quote": NATIVE}, "the same token"),
    ],
)
def test_a_config_that_cannot_be_meant_says_what_to_write(adapter: Any, change: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        replace(adapter, **change)


def test_the_pool_id_is_the_hash_of_the_key() -> None:
    """Known pools of mainnet: ETH/USDC 0.05 % (Uniswap's SDK guide) and ETH/wstETH 0.01 % (published pool lists)."""
    known = "0x21c67e77068de97969ba93d4aab21826d33ca12bb9f565d8496e8fda8a82ca27"
    turned = replace(V4, base=USDC, quote=NATIVE)
    assert replace(V4, pool_id=known).key_hash == turned.key_hash == bytes.fromhex(known[2:])
    other = "0x1d5b2949ece8754c2d736991c62c5162bd144f497b2212182401b9bae77e2d76"
    assert replace(V4, base=WSTETH, quote=NATIVE, fee=100, spacing=1, pool_id=other).key_hash.hex() == other[2:]


@pytest.mark.parametrize("flags", [0x0080, 0x2000])
def test_hooks_that_change_no_amounts_are_taken(flags: int) -> None:
    """Neither beforeSwap alone nor beforeInitialize alone; they are part of the key."""
    assert replace(V4, hooks=HOOKS[flags]).key_hash != V4.key_hash


def test_hooks_that_were_accepted_are_taken() -> None:
    assert replace(V4, hooks=HOOKS[0x00C8], accept_hooks=True).key_hash != V4.key_hash
    assert replace(V4, fee=DYNAMIC_FEE, accept_hooks=True).key_hash != V4.key_hash


def v4(sqrt: int, tick: int, liquidity: int) -> Callable[[Call], Reply]:
    """StateView of one pool without initialised ticks."""

    def answer(call: Call) -> Reply:
        if len(call.data) == 4 + 64:
            return words(0, 0)
        return words(sqrt, tick, 0, 500) if call.data[:4].hex() == "c815641c" else word(liquidity)

    return answer


@given(st.integers(-MAX_TICK, MAX_TICK - 1), st.integers(0, 2**128 - 1), st.integers(-1, 1))
def test_a_pool_at_the_edge_of_sense_gives_a_sane_quote_or_a_feed_error(tick: int, liquidity: int, off: int) -> None:
    got = read(V4, v4(sqrt_at_tick(tick) + off, tick, liquidity))
    assert isinstance(got, Quote | FeedError)
    if isinstance(got, Quote):
        assert got.depth_half_wad is not None
        assert got.depth_wad is not None
        assert got.depth_two_wad is not None
        assert got.depth_half_wad <= got.depth_wad <= got.depth_two_wad


def test_a_pool_without_liquidity_is_thin() -> None:
    got = read(V4, v4(sqrt_at_tick(0), 0, 0))
    assert isinstance(got, FeedError)
    assert got.code == "THIN"


def pair(first: int, second: int) -> Callable[[Call], Reply]:
    """A pair that holds what its reserves say."""
    by_selector = {
        "0902f1ac": words(first, second, 1_700_000_000), "0dfe1681": word(int(BASE, 16)),
        "d21220a7": word(int(QUOTE, 16)),
    }  # fmt: skip
    return lambda call: by_selector.get(call.data[:4].hex(), word(first if call.to.hex() == BASE[2:] else second))


@given(st.integers(0, 2**113), st.integers(0, 2**113), st.integers(1, 10**24), st.integers(0, 100_000))
def test_a_pair_gives_a_sane_quote_or_a_feed_error(first: int, second: int, amount: int, fee: int) -> None:
    notional = f"{amount // WAD}.{amount % WAD:018d}"
    got = read(replace(V2, notional=notional, fee=fee, max_slippage_bps=10_000), pair(first, second))
    assert isinstance(got, Quote | FeedError)
    if isinstance(got, Quote):
        assert got.bid_wad is not None
        assert got.ask_wad is not None
        assert got.bid_wad * first <= (second + 1) * WAD
        assert got.ask_wad * first >= (second - 1) * WAD


def test_a_lopsided_pair_is_thin() -> None:
    for first, second in ((1, 10**30), (10**30, 1), (0, 10**21)):
        got = read(V2, pair(first, second))
        assert isinstance(got, FeedError)
        assert got.code == "THIN"


def test_each_dialect_is_told_apart_by_its_words() -> None:
    """State, ticks and where the fee stands: no two layouts that charge differently answer alike."""
    shapes = {(d.state, d.state_words, d.tick_words) for name, d in DIALECTS.items() if name != "pancake"}
    assert len(shapes) == len(DIALECTS) - 1
    assert DIALECTS["pancake"] == DIALECTS["uniswap"]
