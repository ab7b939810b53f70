"""Catalogue names in the config become the sources that could have been written by hand."""

from __future__ import annotations

from typing import Any

import pytest

from feeds.catalog.records import CatalogPool
from feeds.types import Kind
from oracle.config.resolve import resolve
from oracle.config.sections import parse
from oracle.config.tables.catalog import shipped
from oracle.config.tables.feed_sections import SourceSection
from oracle.config.tables.schema import ConfigError

CHAINS = {
    "main": {"chain_id": 1, "endpoints": ["http://127.0.0.1:1"]},
    "l2": {"chain_id": 8453, "endpoints": ["http://127.0.0.1:1"]},
}
WSTETH = "0x7f39C581F595B53c5cb19bD0b3f8dA6c935E2Ca0"
WETH = "0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2"


def table(feed: str, *, others: dict[str, Any] | None = None, **keys: Any) -> dict[str, Any]:
    return {"chains": CHAINS, "feeds": {feed: {"reference_only": True, "min_groups": 1, **keys}, **(others or {})}}


def sources(feed: str, *names: str, **keys: Any) -> tuple[SourceSection, ...]:
    return parse(table(feed, catalog=list(names), **keys)).feeds[feed].sources


def refused(feed: str, *names: str, **keys: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        resolve(parse(table(feed, catalog=list(names), **keys)))
    return str(caught.value)


def test_a_rate_leads_along_the_graph() -> None:
    (rate,) = sources("sfrxETH/ETH", "rate")
    assert (rate.type, rate.kind, rate.chain) == ("rate_path", Kind.REDEMPTION, "main")
    assert rate.params["steps"] == [
        "sfrxETH/frxETH 0xac3E018457B222d93114458476f3E3416Abbe38F pricePerShare()", "frxETH/ETH par",
    ]  # fmt: skip


def test_independent_derivations_are_further_sources() -> None:
    first, second = sources("ETHx/ETH", "second")
    assert [first.name, second.name] == ["rate 2", "rate 3"]
    contract = "0xF64bAe65f6f2a5277571143A24FaaFDFC0C2a737"
    step = f"ETHx/ETH {contract} exchangeRate() word=1 over {contract} exchangeRate() word=2"
    assert second.params["steps"] == [step]


def test_a_pool_is_written_out_with_its_coins() -> None:
    (pool,) = sources("wstETH/ETH", "uniswap_v3 wstETH/WETH 0.01%", notional="50")
    assert (pool.type, pool.chain, pool.average_s, pool.pair) == ("uniswap_v3", "main", 60, None)
    assert dict(pool.params) == {
        "pool": "0x109830a1AAaD605BbF02a9dFA7B0B92EC2FB7dAa", "base": WSTETH, "quote": WETH, "fee": 100,
        "notional": "50",
    }  # fmt: skip


def test_a_pool_in_another_unit_is_converted_by_that_units_feed() -> None:
    (pool,) = sources("rsETH/ETH", "uniswap_v3 wstETH/rsETH 0.05%", notional="5")
    assert (pool.pair, pool.convert) == ("rsETH/wstETH", "wstETH/ETH")
    assert "'wstETH/ETH' is not a feed" in refused("rsETH/ETH", "uniswap_v3 wstETH/rsETH 0.05%", notional="5")


def test_a_venues_symbol_brings_its_pair() -> None:
    (plain,) = sources("ETH/USD", "coinbase ETH-USD")
    assert (plain.type, plain.symbol, plain.convert) == ("coinbase", "ETH-USD", None)
    (tether,) = sources("ETH/USD", "binance ETHUSDT")
    assert (tether.pair, tether.convert) == ("ETH/USDT", "USDT/USD")


def test_providers_are_references_against_the_price_that_they_state() -> None:
    (market,) = sources("weETH/ETH", "chainlink")
    assert (market.kind, market.against, market.group) == (Kind.REFERENCE, Kind.MARKET, "chainlink")
    assert market.params["oldest_s"] == 86_400 * 11 // 10 + 300
    (rate,) = sources("wstETH/ETH", "redstone")
    assert rate.against is Kind.REDEMPTION, "wstETH/stETH is what the protocol owes"
    assert resolve(parse(table("weETH/ETH", catalog=["rate", "chainlink"]))).specs["weETH/ETH"].has_market is False


def test_on_an_l2_a_providers_rate_is_the_redemption_rate_in_its_own_group() -> None:
    (rate,) = sources("weETH/ETH@base", "via chainlink")
    assert (rate.kind, rate.group, rate.chain) == (Kind.REDEMPTION, "chainlink", "l2")
    assert rate.params["feed"] == "0x35e9D7001819Ea3B39Da906aE6b06A62cfe2c181", "weETH/eETH, and eETH is one ether"
    assert resolve(parse(table("weETH/ETH@base", catalog=["via chainlink"], mode="redemption")))
    assert "has no exchange rate of weETH/ETH" in refused("weETH/ETH", "via chainlink"), "the market feed stays out"
    assert "has no exchange rate of tETH/ETH" in refused("tETH/ETH@base", "via chainlink"), "tETH/wstETH is no ether"


def test_own_keys_win_over_the_catalogue() -> None:
    name = "uniswap_v3 wstETH/WETH 0.01%"
    own = {"catalog": name, "name": "deep pool", "notional": "7", "average_s": 120, "min_depth": "100"}
    (pool,) = parse(table("wstETH/ETH", notional="50", sources=[own])).feeds["wstETH/ETH"].sources
    assert (pool.name, pool.average_s) == ("deep pool", 120)
    assert (pool.params["notional"], pool.params["min_depth"]) == ("7", "100")


@pytest.mark.parametrize(
    ("feed", "name", "keys", "text"),
    [
        (
            "wstETH/ETH",
            "uniswap_v3 wstETH/WETH 0.1%",
            {"notional": "1"},
            "did you mean 'uniswap_v3 wstETH/WETH 0.01%'?",
        ),
        ("wstETH/ETH", "uniswap_v3 wstETH/WETH 0.01%", {}, 'write notional = "..."'),
        ("rETH/ETH", "uniswap_v3 wstETH/WETH 0.01%", {"notional": "1"}, "it does not hold rETH"),
        (
            "rETH/ETH",
            "uniswap_v4 ETH/rETH 0.01%",
            {"notional": "1"},
            "cannot be read: tick spacing and hooks of its key",
        ),
        ("wstETH/ETH", "gyro_eclp wstETH/WETH", {"notional": "1"}, "cannot be read: no adapter reads gyro_eclp"),
        (
            "ezETH/ETH",
            "balancer_stable ezETH/weETH/rswETH",
            {"notional": "1"},
            'holds weETH, rswETH beside ezETH: write pair = "ezETH/weETH" or pair = "ezETH/rswETH"',
        ),
        ("weETH/ETH", "coinbase ETH-USD", {}, "is about ETH, the feed about weETH"),
        ("stETH/ETH", "rate", {}, "nothing to read, use share_of"),
        ("strETH/ETH", "rate", {}, "has no rate"),
        ("xETH/ETH", "rate", {}, "is not a token of the catalogue"),
        ("rsETH/ETH@arbitrum", "chainlink", {}, "add [chains.arbitrum]"),
        ("pufETH/ETH", "chronicle", {}, "has no feed of pufETH/ETH on ethereum"),
    ],
)
def test_a_name_that_can_not_be_used_says_why(feed: str, name: str, keys: dict[str, Any], text: str) -> None:
    said = refused(feed, name, **keys)
    assert text in said
    assert f'feeds."{feed}".catalog[0]' in said


def named(pool: CatalogPool) -> str:
    """Every problem of a config that names the pool, "" where there is none."""
    others = {c: {"share_of": f"{pool.token}/ETH"} for c in pool.coins if c not in {pool.token, "WETH", "ETH", "BPT"}}
    feeds = {f"{c}/ETH": f for c, f in others.items()}
    try:
        resolve(parse(table(f"{pool.token}/ETH", catalog=[pool.name], notional="1", others=feeds)))
    except ConfigError as e:
        return str(e)
    return ""


def test_every_pool_with_ether_on_its_other_side_can_be_named_alone() -> None:
    """What lives and misses no fact gives a plan without errors."""
    readable = [p for p in shipped().pools if p.chain == "ethereum" and p.missing is None and not p.is_dead]
    in_ether = [p for p in readable if {p.token, "WETH"} == {*p.coins} - {"BPT"} or {p.token, "ETH"} == {*p.coins}]
    assert len(in_ether) >= 40
    assert {p.name: said for p in in_ether if (said := named(p))} == {}


def test_the_pair_beside_a_pool_says_which_two_of_its_coins_are_meant() -> None:
    name = "balancer_stable ezETH/weETH/rswETH"
    for quote, other in (("weETH", "rswETH"), ("rswETH", "weETH")):
        own = {"catalog": name, "pair": f"ezETH/{quote}"}
        (pool,) = parse(table("ezETH/ETH", notional="1", sources=[own])).feeds["ezETH/ETH"].sources
        catalog = shipped()
        assert pool.params["base"] == catalog.address_of("ezETH", "ethereum")
        assert pool.params["quote"] == catalog.address_of(quote, "ethereum")
        assert (pool.pair, pool.convert) == (f"ezETH/{quote}", f"{quote}/ETH")
        assert catalog.address_of(other, "ethereum") not in pool.params.values()
    with pytest.raises(ConfigError, match='write pair = "ezETH/weETH"'):
        parse(table("ezETH/ETH", notional="1", sources=[{"catalog": name, "pair": "ezETH/rETH"}]))


def test_a_source_written_beside_catalogue_names_is_named_and_not_counted() -> None:
    """The catalogue's sources stand before it: an index would not be the file's."""
    own = {"type": "curve_ng", "name": "mine", "chain": "main"}
    made = table("wstETH/ETH", catalog=["uniswap_v3 wstETH/WETH 0.01%"], notional="50", sources=[own])
    with pytest.raises(ConfigError) as caught:
        resolve(parse(made))
    assert 'feeds."wstETH/ETH".sources["mine"].pool: is missing' in str(caught.value)
