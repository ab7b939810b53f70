"""How much a pool of the catalogue carries now, read by the adapter that a feed would read it with. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from feeds.catalog.records import POOL_SHARE, CatalogPool
from feeds.chains.abi import address, wad_of
from feeds.errors import FeedError, Reverted, Slippage, Thin, WrongSymbol
from feeds.registry import POOLS
from feeds.types import ChainAdapter, Quote
from feeds.units import BPS, wad_text
from oracle.check.catalog.findings import EntryFinding, EntryState, changed, dead, fine
from oracle.check.catalog.questions import OF_ENDPOINT, Asking, Question, nothing
from oracle.config.tables.catalog import Catalog
from oracle.config.tables.schema import Problem, build
from oracle.config.tables.shorthand_pools import READERS

DUST = "0.001"
"""Base tokens: a pool that does not carry so little is drained, whatever dust is left in it."""
_SHOWN = 3


def depth_question(catalog: Catalog, pool: CatalogPool, notional: str) -> Question:
    """The price of a notional of the pool's first coin that the catalogue follows, and its depth at 1 %."""
    base, quote = _pair(catalog, pool)
    adapter, why = _adapter(catalog, pool, base, quote, notional)
    contracts = tuple(address(c) for c in (pool.address, pool.vault, pool.resolver) if c is not None)
    if adapter is None:
        return Question(what="depth", contracts=(), ask=lambda _: nothing("depth", why))
    return Question(what="depth", contracts=contracts, ask=lambda _: _depth(adapter, base, quote, notional))


def _pair(catalog: Catalog, pool: CatalogPool) -> tuple[str, str]:
    """The coin that is priced, the pool's token or a share of it, and the one that it is priced in."""
    coins = [c for c in pool.coins if c != POOL_SHARE]
    base = next((c for c in coins if pool.token in {c, catalog.unwrapped(c)}), coins[0])
    return base, next((c for c in coins if c != base), base)


def _adapter(
    catalog: Catalog, pool: CatalogPool, base: str, quote: str, notional: str
) -> tuple[ChainAdapter | None, str]:
    """The adapter as a feed would have it, but for the gates: what a pool carries is told, not judged by a source's limits."""
    reader = READERS.get(pool.family)
    if pool.missing is not None:
        return None, pool.missing
    if reader is None:
        return None, f"no adapter reads {pool.family} pools"
    keys = reader(catalog, pool, base, quote)
    problems: list[Problem] = []
    kind = POOLS[str(keys.pop("type"))]
    built = build(kind, {**keys, "notional": notional, "max_slippage_bps": BPS}, "pool", problems)
    why = "; ".join(f"{p.key.removeprefix('pool.').removeprefix('pool')} {p.text}".strip() for p in problems)
    return built, f"no source can be built of it: {why}"


def _depth(adapter: ChainAdapter, base: str, quote: str, notional: str) -> Asking:
    try:
        read = yield from adapter.read()
    except OF_ENDPOINT:
        raise
    except FeedError as e:
        return (_refused(e, base, notional),)
    return tuple(_told(read, base, quote, notional))


def _refused(error: FeedError, base: str, notional: str) -> EntryFinding:
    """What an adapter's refusal says of the pool: drained, stopped, or another pool than the catalogue means."""
    if isinstance(error, Thin | Slippage):
        text = f"does not carry {notional} {base}: {error}"
        return dead("depth", text) if wad_of(notional) <= wad_of(DUST) else _thin(text)
    if isinstance(error, Reverted):
        return dead("depth", f"cannot be read: {error}")
    advice = "compare it with the catalogue" if isinstance(error, WrongSymbol) else error.advice
    return changed("depth", f"its adapter refuses it: {error}; {advice}")


def _thin(text: str) -> EntryFinding:
    return EntryFinding(state=EntryState.THIN, what="depth", text=text)


def _told(quote: Quote, base: str, unit: str, notional: str) -> Iterator[EntryFinding]:
    """Price and depth; too little to be of use, too little for the notional, or enough."""
    depth = quote.depth_wad or 0
    text = f"1 % takes {wad_text(depth, _SHOWN)} {base} at {wad_text(quote.price_wad, 2 * _SHOWN)} {unit}"
    if depth < wad_of(DUST):
        yield dead("depth", f"drained: {text}")
    elif depth < wad_of(notional) or wad_of(notional) <= wad_of(DUST):
        yield _thin(text)
    else:
        yield fine("depth", text)
