"""Catalogue names in the config: written out as the sources that an operator could write by hand.

``catalog = ["rate", "second", "uniswap_v3 wstETH/WETH 0.01%", "chainlink"]`` under a feed, or ``catalog = "..."`` in one
source, whose other keys then win over what the catalogue says. A name is one of

- ``rate``: what the protocol owes, along the rate graph to the feed's quote, and what else the token's block knows of it:
  keys of the feed's rules and bands, whether redemption is open, supply and backing; ``second``: every independent
  derivation
- ``open``, ``supply``, ``backing``: one of these by itself; ``rails``: both sides of every bridge that the token crosses
- the name of a pool on the feed's chain (``@chain`` in the feed's id, else ethereum)
- a venue and its symbol: ``okx STETH-ETH``
- a provider: its feeds of this pair, as references; ``via chainlink``: its exchange rate as this chain's redemption rate
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from feeds.catalog.lifetime import Lifetime
from feeds.catalog.rate_graph import OpenGraph, chains_of
from feeds.catalog.records import POOL_SHARE, CatalogPool, Compares, Rate, Reference, Token
from feeds.errors import LrtOracleError
from feeds.types import Pair
from oracle.config.tables.catalog import FIAT, Catalog
from oracle.config.tables.schema import Problem
from oracle.config.tables.shorthand_facts import backing_of, bands_of, flags_of, no_rails, rails_of, rules_of, supply_of
from oracle.config.tables.shorthand_pools import READERS
from oracle.config.tables.shorthand_rates import reader, step_text
from oracle.model.suggest import nearest

_MAINNET = "ethereum"
_RATE_AGE_S = 120
_AVERAGE_S = 60
_VIA = "via "
_TOKEN_NAMES = ("rate", "second", "open", "supply", "backing", "rails")
VIA_FEED = "redemption_via_feed"
"""A source's kind: a redemption rate that a provider states, in that provider's group."""
_ETHER = "ETH"


class _Unknown(LrtOracleError, ValueError):
    """A name that the catalogue does not hold, or that this feed cannot use."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _FeedContext:
    """The feed that the sources are for, and the config's own names of the chains."""

    catalog: Catalog
    pair: Pair
    chain: str
    chains: Mapping[str, str]
    notional: str | None
    average_s: int

    @property
    def token(self) -> Token:
        """The token that the feed is about."""
        base, tokens = self.pair.base, self.catalog.tokens
        if base not in tokens:
            raise _Unknown(f"{base} is not a token of the catalogue; {nearest(base, tokens)}")
        return tokens[base]

    def configured(self, chain: str) -> str:
        """The config's name of a chain of the catalogue."""
        if chain not in self.chains:
            raise _Unknown(f"is read on {chain}: add [chains.{chain}] with its chain_id and endpoints")
        return self.chains[chain]


def expand(table: Mapping[str, Any], problems: list[Problem], catalog: Catalog) -> dict[str, Any]:
    """The config's document with every catalogue name written out; a document without one is returned as it is."""
    if not isinstance(table.get("feeds"), Mapping) or not _has_catalog_names(table["feeds"]):
        return dict(table)
    chains = _chains(catalog, table.get("chains"))
    feeds = {n: _feed(catalog, chains, n, f, problems) for n, f in table["feeds"].items()}
    return {**table, "feeds": feeds}


def _has_catalog_names(feeds: Mapping[str, Any]) -> bool:
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
    context = _FeedContext(
        catalog=catalog, pair=pair, chain=chain or _MAINNET, chains=chains, notional=feed.get("notional"),
        average_s=average if isinstance(average, int) else _AVERAGE_S,
    )  # fmt: skip
    sources: list[Any] = []
    for i, entry in enumerate(names):
        sources += _sources_of_name(context, entry, f"{where}.catalog[{i}]", {}, problems)
    for i, source in enumerate(written):
        if isinstance(source, Mapping) and "catalog" in source:
            own: dict[str, Any] = {k: v for k, v in source.items() if k != "catalog"}
            sources += _sources_of_name(context, source["catalog"], f"{where}.sources[{i}].catalog", own, problems)
        else:
            sources.append(source)
    if "rate" in names:
        taken = {s.get("name") for s in sources if isinstance(s, Mapping)}
        place = f"{where}.catalog[{names.index('rate')}]"
        sources += [s for s in _rate_companions(context, place, problems) if s["name"] not in taken]
    return {**feed, "sources": sources, **_with_facts(context, feed, names)}


