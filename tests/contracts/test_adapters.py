"""Views with the interfaces of other oracles and lenders: quotes of pairs, Morpho, Silo, Pyth and DIA."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from web3 import Web3

from demo.world import anvil
from tests.contracts.adapter_bench import BASE, FIRST_S, HALT, MAX_AGE_S, NO_DATA, OTHER, QUOTE, STALE
from tests.contracts.contract_tools import WAD, Bench, Item, connected

pytestmark = pytest.mark.chain


@pytest.fixture(scope="module")
def web3() -> Iterator[Web3]:
    with anvil.running(extra=("--timestamp", str(FIRST_S))) as running, connected(running.url) as w:
        yield w


@pytest.fixture
def bench(web3: Web3) -> Bench:
    made = Bench(web3, max_age=3_600)
    made.register("weETH/ETH")
    made.register("ETH/USD", redemption=False)
    return made


def pair(bench: Bench, name: str, source: Any, base_decimals: int = 18, quote_decimals: int = 6) -> Any:
    return bench.create(name, source.address, MAX_AGE_S, BASE, base_decimals, QUOTE, quote_decimals)


def test_a_quote_is_the_value_in_units_both_ways_with_bid_and_ask(bench: Bench) -> None:
    quotes = pair(bench, "QuoteView", bench.view("ETH/USD", 0, 8)).functions
    bench.push(bench.now, [Item(1, market=2_000_123_456_789_012_345_678, redemption=0, spread_bps=50)])
    amount = 3 * 10**18
    value = amount * 2_000_123_456_789_012_345_678 * 10**6 // 10**36
    assert quotes.getQuote(amount, BASE, QUOTE).call() == value
    assert quotes.getQuote(value, QUOTE, BASE).call() == value * 10**36 // (2_000_123_456_789_012_345_678 * 10**6)
    bid, ask = quotes.getQuotes(amount, BASE, QUOTE).call()
    assert bid == value * 9_950 // 10_000 < value < ask == -(-(value + 1) * 10_050 // 10_000)
    assert quotes.getQuotes(0, BASE, QUOTE).call() == [0, 0]
    assert quotes.name().call() == "ETH / USD (market)"
    assert bench.refusal(quotes.getQuote(1, BASE, OTHER)) == ("UnsupportedPair", BASE.lower(), OTHER.lower())
    bench.push(bench.now + 1, [Item(1, market=WAD, redemption=0, spread_bps=16_383)])
    assert quotes.getQuotes(amount, BASE, QUOTE).call()[0] == 0


@pytest.mark.parametrize("name", ["QuoteView", "SiloView", "MorphoView"])
def test_a_price_that_may_not_be_used_is_no_answer(bench: Bench, name: str) -> None:
    source = bench.view("ETH/USD", 0, 8)
    if name == "MorphoView":
        view = bench.create(name, source.address, MAX_AGE_S, 18, 6)
        call = view.functions.price()
    else:
        view = pair(bench, name, source)
        call = view.functions.getQuote(1, BASE, QUOTE) if name == "QuoteView" else view.functions.quote(1, BASE)
    assert bench.refusal(call) == ("Unusable", NO_DATA)
    bench.push(bench.now, [Item(1, redemption=0, market_age_s=0)])
    bench.push(bench.now + 1, [Item(1, redemption=0, status=4, market_age_s=0)])
    assert bench.refusal(call) == ("Unusable", HALT)
    bench.push(bench.now + 2, [Item(1, redemption=0, market_age_s=0)])
    assert call.call() >= 0
    bench.at(bench.now + MAX_AGE_S + 3)
    assert bench.refusal(call) == ("Unusable", STALE)


def test_pairs_and_ages_that_cannot_be_are_refused(bench: Bench) -> None:
    source = bench.view().address
    for name in ("QuoteView", "SiloView"):
        assert bench.create_refusal(name, source, 0, BASE, 18, QUOTE, 6) == ("BadAge",)
        assert bench.create_refusal(name, source, 60, BASE, 18, BASE, 6) == ("BadPair",)
        assert bench.create_refusal(name, source, 60, BASE, 37, QUOTE, 6) == ("BadPair",)
    assert bench.create_refusal("MorphoView", source, 604_801, 18, 6) == ("BadAge",)
    assert bench.create_refusal("MorphoView", source, 60, 19, 0) == ("BadDecimals", 19, 0)
    for name, error in (("DiaView", "BadKeys"), ("PythView", "BadIds")):
        key: Any = "x" if name == "DiaView" else b"x".ljust(32, b"\0")
        assert bench.create_refusal(name, [], []) == (error,)
        assert bench.create_refusal(name, [key], []) == (error,)
        assert bench.create_refusal(name, [key, key], [source, source]) == (error,)


@pytest.mark.parametrize(("collateral", "loan"), [(18, 18), (18, 6), (8, 18), (6, 6)])
def test_morpho_s_price_has_its_scale(bench: Bench, collateral: int, loan: int) -> None:
    view = bench.create("MorphoView", bench.view().address, MAX_AGE_S, collateral, loan)
    bench.push(bench.now, [Item(0)])
    assert view.functions.price().call() == Item(0).market * 10 ** (36 + loan - collateral) // WAD


def test_pyth_s_price_has_confidence_exponent_and_time(bench: Bench) -> None:
    key = b"weETH/ETH".ljust(32, b"\0")
    pyth = bench.create("PythView", [key], [bench.view().address]).functions
    assert bench.refusal(pyth.getPriceUnsafe(key)) == ("PriceFeedNotFound",)
    assert bench.refusal(pyth.getPriceUnsafe(b"x".ljust(32, b"\0"))) == ("PriceFeedNotFound",)
    now = bench.now
    bench.push(now, [Item(0, market=1_234_567_899_999_999_999, redemption=2 * WAD, spread_bps=7)])
    conf = -(-1_234_567_899_999_999_999 * 7 // (10_000 * 10**10))
    assert pyth.getPriceUnsafe(key).call() == (123_456_789, conf, -8, now - 3)
    assert pyth.getPriceNoOlderThan(key, 60).call() == (123_456_789, conf, -8, now - 3)
    bench.at(now + 58)
    assert bench.refusal(pyth.getPriceNoOlderThan(key, 60)) == ("StalePrice",)
    bench.push(bench.now, [Item(0, status=4)])
    assert bench.refusal(pyth.getPriceNoOlderThan(key, 60)) == ("StalePrice",)
    square = bench.create("CrossView", bench.view().address, bench.view().address, 18)
    of_square = bench.create("PythView", [key], [square.address]).functions
    bench.push(bench.now + 1, [Item(0, market=2**88 - 1, redemption=2**88 - 1)])
    assert pyth.getPriceUnsafe(key).call()[0] == (2**88 - 1) // 10**10
    assert bench.refusal(of_square.getPriceUnsafe(key)) == ("PriceFeedNotFound",)


def test_dia_s_value_has_eight_decimals_and_the_time_of_the_price(bench: Bench) -> None:
    dia = bench.create("DiaView", ["ETH/USD", "weETH/ETH"], [bench.view("ETH/USD", 0, 8).address] * 2).functions
    assert dia.getValue("ETH/USD").call() == dia.getValue("none").call() == [0, 0]
    now = bench.now
    bench.push(now, [Item(1, market=2_000_123_456_789_012_345_678, redemption=0)])
    assert dia.getValue("ETH/USD").call() == [200_012_345_678, now - 3]
