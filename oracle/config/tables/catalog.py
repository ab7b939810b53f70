"""The catalogue as loaded from ``feeds/catalog``: every record in its type, every error at once, every unit closed."""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from functools import lru_cache
from importlib.resources import files
from importlib.resources.abc import Traversable

from feeds.catalog.rate_graph import OpenGraph, RateGraph
from feeds.catalog.records import POOL_SHARE, CatalogPool, ChainFacts, Compares, Reference, Symbol, Token, Unit
from feeds.chains.abi import address, checksummed
from feeds.pools.uniswap_v4 import NATIVE, hash_of_key
from feeds.types import Pair
from oracle.config.tables.record_tables import label_of
from oracle.config.tables.schema import ConfigError, Problem, build
from oracle.model.suggest import nearest

FIAT = frozenset({"USD", "USDT", "USDC"})
"""What no redemption rate of these tokens is counted in."""
_BY_KEY = "uniswap_v4"
_SORTED = frozenset({
    "uniswap_v2", "uniswap_v3", "pancakeswap_v3", "slipstream", "velodrome_v2", _BY_KEY,
    "balancer_stable", "balancer_meta", "balancer_v3", "gyro_eclp",
})  # fmt: skip
"""Families that hold their coins in the order of the addresses."""
_ETHER, _ADDRESS_BYTES = "ETH", 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalog:
    """All facts: chains, units and tokens by name, the others in the files' order.

    ``own``: the records of the operator, each by kind and name (``token newETH``), with the file it stands in, "" for the
    config itself. ``replaced``: those of them that took a shipped one's place; ``revived``: what that
    says of a dead one that is alive in it.
    """

    chains: Mapping[str, ChainFacts]
    units: Mapping[str, Unit]
    tokens: Mapping[str, Token]
    pools: tuple[CatalogPool, ...]
    references: tuple[Reference, ...]
    symbols: tuple[Symbol, ...]
    graph: RateGraph
    own: Mapping[str, str] = field(default_factory=dict)
    replaced: frozenset[str] = frozenset()
    revived: tuple[str, ...] = ()

    def chain_of(self, chain_id: int) -> str | None:
        """Our name of a chain."""
        return next((c.name for c in self.chains.values() if c.chain_id == chain_id), None)

    def address_of(self, symbol: str, chain: str) -> str | None:
        """Where a token or a unit is on a chain."""
        known = self.tokens.get(symbol) or self.units.get(symbol)
        return known.address.get(chain) if known is not None else None

    def token_at(self, chain: str, where: bytes) -> Token | None:
        """The token at an address."""
        for token in self.tokens.values():
            if (text := token.address.get(chain)) is not None and address(text) == where:
                return token
        return None

    def symbol_at(self, chain: str, where: bytes) -> str | None:
        """What the contract of a token or unit at an address must call itself."""
        if (token := self.token_at(chain, where)) is not None:
            return token.onchain_symbol or token.symbol
        known = (u for u in self.units.values() if chain in u.address and address(u.address[chain]) == where)
        return next((u.symbol for u in known), None)

    def unwrapped(self, symbol: str) -> str:
        """What a coin is a share of, itself for any other."""
        unit = self.units.get(symbol)
        return unit.wraps if unit is not None and unit.wraps is not None else symbol

    def pool_of(self, chain: str, pool_id: str) -> CatalogPool | None:
        """The pool with an id, 0x and 64 lower-case hexadecimal digits."""
        return next((p for p in self.pools if p.chain == chain and p.pool_id == pool_id), None)

    def pool_at(self, chain: str, where: bytes) -> CatalogPool | None:
        """The pool at an address."""
        known = (p for p in self.pools if p.chain == chain and p.address is not None)
        return next((p for p in known if address(p.address or "") == where), None)

    def references_at(self, chain: str, where: bytes) -> tuple[Reference, ...]:
        """The feeds behind an address (one contract of Pyth serves many)."""
        known = (r for r in self.references if r.chain == chain and r.address is not None)
        return tuple(r for r in known if address(r.address or "") == where)

    def counts(self) -> dict[str, int]:
        """How much is known: tokens; pools with their place and those among them that died; rates, references, chains that are read."""
        edges = [e for t in self.tokens.values() for e in ((t.rate,) if t.rate else ()) + t.second if e.par is None]
        first = [t for t in self.tokens.values() if t.rate is not None and t.rate.par is None]
        return {
            "tokens": len(self.tokens),
            "pools": sum(p.is_placed for p in self.pools),
            "dead_pools": sum(p.is_dead for p in self.pools),
            "rates": len(first),
            "second_rates": len(edges) - len(first),
            "references": sum(r.address is not None for r in self.references),
            "chains": sum(not c.known_only and not c.testnet for c in self.chains.values()),
        }

    def own_counts(self) -> dict[str, int]:
        """How many records are the operator's, by kind, and how many of them took a shipped one's place."""
        kinds = Counter(label.partition(" ")[0] for label in self.own)
        return {**kinds, "replaced": len(self.replaced)} if kinds else {}

    def families(self) -> dict[str, int]:
        """Pools by the way they are read."""
        names = sorted({p.family for p in self.pools})
        return {n: sum(p.family == n and p.is_placed for p in self.pools) for n in names}


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogRecords:
    """Records by the table that they are written in: what one file holds, or all of them."""

    chain: tuple[ChainFacts, ...] = ()
    unit: tuple[Unit, ...] = ()
    token: tuple[Token, ...] = ()
    pool: tuple[CatalogPool, ...] = ()
    reference: tuple[Reference, ...] = ()
    symbol: tuple[Symbol, ...] = ()

    @classmethod
    def of(cls, catalog: Catalog) -> CatalogRecords:
        """The records of a catalogue."""
        return cls(
            chain=tuple(catalog.chains.values()),
            unit=tuple(catalog.units.values()),
            token=tuple(catalog.tokens.values()),
            pool=catalog.pools,
            reference=catalog.references,
            symbol=catalog.symbols,
        )

    def catalog(self, own: Mapping[str, str] | None = None, replaced: frozenset[str] = frozenset()) -> Catalog:
        """The catalogue of these records."""
        tokens, units = {t.symbol: t for t in self.token}, {u.symbol: u for u in self.unit}
        return Catalog(
            chains={c.name: c for c in self.chain},
            units=units,
            tokens=tokens,
            pools=self.pool,
            references=self.reference,
            symbols=self.symbol,
            graph=RateGraph(tokens, units),
            own=own or {},
            replaced=replaced,
        )


