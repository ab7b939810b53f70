"""What died stays listed with when, why and what to use instead: no shipped config names it, no config may read it."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from feeds.catalog.lifetime import Lifetime
from feeds.registry import POOLS
from feeds.types import Pair
from oracle.check.check import check
from oracle.config.check_dead import dead_problems, dead_token_problems, doubt_notes
from oracle.config.resolve import reachable_groups, resolve
from oracle.config.sections import load, parse
from oracle.config.tables.catalog import Catalog, shipped
from oracle.config.tables.catalog import load as load_catalog
from oracle.config.tables.feed_sections import SourceSection
from oracle.config.tables.schema import ConfigError
from oracle.config.tables.shorthand_rates import reader

ROOT = Path(__file__).resolve().parents[3]
FOLDER = files("feeds") / "catalog"
DEFAULT = ROOT / "config.toml"
CHAINS = {"main": {"chain_id": 1, "endpoints": ["http://127.0.0.1:1"]}}
WSTETH, WETH = "0x7f39C581F595B53c5cb19bD0b3f8dA6c935E2Ca0", "0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2"
NATIVE = "0xEeeeeEeeeEeEeeEeEeEeeEEEeeeeEeeeeeeeEEeE"
DRAINED = "balancer_stable wstETH/WETH"
HERE = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"
END = 'dead_why = "it ended"\ndead_since = "2026-01-02"\ndead_source = ["a test"]\n'
TOKEN = f"""
[[token]]
symbol = "goneETH"
kind = "LST"
protocol = "Gone"
address.ethereum = "{HERE}"
rate.unit = "ETH"
rate.par = "a test"
{END}"""
SYMBOL = f"""
[[symbol]]
venue = "okx"
symbol = "GONE-ETH"
pair = "wstETH/ETH"
instead = ["okx STETH-ETH"]
{END}"""
REFERENCE = f"""
[[reference]]
name = "gone feed"
provider = "chainlink"
kind = "market"
base = "apxETH"
quote = "ETH"
chain = "ethereum"
address = "{HERE}"
{END}"""
V4_POOL = f"""
[[pool]]
name = "uniswap_v4 WETH/wstETH gone"
chain = "ethereum"
token = "wstETH"
family = "uniswap_v4"
coins = ["wstETH", "WETH"]
pool_id = "0x%s"
resolver = "0x7fFE42C4a5DEeA5b0feC41C94C136Cf115597227"
fee_millionths = 500
spacing = 10
{END}"""


def records(catalog: Catalog) -> Iterator[tuple[str, Lifetime]]:
    yield from (("token", t) for t in catalog.tokens.values())
    yield from (("pool", p) for p in catalog.pools)
    yield from (("reference", r) for r in catalog.references)
    yield from (("symbol", s) for s in catalog.symbols)


def source(**keys: Any) -> SourceSection:
    table = {"wstETH/ETH": {"reference_only": True, "min_groups": 1, "sources": [{"chain": "main", **keys}]}}
    return parse({"chains": CHAINS, "feeds": table}).feeds["wstETH/ETH"].sources[0]


def said_of(catalog: Catalog, written: SourceSection) -> str:
    params = dict(written.params)
    adapter = POOLS[written.type](**params) if written.type in POOLS else None
    return "\n".join(str(p) for p in dead_problems(catalog, "here", "ethereum", written, adapter))


def refused(**feed: Any) -> str:
    table = {"wstETH/ETH": {"reference_only": True, "min_groups": 1, **feed}}
    with pytest.raises(ConfigError) as caught:
        resolve(parse({"chains": CHAINS, "feeds": table}))
    return str(caught.value)


# --- the records


def test_an_end_is_told_with_its_time_its_source_and_a_successor_that_lives() -> None:
    catalog = shipped()
    dead = [(kind, r) for kind, r in records(catalog) if r.is_dead]
    assert len([r for kind, r in dead if kind == "pool"]) >= 7
    for kind, record in dead:
        assert record.dead_source, record
        assert record.dead_why
        assert not record.is_usable
        if kind == "pool":
            assert record.instead, "a pool that died names what is read in its place"
    by_name = {(p.name, p.chain): p for p in catalog.pools}
    for pool in (p for p in catalog.pools if p.is_dead):
        successors = [by_name[name, pool.chain] for name in pool.instead]
        assert all(s.is_usable and s.missing is None for s in successors), pool.name
        assert all(pool.token in (*s.coins, *map(catalog.unwrapped, s.coins)) for s in successors), pool.name


def test_no_composable_pool_of_the_drained_kind_counts_as_usable() -> None:
    """The rounding fault is in every pool of the kind: each is dead, or doubtful until somebody has looked."""
    listed = [p for p in shipped().pools if p.family in {"balancer_stable", "balancer_meta"}]
    assert len(listed) == 13
    assert [p.name for p in listed if p.is_usable] == []


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('dead_since = "2026-01-02"\n', 'need dead_why = "..."'),
        ("dead_block = 5\n", 'need dead_why = "..."'),
        ('dead_why = "it ended"\n', "write where its end was published"),
        ('dead_why = "it ended"\ndead_source = ["x"]\ndead_since = "yesterday"\n', "write a date such as"),
        ('dead_why = "it ended"\ndead_source = ["x"]\ndoubtful = "maybe"\n', "write dead_why or doubtful"),
    ],
)
@pytest.mark.parametrize("block", [TOKEN, SYMBOL, REFERENCE], ids=["token", "symbol", "reference"])
def test_an_end_that_is_told_by_halves_is_refused(block: str, text: str, says: str) -> None:
    """One form for every kind of record."""
    with pytest.raises(ConfigError, match=re.escape(says)):
        load_catalog(FOLDER, block.replace(END, text))


def test_an_end_is_one_sentence() -> None:
    told = Lifetime(
        dead_why="it ended", dead_since="2026-01-02", dead_block=1234567, dead_source=("x",), instead=("y",)
    )
    assert told.end == "is dead since 2026-01-02 (block 1,234,567): it ended; use 'y' instead"
    bare = Lifetime(dead_why="it ended", dead_source=("x",))
    assert bare.end == "is dead: it ended; remove it, nothing replaces it"
    assert Lifetime().end == ""


# --- the config


def test_a_dead_pool_is_refused_by_its_name() -> None:
    told = refused(catalog=[DRAINED], notional="1")
    assert (
        "feeds.\"wstETH/ETH\".catalog[0]: 'balancer_stable wstETH/WETH': is dead since 2025-11-03 (block 23,717,397)"
        in told
    )
    assert "use 'uniswap_v4 ETH/wstETH 0.01%'" in told


@pytest.mark.parametrize("spelled", [str, str.lower])
def test_a_dead_pool_is_refused_by_its_address(spelled: Any) -> None:
    (pool,) = (p for p in shipped().pools if p.name == DRAINED)
    keys = {
        "type": "balancer_stable", "chain": "main", "vault": pool.vault, "pool": spelled(pool.address),
        "pool_id": pool.pool_id, "base": WSTETH, "quote": WETH, "notional": "1",
    }  # fmt: skip
    told = refused(sources=[keys])
    assert "pool balancer_stable wstETH/WETH is dead since 2025-11-03" in told
    assert told.count("is dead") == 1, "address and id are one pool"


def test_a_dead_pool_without_an_address_is_refused_by_its_id_and_by_its_key() -> None:
    key = {
        "type": "uniswap_v4", "state_view": "0x7fFE42C4a5DEeA5b0feC41C94C136Cf115597227", "base": WSTETH, "quote": WETH,
        "fee": 500, "spacing": 10, "notional": "1",
    }  # fmt: skip
    written = source(**key)
    adapter = POOLS["uniswap_v4"](**written.params)
    pool_id = adapter.key_hash.hex()  # type: ignore[attr-defined]
    catalog = load_catalog(FOLDER, V4_POOL % pool_id)
    assert "pool uniswap_v4 WETH/wstETH gone is dead since 2026-01-02: it ended" in said_of(catalog, written)
    with_id = source(**key, pool_id="0x" + pool_id)
    assert said_of(catalog, with_id).count("is dead") == 1
    assert said_of(catalog, source(**{**key, "spacing": 20})) == ""


def test_a_symbol_that_was_delisted_is_refused_by_name_and_by_hand() -> None:
    catalog = load_catalog(FOLDER, SYMBOL)
    for symbol in ("GONE-ETH", "gone-eth"):
        told = [str(p) for p in dead_problems(catalog, "here", None, source(type="okx", symbol=symbol), None)]
        assert told == ["here: okx GONE-ETH is dead since 2026-01-02: it ended; use 'okx STETH-ETH' instead"]
    with pytest.raises(ConfigError, match="'okx GONE-ETH': is dead since 2026-01-02"):
        parse({"chains": CHAINS, "feeds": {"wstETH/ETH": {"catalog": ["okx GONE-ETH"]}}}, catalog)


def test_a_reference_that_was_retired_is_refused_by_name_and_by_hand() -> None:
    catalog = load_catalog(FOLDER, REFERENCE)
    written = source(type="chainlink", kind="reference", feed=HERE.lower())
    assert "reference gone feed is dead since 2026-01-02" in said_of(catalog, written)
    with pytest.raises(ConfigError, match="'chainlink': is dead since 2026-01-02"):
        parse({"chains": CHAINS, "feeds": {"apxETH/ETH": {"reference_only": True, "catalog": ["chainlink"]}}}, catalog)
    with pytest.raises(ConfigError, match="'api3': is dead: API3 lists it as retired"):
        parse({"chains": CHAINS, "feeds": {"demETH/ETH": {"reference_only": True, "catalog": ["api3"]}}})


def test_a_dead_token_has_no_feed_and_is_traded_in_none() -> None:
    catalog = load_catalog(FOLDER, TOKEN)
    for pair in ("goneETH/ETH", "wstETH/goneETH"):
        (problem,) = dead_token_problems(catalog, "here", Pair.parse(pair))
        assert "goneETH is dead since 2026-01-02: it ended" in problem.text
    pool = {"type": "uniswap_v3", "pool": "0x109830a1AAaD605BbF02a9dFA7B0B92EC2FB7dAa", "base": HERE, "quote": WETH}
    assert "token goneETH is dead" in said_of(catalog, source(**pool, notional="1"))
    assert list(dead_token_problems(catalog, "here", Pair.parse("wstETH/ETH"))) == []


def test_a_feed_of_a_dead_token_is_refused_until_it_is_turned_off() -> None:
    catalog = load_catalog(FOLDER, TOKEN)
    sources = [{"type": "okx", "symbol": "GONEETH-ETH"}, {"type": "kraken", "symbol": "GONEETH/ETH"}]
    table: dict[str, Any] = {"feeds": {"goneETH/ETH": {"sources": sources}}}
    with pytest.raises(ConfigError, match="goneETH is dead since 2026-01-02"):
        resolve(parse(table, catalog))
    table["feeds"]["goneETH/ETH"]["off"] = True
    assert resolve(parse(table, catalog)).specs == {}


def test_what_is_doubtful_may_be_named_and_is_told() -> None:
    (pool,) = (p for p in shipped().pools if p.name == "curve_ng WETH/weETH")
    table = {"weETH/ETH": {"reference_only": True, "min_groups": 1, "catalog": [pool.name], "notional": "1"}}
    (plan,) = resolve(parse({"chains": CHAINS, "feeds": table})).sources
    (note,) = plan.doubts
    assert "pool curve_ng WETH/weETH is doubtful: unbalanced" in note
    assert list(doubt_notes(shipped(), "here", "ethereum", source(type="okx", symbol="ETH-USDT"), None)) == []


async def test_the_check_prints_what_is_doubtful() -> None:
    table = {
        "weETH/ETH": {"reference_only": True, "min_groups": 1, "catalog": ["curve_ng WETH/weETH"], "notional": "1"}
    }
    document = await check(resolve(parse({"chains": CHAINS, "feeds": table})), offline=True)
    assert [n for n in document["notes"] if "is doubtful" in n]
    assert document["counts"]["dead_pools"] == sum(p.is_dead for p in shipped().pools)


# --- what ships


def toml_texts() -> dict[str, str]:
    """The operator's file and every TOML block of the documents."""
    texts = {DEFAULT.name: DEFAULT.read_text(encoding="utf-8")}
    for path in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]:
        blocks = re.findall(r"```toml\n(.*?)```", path.read_text(encoding="utf-8"), flags=re.DOTALL)
        texts[str(path.relative_to(ROOT))] = "\n".join(blocks)
    return texts