def _with_facts(context: _FeedContext, feed: Mapping[str, Any], names: Sequence[Any]) -> dict[str, Any]:
    """The feed's rules and bands with what the token's block knows of them; a key that is written in the feed wins.

    Only beside a rate that is named in the feed's list, and in ether: caps and discounts are published of that.
    """
    token = context.catalog.tokens.get(context.pair.base)
    stated = any(name == "rate" or str(name).startswith(_VIA) for name in names)
    if token is None or not stated or not context.catalog.graph.at_par(context.pair.quote, "ETH"):
        return {}
    known = {"rules": rules_of(token), "bands": bands_of(token)}
    own = {key: feed.get(key, {}) for key in known}
    return {k: {**known[k], **own[k]} for k in known if known[k] and isinstance(own[k], Mapping)}


def _sources_of_name(
    context: _FeedContext, name: Any, where: str, own: Mapping[str, Any], problems: list[Problem]
) -> list[dict[str, Any]]:
    try:
        return [{**s, **own} for s in _look_up(context, str(name), own.get("pair"))]
    except (_Unknown, OpenGraph) as e:
        problems.append(Problem(where, f"{str(name)!r}: {e}"))
        return []


def _look_up(context: _FeedContext, name: str, pair: Any) -> list[dict[str, Any]]:
    """The sources of a name. ``pair``: what is written beside it; of a pool with more than two coins it says which."""
    if name in _TOKEN_NAMES:
        return _token_sources(context, name)
    if name.startswith(_VIA):
        return [_via_feed(context, name.removeprefix(_VIA))]
    for pool in context.catalog.pools:
        if (pool.name, pool.chain) == (name, context.chain):
            return [_pool(context, pool, str(pair) if pair else None)]
    for symbol in context.catalog.symbols:
        if f"{symbol.venue} {symbol.symbol}" == name:
            _check_alive(symbol)
            return [_converted(context, Pair.parse(symbol.pair), {"type": symbol.venue, "symbol": symbol.symbol})]
    if any(r.provider == name for r in context.catalog.references):
        if stated := [_reference(context, r) for r in _of_pair(context, name)]:
            return stated
        for reference in _listed(context, name):
            _check_alive(reference)
        raise _Unknown(f"has no feed of {context.pair} on {context.chain} that could be read")
    raise _Unknown(f"is not in the catalogue; {nearest(name, _known_names(context))}")


def _known_names(context: _FeedContext) -> Iterator[str]:
    yield from _TOKEN_NAMES
    yield from sorted({r.provider for r in context.catalog.references})
    here = (p for p in context.catalog.pools if p.chain == context.chain and not p.is_dead)
    yield from (p.name for p in here if context.pair.base in map(context.catalog.unwrapped, p.coins))
    yield from (f"{s.venue} {s.symbol}" for s in context.catalog.symbols)


def _token_sources(context: _FeedContext, name: str) -> list[dict[str, Any]]:
    if name == "rate":
        return [_rate(context, name, None)]
    if name == "second":
        return [_rate(context, f"rate {i}", edge) for i, edge in enumerate(context.token.second, start=2)]
    if name == "rails":
        return _rails(context)
    if sources := _facts_of(context, name):
        return sources
    raise _Unknown(f"no contract is known that states it for {context.pair.base} on {context.chain}")


def _rails(context: _FeedContext) -> list[dict[str, Any]]:
    """Both sides of each bridge that the token crosses."""
    if sources := rails_of(context.token, context.chain, context.chains):
        return sources
    raise _Unknown(no_rails(context.token, context.chain, context.chains))


def _rate_companions(context: _FeedContext, where: str, problems: list[Problem]) -> list[dict[str, Any]]:
    """What the name of a rate brings with it: who tells that holders can redeem, and a supply that has its backing."""
    token = context.catalog.tokens.get(context.pair.base)
    if token is None:
        return []
    counted = token.backing is not None and token.backing.chain == context.chain
    try:
        return [s for name in ("open", *(("supply", "backing") if counted else ())) for s in _facts_of(context, name)]
    except _Unknown as e:
        problems.append(Problem(where, f"{token.symbol} {e}"))
        return []


def _facts_of(context: _FeedContext, name: str) -> list[dict[str, Any]]:
    if name == "open":
        return flags_of(context.token, context.configured)
    return (
        supply_of(context.token, context.chain, context.configured)
        if name == "supply"
        else backing_of(context.token, context.configured)
    )


def _rate(context: _FeedContext, name: str, first: Rate | None) -> dict[str, Any]:
    steps = context.catalog.graph.path(context.token.symbol, context.pair.quote, first=first)
    if len(read_on := chains_of(steps)) != 1:
        raise _Unknown(
            f"the path from {context.pair.base} to {context.pair.quote} is at par: there is nothing to read, use share_of"
        )
    return {
        "name": name,
        "type": "rate_path",
        "kind": "redemption",
        "chain": context.configured(*read_on),
        "max_age_s": _RATE_AGE_S,
        "steps": [step_text(s) for s in steps],
    }


def _check_alive(record: Lifetime) -> None:
    if record.is_dead:
        raise _Unknown(record.end)


