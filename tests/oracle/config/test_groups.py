"""A group is what can fail or be moved together: no spelling, adapter or key of the file makes two of one."""

from __future__ import annotations

import importlib
import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feeds.catalog.exchanges import EXCHANGE_TABLE, exchange_at, exchange_of, is_exchange
from feeds.registry import EXCHANGES
from feeds.streams.ccxt_bridge import installed
from oracle.config.check_groups import party_at
from oracle.config.resolve import ResolvedConfig, reachable_groups, resolve, subset
from oracle.config.sections import parse
from oracle.config.tables.providers import domain_of, plain_host
from oracle.config.tables.schema import ConfigError

needs_ccxt = pytest.mark.skipif(not installed(), reason='ccxt is not installed: pip install "lrt-oracle[ccxt]"')
POOL = "0x1Ca867a8Ed05477BBb3e5872774E00fd5d09e57d"
BASE, QUOTE = "0xCf7Ed3AccA5a467e9e704C703E8D87F634fB0Fc9", "0x5FbDB2315678afecb367f032d93F642f64180aa3"
CHAINS = {
    "one": {"chain_id": 1, "endpoints": ["http://127.0.0.1:1"]},
    "again": {"chain_id": 1, "endpoints": ["http://127.0.0.1:2"]},
    "other": {"chain_id": 2, "endpoints": ["http://127.0.0.1:3"]},
}


def pool(name: str, **changes: Any) -> dict[str, Any]:
    keys = {"pool": POOL, "base": BASE, "quote": QUOTE, "notional": "10", "chain": "one"}
    return {"type": "uniswap_v3", "name": name, **keys, **changes}


def exchange(kind: str, **keys: Any) -> dict[str, Any]:
    return {"type": kind, "symbol": SYMBOLS[kind], **keys}


def through_ccxt(name: str, **keys: Any) -> dict[str, Any]:
    return {"type": "ccxt", "exchange": name, "name": f"ccxt {name}", "symbol": "ETH/USD", **keys}


def json_at(url: str, name: str = "json", **keys: Any) -> dict[str, Any]:
    return {"type": "json_http", "name": name, "url": url, "price": "p", **keys}


SYMBOLS = {"coinbase": "ETH-USD", "kraken": "ETH/USD", "gemini": "ETHUSD", "bitstamp": "ethusd"}


def made(*sources: dict[str, Any], **feed: Any) -> ResolvedConfig:
    keys = {"min_groups": 1, "accept_single_group": True, "sources": list(sources), **feed}
    return resolve(parse({"chains": CHAINS, "feeds": {"ETH/USD": keys}}))


def groups(*sources: dict[str, Any]) -> tuple[str, ...]:
    return reachable_groups(made(*sources).specs["ETH/USD"])


