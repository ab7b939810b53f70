"""Sources that are asked at their own pace, from the operator's file to what the observer is given."""

from __future__ import annotations

from typing import Any

import pytest

from feeds.exchanges.json_http import JsonVenue
from feeds.streams.ccxt_bridge import CcxtSource, installed
from oracle.config.feed_sources import sources_of
from oracle.config.resolve import ResolvedConfig, reachable_groups, resolve
from oracle.config.sections import parse
from oracle.config.tables.schema import ConfigError

ISSUER = {"type": "json_http", "name": "issuer", "url": "https://api.issuer.example/rate", "price": "data.rate"}


def made(*sources: dict[str, Any]) -> ResolvedConfig:
    coinbase = {"type": "coinbase", "symbol": "CBETH-ETH"}
    return resolve(parse({"feeds": {"cbETH/ETH": {"sources": [coinbase, *sources]}}}))


def problems(*sources: dict[str, Any]) -> str:
    with pytest.raises(ConfigError) as caught:
        made(*sources)
    return str(caught.value)


def test_a_json_source_is_planned_from_its_section_alone() -> None:
    got = made(ISSUER | {"time": "data.at", "rest_ms": 7_000, "headers": {"Accept-Language": "en"}})
    source = got.sources[1]
    assert isinstance(source.pull, JsonVenue)
    assert source.pull.limits.rest_ms == 7_000
    assert (source.venue, source.symbol, source.chain) == ("cbETH/ETH|issuer", "cbETH/ETH", None)
    assert source.spec.group == "issuer.example"
    assert reachable_groups(got.specs["cbETH/ETH"]) == ("coinbase", "issuer.example")
    assert sources_of(got)[1].pull is source.pull
    assert sources_of(got)[0].pull is None


def test_two_addresses_of_one_host_are_one_group() -> None:
    got = made(ISSUER, ISSUER | {"name": "other", "url": "https://api.issuer.example/other"})
    assert reachable_groups(got.specs["cbETH/ETH"]) == ("coinbase", "issuer.example")
    assert len({s.venue for s in got.sources}) == 3


@pytest.mark.parametrize(
    ("changes", "key", "said"),
    [
        ({"pryce": "x"}, "sources[1].pryce", "did you mean 'price'?"),
        ({"scale": "18"}, "sources[1].scale", "a whole number"),
        ({"headers": {"Authorization": "x"}}, "sources[1]", "secret"),
        ({"url": "http://issuer.example/"}, "sources[1]", "https://"),
        ({"url": "https://issuer.example/{symbol}"}, "sources[1].symbol", "missing"),
        ({"chain": "local"}, "sources[1].chain", "leave it out"),
        ({"type": "json_htp"}, "sources[1].type", "did you mean 'json_http'?"),
    ],
)
def test_a_wrong_key_is_named(changes: dict[str, Any], key: str, said: str) -> None:
    text = problems(ISSUER | changes)
    assert f'feeds."cbETH/ETH".{key}: ' in text
    assert said in text


def test_a_missing_key_is_named() -> None:
    assert "sources[1].url: is missing" in problems({"type": "json_http", "price": "x"})
    assert "sources[1].exchange: is missing" in problems({"type": "ccxt", "symbol": "CBETH/ETH"})


@pytest.mark.skipif(not installed(), reason='ccxt is not installed: pip install "lrt-oracle[ccxt]"')
def test_an_exchange_through_ccxt_is_planned_and_is_its_own_group() -> None:
    got = made({"type": "ccxt", "exchange": "bitmart", "symbol": "CBETH/ETH"})
    source = got.sources[1]
    assert isinstance(source.pull, CcxtSource)
    assert (source.venue, source.symbol, source.spec.group) == ("ccxt:bitmart", "CBETH/ETH", "bitmart")
    twice = made(
        {"type": "ccxt", "exchange": "kraken", "symbol": "CBETH/ETH"}, {"type": "kraken", "symbol": "CBETH/ETH"}
    )
    assert reachable_groups(twice.specs["cbETH/ETH"]) == ("coinbase", "kraken"), "one book, whoever reads it"
    assert "not an exchange of ccxt" in problems({"type": "ccxt", "exchange": "nope", "symbol": "CBETH/ETH"})
    assert "sources[1].symbol" in problems({"type": "ccxt", "exchange": "kraken"})


def test_without_ccxt_the_config_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("feeds.streams.ccxt_bridge.installed", lambda: False)
    assert 'pip install "lrt-oracle[ccxt]"' in problems({"type": "ccxt", "exchange": "kraken", "symbol": "CBETH/ETH"})