@pytest.mark.parametrize("name", sorted(toml_texts()))
def test_nothing_dead_or_doubtful_stands_in_a_config_that_ships(name: str) -> None:
    text = toml_texts()[name].lower()
    for kind, record in records(shipped()):
        if record.is_usable:
            continue
        known = [getattr(record, key, None) for key in ("address", "pool_id")]
        named = f'"{record.venue} {record.symbol}"' if kind == "symbol" else f'"{getattr(record, "name", "")}"'
        for spelled in (named, *(k for k in known if isinstance(k, str))):
            assert spelled.lower() not in text, f"{name} names {kind} {spelled}"


def test_the_default_feeds_read_nothing_dead_or_doubtful_and_reach_two_groups() -> None:
    """Two groups, or served only, with the reason."""
    resolved = resolve(load(DEFAULT))
    assert [d for p in resolved.sources for d in p.doubts] == []
    for name, spec in resolved.specs.items():
        section = resolved.config.feeds[name]
        if not spec.sources or section.reference_only:
            assert not spec.sources or section.reason, name
            continue
        assert len(reachable_groups(spec)) >= 2, name


def test_a_reference_that_the_default_feeds_name_is_alive() -> None:
    """The shorthand leaves the retired ones out: every feed of another oracle that is read is in the catalogue, and usable."""
    catalog, table = shipped(), tomllib.loads(DEFAULT.read_text(encoding="utf-8"))
    providers = {r.provider for r in catalog.references}
    named = {n for f in table["feeds"].values() for n in f.get("catalog", ()) if n in providers}
    assert named
    read = [reader(r) for r in catalog.references if r.provider in named and r.address is not None and r.is_usable]
    for plan in resolve(load(DEFAULT)).sources:
        feed = getattr(plan.adapter, "feed", None)
        if feed is not None:
            assert any(keys.get("feed") == feed for keys in read), plan.spec.name
