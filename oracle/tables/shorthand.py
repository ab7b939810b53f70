"""Catalogue names in the config: written out as the sources that an operator could write by hand.

``catalog = ["rate", "second", "uniswap_v3 wstETH/WETH 0.01%", "chainlink"]`` under a feed, or ``catalog = "..."`` in one
source, whose other keys then win over what the catalogue says. A name is one of

- ``rate``: what the protocol owes, along the rate graph to the feed's quote; ``second``: every independent derivation
- the name of a pool on the feed's chain (``@chain`` in the feed's id, else ethereum)
- a venue and its symbol: ``okx STETH-ETH``
- a provider: its feeds of this pair, as references; ``via chainlink``: its exchange rate as this chain's redemption rate
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from feeds.facts import Compares, Pool, Rate, Reference
from feeds.rate_graph import OpenGraph, Step, chains_of
from feeds.types import Pair
from oracle.tables.catalog import FIAT, Catalog, shipped
from oracle.tables.schema import Problem, nearest
from oracle.tables.shorthand_pools import READERS

_MAINNET = "ethereum"
_RATE_AGE_S = 120
_AVERAGE_S = 60
_VIA = "via "
VIA_FEED = "redemption_via_feed"
"""A source's kind: a redemption rate that a provider states, in that provider's group."""


class _Unknown(ValueError):
    """A name that the catalogue does not hold, or that this feed can not use."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _At:
    """The feed that the sources are for, and the config's own names of the chains."""

    catalog: Catalog
    pair: Pair
    chain: str
    chains: Mapping[str, str]
    notional: str | None
    average_s: int

    def configured(self, chain: str) -> str:
        """The config's name of a chain of the catalogue."""
        if chain not in self.chains:
            raise _Unknown(f"is read on {chain}: add [chains.{chain}] with its chain_id and endpoints")
        return self.chains[chain]


def expand(table: Mapping[str, Any], problems: list[Problem]) -> dict[str, Any]:
    """The config's document with every catalogue name written out; a document without one is returned as it is."""
    if not isinstance(table.get("feeds"), Mapping) or not _uses(table["feeds"]):
        return dict(table)
    catalog = shipped()
    chains = _chains(catalog, table.get("chains"))
    feeds = {n: _feed(catalog, chains, n, f, problems) for n, f in table["feeds"].items()}
    return {**table, "feeds": feeds}


def _uses(feeds: Mapping[str, Any]) -> bool:
    tables = [f for f in feeds.values() if isinstance(f, Mapping)]
    sources = [s for f in tables if isinstance(f.get("sources"), list) for s in f["sources"]]
    return any("catalog" in f for f in tables) or any(isinstance(s, Mapping) and "catalog" in s for s in sources)


def _chains(catalog: Catalog, sections: Any) -> dict[str, str]:
    """Catalogue name -> config name, by chain id."""
    found = sections.items() if isinstance(sections, Mapping) else ()
    ids = {s.get("chain_id"): n for n, s in found if isinstance(s, Mapping)}
    return {c.name: ids[c.chain_id] for c in catalog.chains.values() if c.chain_id is not None and c.chain_id in ids}


def _feed(catalog: Catalog, chains: Mapping[str, str], name: str, feed: Any, problems: list[Problem]) -> Any:
    names = feed.get("catalog", []) if isinstance(feed, Mapping) else []
    written = feed.get("sources", []) if isinstance(feed, Mapping) else []
    if not isinstance(names, list) or not isinstance(written, list) or not (names or written):
        return feed
    plain, _, chain = name.split("#", maxsplit=1)[0].partition("@")
    where = f'feeds."{name}"'
    try:
        pair = Pair.parse(plain)
    except ValueError:
        return feed
    average = feed.get("average_s", _AVERAGE_S)
    at = _At(
        catalog=catalog, pair=pair, chain=chain or _MAINNET, chains=chains, notional=feed.get("notional"),
        average_s=average if isinstance(average, int) else _AVERAGE_S,
    )  # fmt: skip
    sources: list[Any] = []
    for i, entry in enumerate(names):
        sources += _named(at, entry, f"{where}.catalog[{i}]", {}, problems)
    for i, source in enumerate(written):
        if isinstance(source, Mapping) and "catalog" in source:
            own = {k: v for k, v in source.items() if k != "catalog"}
            sources += _named(at, source["catalog"], f"{where}.sources[{i}].catalog", own, problems)
        else:
            sources.append(source)
    return {**feed, "sources": sources}


