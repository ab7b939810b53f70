"""A venue's section is read by an adapter, and the venue is the exchange that its addresses lead to."""

from __future__ import annotations

from typing import Any

import pytest

from feeds.streams.ccxt_bridge import installed
from oracle.config.resolve import ResolvedConfig, reachable_groups, resolve
from oracle.config.sections import parse
from oracle.config.tables.schema import ConfigError

needs_ccxt = pytest.mark.skipif(not installed(), reason='ccxt is not installed: pip install "lrt-oracle[ccxt]"')
US = {"ws_url": "wss://stream.binance.us:9443/stream", "rest_url": "https://api.binance.us"}
PROXY = {"ws_url": "ws://127.0.0.1:9000/b", "rest_url": "http://127.0.0.1:9000/b"}


def with_venues(venues: dict[str, Any], *sources: dict[str, Any], **feed: Any) -> ResolvedConfig:
    keys = {"min_groups": 1, "accept_single_group": True, "sources": list(sources), **feed}
    return resolve(parse({"venues": venues, "feeds": {"ETH/BTC": keys}}))


IN_BTC = {
    "binance": {"type": "binance", "symbol": "ETHBTC"},
    "coinbase": {"type": "coinbase", "symbol": "ETH-BTC"},
    "kraken": {"type": "kraken", "symbol": "ETH/BTC"},
}


@needs_ccxt
def test_a_venue_that_is_led_to_another_exchange_is_that_one() -> None:
    sources = IN_BTC["binance"], {"type": "ccxt", "exchange": "binanceus", "name": "us", "symbol": "ETH/BTC"}
    assert reachable_groups(with_venues({}, *sources).specs["ETH/BTC"]) == ("binance", "binanceus")
    assert reachable_groups(with_venues({"binance": US}, *sources).specs["ETH/BTC"]) == ("binanceus",)
    with pytest.raises(ConfigError, match="2 groups can never be reached"):
        with_venues({"binance": US}, *sources, min_groups=2)


def test_a_proxy_of_ones_own_changes_no_group() -> None:
    venues = {"coinbase": PROXY, "kraken": PROXY, "binance": {"rest_url": "http://127.0.0.1:1"}}
    resolved = with_venues(venues, *IN_BTC.values())
    assert reachable_groups(resolved.specs["ETH/BTC"]) == ("binance", "coinbase", "kraken")


@pytest.mark.parametrize(
    ("venues", "text"),
    [
        ({"binanc": {}}, "venues.binanc: 'binanc' is no exchange with an adapter.*did you mean 'binance'"),
        ({"gateio": {}}, "venues.gateio: 'gateio' is no exchange with an adapter.*it is called gate here"),
        ({"bitmart": {}}, "venues.bitmart: 'bitmart' is no exchange with an adapter"),
        ({"binance": {"rest_url": US["rest_url"]}}, r"venues.binance.rest_url: its stream is binance's and its requests are"),
        ({"gate": {"ws_url": US["ws_url"]}}, r"venues.gate.ws_url: its stream is binanceus's and its requests are gate's"),
    ],
)  # fmt: skip
def test_a_venue_section_that_nothing_reads_or_that_reads_two_books_is_refused(
    venues: dict[str, Any], text: str
) -> None:
    with pytest.raises(ConfigError, match=text):
        with_venues(venues, IN_BTC["coinbase"])
