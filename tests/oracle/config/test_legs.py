"""What a feed is converted by or made of has a price of its own, and a quorum that is no weaker."""

from __future__ import annotations

from typing import Any

import pytest

from oracle.config.check_legs import one_group_notes
from oracle.config.resolve import group_counts, resolve
from oracle.config.sections import parse
from tests.oracle.config.small_config import problems, spot_sources

POOL = {"type": "rate_call", "kind": "redemption", "chain": "local", "contract": "0x" + "11" * 20,
        "function": "convertToAssets(uint256)", "args": ["1000000000000000000"]}  # fmt: skip
ONE = {"min_groups": 1, "sources": spot_sources("USDT/USD")[:1]}
FINE: dict[str, Any] = {"sources": spot_sources("USDT/USD")}


def converted(leg: dict[str, Any] | None, **feed: Any) -> dict[str, Any]:
    """ETH/USD of two exchanges that quote in USDT."""
    claim = {"pair": "ETH/USDT", "convert": "USDT/USD"}
    sources = [{"type": "binance", "symbol": "ETHUSDT", **claim}, {"type": "okx", "symbol": "ETH-USDT", **claim}]
    feeds = {"ETH/USD": {"sources": sources, **feed}} | ({} if leg is None else {"USDT/USD": leg})
    return {"chains": {"local": {"chain_id": 31337, "endpoints": ["http://127.0.0.1:1"]}}, "feeds": feeds}


def shared(share: dict[str, Any], **feed: Any) -> dict[str, Any]:
    whole = converted(FINE)
    whole["feeds"] |= {"wstETH/ETH": share, "stETH/ETH": {"share_of": "wstETH/ETH", **feed}}
    return whole


def test_a_leg_with_a_quorum_converts() -> None:
    assert resolve(parse(converted(FINE)))
    assert resolve(parse(converted({**FINE, "reference_only": True})))


@pytest.mark.parametrize(
    ("leg", "text"),
    [
        (
            {**FINE, "off": True},
            "USDT/USD is off: turn it on (reference_only = true keeps it off chain), or leave this",
        ),
        ({"mode": "redemption", "reference_only": True, "sources": []}, "needs exactly one of sources"),
        ({**ONE, "reference_only": True}, "USDT/USD has one group only, which decides every price"),
        ({**ONE, "accept_single_group": True}, "write min_groups = 2, or min_groups = 1 and accept_single_group"),
        (None, "'USDT/USD' is not a feed of the config: add [feeds.\"USDT/USD\"] with two sources or more"),
    ],
)
def test_a_leg_that_has_no_price_or_that_one_group_decides_is_refused(leg: dict[str, Any] | None, text: str) -> None:
    assert text in problems(converted(leg))


def test_a_leg_without_a_market_has_no_price() -> None:
    whole = converted(FINE)
    rate = {"mode": "redemption", "reference_only": True, "sources": [POOL]}
    claim = {"type": "kraken", "symbol": "RETH/WSTETH", "pair": "rETH/wstETH", "convert": "wstETH/ETH"}
    whole["feeds"] |= {"wstETH/ETH": rate, "rETH/ETH": {"sources": [claim, {"type": "coinbase", "symbol": "RETH-ETH"}]}}
    assert 'feeds."rETH/ETH".sources[0].convert: wstETH/ETH has no market source' in problems(whole)


def test_a_feed_that_accepts_one_group_may_have_such_a_leg() -> None:
    assert resolve(parse(converted({**ONE, "reference_only": True}, min_groups=1, accept_single_group=True)))


def test_a_leg_that_is_content_with_one_of_its_groups_is_a_note() -> None:
    resolved = resolve(parse(converted({**FINE, "min_groups": 1, "reference_only": True})))
    (note,) = one_group_notes(resolved.config, group_counts(resolved.specs))
    assert note.startswith("ETH/USD: USDT/USD needs one group only: while its others are silent, that one decides")
    resolved = resolve(parse(converted(FINE)))
    assert list(one_group_notes(resolved.config, group_counts(resolved.specs))) == []


def test_a_feed_of_a_share_is_no_stronger_than_its_share() -> None:
    alone = {"min_groups": 1, "reference_only": True, "sources": spot_sources("wstETH/ETH")[:1]}
    assert 'stETH/ETH".share_of: wstETH/ETH has one group only' in problems(shared(alone))
    for accepted in ({"accept_single_group": True}, {"reference_only": True}):
        assert resolve(parse(shared(alone, **accepted)))
    assert resolve(parse(shared({"sources": spot_sources("wstETH/ETH")})))


def test_a_leg_made_of_another_feed_is_as_strong_as_that() -> None:
    """USDT/USD as a product, one leg of which one group decides."""
    legs = {
        "USDT/EUR": {"min_groups": 1, "reference_only": True, "sources": [{"type": "kraken", "symbol": "USDT/EUR"}]},
        "EUR/USD": {"sources": [{"type": "kraken", "symbol": "EUR/USD"}, {"type": "bitstamp", "symbol": "eurusd"}]},
    }
    whole = converted({"legs": ["USDT/EUR", "EUR/USD"]})
    whole["feeds"] |= legs
    assert "USDT/EUR has one group only" in problems(whole)