@lru_cache(maxsize=1)
def shipped() -> Catalog:
    """The catalogue of this program; ConfigError with every problem found in it."""
    return load(files("feeds") / "catalog")


def load(folder: Traversable, *more: str) -> Catalog:
    """Read every TOML file of a folder, its folders, and further texts of the same form.

    Raises:
        ConfigError: with every problem found, each with the file it stands in.
    """
    problems: list[Problem] = []
    texts = [(f.name, f.read_text(encoding="utf-8")) for f in _files(folder)]
    parts = [_parse(name, text, problems) for name, text in [*texts, *(("more", m) for m in more)]]
    found = [p for p in parts if p is not None]
    records = CatalogRecords(
        **{k.name: tuple(r for f in found for r in getattr(f, k.name)) for k in fields(CatalogRecords)}
    )
    catalog = records.catalog()
    problems += record_problems(records, catalog)
    if problems:
        raise ConfigError(problems)
    return catalog


def _files(folder: Traversable) -> Iterator[Traversable]:
    for entry in sorted(folder.iterdir(), key=lambda e: e.name):
        if entry.is_dir():
            yield from _files(entry)
        elif entry.name.endswith(".toml"):
            yield entry


def _parse(name: str, text: str, problems: list[Problem]) -> CatalogRecords | None:
    try:
        return build(CatalogRecords, tomllib.loads(text), name, problems)
    except tomllib.TOMLDecodeError as e:
        problems.append(Problem(name, f"is not TOML: {e}"))
        return None


def record_problems(records: CatalogRecords, catalog: Catalog) -> Iterator[Problem]:
    """What is wrong with records together: names, addresses, chains, units that do not close; each under its label."""
    yield from _named_twice(records)
    yield from _check(catalog)


def _named_twice(records: CatalogRecords) -> Iterator[Problem]:
    """A token and a unit are named in the same places, so they share their names."""
    symbols = Counter([*(t.symbol for t in records.token), *(u.symbol for u in records.unit)])
    labels = Counter(label_of(f.name, r) for f in fields(records) for r in getattr(records, f.name))
    labels.update(label_of("token", t) for t in records.token if symbols[t.symbol] > labels[label_of("token", t)])
    for label in (label for label, times in labels.items() if times > 1):
        yield Problem(label, "is listed twice: give one of them another name")
    ids = Counter(c.chain_id for c in records.chain)
    for chain in records.chain:
        if chain.chain_id is not None and ids[chain.chain_id] > 1:
            yield Problem(
                label_of("chain", chain), f"chain_id {chain.chain_id} is listed twice: one chain has one name"
            )


def _check(catalog: Catalog) -> Iterator[Problem]:
    yield from _check_addresses(catalog)
    for token in catalog.tokens.values():
        yield from _check_token(catalog, token)
    for unit in catalog.units.values():
        yield from _check_unit(catalog, unit)
    for pool in catalog.pools:
        yield from _check_pool(catalog, pool)
    for reference in catalog.references:
        where = label_of("reference", reference)
        if reference.kind is Compares.EXCHANGE_RATE and reference.quote in FIAT:
            yield Problem(
                where, f"an exchange rate is a ratio, not {reference.quote}: a ratio read as dollars is wrong"
            )
        if reference.chain is not None:
            yield from _known_chain(catalog, where, reference.chain)
    for symbol in catalog.symbols:
        try:
            Pair.parse(symbol.pair)
        except ValueError as e:
            yield Problem(label_of("symbol", symbol), str(e))