def _named(at: _At, name: Any, where: str, own: Mapping[str, Any], problems: list[Problem]) -> list[dict[str, Any]]:
    try:
        return [{**s, **own} for s in _resolve(at, str(name))]
    except (_Unknown, OpenGraph) as e:
        problems.append(Problem(where, f"{str(name)!r}: {e}"))
        return []


def _resolve(at: _At, name: str) -> list[dict[str, Any]]:
    if name == "rate":
        return [_rate(at, name, None)]
    if name == "second":
        token = at.catalog.tokens.get(at.pair.base)
        return [_rate(at, f"rate {i}", edge) for i, edge in enumerate(token.second if token else (), start=2)]
    if name.startswith(_VIA):
        return [_via_feed(at, name.removeprefix(_VIA))]
    for pool in at.catalog.pools:
        if (pool.name, pool.chain) == (name, at.chain):
            return [_pool(at, pool)]
    for symbol in at.catalog.symbols:
        if f"{symbol.venue} {symbol.symbol}" == name:
            return [_converted(at, Pair.parse(symbol.pair), {"type": symbol.venue, "symbol": symbol.symbol})]
    if any(r.provider == name for r in at.catalog.references):
        if stated := [_reference(at, r) for r in _of_pair(at, name)]:
            return stated
        raise _Unknown(f"has no feed of {at.pair} on {at.chain} that could be read")
    raise _Unknown(f"is not in the catalogue; {nearest(name, _names(at))}")


def _names(at: _At) -> Iterator[str]:
    yield from ("rate", "second")
    yield from sorted({r.provider for r in at.catalog.references})
    yield from (p.name for p in at.catalog.pools if p.chain == at.chain and at.pair.base in p.coins)
    yield from (f"{s.venue} {s.symbol}" for s in at.catalog.symbols)


def _rate(at: _At, name: str, first: Rate | None) -> dict[str, Any]:
    if at.pair.base not in at.catalog.tokens:
        raise _Unknown(f"{at.pair.base} is no token of the catalogue; {nearest(at.pair.base, at.catalog.tokens)}")
    steps = at.catalog.graph.path(at.pair.base, at.pair.quote, first=first)
    if len(read_on := chains_of(steps)) != 1:
        raise _Unknown(
            f"the way from {at.pair.base} to {at.pair.quote} is at par: there is nothing to read, use share_of"
        )
    return {
        "name": name,
        "type": "rate_path",
        "kind": "redemption",
        "chain": at.configured(*read_on),
        "max_age_s": _RATE_AGE_S,
        "steps": [step_text(s) for s in steps],
    }


def step_text(step: Step) -> str:
    """A step as the adapter ``rate_path`` takes it."""
    rate, pair = step.rate, f"{step.base}/{step.quote}"
    if rate.par is not None:
        return f"{pair} par"
    parts = [pair, rate.contract or "", rate.function or "", *rate.args]
    parts += [f"word={rate.word}"] if rate.word else []
    if rate.over_contract is not None:
        parts += ["over", rate.over_contract, rate.over_function or ""]
        parts += [f"word={rate.over_word}"] if rate.over_word else []
    elif rate.scale != 18:  # noqa: PLR2004 - what the adapter takes unless told
        parts.append(f"scale={rate.scale}")
    return " ".join(parts)


