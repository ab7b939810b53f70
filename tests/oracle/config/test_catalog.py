"""The catalogue: what ships is whole, what is wrong in it is named at once, and a new token takes one block."""

from __future__ import annotations

import json
import re
import tomllib
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from feeds.catalog.rate_graph import OpenGraph
from feeds.catalog.records import Compares, Redemption
from oracle.config.feed_sources import chains_of
from oracle.config.resolve import resolve
from oracle.config.sections import parse
from oracle.config.tables.catalog import load, shipped
from oracle.config.tables.schema import ConfigError

FOLDER = files("feeds") / "catalog"
REGISTRY = Path(__file__).resolve().parent.parent.parent.parent.parent / "shared" / "data" / "registry"
FOUND_SINCE = {
    "0x76Fd297e2D437cd7f76d50F01AfE6160f86e9990": "docs.uniswap.org/contracts/v4/deployments, Arbitrum",
    "0x76943C0D61395d8F2edF9060e1533529cAe05dE6": "lidofinance/docs@5f70eb5:docs/deployed-contracts/index.md, Optimism",
    "0x0F25c1DC2a9922304f2eac71DCa9B07E310e8E5a": "lidofinance/docs@5f70eb5:docs/deployed-contracts/index.md, Arbitrum",
    "0x9de443AdC5A411E83F1878Ef24C3F52C61571e72": "lidofinance/docs@5f70eb5:docs/deployed-contracts/index.md, Base",
    "0x85d456B2DfF1fd8245387C0BfB64Dfb700e98Ef3": "Kelp-DAO/LRT-rsETH@2ecd900:README.md, RSETH_OFTAdapter",
    "0x1Bc71130A0e39942a7658878169764Bbd8A45993": "Kelp-DAO/LRT-rsETH@2ecd900:README.md, RSETH_OFT on Base",
}
"""Addresses that were published elsewhere than in the compiled facts, with where."""
WSTETH = "0x7f39C581F595B53c5cb19bD0b3f8dA6c935E2Ca0"
NEW_TOKEN = """
[[token]]
symbol = "newETH"
kind = "LRT"
protocol = "New Protocol"
address.ethereum = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"
source = ["a test"]
rate.unit = "sfrxETH"
rate.chain = "ethereum"
rate.contract = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"
rate.function = "convertToAssets(uint256)"
rate.args = ["1e18"]
"""

FLAG = """
[[token.open]]
chain = "ethereum"
contract = "0x7f39C581F595B53c5cb19bD0b3f8dA6c935E2Ca0"
function = "paused()"
means = "closed"
"""
POOL_NOWHERE = """
[[pool]]
name = "p"
chain = "ethereum"
token = "wstETH"
family = "uniswap_v3"
coins = ["WETH", "wstETH"]
"""
POOL_BACKWARDS = POOL_NOWHERE + 'address = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"'
RATE_IN_DOLLARS = """
[[reference]]
name = "r"
provider = "x"
kind = "exchange_rate"
base = "a"
quote = "USD"
why_null = "x"
"""