def _check_addresses(catalog: Catalog) -> Iterator[Problem]:
    """One address of one chain has one meaning."""
    held: dict[tuple[str, bytes], str] = {}
    for chain, text, meaning in _meanings(catalog):
        before = held.setdefault((chain, address(text)), meaning)
        if before != meaning:
            yield Problem(meaning, f"{text} on {chain} is already {before}: one address has one meaning")


def _meanings(catalog: Catalog) -> Iterator[tuple[str, str, str]]:
    places = [(label_of("token", t), t.address) for t in catalog.tokens.values()]
    for label, held in places + [(label_of("unit", u), u.address) for u in catalog.units.values()]:
        yield from ((chain, text, label) for chain, text in held.items())
    for pool in catalog.pools:
        if pool.address is not None:
            yield pool.chain, pool.address, label_of("pool", pool)
    for reference in catalog.references:
        if reference.address is not None and reference.chain is not None and reference.feed_id is None:
            yield reference.chain, reference.address, label_of("reference", reference)


def _check_token(catalog: Catalog, token: Token) -> Iterator[Problem]:
    where = f"token {token.symbol}"
    contracts = (*token.open, *((token.backing,) if token.backing is not None else ()))
    bridged = (c for r in token.rail for c in (r.chain, *r.beyond))
    for chain in (*token.address, *(t.chain for t in contracts), *bridged):
        yield from _known_chain(catalog, where, chain)
    for edge in ((token.rate,) if token.rate else ()) + token.second:
        if edge.chain is not None:
            yield from _known_chain(catalog, where, edge.chain)
        if edge.unit in FIAT:
            yield Problem(where, f"its rate is in {edge.unit}: a ratio read as dollars is wrong, name the token or ETH")
        elif edge.unit not in catalog.tokens and edge.unit not in catalog.units:
            hint = nearest(edge.unit, [*catalog.tokens, *catalog.units])
            yield Problem(where, f"its rate is in {edge.unit!r}, which is not a token; {hint}")
        else:
            try:
                catalog.graph.path(token.symbol, first=edge)
            except OpenGraph as e:
                yield Problem(where, str(e))


def _check_unit(catalog: Catalog, unit: Unit) -> Iterator[Problem]:
    where = label_of("unit", unit)
    for chain in unit.address:
        yield from _known_chain(catalog, where, chain)
        known = (*catalog.tokens, *catalog.units)
        if unit.wraps is not None and unit.wraps not in known:
            yield Problem(where, f"wraps {unit.wraps!r}, which is no token; {nearest(unit.wraps, known)}")
        elif unit.wraps is not None and catalog.address_of(unit.wraps, chain) is None:
            yield Problem(where, f"wraps {unit.wraps}, of which no address on {chain} is known: write that one first")


def _check_pool(catalog: Catalog, pool: CatalogPool) -> Iterator[Problem]:
    where = label_of("pool", pool)
    yield from _known_chain(catalog, where, pool.chain)
    if pool.token not in catalog.tokens:
        yield Problem(where, f"{pool.token!r} is not a token; {nearest(pool.token, catalog.tokens)}")
    places = _coin_places(catalog, pool)
    if pool.family in _SORTED and places is not None and places != sorted(places):
        in_order = ", ".join(c for _, c in sorted(zip(places, pool.coins, strict=True)))
        yield Problem(where, f"coins are listed in the order of their addresses: write {in_order}")
    if pool.address is not None and pool.pool_id is not None and not pool.pool_id.startswith(pool.address.lower()):
        yield Problem(where, f"pool_id begins with another address than {pool.address}: correct one of the two")
    if pool.family == _BY_KEY and pool.pool_id is not None:
        yield from _check_key(catalog, pool)


def _coin_places(catalog: Catalog, pool: CatalogPool) -> list[bytes] | None:
    """Addresses of a pool's coins: its own share is the pool, ether by itself is zero; None where one is not known."""
    places = []
    for coin in pool.coins:
        where = pool.address if coin == POOL_SHARE else catalog.address_of(coin, pool.chain)
        if coin == _ETHER and pool.family == _BY_KEY:
            places.append(bytes(_ADDRESS_BYTES))
        elif where is None:
            return None
        else:
            places.append(address(where))
    return places


def _check_key(catalog: Catalog, pool: CatalogPool) -> Iterator[Problem]:
    """The id of a Uniswap v4 pool is the hash of its key, and of no other."""
    where = label_of("pool", pool)
    places = _coin_places(catalog, pool)
    if places is None or pool.fee_millionths is None or pool.spacing is None or pool.resolver is None:
        yield Problem(
            where, "an id needs its key: write coins with known addresses, fee_millionths, spacing and resolver"
        )
        return
    base, quote = (checksummed(p) if any(p) else NATIVE for p in places)
    own = "0x" + hash_of_key(base, quote, pool.fee_millionths, pool.spacing, pool.hooks or "").hex()
    if own != pool.pool_id:
        yield Problem(where, f"pool_id = {pool.pool_id}: its key gives {own}: correct one of the two")


def _known_chain(catalog: Catalog, where: str, chain: str) -> Iterator[Problem]:
    if chain not in catalog.chains:
        yield Problem(where, f"{chain!r} is not a chain of the catalogue; {nearest(chain, catalog.chains)}")
