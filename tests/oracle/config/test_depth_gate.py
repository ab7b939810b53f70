"""A gate on what a price costs to move needs depth that is really read: which feeds can have one, and what to write instead."""

from __future__ import annotations

from typing import Any

import pytest

from oracle.config.feed_sources import venues_of
from oracle.config.resolve import resolve
from oracle.config.sections import Config, parse
from oracle.config.tables.schema import ConfigError

VENUES = ("coinbase", "kraken", "gemini")


def table(*silent: str, off: tuple[str, ...] = (), **feed: Any) -> dict[str, Any]:
    """ETH/USD from three exchanges and sources that state no depth; ``off``: exchanges whose books are not read."""
    symbols = {"coinbase": "ETH-USD", "kraken": "ETH/USD", "gemini": "ETHUSD"}
    sources: list[dict[str, Any]] = [{"type": v, "symbol": symbols[v]} for v in VENUES]
    sources += [{"type": "json_http", "name": n, "url": f"https://{n}.example/p", "price": "p"} for n in silent]
    section = {"sources": sources, "tuning": {"min_cost_100bps": "10"}} | feed
    return {"feeds": {"ETH/USD": section}, "venues": {v: {"depth_ms": 0} for v in off}}


def made(raw: dict[str, Any]) -> Config:
    return resolve(parse(raw)).config


def refused(raw: dict[str, Any]) -> str:
    with pytest.raises(ConfigError) as caught:
        made(raw)
    return str(caught.value)


def test_books_carry_a_gate_and_a_minority_without_them_cannot_open_the_price() -> None:
    made(table())
    made(table("a", "b"))
    made(table(off=("gemini",)))


def test_a_gate_that_those_without_depth_would_get_around_is_refused_with_the_reason() -> None:
    text = refused(table("a", "b", "c"))
    assert 'feeds."ETH/USD".tuning.min_cost_100bps' in text
    assert "a.example (a: json_http states none)" in text
    assert "of 6 groups these are enough to move a median" in text
    assert "add exchanges or pools" in text
    assert "kraken (venues.kraken.depth_ms = 0)" in refused(table(off=("kraken", "gemini")))


def test_a_mean_is_moved_by_any_one_of_them() -> None:
    assert "enough to move a mean" in refused(table("a", method="mean"))
    made(table(method="mean"))


def test_configured_weights_count() -> None:
    heavy = {"min_cost_100bps": "10", "shares": {"kraken": 9}}
    made(table(off=("gemini",), method="weighted_median", tuning=heavy))
    assert "enough to move" in refused(table(off=("kraken",), method="weighted_median", tuning=heavy))


def test_a_gate_belongs_to_the_feed_whose_market_it_is() -> None:
    raw = table()
    raw["feeds"]["X/ETH"] = {"share_of": "ETH/USD", "tuning": {"min_cost_100bps": "1"}}
    assert 'feeds."X/ETH".tuning.min_cost_100bps: does nothing here, the price is made of ETH/USD' in refused(raw)


def test_how_often_books_are_read_reaches_the_poller() -> None:
    config = made(
        table(off=("kraken",)) | {"venues": {"kraken": {"depth_ms": 0}, "gemini": {"depth_ms": 5_000}, "okx": {}}}
    )
    assert {n: v.depth_ms for n, v in venues_of(config).items()} == {"kraken": 0, "gemini": 5_000, "okx": 60_000}
