"""Whether the config reads something that the catalogue knows to be dead, however it is written; and what of it is doubtful."""

from __future__ import annotations

from collections.abc import Iterator

from feeds.catalog.lifetime import Lifetime
from feeds.catalog.records import CatalogPool, Token
from feeds.chains.abi import address
from feeds.pools.uniswap_v4 import UniswapV4
from feeds.types import ChainAdapter, Pair
from oracle.config.tables.catalog import Catalog
from oracle.config.tables.feed_sections import SourceSection
from oracle.config.tables.schema import Problem

_CONTRACT_KEYS = ("feed", "contract", "proxy", "vault")
_COIN_KEYS = ("base", "quote")


def dead_problems(
    catalog: Catalog, where: str, chain: str | None, source: SourceSection, adapter: ChainAdapter | None
) -> Iterator[Problem]:
    """What a source reads that is dead: when, why, and what to use instead.

    Args:
        catalog: what is known.
        where: the source's place in the config.
        chain: the catalogue's name of the chain that it is read on; None for a venue, or a chain that it does not know.
        source: as written.
        adapter: as built; None for a venue.
    """
    for name, record in known_records(catalog, chain, source, adapter):
        if record.is_dead:
            yield Problem(where, f"{name} {record.end}")


def dead_token_problems(catalog: Catalog, where: str, pair: Pair) -> Iterator[Problem]:
    """What is dead of the two tokens that a feed is about."""
    for symbol in (pair.base, pair.quote):
        token = catalog.tokens.get(symbol)
        if token is not None and token.is_dead:
            yield Problem(where, f"{symbol} {token.end}, or off = true here")


def doubt_notes(
    catalog: Catalog, where: str, chain: str | None, source: SourceSection, adapter: ChainAdapter | None
) -> Iterator[str]:
    """Why something that a source reads may be dead or was never proven: a sentence each."""
    for name, record in known_records(catalog, chain, source, adapter):
        if record.doubtful is not None:
            yield f"{where}: {name} is doubtful: {record.doubtful}; hold it against the chain before it counts"


def known_records(
    catalog: Catalog, chain: str | None, source: SourceSection, adapter: ChainAdapter | None
) -> Iterator[tuple[str, Lifetime]]:
    """What the catalogue knows of the things that a source reads, each once, with its name."""
    for symbol in catalog.symbols:
        if symbol.venue == source.type and symbol.symbol.casefold() == (source.symbol or "").casefold():
            yield f"{symbol.venue} {symbol.symbol}", symbol
    if chain is None:
        return
    pools = (_pool_by_place(catalog, chain, source), _pool_by_id(catalog, chain, source, adapter))
    yield from {p.name: (f"pool {p.name}", p) for p in pools if p is not None}.values()
    yield from _references(catalog, chain, source)
    for key in _COIN_KEYS:
        where = _place(source, key)
        token: Token | None = catalog.token_at(chain, where) if where is not None else None
        if token is not None:
            yield f"token {token.symbol}", token


def _pool_by_place(catalog: Catalog, chain: str, source: SourceSection) -> CatalogPool | None:
    where = _place(source, "pool")
    return None if where is None else catalog.pool_at(chain, where)


def _pool_by_id(
    catalog: Catalog, chain: str, source: SourceSection, adapter: ChainAdapter | None
) -> CatalogPool | None:
    """By the id that is written, or that the key of a Uniswap v4 pool gives."""
    written = source.params.get("pool_id")
    if isinstance(adapter, UniswapV4):
        written = "0x" + adapter.key_hash.hex()
    return catalog.pool_of(chain, written.lower()) if isinstance(written, str) else None


def _references(catalog: Catalog, chain: str, source: SourceSection) -> Iterator[tuple[str, Lifetime]]:
    """Feeds of other oracles behind a contract; one contract of Pyth serves many, told apart by their id."""
    wanted = str(source.params.get("feed_id", "")).lower()
    for key in _CONTRACT_KEYS:
        if (where := _place(source, key)) is None:
            continue
        for reference in catalog.references_at(chain, where):
            if reference.feed_id is None or reference.feed_id.lower() == wanted:
                yield f"reference {reference.name}", reference


def _place(source: SourceSection, key: str) -> bytes | None:
    """An address among a source's keys; None where there is none, or what is there is no address."""
    text = source.params.get(key)
    try:
        return address(text) if isinstance(text, str | bytes) else None
    except ValueError:
        return None