def problems(*more: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load(FOLDER, *more)
    return str(caught.value)


def token(**changes: str) -> str:
    keys = {
        "symbol": '"xETH"', "kind": '"LST"', "protocol": '"X"', "rate.unit": '"ETH"', "rate.chain": '"ethereum"',
        "rate.contract": f'"{WSTETH}"', "rate.function": '"getRate()"',
    }  # fmt: skip
    lines = [f"{k} = {v}" for k, v in {**keys, **changes}.items() if v]
    return "\n".join(["[[token]]", *lines])


def test_what_ships_is_whole() -> None:
    counts = shipped().counts()
    assert counts == {
        "tokens": 63, "pools": 119, "dead_pools": 7, "rates": 53, "second_rates": 26, "references": 155, "chains": 4,
    }  # fmt: skip
    assert sum(shipped().families().values()) == counts["pools"]
    assert len(shipped().pools) == 122
    assert len(shipped().references) == 219


def test_adding_an_exchange_rate_token_takes_one_block() -> None:
    """One TOML block, nothing else: the rate is read along the graph, in ether, from the config by its name."""
    assert NEW_TOKEN.count("[[") == 1
    with_new = load(FOLDER, NEW_TOKEN)
    assert with_new.counts()["tokens"] == shipped().counts()["tokens"] + 1
    got = resolve(
        parse({
            "chains": {"main": {"chain_id": 1, "endpoints": ["http://127.0.0.1:1"]}},
            "feeds": {"newETH/ETH": {"mode": "redemption", "reference_only": True, "catalog": ["rate"]}},
        }, with_new)
    )  # fmt: skip
    (source,) = got.sources
    assert source.adapter is not None
    (calls,) = [next(source.adapter.read())]
    assert [c.to.hex() for c in calls] == [
        "5aaeb6053f3e94c9b9a09f33669435e7ef1beaed", "ac3e018457b222d93114458476f3e3416abbe38f",
    ]  # fmt: skip


def test_every_rate_of_every_token_leads_to_ether() -> None:
    catalog = shipped()
    open_ones = {s for s, t in catalog.tokens.items() if t.rate is None}
    assert open_ones == {"strETH", "beraSTONE"}, "no rate of these was published"
    for symbol in set(catalog.tokens) - open_ones:
        token = catalog.tokens[symbol]
        ways = [catalog.graph.path(symbol, first=edge) for edge in (token.rate, *token.second)]
        assert all(w[-1].quote == "ETH" for w in ways), symbol


@pytest.mark.parametrize(
    ("symbol", "units"),
    [
        ("sfrxETH", ["frxETH", "ETH"]),
        ("apxETH", ["pxETH", "ETH"]),
        ("cmETH", ["mETH", "ETH"]),
        ("agETH", ["rsETH", "ETH"]),
        ("tETH", ["wstETH", "stETH", "ETH"]),
        ("weETH", ["eETH", "ETH"]),
        ("wrsETH", ["rsETH", "ETH"]),
        ("insfrxETH", ["sfrxETH", "frxETH", "ETH"]),
    ],
)
def test_units_are_typed_edge_by_edge(symbol: str, units: list[str]) -> None:
    assert [s.quote for s in shipped().graph.path(symbol)] == units


def test_a_soft_peg_is_a_step_but_never_the_same_unit() -> None:
    graph = shipped().graph
    assert graph.at_par("stETH", "ETH")
    assert graph.at_par("WETH", "eETH")
    assert not graph.at_par("frxETH", "ETH")
    assert not graph.at_par("wstETH", "ETH")
    with pytest.raises(OpenGraph, match="has no rate"):
        graph.path("strETH")


def test_diva_is_there_as_a_testnet_token() -> None:
    for symbol in ("divETH", "wdivETH"):
        held = shipped().tokens[symbol]
        assert held.testnet
        assert set(held.address) == {"sepolia"}


def test_properties_that_rules_need_are_there() -> None:
    tokens = shipped().tokens
    assert tokens["rETH"].cap_percent == "9.3"
    assert tokens["rETH"].rate_age_s == 432_000, "gaps of 109 h were seen"
    assert tokens["cbETH"].redemption is Redemption.CLOSED
    assert tokens["pufETH"].donation is not None
    assert tokens["pufETH"].donation.movable
    assert tokens["weETH"].donation is not None
    assert not tokens["weETH"].donation.movable
    assert tokens["cmETH"].rate is not None
    assert tokens["cmETH"].rate.function == "getRateSafe()", "the plain getter answers while the accountant is paused"
    assert len([t for t in tokens.values() if t.cap_percent]) == 11
    normal = {s: t.normal_bps for s, t in tokens.items() if t.normal_bps is not None}
    assert normal == {"pufETH": -220, "rswETH": -129, "rsETH": -73, "ezETH": -27, "weETH": -9, "stETH": -4}
    assert {s for s, t in tokens.items() if t.open} == {"stETH", "wstETH", "eETH", "weETH", "ETHx", "OETH"}
    assert {s for s, t in tokens.items() if t.backing} == {"wstETH", "weETH"}


@pytest.mark.parametrize(
    ("block", "text"),
    [
        (token(cadnce='"x"'), "cadnce: unknown key; did you mean 'cadence'?"),
        (token(**{"rate.contract": f'"{WSTETH.lower()}"'}), f"is not checksummed: write {WSTETH}"),
        (token(**{"rate.contract": f'"{WSTETH[:-1]}1"'}), "wrong checksum"),
        (token(**{"address.ethereum": f'"{WSTETH}"'}), "is already token wstETH: one address has one meaning"),
        (token(**{"rate.unit": '"rsEHT"'}), "which is not a token; did you mean 'rsETH'?"),
        (token(**{"rate.unit": '"USD"'}), "a ratio read as dollars"),
        (token(**{"rate.unit": '"strETH"'}), "leads to strETH, which has no rate"),
        (token(**{"rate.unit": '"xETH"'}), "go in a circle"),
        (token(**{"rate.chain": '"etherum"'}), "did you mean 'ethereum'?"),
        (token(**{"rate.function": '"getRate"'}), "name and types"),
        (token(**{"rate.par": '"why"'}), "write one of the two"),
        (token(decimals="40"), "0 to 36"),
        (token(last_rate='"1.02"'), "belong together"),
        (token(normal_bps="-20"), "normal_bps and normal_on belong together"),
        (token(normal_bps="-2000", normal_on='"2024-07-01"'), "no token is normal"),
        (token() + FLAG.replace("closed", "unknown"), 'write means = "open" or "closed"'),
        (token() + FLAG.replace("ethereum", "etherum"), "did you mean 'ethereum'?"),
        (token() + FLAG.replace("paused()", "paused"), "name and types"),
        (token(redemption='"maybe"'), "'maybe' is not one of the values"),
        (POOL_BACKWARDS, "in the order of their addresses: write wstETH, WETH"),
        (POOL_NOWHERE, "has no address"),
        (RATE_IN_DOLLARS, "a ratio read as dollars"),
        ("[[token", "is not TOML"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(block: str, text: str) -> None:
    assert text in problems(block)


def test_every_error_comes_at_once() -> None:
    text = problems(token(decimals="40"), token(symbol='"yETH"', **{"rate.unit": '"USD"'}), token(symbol='"wstETH"'))
    for part in ("0 to 36", "a ratio read as dollars", "token wstETH: is listed twice"):
        assert part in text


def addresses(value: Any) -> set[str]:
    return set(re.findall(r"0x[0-9a-fA-F]{40}(?![0-9a-fA-F])", json.dumps(value)))


def test_no_address_was_invented() -> None:
    """Every address of tokens, pools and references stands in the compiled facts that the catalogue was made from."""
    if not REGISTRY.is_dir():
        pytest.skip("the compiled facts are not beside this checkout")
    known = {a.lower() for p in REGISTRY.glob("*.json") for a in addresses(json.loads(p.read_text()))}
    known |= {a.lower() for a in addresses((REGISTRY / "additions.toml").read_text())}
    known |= {a.lower() for a in FOUND_SINCE}
    catalog = shipped()
    held = [a for t in catalog.tokens.values() for a in t.address.values()]
    held += [a for p in catalog.pools for a in (p.address, p.vault, p.resolver, p.hooks) if a]
    held += [r.address for r in catalog.references if r.address]
    edges = [e for t in catalog.tokens.values() for e in ((t.rate,) if t.rate else ()) + t.second]
    held += [a for e in edges for a in (e.contract, e.over_contract) if a]
    held += [f.contract for t in catalog.tokens.values() for f in t.open]
    held += [r.lock for t in catalog.tokens.values() for r in t.rail]
    for counted in (t.backing for t in catalog.tokens.values() if t.backing is not None):
        held += [counted.contract, *counted.args]
    assert len(held) > 450
    assert [a for a in held if a.lower() not in known] == []


def test_every_record_with_an_address_says_where_it_was_published() -> None:
    catalog = shipped()
    placed = [r for r in (*catalog.tokens.values(), *catalog.units.values()) if r.address]
    placed += [r for r in (*catalog.pools, *catalog.references) if r.address is not None]
    placed += [c for c in catalog.chains.values() if c.chain_id is not None]
    assert [r for r in placed if not r.source] == []


def test_what_was_found_since_was_carried_over() -> None:
    """Chain ids, uptime feeds, deployments, vault shares and pool ids of the additions."""
    if not REGISTRY.is_dir():
        pytest.skip("the compiled facts are not beside this checkout")
    catalog, found = shipped(), tomllib.loads((REGISTRY / "additions.toml").read_text())
    assert {n: catalog.chains[n].chain_id for n in found["chains"]} == found["chains"]
    assert {n: catalog.chains[n].sequencer for n in found["sequencer_feeds"]} == found["sequencer_feeds"]
    for symbol, places in found["deployments"].items():
        assert {c: catalog.tokens[symbol].address[c] for c in places} == places
    for symbol, entry in found["wrapped"].items():
        assert entry["address"].lower() in {a.lower() for a in catalog.units[symbol].address.values()}
        assert catalog.units[symbol].decimals == entry.get("decimals")
    ids = {p.pool_id for p in catalog.pools if p.pool_id is not None}
    assert {p["id"] for p in found["uniswap_v4"]} <= ids
    for start, suffix in found["balancer_v2_id_suffixes"].items():
        (pool,) = (p for p in catalog.pools if (p.address or "").lower().startswith(start))
        assert pool.pool_id == (pool.address or "").lower() + suffix


def test_every_uptime_feed_that_is_known_guards_its_chain() -> None:
    """A rollup needs no more than its chain id: the catalogue brings the feed that tells whether its sequencer is up."""
    guarded = {c.name: c for c in shipped().chains.values() if c.sequencer is not None}
    assert {"scroll", "mantle", "soneium", "zksync", "megaeth", "arbitrum", "base", "optimism"} <= set(guarded)
    sections = {n: {"chain_id": c.chain_id, "endpoints": ["http://127.0.0.1:1"]} for n, c in guarded.items()}
    for name, plan in chains_of(parse({"chains": sections, "feeds": {}})).items():
        assert plan.sequencer is not None
        assert plan.sequencer.sequencer_feed == guarded[name].sequencer


def test_caps_and_delays_are_the_published_ones() -> None:
    if not REGISTRY.is_dir():
        pytest.skip("the compiled facts are not beside this checkout")
    tokens = shipped().tokens
    listed = [t for t in json.loads((REGISTRY / "tokens.json").read_text())["tokens"] if t["aave_capo"]]
    assert len(listed) == 11
    for entry in listed:
        cap, known = entry["aave_capo"], tokens[entry["symbol"]]
        assert float(known.cap_percent or 0) == cap["max_yearly_ratio_growth_percent"], entry["symbol"]
        assert known.cap_delay_days == cap["minimum_snapshot_delay_days"], entry["symbol"]
    said = {
        t["symbol"]: t["donation_manipulable"] for t in json.loads((REGISTRY / "tokens.json").read_text())["tokens"]
    }
    for symbol, found in said.items():
        if found is not None and symbol in tokens:
            fact = tokens[symbol].donation
            assert fact is not None, symbol
            assert fact.movable is found["susceptible"], symbol


def test_every_published_fact_was_carried_over() -> None:
    if not REGISTRY.is_dir():
        pytest.skip("the compiled facts are not beside this checkout")
    catalog = shipped()
    pools = json.loads((REGISTRY / "pools.json").read_text())["pools"]
    assert {(p["chain"], p["address"]) for p in pools if p.get("address")} == {
        (p.chain, p.address) for p in catalog.pools if p.address
    }
    listed = json.loads((REGISTRY / "feeds.json").read_text())["feeds"]
    assert sum(bool(f.get("address")) for f in listed) == sum(
        r.address is not None and r.feed_id is None for r in catalog.references
    )
    rates = sum(bool(_reading(t)) for t in json.loads((REGISTRY / "tokens.json").read_text())["tokens"])
    assert rates == catalog.counts()["rates"]


def _reading(entry: dict[str, Any]) -> bool:
    """Whether a contract's function is given; divETH's stands on its share token here, and stETH's on wstETH."""
    rate = entry.get("rate") or {}
    called = bool(rate.get("contract") and rate.get("function"))
    return (called and str(entry["symbol"]) != "stETH") or str(entry["symbol"]) == "wdivETH"


def test_lookups_are_by_chain_and_address() -> None:
    catalog = shipped()
    fluid = bytes.fromhex("667701e51b4d1ca244f17c78f7ab8744b4c99f9b")
    on_arbitrum, on_base = catalog.pool_at("arbitrum", fluid), catalog.pool_at("base", fluid)
    assert on_arbitrum is not None
    assert on_base is not None
    assert (on_arbitrum.token, on_base.token) == ("weETH", "wstETH"), "one address, another pool on each chain"
    assert catalog.pool_at("ethereum", fluid) is None
    stafi = bytes.fromhex("9559aaa82d9649c7a7b220e7c461d2e74c9a3593")
    assert catalog.symbol_at("ethereum", stafi) == "rETH"
    held = catalog.token_at("ethereum", stafi)
    assert held is not None
    assert held.symbol == "rETH-StaFi"
    assert catalog.symbol_at("base", bytes.fromhex("4200000000000000000000000000000000000006")) == "WETH"
    pyth = bytes.fromhex("8250f4af4b972684f7b336503e2d6dfedeb1487a")
    assert {r.base for r in catalog.references_at("base", pyth)} == {"ETH", "cbETH", "wstETH", "weETH"}
    assert all(r.kind is Compares.MARKET for r in catalog.references_at("base", pyth))
