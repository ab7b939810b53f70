"""Each source beside its feed: converted by its leg, held against the feed's other groups."""

from __future__ import annotations

from typing import Any

import pytest

from feeds.units import Wad
from oracle.check.source_rows import SourceTable, distance_problems, source_lines, source_table
from oracle.config.resolve import ResolvedConfig, resolve
from oracle.config.sections import parse
from tests.oracle.oracle_build import wad

USDT = {"pair": "ETH/USDT", "convert": "USDT/USD"}
CONFIG: dict[str, Any] = {
    "feeds": {
        "ETH/USD": {
            "max_spread_bps": 300,
            "sources": [
                {"type": "coinbase", "symbol": "ETH-USD"},
                {"type": "kraken", "symbol": "ETH/USD"},
                {"type": "binance", "symbol": "ETHUSDT", **USDT},
            ],
        },
        "USDT/USD": {
            "reference_only": True,
            "min_groups": 1,
            "sources": [{"type": "coinbase", "symbol": "USDT-USD"}, {"type": "kraken", "symbol": "USDT/USD"}],
        },
        "cbETH/ETH": {
            "reference_only": True,
            "min_groups": 1,
            "sources": [{"type": "coinbase", "symbol": "CBETH-ETH"}],
        },
        "cbETH/USD": {"legs": ["cbETH/ETH", "ETH/USD"]},
    },
}


@pytest.fixture(scope="module")
def whole() -> ResolvedConfig:
    return resolve(parse(CONFIG))


def table(whole: ResolvedConfig, **prices: str) -> SourceTable:
    """A table of prices by feed (ETH/USD unless another is named) and source: ``coinbase``, ``USDT_kraken``."""
    feeds = {"": "ETH/USD", "USDT": "USDT/USD", "cbETH": "cbETH/ETH"}
    said: dict[tuple[str, str], Wad] = {}
    for place, price in prices.items():
        token, _, name = place.rpartition("_")
        said[feeds[token], name] = wad(price)
    return source_table(whole, said, {("ETH/USD", "kraken"): "TIMED_OUT: no answer"})


def rows(got: SourceTable) -> dict[tuple[str, str], dict[str, Any]]:
    return {(r.source.feed, r.source.spec.name): r.document() for r in got.rows}


def problems(whole: ResolvedConfig, **prices: str) -> list[str]:
    return [p.key for p in distance_problems(whole, table(whole, **prices))]


LEG = {"USDT_coinbase": "0.5", "USDT_kraken": "0.5"}


def test_a_price_stands_beside_the_feeds_in_its_unit(whole: ResolvedConfig) -> None:
    got = table(whole, coinbase="2000", kraken="2010", binance="4040", **LEG, cbETH_coinbase="1.1")
    binance = rows(got)["ETH/USD", "binance"]
    assert binance["stated"] == "4040.000000000000000000"
    assert binance["price"] == "2020.000000000000000000"
    assert binance["feed_price"] == "2010.000000000000000000"
    assert binance["distance_bps"] == 50
    assert binance["converted_by"] == "USDT/USD"
    assert rows(got)["ETH/USD", "coinbase"]["distance_bps"] == -50
    assert got.market["cbETH/USD"] == wad("2211")
    assert got.answered("ETH/USD") == ["binance", "coinbase", "kraken"]
    line = next(text for text in source_lines([r.document() for r in got.rows]) if " binance " in text)
    assert "2020" in line
    assert "50 bps" in line
    assert "states 4040" in line


def test_what_gave_no_price_says_why_and_does_not_count(whole: ResolvedConfig) -> None:
    got = table(whole, coinbase="2000", binance="4040")
    assert got.answered("ETH/USD") == ["coinbase"]
    assert rows(got)["ETH/USD", "kraken"]["error"] == "TIMED_OUT: no answer"
    binance = rows(got)["ETH/USD", "binance"]
    assert binance["price"] is None
    assert binance["error"] == "there is no price of USDT/USD, which converts it"
    assert got.answered("USDT/USD") == []
    assert "cbETH/USD" not in got.market


def test_a_source_far_from_the_others_is_named_and_they_are_not(whole: ResolvedConfig) -> None:
    near = {"coinbase": "2000", "kraken": "2010", "binance": "4040", **LEG}
    assert problems(whole, **near) == []
    for far in ("0.0005", "1900", "2100", "2000000"):
        assert problems(whole, **{**near, "coinbase": far}) == ['feeds."ETH/USD".coinbase']
    assert problems(whole, coinbase="2000", kraken="2070") == ['feeds."ETH/USD".coinbase', 'feeds."ETH/USD".kraken']
    assert problems(whole, coinbase="2000", kraken="2055") == []
    assert problems(whole, coinbase="2000") == [], "there is nothing to hold it against"


def test_the_problem_says_both_prices_and_the_bound(whole: ResolvedConfig) -> None:
    got = table(whole, coinbase="2000", kraken="2000", binance="4400", **LEG)
    (problem,) = distance_problems(whole, got)
    assert "2200.000000 lies 1000 bps from the feed's other sources (2000.000000)" in problem.text
    assert "max_spread_bps = 300" in problem.text