def problems(*sources: dict[str, Any], **feed: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        made(*sources, **feed)
    return str(caught.value)


# --- the table --------------------------------------------------------------------------------------------------------


def test_every_adapter_is_called_as_its_group_and_every_name_is_of_one_exchange() -> None:
    assert {exchange_of(name) for name in EXCHANGES} == set(EXCHANGES)
    assert sum(is_exchange(name) for name in EXCHANGES) >= 15
    names = [n for e in EXCHANGE_TABLE for n in (e.name, *e.aliases)]
    domains = [d for e in EXCHANGE_TABLE for d in e.domains]
    assert len(set(names)) == len(names)
    assert len(set(domains)) == len(domains)
    assert all(n == n.lower() for n in names + domains)
    assert all(domain_of(d) == d for d in domains)


@pytest.mark.parametrize("name", EXCHANGES)
def test_every_adapters_own_hosts_are_those_of_its_exchange(name: str) -> None:
    for url in (EXCHANGES[name].ws_url, EXCHANGES[name].rest_url):
        assert party_at(url) == name


@needs_ccxt
def test_no_id_of_ccxt_belongs_to_one_of_ours_and_is_missed() -> None:
    """By the hosts that ccxt itself asks, and by the classes that extend another's: both must give one group."""
    ccxt = importlib.import_module("ccxt")
    apart = {"binanceus": "another operator under licence, though its class extends Binance's"}
    missed = {}
    for name in ccxt.exchanges:
        bases = [b.__name__ for b in getattr(ccxt, name).__mro__[1:] if b.__name__ in ccxt.exchanges]
        client = getattr(ccxt, name)()
        hosts = [url.replace("{hostname}", client.hostname or "x") for url in texts(client.urls["api"])]
        parties = {g for h in hosts if (g := exchange_at(domain_of(plain_host(h)))) is not None}
        wanted = {exchange_of(b) for b in bases} | parties | {exchange_of(name)}
        if len(wanted) > 1 and name not in apart:
            missed[name] = wanted
    assert missed == {}
    assert exchange_of("binanceus") == "binanceus"


@needs_ccxt
def test_ids_of_ccxt_that_ask_one_host_are_one_group() -> None:
    ccxt = importlib.import_module("ccxt")
    by_host: dict[str, set[str]] = {}
    for name in ccxt.exchanges:
        client = getattr(ccxt, name)()
        for url in texts(client.urls["api"]):
            host = plain_host(url.replace("{hostname}", client.hostname or name))
            by_host.setdefault(host, set()).add(exchange_of(name))
    shared = {h: g for h, g in by_host.items() if len(g - {"binanceus"}) > 1}
    assert shared == {}


def texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return list(itertools.chain.from_iterable(texts(v) for v in inner))


# --- one exchange under several names ---------------------------------------------------------------------------------


@needs_ccxt
@pytest.mark.parametrize(
    ("native", "alias"),
    [("coinbase", "coinbaseexchange"), ("coinbase", "coinbaseadvanced"), ("kraken", "krakenfutures")],
)
def test_an_exchange_is_one_group_by_whatever_name_and_adapter(native: str, alias: str) -> None:
    assert groups(exchange(native), through_ccxt(alias)) == (native,)


@needs_ccxt
@pytest.mark.parametrize(
    ("first", "second", "group"),
    [
        ("gate", "gateio", "gate"),
        ("htx", "huobi", "htx"),
        ("okx", "myokx", "okx"),
        ("binance", "tokocrypto", "binance"),
        ("hitbtc", "bequant", "hitbtc"),
        ("woofipro", "modetrade", "orderly"),
    ],
)
def test_names_of_one_book_are_one_group(first: str, second: str, group: str) -> None:
    assert groups(through_ccxt(first), through_ccxt(second)) == (group,)
    assert "2 groups can never be reached" in problems(through_ccxt(first), through_ccxt(second), min_groups=2)


@needs_ccxt
def test_a_licensee_with_its_own_book_is_its_own_group() -> None:
    assert groups(through_ccxt("binance"), through_ccxt("binanceus")) == ("binance", "binanceus")


@pytest.mark.parametrize(
    ("url", "group"),
    [
        ("https://api.gateio.ws/api/v4/x", "gate"),
        ("https://API.GateIO.ws:443/api/v4/x", "gate"),
        ("https://www.okx.com/api", "okx"),
        ("https://api-pub.bitfinex.com./v2", "bitfinex"),
        ("https://api.exchange.coinbase.com/products", "coinbase"),
        ("https://api.issuer.example/rate", "issuer.example"),
        ("https://www.Issuer.example:8443/rate", "issuer.example"),
        ("https://data.issuer.co.uk/rate", "issuer.co.uk"),
        ("https://one.github.io/rate", "one.github.io"),
        ("http://127.0.0.1:1/rate", "localhost"),
        ("http://localhost/rate", "localhost"),
        ("http://[::1]:8000/rate", "localhost"),
        ("https://192.0.2.7/rate", "192.0.2.7"),
        ("https://0xc0.0.0x207/rate", "192.0.2.7"),
        ("https://192.0.519/rate", "192.0.2.7"),
        ("https://[64:ff9b::192.0.2.7]/rate", "192.0.2.7"),
        ("https://192-0-2-7.nip.io/rate", "192.0.2.7"),
        ("https://pro-api.coingecko.com/api/v3/x", "coingecko.com"),
        ("https://api.geckoterminal.com/api/v2/x", "coingecko.com"),
        ("https://min-api.cryptocompare.com/data/x", "coindesk.com"),
    ],
)
def test_a_source_over_json_depends_on_who_is_behind_its_host(url: str, group: str) -> None:
    assert groups(json_at(url)) == (group,)


# --- what the file may say --------------------------------------------------------------------------------------------


def test_two_groups_are_never_made_of_one_exchange() -> None:
    text = problems(exchange("coinbase", group="a"), exchange("coinbase", name="usdc", group="b"))
    assert "sources[1].group: coinbase and usdc both depend on coinbase and cannot be two groups" in text
    assert "leave group out" in text
    assert "it depends on coinbase, which is its group: leave group out" in problems(exchange("coinbase", group="a"))
    assert "both depend on gate" in problems(
        json_at("https://api.gateio.ws/x", "x"), json_at("https://api.gateio.ws/y", "y", group="another")
    )


def test_groups_may_be_merged() -> None:
    assert groups(exchange("coinbase", group="us"), exchange("kraken", group="us"), exchange("gemini")) == (
        "gemini", "us",
    )  # fmt: skip
    assert groups(exchange("coinbase", group="kraken"), exchange("kraken")) == ("kraken",)
    text = problems(exchange("coinbase", group="us"), exchange("kraken", group="us"), exchange("coinbase", name="usdc"))
    assert 'write group = "us" for both' in text


@needs_ccxt
def test_a_written_group_is_an_exchange_under_its_one_name() -> None:
    assert groups(through_ccxt("gate", group="gateio"), exchange("coinbase")) == ("coinbase", "gate")


def test_a_chain_is_one_group_whatever_its_pools_are_called() -> None:
    second = "0x" + "22" * 20
    assert groups(pool("a"), pool("b", pool=second)) == ("chain:one",)
    assert "both depend on chain:one" in problems(pool("a", group="x"), pool("b", pool=second, group="y"))
    assert "leave group out" in problems(pool("a", group="uniswap"))


def test_a_chain_under_two_names_is_one_group() -> None:
    second = "0x" + "22" * 20
    assert groups(pool("a"), pool("b", pool=second, chain="again")) == ("chain:one",)
    assert groups(pool("a"), pool("b", chain="other")) == ("chain:one", "chain:other")


AGAIN: list[dict[str, Any]] = [
    {},
    {"pool": POOL.lower()},
    {"pool": POOL.upper().replace("0X", "0x")},
    {"chain": "again"},
    {"notional": "1"},
    {"type": "uniswap_v2"},
    {"average_s": 0},
]


@pytest.mark.parametrize("changes", AGAIN, ids=repr)
def test_a_pool_is_one_group_however_it_is_written(changes: dict[str, Any]) -> None:
    text = problems(pool("a", average_s=60), pool("b", average_s=60) | changes)
    assert "a and b read one pool and would count as two groups: leave one of them out" in text


def test_a_pool_with_an_id_is_the_pool_at_its_address() -> None:
    keys = {"type": "balancer_stable", "chain": "one", "base": BASE, "quote": QUOTE, "notional": "1", "average_s": 60}
    first = {**keys, "name": "a", "vault": "0x" + "33" * 20, "pool": POOL, "pool_id": POOL.lower() + "00" * 12}
    assert "read one pool" in problems(first, {**first, "name": "b", "pool": POOL.lower()})
    assert "read one pool" in problems(first, pool("b", average_s=60)), "by another adapter"
    other = {**first, "name": "c", "pool": "0x" + "44" * 20, "pool_id": "0x" + "44" * 20 + "00" * 12}
    assert groups(first, other) == ("a", "c"), "one vault holds many pools"


def test_pools_of_one_contract_are_told_apart_by_their_keys() -> None:
    keys = {
        "type": "uniswap_v4", "chain": "one", "state_view": "0x" + "33" * 20, "base": BASE, "quote": QUOTE,
        "notional": "1", "average_s": 60,
    }  # fmt: skip
    first = {**keys, "name": "a", "fee": 500, "spacing": 10}
    assert "read one pool" in problems(first, {**first, "name": "b", "state_view": "0x" + "55" * 20})
    assert groups(first, {**first, "name": "b", "fee": 3000, "spacing": 60}) == ("a", "b")


# --- the names that lists use -----------------------------------------------------------------------------------------


def test_lists_of_groups_name_what_is_there() -> None:
    sources = [exchange("coinbase"), json_at("https://api.gateio.ws/x", "x")]
    shares = {"method": "weighted_median", "tuning": {"shares": {"gateio": 2}}}
    assert "tuning.shares.gateio: is not a group of this feed; it is called gate here" in problems(*sources, **shares)
    table = {
        "feeds": {"ETH/USD": {"sources": sources}},
        "operators": [{"name": "a", "journal": "j", "keyfile": "k", "without": ["gateio"]}],
    }
    with pytest.raises(
        ConfigError, match=r"operators\.a\.without: 'gateio' is no source or group of a feed; it is called gate"
    ):
        resolve(parse(table))
    table["operators"][0]["without"] = ["gatee"]  # type: ignore[index]
    with pytest.raises(ConfigError, match="did you mean 'gate'"):
        resolve(parse(table))
    table["operators"][0]["without"] = ["gate", "binance"]  # type: ignore[index]
    spec = resolve(parse(table)).specs["ETH/USD"]
    assert reachable_groups(subset(spec, ("gate", "binance"))) == ("coinbase",), "one that no feed reads may be named"


# --- the law ----------------------------------------------------------------------------------------------------------

THINGS: dict[str, list[dict[str, Any]]] = {
    "coinbase": [exchange("coinbase"), json_at("https://API.exchange.coinbase.com:443/x"), through_ccxt("coinbaseexchange")],
    "kraken": [exchange("kraken"), json_at("https://api.kraken.com/0"), through_ccxt("krakenfutures")],
    "gate": [json_at("https://api.gateio.ws/x"), json_at("https://www.gate.io/y"), through_ccxt("gateio"), through_ccxt("gate")],
    "issuer": [json_at("https://a.issuer.example/x"), json_at("https://ISSUER.example:8443/x")],
    "chain": [pool("x"), pool("x", pool="0x" + "22" * 20), pool("x", pool="0x" + "23" * 20, chain="again")],
    "pool": [pool("x", average_s=60), pool("x", average_s=90, pool=POOL.lower()), pool("x", average_s=60, chain="again")],
}  # fmt: skip


@needs_ccxt
@given(st.data())
def test_however_sources_are_written_one_thing_is_never_two_groups(data: st.DataObject) -> None:
    chosen = data.draw(
        st.lists(
            st.sampled_from([(thing, s) for thing, written in THINGS.items() for s in written]), min_size=1, max_size=5
        )
    )
    names = [None, "coinbase", "gateio", "mine", "chain:one"]
    sources, things = [], []
    for i, (thing, source) in enumerate(chosen):
        group = data.draw(st.sampled_from(names))
        sources.append({**source, "name": f"source {i}"} | ({} if group is None else {"group": group}))
        things.append(thing)
    try:
        resolved = made(*sources)
    except ConfigError:
        return
    spec = resolved.specs["ETH/USD"]
    counted = {s.name: s.name if s.average_s else s.group for s in spec.sources}
    for i, j in itertools.combinations(range(len(things)), 2):
        if things[i] == things[j]:
            assert counted[f"source {i}"] == counted[f"source {j}"]
    assert len(reachable_groups(spec)) <= len(set(things))