def _pool(context: _FeedContext, pool: CatalogPool, pair: str | None) -> dict[str, Any]:
    _check_alive(pool)
    if pool.missing is not None:
        raise _Unknown(f"cannot be read: {pool.missing}")
    if not pool.is_placed:
        raise _Unknown(f"has no address: {pool.why_null}")
    if pool.family not in READERS:
        raise _Unknown(f"no adapter reads {pool.family} pools; {nearest(pool.family, READERS)}")
    if context.notional is None:
        raise _Unknown('write notional = "..." for the feed')
    base, quote = _pool_coins(context, pool, pair)
    for coin in (base, quote):
        if coin != _ETHER and context.catalog.address_of(coin, pool.chain) is None:
            raise _Unknown(f"the catalogue has no address of {coin} on {pool.chain}: add it in a [[token]] or [[unit]]")
    source = {
        "name": pool.name,
        "chain": context.configured(pool.chain),
        "notional": context.notional,
        "average_s": context.average_s,
        **READERS[pool.family](context.catalog, pool, base, quote),
    }
    return _converted(context, Pair(base=context.pair.base, quote=context.catalog.unwrapped(quote)), source)


def _pool_coins(context: _FeedContext, pool: CatalogPool, pair: str | None) -> tuple[str, str]:
    """The coin that is priced and the one that it is priced in, as the pool holds them: perhaps a share of either.

    ``pair``: what the operator wrote; without it the pool must hold one other coin.
    """
    unwrapped, base = context.catalog.unwrapped, context.pair.base
    held = [c for c in pool.coins if c != POOL_SHARE]
    priced = next((c for c in held if base in (c, unwrapped(c))), None)
    if priced is None:
        raise _Unknown(f"it does not hold {base}")
    others = [c for c in held if c != priced]
    meant = [c for c in others if pair == f"{base}/{unwrapped(c)}"] if pair else others
    if len(meant) != 1:
        choices = " or ".join(f'pair = "{base}/{unwrapped(c)}"' for c in others)
        raise _Unknown(f"holds {', '.join(others)} beside {base}: write {choices} beside catalog in one of its sources")
    return priced, meant[0]


def _converted(context: _FeedContext, own: Pair, source: dict[str, Any]) -> dict[str, Any]:
    """The source in its own unit, with the feed that turns that into the feed's; wrapped ether is ether."""
    if own.base != context.pair.base:
        raise _Unknown(f"is about {own.base}, the feed about {context.pair.base}")
    unit = context.catalog.units.get(own.quote)
    quote = unit.par if unit is not None and unit.par is not None else own.quote
    if quote == context.pair.quote:
        return source
    leg = (
        f"{context.pair.quote}/{quote}"
        if quote in FIAT and context.pair.quote not in FIAT
        else f"{quote}/{context.pair.quote}"
    )
    return {**source, "pair": f"{own.base}/{quote}", "convert": leg}


def _of_pair(context: _FeedContext, provider: str) -> Iterator[Reference]:
    """Feeds of a provider on this chain that can be read and state this pair, at the market or by the protocol's rate."""
    return (r for r in _listed(context, provider) if r.address is not None and not r.is_dead)


def _listed(context: _FeedContext, provider: str) -> Iterator[Reference]:
    """The same, whether or not they can be read; a provider without a chain has a feed for each customer."""
    for reference in context.catalog.references:
        if (reference.provider, reference.base) != (provider, context.pair.base) or reference.quote is None:
            continue
        if reference.chain in (context.chain, None) and _states(context, reference):
            yield reference


def _states(context: _FeedContext, reference: Reference) -> bool:
    quote = reference.quote or ""
    if reference.kind is Compares.MARKET:
        return quote == context.pair.quote
    return (
        reference.kind is Compares.EXCHANGE_RATE
        and quote not in FIAT
        and context.catalog.graph.at_par(quote, context.pair.quote)
    )


def _reference(context: _FeedContext, reference: Reference) -> dict[str, Any]:
    against = "market" if reference.kind is Compares.MARKET else "redemption"
    return {
        "name": reference.name,
        "kind": "reference",
        "against": against,
        "group": reference.provider,
        "chain": context.configured(context.chain),
        "max_age_s": _RATE_AGE_S,
        **reader(reference),
    }


def _via_feed(context: _FeedContext, provider: str) -> dict[str, Any]:
    """A provider's exchange rate as the redemption rate of a chain that has no contract for it."""
    usable = [r for r in _of_pair(context, provider) if r.kind is Compares.EXCHANGE_RATE]
    if not usable:
        raise _Unknown(f"{provider} has no exchange rate of {context.pair} on {context.chain} in the catalogue")
    return {**_reference(context, usable[0]), "kind": VIA_FEED}
