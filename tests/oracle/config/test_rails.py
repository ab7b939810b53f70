"""Rails in the catalogue and in the config: both sides become sources of a feed, and what is half is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from feeds.catalog.rails import Rail, check_rails
from feeds.chains.abi import address
from feeds.types import Kind
from oracle.config.feed_risks import risks_of
from oracle.config.resolve import resolve
from oracle.config.sections import parse
from oracle.config.tables.catalog import shipped
from oracle.config.tables.schema import ConfigError
from oracle.model.risk import RiskCode, RiskFact
from oracle.model.spec import rails_of

LOCK, ADDRESS = "0x85d456B2DfF1fd8245387C0BfB64Dfb700e98Ef3", "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"
IDS = {"main": 1, "l2": 8453, "arb": 42161, "op": 10}


def config(feed: str, *names: str, chains: tuple[str, ...] = ("main", "l2"), **keys: Any) -> Any:
    known = {c: {"chain_id": IDS[c], "endpoints": ["http://127.0.0.1:1"]} for c in chains}
    return {
        "chains": known,
        "feeds": {feed: {"mode": "redemption", "reference_only": True, "catalog": list(names), **keys}},
    }


def sides(
    feed: str, *names: str, chains: tuple[str, ...] = ("main", "l2")
) -> list[tuple[str, str | None, Kind, str | None]]:
    (section,) = parse(config(feed, *names, chains=chains)).feeds.values()
    return [(s.name or "", s.chain, s.kind, s.rail) for s in section.sources if s.rail is not None]


def risk(code: RiskCode, table: Any) -> RiskFact:
    (made,) = risks_of(resolve(parse(table))).values()
    return next(f for f in made.facts if f.code is code)


def test_the_name_brings_both_sides_of_every_bridge_that_the_config_can_read() -> None:
    assert sides("rsETH/ETH", "rate", "rails", chains=("main", "l2", "arb")) == [
        ("layerzero lock box", "main", Kind.BACKING, "layerzero"),
        ("layerzero on arbitrum", "arb", Kind.SUPPLY, "layerzero"),
        ("layerzero on base", "l2", Kind.SUPPLY, "layerzero"),
    ]
    assert [n for n, *_ in sides("rsETH/ETH", "rails")] == ["layerzero lock box", "layerzero on base"]
    assert [r for *_, r in sides("wstETH/ETH", "rate", "rails", chains=("main", "arb", "l2"))] == ["arbitrum"] * 2 + [
        "base"
    ] * 2
    assert [r for *_, r in sides("wstETH/ETH@base", "rails", chains=("main", "arb", "l2"))] == ["base"] * 2, (
        "its own alone"
    )
    lock = next(s for s in parse(config("rsETH/ETH", "rails")).feeds["rsETH/ETH"].sources if s.kind is Kind.BACKING)
    assert lock.params == {
        "contract": shipped().tokens["rsETH"].address["ethereum"], "function": "balanceOf(address)", "args": [LOCK], "scale": 18,
    }  # fmt: skip
    (spec,) = resolve(parse(config("rsETH/ETH", "rate", "rails"))).specs.values()
    assert rails_of(spec) == ("layerzero",)


@pytest.mark.parametrize(
    ("feed", "chains", "says"),
    [
        ("rsETH/ETH", ("main",), r"add \[chains.NAME\] of one of arbitrum, optimism, base"),
        ("rsETH/ETH@base", ("l2",), r"add \[chains.NAME\] of one of ethereum"),
        ("rETH/ETH", ("main", "l2"), "no lock box is recorded of rETH on ethereum: write both sides as sources"),
    ],
)
def test_what_cannot_be_read_says_what_to_write(feed: str, chains: tuple[str, ...], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        parse(config(feed, "rails", chains=chains))


@pytest.mark.parametrize(
    ("kinds", "says"),
    [
        (("backing",), 'rail own has no source of kind "supply": add the one that reads what exists beyond the bridge'),
        (("supply",), 'rail own has no source of kind "backing": add the one that reads the lock box'),
        (("redemption",), "is of the kinds supply and backing"),
    ],
)
def test_half_a_rail_is_refused(kinds: tuple[str, ...], says: str) -> None:
    own = [
        {
            "name": k,
            "type": "rate_call" if k == "redemption" else "amount_call",
            "kind": k,
            "rail": "own",
            "chain": "main",
            "contract": ADDRESS,
            "function": "x()",
        }
        for k in kinds
    ]
    with pytest.raises(ConfigError) as refused:
        resolve(parse(config("wstETH/ETH", "rate", sources=own)))
    assert says in str(refused.value)


@pytest.mark.parametrize(
    ("kind", "type_", "says"),
    [
        ("backing", "rate_call", "rate_call refuses 0, and an emptied lock box is one: write amount_call"),
        ("supply", "rate_call", "rate_call refuses 0"),
        ("redemption", "amount_call", 'an amount_call counts tokens: write kind = "supply" or "backing"'),
    ],
)
def test_tokens_are_counted_by_what_can_say_none(kind: str, type_: str, says: str) -> None:
    own = {"name": "x", "type": type_, "kind": kind, "chain": "main", "contract": ADDRESS, "function": "x()"}
    with pytest.raises(ConfigError) as refused:
        resolve(parse(config("wstETH/ETH", "rate", sources=[own])))
    assert says in str(refused.value)


def test_a_lender_is_told_whether_bridges_are_watched() -> None:
    """A yes is the risk; a token of which no copy is recorded is unknown, never a no."""
    watched = risk(RiskCode.RAILS_UNWATCHED, config("rsETH/ETH", "rate", "rails"))
    assert watched.raised is False
    assert "layerzero on arbitrum, optimism is not counted" in watched.text
    assert "layerzero leads to further chains that are not counted" in watched.text
    unwatched = risk(RiskCode.RAILS_UNWATCHED, config("rsETH/ETH", "rate"))
    assert unwatched.raised is True
    assert "the catalogue has both sides under the name rails" in unwatched.text
    assert risk(RiskCode.RAILS_UNWATCHED, config("swETH/ETH", "rate")).raised is None
    assert risk(RiskCode.BACKING_UNWATCHED, config("rsETH/ETH", "rate", "rails")).raised is True, (
        "a rail is not the whole token"
    )
    away = config("wstETH/ETH@base", "via chainlink", "rails")
    assert "which is read as its rail" in risk(RiskCode.BRIDGED, away).text
    assert "which nothing here reads" in risk(RiskCode.BRIDGED, config("wstETH/ETH@base", "via chainlink")).text


def test_every_recorded_rail_has_its_addresses_and_where_it_was_published() -> None:
    recorded = [(t, r) for t in shipped().tokens.values() for r in t.rail]
    assert {(t.symbol, r.name) for t, r in recorded} == {
        ("wstETH", "optimism"), ("wstETH", "arbitrum"), ("wstETH", "base"), ("rsETH", "layerzero"),
    }  # fmt: skip
    for token, rail in recorded:
        assert rail.source
        assert address(rail.lock) not in {address(a) for a in token.address.values()}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"lock": ADDRESS.lower()}, "not checksummed"), ({"beyond": ()}, "write in beyond the chains"),
        ({"beyond": ("ethereum",)}, "write in beyond the chains"), ({"name": "A rail"}, "lower-case letters"),
    ],
)  # fmt: skip
def test_a_wrong_record_says_what_is_wrong(changes: dict[str, Any], says: str) -> None:
    good = Rail(name="a", bridge="a bridge", chain="ethereum", lock=ADDRESS, beyond=("base",))
    with pytest.raises(ValueError, match=says):
        replace(good, **changes)
    check_rails("rsETH", [good])
    with pytest.raises(ValueError, match="two rails are called 'a'"):
        check_rails("rsETH", [good, good])


def test_a_copy_without_an_address_is_not_counted_and_the_others_are() -> None:
    """As where an own catalogue says that the copy there is gone."""
    gone = {"token": [{"symbol": "rsETH", "extends": True, "address": {"arbitrum": ""}}]}
    both = ("main", "l2", "arb")
    made = parse({**gone, **config("rsETH/ETH", "rails", chains=both)}).feeds["rsETH/ETH"]
    assert [s.name for s in made.sources] == ["layerzero lock box", "layerzero on base"]
    with pytest.raises(ConfigError, match="rsETH has no address on arbitrum, optimism, base: write it in its block"):
        parse({
            "token": [{"symbol": "rsETH", "extends": True, "address": dict.fromkeys(("arbitrum", "base", "optimism"), "")}],
            **config("rsETH/ETH", "rails", chains=("main", "l2", "arb", "op")),
        })  # fmt: skip
