"""Every pool of the catalogue: a feed that names it gets an adapter that accepts its keys, or is told which fact is missing."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from feeds.catalog.records import POOL_SHARE, CatalogPool
from feeds.chains.abi import address
from feeds.pools.balancer_v3 import BalancerV3
from feeds.pools.uniswap_v4 import UniswapV4
from feeds.registry import POOLS
from feeds.types import ChainAdapter
from oracle.config.sections import parse
from oracle.config.tables.catalog import load, shipped
from oracle.config.tables.feed_sections import SourceSection
from oracle.config.tables.schema import ConfigError, Problem, build
from oracle.config.tables.shorthand_pools import READERS

ROOT = Path(__file__).resolve().parents[3]
ALIVE: dict[str, Any] = {"dead_why": None, "dead_since": None, "dead_block": None, "dead_source": ()}
POOLS_LISTED = 122
V4_POOL = """
[[pool]]
name = "uniswap_v4 ETH/wstETH again"
chain = "ethereum"
token = "wstETH"
family = "uniswap_v4"
coins = ["ETH", "wstETH"]
pool_id = "0x1d5b2949ece8754c2d736991c62c5162bd144f497b2212182401b9bae77e2d76"
resolver = "0x7fFE42C4a5DEeA5b0feC41C94C136Cf115597227"
fee_millionths = 100
spacing = 1
"""


def sources_of(pool: CatalogPool) -> tuple[SourceSection, ...]:
    """What a feed gets that names this pool as if it lived; for more than two coins with the pair beside it."""
    catalog = shipped()
    revived = replace(pool, **ALIVE)
    whole = replace(catalog, pools=tuple(revived if p is pool else p for p in catalog.pools))
    coins = [catalog.unwrapped(c) for c in pool.coins if c != POOL_SHARE]
    base = pool.token if pool.token in coins else coins[0]
    source = {"catalog": pool.name} | ({"pair": f"{base}/{coins[-1]}"} if len(coins) > 2 else {})
    chain_id = catalog.chains[pool.chain].chain_id
    table = {
        "chains": {"here": {"chain_id": chain_id, "endpoints": ["http://127.0.0.1:1"]}},
        "feeds": {f"{base}/ETH@{pool.chain}": {"notional": "1", "reference_only": True, "sources": [source]}},
    }
    return parse(table, whole).feeds[f"{base}/ETH@{pool.chain}"].sources


def adapter_of(pool: CatalogPool) -> ChainAdapter | None:
    """The adapter of the source; a failure where its own checks refuse a key."""
    (source,) = sources_of(pool)
    problems: list[Problem] = []
    adapter = build(POOLS[source.type], source.params, pool.name, problems)
    assert not problems, [str(p) for p in problems]
    return adapter


@pytest.mark.parametrize("pool", shipped().pools, ids=lambda p: f"{p.chain} {p.name}")
def test_a_pool_builds_or_says_which_fact_is_missing(pool: CatalogPool) -> None:
    if pool.missing is None:
        assert adapter_of(pool) is not None
        return
    with pytest.raises(ConfigError, match="cannot be read") as caught:
        sources_of(pool)
    assert pool.missing in str(caught.value)


def test_all_pools_are_listed_and_few_miss_a_fact() -> None:
    pools = shipped().pools
    assert len(pools) == POOLS_LISTED
    without = Counter(p.family for p in pools if p.missing is not None)
    assert without == {"uniswap_v4": 3, "gyro_eclp": 1, "fluid": 1}, "each of these says which fact is missing"


def test_a_family_without_an_adapter_is_called_so_in_every_pool_of_it() -> None:
    for pool in shipped().pools:
        assert (pool.family in READERS) is (pool.missing != f"no adapter reads {pool.family}")


def test_the_id_of_a_v4_pool_is_the_hash_of_its_key() -> None:
    """Recomputed from coins, fee and spacing, by the adapter that a feed gets."""
    with_id = [p for p in shipped().pools if p.family == "uniswap_v4" and p.pool_id is not None]
    assert len(with_id) >= 4
    for pool in with_id:
        adapter = adapter_of(pool)
        assert isinstance(adapter, UniswapV4)
        assert "0x" + adapter.key_hash.hex() == pool.pool_id == adapter.pool_id


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"fee_millionths = 100": "fee_millionths = 500"}, "its key gives 0x"),
        ({"spacing = 1": "spacing = 2"}, "its key gives 0x"),
        ({"spacing = 1": ""}, "an id needs its key"),
        ({'["ETH", "wstETH"]': '["wstETH", "ETH"]'}, "write ETH, wstETH"),
        ({"pool_id =": "note ="}, "has no address"),
        ({"0x1d5b": "0x1D5b"}, "64 lower-case hexadecimal digits"),
    ],
)  # fmt: skip
def test_a_v4_pool_whose_key_and_id_contradict_each_other_is_refused(change: dict[str, str], says: str) -> None:
    text = V4_POOL
    for old, new in change.items():
        assert old in text
        text = text.replace(old, new)
    with pytest.raises(ConfigError, match=says):
        load(ROOT / "feeds" / "catalog", text)


def test_an_id_of_balancers_vault_begins_with_the_pools_address() -> None:
    for pool in shipped().pools:
        if pool.pool_id is not None and pool.address is not None:
            assert bytes.fromhex(pool.pool_id[2:42]) == address(pool.address), pool.name


def test_a_pool_of_vault_shares_is_priced_in_what_they_wrap() -> None:
    """The source's pair is about coins; the adapter is told which of the pool's tokens are shares, and of what."""
    catalog = shipped()
    boosted = [p for p in catalog.pools if p.family == "balancer_v3"]
    assert len(boosted) == 8
    for pool in boosted:
        (source,) = sources_of(pool)
        adapter = adapter_of(pool)
        assert isinstance(adapter, BalancerV3)
        assert source.pair is None or not any(c.startswith("wa") for c in source.pair.split("/"))
        shares = {catalog.address_of(c, pool.chain) for c in pool.coins if catalog.unwrapped(c) != c}
        wrapped = {adapter.base: adapter.base_wraps, adapter.quote: adapter.quote_wraps}
        assert {token for token, inner in wrapped.items() if inner} == shares
        assert all(inner != token for token, inner in wrapped.items())


def test_a_dollar_coin_has_its_own_decimals() -> None:
    (pool,) = (p for p in shipped().pools if p.name == "uniswap_v3 wstETH/USDC 0.05%")
    (source,) = sources_of(pool)
    assert source.params["quote_decimals"] == 6
    assert (source.pair, source.convert) == ("wstETH/USDC", "ETH/USDC")


@pytest.mark.parametrize(
    ("wraps", "says"),
    [("wstEHT", "did you mean 'wstETH'"), ("cbETH", "wraps cbETH, of which no address on linea is known")],
)
def test_a_share_wraps_a_coin_that_is_known_where_it_is(wraps: str, says: str) -> None:
    """Else it would be priced as if it were the coin."""
    place = 'address.linea = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"'
    with pytest.raises(ConfigError, match=says):
        load(ROOT / "feeds" / "catalog", f'[[unit]]\nsymbol = "waNew"\nwraps = "{wraps}"\n{place}\n')
