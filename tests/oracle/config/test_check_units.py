"""Typed units: a ratio that is read as dollars, or a rate in another unit, never gets as far as running."""

from __future__ import annotations

from typing import Any

import pytest

from oracle.config.resolve import resolve
from oracle.config.sections import parse
from oracle.config.tables.schema import ConfigError

CBETH = "0xBe9895146f7AF43049ca1c1AE358B0541Ea49704"
CBETH_FEED = "0xF017fcB346A1885194689bA23Eff2fE6fA5C483b"
WEETH_RATE_BASE = "0x35e9D7001819Ea3B39Da906aE6b06A62cfe2c181"
SFRXETH = "0xac3E018457B222d93114458476f3E3416Abbe38F"


def said(feed: str, source: dict[str, Any], *, chain_id: int = 1) -> str:
    table = {
        "chains": {"c": {"chain_id": chain_id, "endpoints": ["http://127.0.0.1:1"]}},
        "feeds": {feed: {"mode": "redemption", "min_groups": 1, "reference_only": True,
                         "sources": [{"chain": "c", **source}]}},
    }  # fmt: skip
    try:
        resolve(parse(table))
    except ConfigError as e:
        return str(e)
    return ""


def call(contract: str, function: str, **more: Any) -> dict[str, Any]:
    return {"type": "rate_call", "kind": "redemption", "contract": contract, "function": function, **more}


def test_the_rate_of_2026_02_15_read_as_dollars_is_refused() -> None:
    assert "is a ratio, not USD" in said("cbETH/USD", call(CBETH, "exchangeRate()"))
    text = said("cbETH/USD", {"type": "chainlink", "kind": "reference", "feed": CBETH_FEED})
    assert "this feed states cbETH/ETH, not cbETH/USD: a ratio read as dollars is refused" in text
    assert said("cbETH/ETH", {"type": "chainlink", "kind": "reference", "feed": CBETH_FEED}) == ""


def test_a_rate_in_another_unit_is_refused_by_hand_too() -> None:
    assert said("sfrxETH/frxETH", call(SFRXETH, "pricePerShare()")) == ""
    text = said("sfrxETH/ETH", call(SFRXETH, "pricePerShare()"))
    assert "pricePerShare() of this contract states sfrxETH/frxETH, not sfrxETH/ETH: use rate_path" in text
    assert "states cbETH/ETH, not rETH/ETH" in said("rETH/ETH", call(CBETH, "exchangeRate()"))
    vault = {"type": "erc4626", "kind": "redemption", "vault": SFRXETH}
    assert "states sfrxETH/frxETH" in said("sfrxETH/ETH", vault)


def test_one_address_is_another_thing_on_another_chain() -> None:
    assert said("anything/ETH", call(CBETH, "exchangeRate()"), chain_id=8453) == ""
    assert said("anything/ETH", call(CBETH, "exchangeRate()"), chain_id=31337) == ""


def test_a_way_must_lead_to_the_sources_unit() -> None:
    steps = [f"sfrxETH/frxETH {SFRXETH} pricePerShare()"]
    path = {"type": "rate_path", "kind": "redemption", "steps": steps}
    assert "the steps lead from sfrxETH to frxETH, the source is about sfrxETH/ETH" in said("sfrxETH/ETH", path)
    assert said("sfrxETH/ETH", {**path, "steps": [*steps, "frxETH/ETH par"]}) == ""


@pytest.mark.parametrize("kind", ["market", None])
def test_another_oracle_never_enters_a_market_price(kind: str | None) -> None:
    source = {"type": "chainlink", "feed": CBETH_FEED, **({"kind": kind} if kind else {})}
    assert "another oracle never enters a market price" in said("cbETH/ETH", source)


def test_a_rate_by_a_provider_names_its_group_and_must_be_a_rate() -> None:
    source = {"type": "chainlink", "kind": "redemption_via_feed", "feed": WEETH_RATE_BASE}
    assert 'write group = "chainlink"' in said("weETH/ETH@base", source, chain_id=8453)
    assert said("weETH/ETH@base", {**source, "group": "chainlink"}, chain_id=8453) == ""
    market = {**source, "group": "chainlink", "feed": CBETH_FEED}
    assert "it cannot stand in for a rate" in said("cbETH/ETH", market)


def test_a_feed_of_a_feed_that_is_off_is_refused() -> None:
    table = {
        "feeds": {
            "divETH/ETH": {"off": True, "reason": "testnet only"},
            "ETH/USD": {
                "sources": [{"type": "coinbase", "symbol": "ETH-USD"}, {"type": "kraken", "symbol": "ETH/USD"}]
            },
            "divETH/USD": {"legs": ["divETH/ETH", "ETH/USD"]},
        }
    }
    with pytest.raises(ConfigError, match="divETH/ETH is off: turn this feed off too"):
        resolve(parse(table))
    table["feeds"]["divETH/USD"]["off"] = True
    assert list(resolve(parse(table)).specs) == ["ETH/USD"]