def _pool(at: _At, pool: Pool) -> dict[str, Any]:
    if pool.address is None:
        raise _Unknown(f"has no address: {pool.why_null}")
    if pool.family not in READERS:
        raise _Unknown(f"no adapter reads {pool.family} pools; {nearest(pool.family, READERS)}")
    if at.pair.base not in pool.coins or at.notional is None:
        raise _Unknown(f"it does not hold {at.pair.base}" if at.notional else 'write notional = "..." for the feed')
    others = [c for c in pool.coins if c not in (at.pair.base, "BPT")]
    if len(others) != 1:
        raise _Unknown(f"holds {', '.join(others)} beside {at.pair.base}: write the source by hand")
    source = {
        "name": pool.name,
        "chain": at.configured(pool.chain),
        "notional": at.notional,
        "average_s": at.average_s,
        **READERS[pool.family](at.catalog, pool, at.pair.base, others[0]),
    }
    return _converted(at, Pair(base=at.pair.base, quote=others[0]), source)


def _converted(at: _At, own: Pair, source: dict[str, Any]) -> dict[str, Any]:
    """The source in its own unit, with the feed that turns that into the feed's; wrapped ether is ether."""
    if own.base != at.pair.base:
        raise _Unknown(f"is about {own.base}, the feed about {at.pair.base}")
    unit = at.catalog.units.get(own.quote)
    quote = unit.par if unit is not None and unit.par is not None else own.quote
    if quote == at.pair.quote:
        return source
    leg = f"{at.pair.quote}/{quote}" if quote in FIAT and at.pair.quote not in FIAT else f"{quote}/{at.pair.quote}"
    return {**source, "pair": f"{own.base}/{quote}", "convert": leg}


def _of_pair(at: _At, provider: str) -> Iterator[Reference]:
    """Feeds of a provider on this chain that state this pair, at the market or by the protocol's rate."""
    for reference in at.catalog.references:
        if (reference.provider, reference.chain, reference.base) != (provider, at.chain, at.pair.base):
            continue
        usable = reference.address is not None and not reference.retired and reference.quote is not None
        if usable and _states(at, reference):
            yield reference


def _states(at: _At, reference: Reference) -> bool:
    quote = reference.quote or ""
    if reference.kind is Compares.MARKET:
        return quote == at.pair.quote
    return (
        reference.kind is Compares.EXCHANGE_RATE and quote not in FIAT and at.catalog.graph.at_par(quote, at.pair.quote)
    )


def _reference(at: _At, reference: Reference) -> dict[str, Any]:
    against = "market" if reference.kind is Compares.MARKET else "redemption"
    return {
        "name": reference.name,
        "kind": "reference",
        "against": against,
        "group": reference.provider,
        "chain": at.configured(at.chain),
        "max_age_s": _RATE_AGE_S,
        **reader(reference),
    }


def reader(reference: Reference) -> dict[str, Any]:
    """The adapter of a provider's feed and its keys; an answer may be a tenth older than the provider's heartbeat."""
    oldest = {"oldest_s": reference.heartbeat_s * 11 // 10 + 300} if reference.heartbeat_s else {}
    if reference.provider == "pyth":
        return {"type": "pyth", "contract": reference.address, "feed_id": reference.feed_id, **oldest}
    if reference.provider == "chronicle":
        return {"type": "chronicle", "contract": reference.address, **oldest}
    if reference.provider == "api3":
        return {"type": "api3", "proxy": reference.address, **oldest}
    if reference.provider == "aave_capo":
        return {"type": "chainlink", "feed": reference.address, "answer_only": True, "decimals": 8}
    return {"type": "chainlink", "feed": reference.address, **oldest}


def _via_feed(at: _At, provider: str) -> dict[str, Any]:
    """A provider's exchange rate as the redemption rate of a chain that has no contract for it."""
    usable = [r for r in _of_pair(at, provider) if r.kind is Compares.EXCHANGE_RATE]
    if not usable:
        raise _Unknown(f"{provider} has no exchange rate of {at.pair} on {at.chain} in the catalogue")
    return {**_reference(at, usable[0]), "kind": VIA_FEED}
